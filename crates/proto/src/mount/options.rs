//! The options of nfs(5), with types where this project acts on them.

use std::fmt;
use std::net::Ipv4Addr;

/// Whether a file system is mounted for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `ro`
    ReadOnly,
    /// `rw`
    ReadWrite,
}

/// A version of NFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// NFSv3 (RFC 1813).
    V3,
    /// NFSv4 and its minor version.
    V4(
        /// 0, 1 or 2.
        u8,
    ),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V3 => f.write_str("3"),
            Self::V4(minor) => write!(f, "4.{minor}"),
        }
    }
}

/// Flags of mount(2) that text options cannot set on NFS: they go to `fsmount` as
/// attributes, or to mount(2) as `MS_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one bool per flag of mount(2)"
)]
pub struct MountFlags {
    /// `noatime`
    pub no_atime: bool,
    /// `nodiratime`
    pub no_dir_atime: bool,
    /// `strictatime`
    pub strict_atime: bool,
    /// `nosuid`
    pub no_suid: bool,
    /// `nodev`
    pub no_dev: bool,
    /// `noexec`
    pub no_exec: bool,
}

/// An option that goes to the kernel as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsOption {
    /// `rsize`
    pub key: String,
    /// `65536`; `None` for a flag.
    pub value: Option<String>,
    /// Whether nfs(5) knows it. An unknown one is tried all the same: kernels learn.
    pub known: bool,
}

/// The options that come with a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NfsOptions {
    /// The versions to try, in order: one if told, several for `vers=4`, empty if nothing
    /// was said.
    pub versions: Vec<Version>,
    /// `port=`
    pub port: Option<u16>,
    /// `mountport=`
    pub mount_port: Option<u16>,
    /// `mountaddr=`
    pub mount_server: Option<Ipv4Addr>,
    /// `lock` (true) or `nolock` (false).
    pub lock: Option<bool>,
    /// `ro` or `rw`.
    pub access: Option<Access>,
    /// `noatime` and its like.
    pub flags: MountFlags,
    /// Everything else, in order.
    pub rest: Vec<NfsOption>,
}
