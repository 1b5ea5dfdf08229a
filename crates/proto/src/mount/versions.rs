//! Which versions of NFS are tried, and in which order.

use super::options::{NfsOptions, Version};

/// The versions to try for a mount with these options, best first: never empty.
///
/// What is written holds: `vers=3` is tried alone, and `vers=4` is 4.2, 4.1 and 4.0. Where
/// nothing is written, version 3 goes first, since only it says *why* a mount is refused and
/// lists what is exported, and 4.2, 4.1 and 4.0 follow for a server without it. Locks
/// that others see (`lock`) turn that around: version 4 has them built in, where version 3
/// needs a portmapper and a statd on this machine.
pub fn versions_to_try(options: &NfsOptions) -> Vec<Version> {
    let [v4_2, v4_1, v4_0] = Version::ANY_V4;
    if !options.versions.is_empty() {
        options.versions.clone()
    } else if options.lock == Some(true) {
        vec![v4_2, v4_1, v4_0, Version::V3]
    } else {
        vec![Version::V3, v4_2, v4_1, v4_0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::{BootPlan, RootRequest};

    fn order(cmdline: &str) -> String {
        let options = match BootPlan::parse(cmdline).root {
            RootRequest::Nfs(request) => request.options,
            RootRequest::FromDhcp { options, .. } => options,
            RootRequest::Unsupported { .. } | RootRequest::Missing => NfsOptions::default(),
        };
        let versions = versions_to_try(&options);
        let texts: Vec<String> = versions.iter().map(Version::to_string).collect();
        texts.join(" ")
    }

    #[test]
    fn configured_versions_are_used_and_otherwise_all_are_tried() {
        for (cmdline, expected) in [
            ("", "3 4.2 4.1 4.0"),
            ("root=nfs:10.0.0.1:/r", "3 4.2 4.1 4.0"),
            ("root=nfs4:10.0.0.1:/r", "4.2 4.1 4.0"),
            ("root=nfs4:10.0.0.1:/r,vers=4.1", "4.1"),
            ("nfsroot=10.0.0.1:/r,vers=3", "3"),
            ("nfsroot=10.0.0.1:/r,vers=4", "4.2 4.1 4.0"),
            ("nfsroot=10.0.0.1:/r,vers=4.2", "4.2"),
            ("nfsroot=10.0.0.1:/r,vers=3,lock", "3"),
            ("nfsroot=10.0.0.1:/r,lock", "4.2 4.1 4.0 3"),
        ] {
            assert_eq!(order(cmdline), expected, "{cmdline}");
        }
    }
}
