//! What the kernel's NFS client is told.

use std::net::Ipv4Addr;

use super::choice::RootChoice;
use super::options::{MountFlags, Version};

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

/// A mount, ready for `fsopen` or mount(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The file system type: `nfs`, for version 4 as well.
    pub fstype: &'static str,
    /// `server:/path`
    pub source: String,
    /// Parameters in the order that the kernel is to see them, `ro` or `rw` included.
    pub parameters: Vec<MountParameter>,
    /// Attributes that are no parameters.
    pub flags: MountFlags,
    /// Whether `MS_RDONLY` belongs to it.
    pub read_only: bool,
}

impl MountRequest {
    /// The parameters as one string for mount(2): `vers=3,proto=tcp,…`. With
    /// `essential_only`, the optional ones are left out, for a second try after EINVAL.
    pub fn data(&self, essential_only: bool) -> String {
        let mut data = String::new();
        for parameter in self
            .parameters
            .iter()
            .filter(|p| p.essential || !essential_only)
        {
            if !data.is_empty() {
                data.push(',');
            }
            data.push_str(&parameter.key);
            if let Some(value) = &parameter.value {
                data.push('=');
                data.push_str(value);
            }
        }
        data
    }
}

/// What the kernel is told for `choice`, tried as `version`, at the server's `address`.
pub fn mount_request(
    choice: &RootChoice,
    version: Version,
    address: Ipv4Addr,
    ports: KnownPorts,
) -> MountRequest {
    let _ = (version, address, ports);
    MountRequest {
        fstype: "nfs",
        source: format!("{}:{}", choice.server, choice.path),
        parameters: Vec::new(),
        flags: choice.options.flags,
        read_only: true,
    }
}
