//! A network interface as the rest of the boot sees it.

use netroot_net::Mac;
use netroot_proto::cmdline::NicSelector;

/// A NIC that frames can be sent through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nic {
    /// The interface's index.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its Ethernet address.
    pub(crate) mac: Mac,
    /// The address that it had when it appeared.
    pub(crate) original_mac: Mac,
    /// Its names by udev, the preferred ones first.
    pub(crate) udev_names: Vec<String>,
    /// Whether it has a carrier.
    pub(crate) carrier: bool,
    /// Whether the kernel surely sends what it is given: see `Link::running` of [`crate::net::netlink`].
    pub(crate) running: bool,
    /// The largest packet in bytes.
    pub(crate) mtu: u32,
}

impl Nic {
    /// Whether a parameter that names a NIC is about this one.
    pub(crate) fn is_selected_by(&self, selector: &NicSelector) -> bool {
        match selector {
            NicSelector::Name(name) => self.name == *name || self.udev_names.contains(name),
            NicSelector::Address(mac) => [self.mac, self.original_mac].contains(mac),
            NicSelector::BootLink | NicSelector::Unreadable(_) => false,
        }
    }

    /// The name, and the other names that a parameter may use.
    pub(crate) fn all_names(&self) -> String {
        let others: Vec<&str> = self
            .udev_names
            .iter()
            .map(String::as_str)
            .filter(|name| *name != self.name)
            .collect();
        match others.as_slice() {
            [] => self.name.clone(),
            others => format!("{} alias {}", self.name, others.join(" ")),
        }
    }
}
