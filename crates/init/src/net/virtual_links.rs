//! The virtual devices of the command line: names and addresses of NICs (`ifname=`, `ip=…:<mac>`), bonds, VLANs and
//! bridges, in this order.
//!
//! A NIC may appear late, so the work is incremental: whenever links change, `VirtualLinks::next_action` (pure) finds
//! the next action that has become possible.

mod change;
mod device;
mod requests;

use netroot_net::Mac;
use netroot_proto::cmdline::{IpRequest, NetworkPlan, NicSelector, Origin};

use self::device::{Device, DeviceKind, State};
use self::requests::{attach_port, create_device, rename_if_free, rename_link, take_down};
use crate::console::{debug, info, warn};
use crate::error_chain::causes;
use crate::modules::{Loaded, Loader};
use crate::net::by_index::ByIndex;
use crate::net::netlink::{Link, RouteSocket};
use crate::net::udev_names::UdevName;

/// The longest name of an interface: `IFNAMSIZ` less the zero byte. Longer ones are alternative names.
const MAX_NAME: usize = 15;

/// The links by index, as the kernel reports them.
type Links = ByIndex<Link>;

/// An action that is possible now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Create this device.
    Create {
        device: usize,
        /// The lower link: that of a VLAN, or the first port of a bridge.
        lower: Option<u32>,
    },
    /// Attach this link to this device as a port.
    Attach {
        device: usize,
        master: u32,
        port: u32,
    },
}

/// The devices that the command line asks for, and their state.
#[derive(Debug)]
pub(crate) struct VirtualLinks {
    network: NetworkPlan,
    devices: Vec<Device>,
    /// The ports, each with its master, by index.
    ports: ByIndex<u32>,
    /// Ports that the kernel refused.
    refused: ByIndex<()>,
    /// The original addresses of the NICs: a bond changes those of its ports.
    original_macs: ByIndex<Mac>,
    /// The names of renamed NICs before that.
    original_names: ByIndex<String>,
}

impl VirtualLinks {
    /// The devices that `network` asks for.
    pub(crate) fn new(network: &NetworkPlan) -> Self {
        let device = |name: &str, what, origin: &Origin| Device {
            name: name.to_owned(),
            what,
            origin: origin.clone(),
            state: State::Wanted,
        };
        let bonds = network.bonds.iter();
        let bonds =
            bonds.map(|s| device(&s.value.name, DeviceKind::Bond(s.value.clone()), &s.origin));
        let vlans = network.vlans.iter();
        let vlans =
            vlans.map(|s| device(&s.value.name, DeviceKind::Vlan(s.value.clone()), &s.origin));
        let bridges = network.bridges.iter();
        let bridges = bridges.map(|s| {
            device(
                &s.value.name,
                DeviceKind::Bridge(s.value.clone()),
                &s.origin,
            )
        });
        VirtualLinks {
            devices: bonds.chain(vlans).chain(bridges).collect(),
            network: network.clone(),
            ports: ByIndex::new(),
            refused: ByIndex::new(),
            original_macs: ByIndex::new(),
            original_names: ByIndex::new(),
        }
    }

    /// Gives a new NIC its configured name and address, before anything uses it. True if something changed: what the
    /// kernel reported before is then out of date. `udev_names` are those that udev would give it.
    pub(crate) fn apply_name_and_address(
        &mut self,
        link: &mut Link,
        udev_names: &[UdevName],
    ) -> bool {
        let Some(mac) = link.mac else { return false };
        self.original_macs.insert(link.index, mac);
        if self.devices.iter().any(|device| device.name == link.name) {
            return false;
        }
        let renames = &self.network.renames;
        let rename = renames.iter().find(|r| r.value.address == mac);
        let rename = rename.filter(|r| r.value.name != link.name);
        if let Some(rename) = rename {
            let name = &rename.value.name;
            match rename_link(link, name) {
                Ok(()) => {
                    info!("{}: now {name} ({})", link.name, rename.origin);
                    let before = std::mem::replace(&mut link.name, name.clone());
                    remember(&mut self.original_names, link.index, before);
                }
                Err(e) => warn!("{}: {e}: {}", rename.origin, causes(&e)),
            }
            link.up = false;
        }
        let renamed = rename.is_some() || self.apply_udev_name(link, udev_names);
        self.apply_link_address(link) || renamed
    }

    /// Gives a NIC that the command line calls by one of udev's names that name.
    fn apply_udev_name(&mut self, link: &mut Link, udev_names: &[UdevName]) -> bool {
        let Some((name, origin)) = self.asked_udev_name(link, udev_names) else {
            return false;
        };
        let (kind, given) = (name.kind, name.name.as_str());
        match rename_if_free(link, given) {
            Ok(true) => {}
            Ok(false) => {
                warn!(
                    "{origin}: {given} is another NIC already; {} keeps its name",
                    link.name
                );
                return false;
            }
            Err(e) => {
                warn!("{origin}: {}: {e}: {}", link.name, causes(&e));
                return false;
            }
        }
        info!(
            "{}: now {given}, its {kind} name by udev ({origin})",
            link.name
        );
        let before = std::mem::replace(&mut link.name, given.to_owned());
        remember(&mut self.original_names, link.index, before);
        link.up = false;
        true
    }

    /// The first of udev's names that the command line asks for, unless the NIC has such a name already. Pure.
    fn asked_udev_name<'a>(
        &self,
        link: &Link,
        udev_names: &'a [UdevName],
    ) -> Option<(&'a UdevName, Origin)> {
        let renames = &self.network.renames;
        let asked = self.network.asked_names();
        if asked.iter().any(|(name, _)| *name == link.name)
            || renames.iter().any(|r| r.value.name == link.name)
        {
            return None;
        }
        let fits = |name: &&UdevName| name.name.len() <= MAX_NAME;
        udev_names.iter().filter(fits).find_map(|name| {
            let (_, origin) = asked.iter().find(|(asked, _)| *asked == name.name)?;
            Some((name, (*origin).clone()))
        })
    }

    /// `ip=<if>:dhcp:<mtu>:<address>`.
    fn apply_link_address(&self, link: &mut Link) -> bool {
        let mut requests = self.network.addressing.iter();
        let original = self.original_macs.get(link.index);
        let is_about = |r: &&IpRequest| match &r.device {
            Some(NicSelector::Address(mac)) => Some(mac) == original,
            Some(device) => device.is_name(&link.name),
            None => false,
        };
        if let Some(request) = requests.find(is_about)
            && let Some(address) = request.link_address
            && link.mac != Some(address)
        {
            match take_down(link)
                .and_then(|mut socket| socket.set_link_address(link.index, address.0))
            {
                Ok(()) => link.mac = Some(address),
                Err(e) => warn!("{}: {e}: {}", request.origin, causes(&e)),
            }
            link.up = false;
            return true;
        }
        false
    }

    /// Whether a link is set up here instead of as soon as it appears: a bond accepts no port that is up.
    pub(crate) fn manages(&self, link: &Link) -> bool {
        self.ports.contains(link.index)
            || self.devices.iter().any(|device| {
                device.state != State::Failed
                    && (device.name == link.name
                        || (matches!(device.what, DeviceKind::Bond(_))
                            && device.lower().contains(&link.name)
                            && !self.refused.contains(link.index)))
            })
    }

    /// Whether a link is part of a device that is used instead. A port never gets an address, and the link below a VLAN
    /// only if the command line names it.
    pub(crate) fn is_lower_device(&self, link: &Link) -> bool {
        let network = &self.network;
        let named = || {
            let mut requests = network.addressing.iter();
            requests.any(|r| r.device.as_ref().is_some_and(|d| d.is_name(&link.name)))
                || network
                    .boot_device
                    .as_ref()
                    .is_some_and(|b| b.value.is_name(&link.name))
        };
        self.devices.iter().any(|device| {
            device.state != State::Failed
                && device.lower().contains(&link.name)
                && match device.what {
                    DeviceKind::Vlan(_) => !named(),
                    DeviceKind::Bond(_) | DeviceKind::Bridge(_) => {
                        !self.refused.contains(link.index)
                    }
                }
        })
    }

    /// The address that a NIC had when it appeared.
    pub(crate) fn original_mac(&self, index: u32) -> Option<Mac> {
        self.original_macs.get(index).copied()
    }

    /// The address of the topmost device (bond, VLAN, bridge) over the NIC whose original address is `mac`.
    pub(crate) fn top_mac(&self, mac: Mac, links: &Links) -> Mac {
        let is_original = |link: &&Link| self.original_macs.get(link.index) == Some(&mac);
        // The NIC comes before the devices over it, which may have inherited its address.
        let Some(mut top) = links.values().find(is_original) else {
            return mac;
        };
        // Each iteration moves up by one device.
        for _ in &self.devices {
            let above = self
                .devices
                .iter()
                .find(|device| device.lower().contains(&top.name));
            match above.and_then(|device| named(links, &device.name)) {
                Some(link) if self.is_lower_device(top) => top = link,
                _ => break,
            }
        }
        top.mac.unwrap_or(mac)
    }

    /// The first device that is not usable yet, with its parameter.
    pub(crate) fn incomplete(&self) -> Option<(&str, &Origin)> {
        let unusable = |device: &&Device| device.state != State::Failed && !self.is_usable(device);
        let device = self.devices.iter().find(unusable)?;
        Some((&device.name, &device.origin))
    }

    /// Whether frames can pass: a bond or a bridge needs a port.
    fn is_usable(&self, device: &Device) -> bool {
        match (device.state, &device.what) {
            (State::Created(_), DeviceKind::Vlan(_)) => true,
            (State::Created(index), _) => self.ports.values().any(|master| *master == index),
            _ => false,
        }
    }

    /// Abandons the devices that are not usable by now: their NICs are used as they are.
    pub(crate) fn abandon_incomplete(&mut self) {
        while let Some((name, origin)) = self.incomplete() {
            warn!("{origin}: no link for {name} appeared; continuing without it");
            let at = self.devices.iter().position(|device| device.name == name);
            if let Some(device) = at.and_then(|at| self.devices.get_mut(at)) {
                device.state = State::Failed;
            }
        }
    }

    /// A link disappeared.
    pub(crate) fn forget(&mut self, index: u32) {
        self.ports
            .retain(|port, master| port != index && *master != index);
        self.refused.remove(index);
        self.original_macs.remove(index);
        self.original_names.remove(index);
        for device in &mut self.devices {
            if device.state == State::Created(index) {
                device.state = State::Wanted;
            }
        }
    }

    /// Performs the next possible action. True if there was one: the links have to be listed again.
    pub(crate) fn run_next_action(&mut self, links: &Links, loader: &Loader) -> bool {
        let Some(action) = self.next_action(links) else {
            return false;
        };
        match action {
            Action::Create { device, lower } => {
                self.create(device, lower.and_then(|i| links.get(i)), loader)
            }
            Action::Attach {
                device,
                master,
                port,
            } => self.attach(device, master, links.get(port)),
        }
        true
    }

    /// The next possible action. Pure.
    fn next_action(&self, links: &Links) -> Option<Action> {
        // A virtual device counts once it is usable: a bond has no address before its first port.
        let usable = |name: &String| {
            let link = named(links, name)?;
            let made = self.devices.iter().find(|device| device.name == *name);
            made.is_none_or(|device| self.is_usable(device))
                .then_some(link)
        };
        self.devices
            .iter()
            .enumerate()
            .find_map(|(device, wanted)| {
                let mut lower = wanted.lower().iter().filter_map(usable);
                match (wanted.state, &wanted.what) {
                    (State::Failed, _) | (State::Created(_), DeviceKind::Vlan(_)) => None,
                    (State::Wanted, _) => {
                        let lower = Some(lower.next()?.index);
                        Some(Action::Create { device, lower })
                    }
                    (State::Created(master), _) => lower
                        .find(|link| {
                            !self.ports.contains(link.index) && !self.refused.contains(link.index)
                        })
                        .map(|link| Action::Attach {
                            device,
                            master,
                            port: link.index,
                        }),
                }
            })
    }

    fn create(&mut self, at: usize, lower: Option<&Link>, loader: &Loader) {
        let Some(device) = self.devices.get_mut(at) else {
            return;
        };
        if loader.load(device.module()) == Loaded::Absent {
            debug!("the initrd has no module {}", device.module());
        }
        let made = create_device(device, lower);
        let parts = device.lower().join(", ");
        let (name, kind, origin) = (&device.name, device.kind(), &device.origin);
        let mut link = match made {
            Ok(Some(link)) => link,
            Ok(None) => {
                warn!("{origin}: the kernel did not create {name}; {parts} is used as it is");
                device.state = State::Failed;
                return;
            }
            Err(e) => {
                let (why, module) = (causes(&e), device.module());
                warn!(
                    "{origin}: {e}: {why}; {parts} is used as it is; is the module {module} in the initrd?"
                );
                device.state = State::Failed;
                return;
            }
        };
        info!("{name}: {kind} of {parts} ({origin})");
        device.state = State::Created(link.index);
        self.apply_link_address(&mut link);
        if let Err(e) = RouteSocket::open().and_then(|mut socket| socket.set_up(link.index)) {
            warn!("{}: {e}: {}", link.name, causes(&e));
        }
    }

    fn attach(&mut self, at: usize, master: u32, port: Option<&Link>) {
        let (Some(device), Some(port)) = (self.devices.get(at), port) else {
            return;
        };
        match attach_port(&device.what, master, port) {
            Ok(()) => {
                debug!("{}: port of {}", port.name, device.name);
                self.ports.insert(port.index, master);
            }
            Err(e) => {
                warn!("{}: {}: {e}: {}", device.origin, port.name, causes(&e));
                self.refused.insert(port.index, ());
            }
        }
    }
}

/// Remembers the name that a NIC had first.
fn remember(names: &mut ByIndex<String>, index: u32, name: String) {
    if !names.contains(index) {
        names.insert(index, name);
    }
}

fn named<'a>(links: &'a Links, name: &str) -> Option<&'a Link> {
    links.values().find(|link| link.name == name)
}

#[cfg(test)]
mod tests;
