//! A device that the command line wants: a bond, a VLAN or a bridge.

use netroot_proto::cmdline::{Bond, Bridge, Origin, Vlan};

/// A device to create.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) what: DeviceKind,
    pub(super) origin: Origin,
    pub(super) state: State,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum DeviceKind {
    Bond(Bond),
    Vlan(Vlan),
    Bridge(Bridge),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not created yet.
    Wanted,
    /// It exists, with this index.
    Created(u32),
    /// It cannot be created, by the kernel or for lack of a module. Its lower links are used as they are.
    Failed,
}

impl Device {
    /// The names of its lower links.
    pub(super) fn lower(&self) -> &[String] {
        match &self.what {
            DeviceKind::Bond(bond) => &bond.ports,
            DeviceKind::Vlan(vlan) => std::slice::from_ref(&vlan.link),
            DeviceKind::Bridge(bridge) => &bridge.ports,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            DeviceKind::Bond(_) => "bond",
            DeviceKind::Vlan(_) => "vlan",
            DeviceKind::Bridge(_) => "bridge",
        }
    }

    pub(super) fn module(&self) -> &'static str {
        match self.what {
            DeviceKind::Bond(_) => "bonding",
            DeviceKind::Vlan(_) => "8021q",
            DeviceKind::Bridge(_) => "bridge",
        }
    }
}
