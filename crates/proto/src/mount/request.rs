//! The mount options for the kernel's NFS client.

use std::net::IpAddr;

use super::choice::RootChoice;
use super::flags::MountFlags;
use super::options::{Access, Version};

/// Ports that are known before the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownPorts {
    /// The NFS server's TCP port.
    pub nfs: Option<u16>,
    /// The MOUNT server's TCP port.
    pub mount: Option<u16>,
}

/// One parameter of the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountParameter {
    /// `vers`
    pub key: String,
    /// `3`; `None` for a flag (`FSCONFIG_SET_FLAG`).
    pub value: Option<String>,
    /// Whether the mount makes no sense without it. One that is not may be refused by the
    /// kernel and is then reported and left out.
    pub essential: bool,
}

impl std::fmt::Display for MountParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// A mount, ready for `fsopen` or mount(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The file system type: `nfs`, for version 4 as well.
    pub fstype: &'static str,
    /// `server:/path`
    pub source: String,
    /// Whether it is for writing: a parameter to `fsconfig`, and the flag `MS_RDONLY` to mount(2), whose NFS
    /// client knows no `ro` (`nfs_mount_option_tokens`, `fs/nfs/super.c` before 5.6: EINVAL).
    pub access: Access,
    /// Other parameters in the order that the kernel is to see them.
    pub parameters: Vec<MountParameter>,
    /// Attributes that are no parameters.
    pub flags: MountFlags,
}

impl MountRequest {
    /// All of it in one line, for people: `ro,vers=3,proto=tcp,…`.
    pub fn written(&self) -> String {
        format!("{},{}", self.access, self.data(|_| true))
    }

    /// The parameters as one string for mount(2), those that are wanted: `vers=3,proto=tcp,…`.
    pub fn data(&self, wanted: impl Fn(&MountParameter) -> bool) -> String {
        let wanted = self.parameters.iter().filter(|p| wanted(p));
        wanted.map(|p| p.to_string()).collect::<Vec<_>>().join(",")
    }
}

/// The mount of `choice` by this `version`, at the server's `address`.
///
/// Always there: the version with its minor (a bare 4 is 4.0 to the kernel) and `addr=`,
/// which the kernel does not look up itself. For v3 also the MOUNT server, both ports where
/// they are known (with only one of them the kernel still asks the portmapper), and
/// `nolock`, even where `lock` is asked for: locks of version 3 need a portmapper and a statd on
/// this machine, and without them the kernel refuses the mount with "connection refused".
/// Transfer sizes and timeouts are left to the kernel unless they are written.
pub fn mount_request(
    choice: &RootChoice,
    version: Version,
    address: IpAddr,
    ports: KnownPorts,
) -> MountRequest {
    let options = &choice.options;
    let mut list = ParameterList(Vec::new());
    list.pair("vers", version, true);
    list.pair("proto", "tcp", true);
    if let Some(port) = ports.nfs.or(options.port) {
        list.pair("port", port, true);
    }
    if version == Version::V3 {
        list.pair("mountvers", 3, true);
        list.pair("mountproto", "tcp", true);
        if let Some(port) = ports.mount.or(options.mount_port) {
            list.pair("mountport", port, true);
        }
        list.pair("mountaddr", options.mount_server.unwrap_or(address), true);
        list.flag("nolock", true);
    }
    if choice.layered
        && !options
            .rest
            .iter()
            .any(|option| sets_cache_age(&option.key))
    {
        for (key, value) in CACHE_OF_STILL_ROOT {
            list.0.push(MountParameter {
                key: key.to_owned(),
                value: value.map(str::to_owned),
                essential: false,
            });
        }
    }
    for option in &options.rest {
        // `nfs_validate_...` refuses the whole mount for this one (`fs/nfs/fs_context.c`).
        if option.key == "migration" && version != Version::V4(0) {
            continue;
        }
        match &option.value {
            Some(value) => list.pair(&option.key, value, false),
            None => list.flag(&option.key, false),
        }
    }
    list.pair("addr", address, true);
    MountRequest {
        fstype: "nfs",
        source: format!("{}:{}", choice.server, choice.path),
        access: choice.access,
        parameters: list.0,
        flags: options.flags,
    }
}

/// How old cached attributes may be, of a root whose files do not change while it is mounted: below an overlay they must not
/// (`Documentation/filesystems/overlayfs.rst`).
///
/// By default, the client asks the server at each `open` (close-to-open, nfs(5)), and again when attributes are 3 s old, or up
/// to 60 s for a file that has not changed for a while. With these it asks when they are 30 to 60 s old, which is what it does for directories
/// anyway: whoever edits the exported root in place sees that on a running machine within a minute, as before. A boot of
/// Debian 12 to its login prompt asks 2589 calls with the kernel's defaults, of which 1057 are GETATTR, 1593 (85) with
/// `nocto` alone, and 1527 (0) with both; with `actimeo=3600` it would be no fewer. `nordirplus` makes it 2110. Only names that every initrd's
/// mount program knows are used: klibc's has no `actimeo`.
const CACHE_OF_STILL_ROOT: [(&str, Option<&str>); 2] = [("nocto", None), ("acregmin", Some("30"))];

/// The same as mount options: `nocto,acregmin=30`.
pub fn cache_of_still_root() -> String {
    let words = CACHE_OF_STILL_ROOT.map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.to_owned(),
    });
    words.join(",")
}

/// Whether an option sets how old cached attributes may be: then that is left to who wrote it.
fn sets_cache_age(key: &str) -> bool {
    matches!(key, "cto" | "nocto" | "ac" | "noac" | "actimeo") || key.starts_with("acreg")
}

struct ParameterList(Vec<MountParameter>);

impl ParameterList {
    fn flag(&mut self, key: &str, essential: bool) {
        self.0.push(MountParameter {
            key: key.to_owned(),
            value: None,
            essential,
        });
    }

    fn pair(&mut self, key: &str, value: impl ToString, essential: bool) {
        let value = Some(value.to_string());
        self.0.push(MountParameter {
            key: key.to_owned(),
            value,
            essential,
        });
    }
}

#[cfg(test)]
mod tests;
