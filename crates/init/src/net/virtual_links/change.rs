//! A command line changed at the prompt: devices of the old one are removed.

use netroot_net::Mac;
use netroot_proto::cmdline::NetworkPlan;

use super::requests::{rename_link, take_down};
use super::{State, VirtualLinks};
use crate::console::{info, warn};
use crate::error_chain::causes;
use crate::net::netlink::{Link, NetlinkError, RouteSocket};
use crate::net::udev_names::UdevName;

impl VirtualLinks {
    /// Applies a new plan. If it asks for other devices than before, those that were created are removed; if it asks for
    /// the same ones, they stay, and failed ones are retried.
    pub(crate) fn change(&mut self, network: &NetworkPlan) {
        let mut before = std::mem::replace(self, Self::new(network));
        self.original_macs = std::mem::take(&mut before.original_macs);
        self.original_names = std::mem::take(&mut before.original_names);
        if self.has_devices_of(&before) {
            self.ports = before.ports;
            for (device, before) in self.devices.iter_mut().zip(before.devices) {
                if let State::Created(_) = before.state {
                    device.state = before.state;
                }
            }
            return;
        }
        // A bridge may consist of VLANs, and those of bonds.
        for device in before.devices.iter().rev() {
            if let State::Created(index) = device.state {
                let removed = RouteSocket::open().and_then(|mut socket| socket.remove_link(index));
                if let Err(e) = removed {
                    warn!("{}: {e}: {}", device.name, causes(&e));
                }
            }
        }
    }

    /// Whether the devices are the same as those of another plan.
    fn has_devices_of(&self, other: &Self) -> bool {
        let mut pairs = self.devices.iter().zip(&other.devices);
        self.devices.len() == other.devices.len()
            && pairs.all(|(a, b)| a.name == b.name && a.what == b.what)
    }

    /// Gives a NIC the name and the address of the current plan, or its original ones. True if something changed.
    pub(crate) fn reapply_name_and_address(
        &mut self,
        link: &mut Link,
        udev_names: &[UdevName],
    ) -> bool {
        let Some(first) = self.original_macs.get(link.index).copied() else {
            return false;
        };
        let named = |name: &str| self.devices.iter().any(|device| device.name == name);
        // A bond's port has the bond's address.
        if named(&link.name) || self.ports.contains(link.index) {
            return false;
        }
        let restored = match self.restore_name_and_address(link, first) {
            Ok(changed) => changed,
            Err(e) => {
                warn!("{}: {e}: {}", link.name, causes(&e));
                false
            }
        };
        self.apply_name_and_address(link, udev_names) || restored
    }

    /// Restores the original name and address of a NIC, unless the plan asks for others.
    fn restore_name_and_address(
        &mut self,
        link: &mut Link,
        first: Mac,
    ) -> Result<bool, NetlinkError> {
        let mut changed = false;
        if link.mac != Some(first) {
            take_down(link)?.set_link_address(link.index, first.0)?;
            (link.mac, link.up, changed) = (Some(first), false, true);
        }
        let renames = &self.network.renames;
        let wanted =
            renames.iter().any(|r| r.value.address == first) || self.network.asks_for(&link.name);
        if !wanted && let Some(name) = self.original_names.remove(link.index) {
            rename_link(link, &name)?;
            info!("{}: now {name} again", link.name);
            (link.name, link.up, changed) = (name, false, true);
        }
        Ok(changed)
    }
}
