//! A device that the command line wants: a bond, a VLAN or a bridge.

use netroot_proto::cmdline::{Bond, Bridge, Origin, Vlan};

/// A device to make.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) what: What,
    pub(super) origin: Origin,
    pub(super) state: State,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Bond(Bond),
    Vlan(Vlan),
    Bridge(Bridge),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not there yet.
    Wanted,
    /// It is there, under this index.
    Made(u32),
    /// The kernel or the image cannot make it. What it was to be made of is then used as it is.
    Failed,
}

impl Device {
    /// The names of what it is made of.
    pub(super) fn below(&self) -> &[String] {
        match &self.what {
            What::Bond(bond) => &bond.ports,
            What::Vlan(vlan) => std::slice::from_ref(&vlan.link),
            What::Bridge(bridge) => &bridge.ports,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Bond(_) => "bond",
            What::Vlan(_) => "vlan",
            What::Bridge(_) => "bridge",
        }
    }

    pub(super) fn module(&self) -> &'static str {
        match self.what {
            What::Bond(_) => "bonding",
            What::Vlan(_) => "8021q",
            What::Bridge(_) => "bridge",
        }
    }
}
