//! Why the kernel did not mount, and what to do about it.

use std::io;
use std::time::Duration;

use netroot_proto::mount::Version;
use rustix::io::Errno;

/// Why the kernel did not mount.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountError {
    /// The kernel has no NFS client.
    #[error("the kernel has no NFS client for version {version}")]
    NoClient {
        /// The version.
        version: Version,
    },
    /// The kernel refused a parameter that is essential.
    #[error("the kernel refuses {parameter}: {text}")]
    Parameter {
        /// The parameter as written.
        parameter: String,
        /// The kernel's message.
        text: String,
    },
    /// The mount itself.
    #[error("the kernel's NFS client (vers={version}) says: {text}")]
    Refused {
        /// The version tried.
        version: Version,
        /// The kernel's message.
        text: String,
        /// Its error number.
        errno: Errno,
    },
    /// The mount succeeded, but its files cannot be read.
    #[error("by NFS version {version} {program} is there and cannot be read: {}", io::Error::from(*errno))]
    Unreadable {
        /// The version tried.
        version: Version,
        /// The program that could not be read.
        program: String,
        /// The error of reading it.
        errno: Errno,
    },
    /// None of the programs to run is in it, as far as can be seen.
    #[error("it has no {}", programs.join(", "))]
    NoProgram {
        /// The programs.
        programs: Vec<String>,
    },
    /// The mount by version 4, after version 3 refused the path.
    #[error("{refusal}; and {by_4}")]
    ByNeither {
        /// Why version 3 refused.
        refusal: String,
        /// Why version 4 failed.
        by_4: Box<MountError>,
    },
    /// The mount timed out.
    #[error("the mount (vers={version}) is not done after {} s", timeout.as_secs())]
    Stalled {
        /// The version tried.
        version: Version,
        /// How long was waited.
        timeout: Duration,
    },
    /// No thread.
    #[error("no thread can be started: {0}")]
    Thread(#[source] io::Error),
}

impl MountError {
    /// Whether another version of NFS may still work: this one is not supported, or the server has other paths in it (the
    /// pseudo file system of version 4).
    pub(super) fn leaves_other_versions(&self) -> bool {
        match self {
            Self::Refused { errno, .. } => {
                self.is_about_version() || matches!(*errno, Errno::INVAL | Errno::NOENT)
            }
            Self::Unreadable { .. } => true,
            _ => self.is_about_version(),
        }
    }

    /// Whether the server or the kernel does not support this version.
    pub(super) fn is_about_version(&self) -> bool {
        match self {
            Self::NoClient { .. } => true,
            Self::Refused { errno, .. } => {
                matches!(*errno, Errno::PROTONOSUPPORT | Errno::OPNOTSUPP)
            }
            Self::Parameter { parameter, .. } => parameter.starts_with("vers="),
            _ => false,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::NoClient { version: Version::V3 } => {
                "add nfsv3 to the initrd (netroot initrd), or enable CONFIG_NFS_V3 in the kernel".to_owned()
            }
            Self::NoClient { .. } => {
                "add nfsv4 to the initrd (netroot initrd --modules nfsv4), or enable CONFIG_NFS_V4 in the kernel".to_owned()
            }
            Self::Parameter { .. } => "correct the options of nfsroot=".to_owned(),
            Self::Refused { errno: Errno::ACCESS | Errno::PERM, .. } => {
                "check that the server's export allows this machine".to_owned()
            }
            Self::Refused { errno: Errno::NOENT, .. } => "check the path, as the server sees it".to_owned(),
            Self::Refused { errno: Errno::PROTONOSUPPORT, .. } => {
                "let the server offer this version, or give another with vers=".to_owned()
            }
            Self::Refused { .. } => "check the NFS server's log, and the options of nfsroot=".to_owned(),
            Self::Unreadable { version: Version::V4(2), .. } => {
                "give vers=4.1 or vers=3 (Linux from 6.6 on cannot read by 4.2 from NFS-Ganesha before 6.2), or renew the server".to_owned()
            }
            Self::Unreadable { .. } => "check the NFS server's log: it may fail to read its own disk".to_owned(),
            Self::NoProgram { .. } => "put a root file system there, or name its program with init=".to_owned(),
            Self::ByNeither { by_4, .. } => by_4.advice(),
            Self::Stalled { .. } => "check the network between this machine and the server for loss".to_owned(),
            Self::Thread(_) => "give the machine more memory".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_advised_only_if_it_may_help() {
        let unreadable = |version| MountError::Unreadable {
            version,
            program: "/sbin/init".to_owned(),
            errno: Errno::IO,
        };
        let newest = unreadable(Version::V4(2));
        let sentence = newest.to_string();
        assert!(
            sentence.starts_with("by NFS version 4.2 /sbin/init is there and cannot be read: "),
            "{sentence}"
        );
        assert!(newest.advice().starts_with("give vers=4.1 or vers=3"));
        assert!(unreadable(Version::V3).advice().contains("log"));
    }
}
