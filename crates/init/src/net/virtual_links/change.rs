//! Another plan for the NICs, from somebody at the prompt: what was made for the old one is undone.

use netroot_proto::cmdline::Network;
use netroot_proto::dhcp::Mac;

use super::orders::{change_name, down};
use super::{State, VirtualLinks};
use crate::causes::causes;
use crate::console::{info, warn};
use crate::net::netlink::{Link, NetlinkError, RouteSocket};

impl VirtualLinks {
    /// Takes another plan. Where it wants other devices than the one before, those that were made are taken away; where
    /// it wants the same ones, they stay, and what failed is tried again.
    pub(crate) fn change(&mut self, network: &Network) {
        let mut before = std::mem::replace(self, Self::new(network));
        self.born = std::mem::take(&mut before.born);
        self.named = std::mem::take(&mut before.named);
        if self.wants_what(&before) {
            self.ports = before.ports;
            for (device, before) in self.devices.iter_mut().zip(before.devices) {
                if let State::Made(_) = before.state {
                    device.state = before.state;
                }
            }
            return;
        }
        // A bridge is made of VLANs, and those of bonds.
        for device in before.devices.iter().rev() {
            if let State::Made(index) = device.state {
                let removed = RouteSocket::open().and_then(|mut socket| socket.remove_link(index));
                if let Err(e) = removed {
                    warn!("{}: {e}: {}", device.name, causes(&e));
                }
            }
        }
    }

    /// Whether the devices are those of another plan.
    fn wants_what(&self, other: &Self) -> bool {
        let mut pairs = self.devices.iter().zip(&other.devices);
        self.devices.len() == other.devices.len()
            && pairs.all(|(a, b)| a.name == b.name && a.what == b.what)
    }

    /// Gives a NIC the name and the address that the plan in force wants, or those that it came with. True if something
    /// changed.
    pub(crate) fn greet_again(&mut self, link: &mut Link) -> bool {
        let Some(first) = self.born.get(&link.index).copied() else {
            return false;
        };
        let named = |name: &str| self.devices.iter().any(|device| device.name == name);
        // A bond's port has the bond's address.
        if named(&link.name) || self.ports.contains_key(&link.index) {
            return false;
        }
        let given_back = match self.give_back(link, first) {
            Ok(changed) => changed,
            Err(e) => {
                warn!("{}: {e}: {}", link.name, causes(&e));
                false
            }
        };
        self.greet(link) || given_back
    }

    /// The name and the address that the NIC came with, unless the plan wants another one.
    fn give_back(&mut self, link: &mut Link, first: Mac) -> Result<bool, NetlinkError> {
        let mut changed = false;
        if link.mac != Some(first) {
            down(link)?.set_link_address(link.index, first.0)?;
            (link.mac, link.up, changed) = (Some(first), false, true);
        }
        let renames = &self.network.renames;
        let wanted = renames.iter().any(|r| Mac(r.value.address) == first);
        if !wanted && let Some(name) = self.named.remove(&link.index) {
            change_name(link, &name)?;
            info!("{}: now {name} again", link.name);
            (link.name, link.up, changed) = (name, false, true);
        }
        Ok(changed)
    }
}
