//! An interface of this machine, usable or not.

use std::fmt;
use std::net::Ipv4Addr;

use netroot_net::{Mac, Prefix};

use super::device::Device;
use super::own_address::{self, OwnAddress, listed};
use super::served::Interface;

/// An interface of this machine, usable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) up: bool,
    pub(super) loopback: bool,
    pub(super) mac: Option<Mac>,
    pub(super) addresses: Vec<OwnAddress>,
    pub(super) has_frames: bool,
    pub(super) mtu: u16,
    /// Whether a cable with something live at the other end is plugged in.
    pub(super) carrier: bool,
    /// The index of the bridge or bond that it is a port of.
    pub(super) controller: Option<u32>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.up, self.addresses.as_slice()) {
            (false, _) => write!(f, "{} (down)", self.name),
            (true, []) => write!(f, "{} (no IPv4 address)", self.name),
            (true, addresses) => write!(f, "{} ({})", self.name, listed(addresses)),
        }
    }
}

impl Candidate {
    /// Whether an address is one of its own.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.address == address)
    }

    /// The same once it has this address, too, and is up: as an isolated network.
    pub(crate) fn with_address(mut self, address: Ipv4Addr, length: u8) -> Self {
        self.up = true;
        if !self.has(address) {
            self.addresses.push(OwnAddress {
                address,
                network: Prefix::clamped(address, length),
                label: None,
                setter: None,
            });
        }
        self
    }

    /// The kernel's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's index.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Whether it is administratively up.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Whether it is this machine's loopback.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether a cable with something live at the other end is plugged in.
    pub(crate) fn has_carrier(&self) -> bool {
        self.carrier
    }

    /// The index of the bridge or bond that it is a port of.
    pub(crate) fn controller(&self) -> Option<u32> {
        self.controller
    }

    /// Its networks, those of link-local addresses aside, each with the own address there.
    pub(crate) fn networks(&self) -> impl Iterator<Item = Prefix> {
        let own = self.addresses.iter();
        own.filter(|own| !own.address.is_link_local())
            .map(|own| own.network)
    }

    /// The addresses that were set with this label, or with this number as who set them (`IFA_PROTO`).
    pub(crate) fn set_by(&self, label: &str, setter: u8) -> impl Iterator<Item = Prefix> {
        let ours = move |own: &&OwnAddress| match own.setter.filter(|setter| *setter != 0) {
            Some(by) => by == setter,
            None => own.label.as_deref() == Some(label),
        };
        self.addresses.iter().filter(ours).map(OwnAddress::prefix)
    }

    /// Whether it has an address in a network.
    pub(crate) fn is_in(&self, network: Prefix) -> bool {
        self.addresses
            .iter()
            .any(|own| network.contains(own.address))
    }

    /// As its sockets need it.
    pub(crate) fn device(&self) -> Device<'_> {
        Device {
            name: &self.name,
            index: self.index,
            has_arp: self.has_frames && self.mac().is_unicast(),
        }
    }

    fn mac(&self) -> Mac {
        self.mac.unwrap_or(Mac([0; 6]))
    }

    /// To be served. The address that is wanted comes first.
    pub(super) fn into_interface(self, is_wanted: impl Fn(&OwnAddress) -> bool) -> Interface {
        let mac = self.mac();
        let mut addresses = self.addresses;
        own_address::sort(&mut addresses, is_wanted);
        Interface {
            name: self.name,
            index: self.index,
            mac,
            addresses,
            has_frames: self.has_frames,
            mtu: self.mtu,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn own(address: &str) -> OwnAddress {
        labelled_own(address, None)
    }

    pub(crate) fn labelled_own(address: &str, label: Option<&str>) -> OwnAddress {
        let address: Ipv4Addr = address.parse().unwrap();
        OwnAddress {
            address,
            network: Prefix::clamped(address, 24),
            label: label.map(str::to_owned),
            setter: None,
        }
    }

    pub(crate) fn candidate(name: &str, addresses: &[&str]) -> Candidate {
        Candidate {
            name: name.to_owned(),
            index: 7,
            up: true,
            loopback: name == "lo",
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            addresses: addresses.iter().map(|address| own(address)).collect(),
            has_frames: true,
            mtu: 1500,
            carrier: true,
            controller: None,
        }
    }
}
