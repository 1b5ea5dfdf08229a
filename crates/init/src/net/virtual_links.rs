//! What the command line wants made of the NICs: other names and addresses (`ifname=`, `ip=…:<mac>`), bonds, VLANs,
//! bridges, in this order.
//!
//! A NIC may come late, so nothing is done "once": whenever links change, the next steps that have become possible
//! are found by [`VirtualLinks::next`] (pure) and taken.

mod change;
mod device;
mod orders;

use std::collections::{BTreeMap, HashMap, HashSet};

use netroot_proto::cmdline::{Network, Origin};
use netroot_proto::dhcp::Mac;

use self::device::{Device, State, What};
use self::orders::{change_name, down, enslave, realise};
use crate::causes::causes;
use crate::console::{debug, info, warn};
use crate::modules::{Loaded, Loader};
use crate::net::netlink::{Link, RouteSocket};

/// The links by index, as the kernel reports them.
type Links = BTreeMap<u32, Link>;

/// The next thing that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Make this device.
    Make {
        device: usize,
        /// The link below: a VLAN's carrier, the first port of a bridge.
        below: Option<u32>,
    },
    /// Make this link a port of this device.
    Attach {
        device: usize,
        master: u32,
        port: u32,
    },
}

/// What is wanted of the NICs, and how far that has got.
#[derive(Debug)]
pub(crate) struct VirtualLinks {
    network: Network,
    devices: Vec<Device>,
    /// Which link is a port of which.
    ports: HashMap<u32, u32>,
    /// Ports that the kernel refused.
    refused: HashSet<u32>,
    /// The addresses that NICs had at first: a bond changes those of its ports.
    born: HashMap<u32, Mac>,
    /// The names that NICs had before they were renamed here.
    named: HashMap<u32, String>,
}

impl VirtualLinks {
    /// What `network` wants.
    pub(crate) fn new(network: &Network) -> Self {
        let device = |name: &str, what, origin: &Origin| Device {
            name: name.to_owned(),
            what,
            origin: origin.clone(),
            state: State::Wanted,
        };
        let bonds = network.bonds.iter();
        let bonds = bonds.map(|s| device(&s.value.name, What::Bond(s.value.clone()), &s.origin));
        let vlans = network.vlans.iter();
        let vlans = vlans.map(|s| device(&s.value.name, What::Vlan(s.value.clone()), &s.origin));
        let bridges = network.bridges.iter();
        let bridges =
            bridges.map(|s| device(&s.value.name, What::Bridge(s.value.clone()), &s.origin));
        VirtualLinks {
            devices: bonds.chain(vlans).chain(bridges).collect(),
            network: network.clone(),
            ports: HashMap::new(),
            refused: HashSet::new(),
            born: HashMap::new(),
            named: HashMap::new(),
        }
    }

    /// Gives a NIC that appeared the name and the address that it is to have, before anything uses it. True if
    /// something changed: what the kernel said before is then out of date.
    pub(crate) fn greet(&mut self, link: &mut Link) -> bool {
        let Some(mac) = link.mac else { return false };
        self.born.insert(link.index, mac);
        if self.devices.iter().any(|device| device.name == link.name) {
            return false;
        }
        let renames = &self.network.renames;
        let rename = renames.iter().find(|r| Mac(r.value.address) == mac);
        let rename = rename.filter(|r| r.value.name != link.name);
        if let Some(rename) = rename {
            let name = &rename.value.name;
            match change_name(link, name) {
                Ok(()) => {
                    info!("{}: now {name} ({})", link.name, rename.origin);
                    let before = std::mem::replace(&mut link.name, name.clone());
                    self.named.entry(link.index).or_insert(before);
                }
                Err(e) => warn!("{}: {e}: {}", rename.origin, causes(&e)),
            }
            link.up = false;
        }
        self.give_address(link) || rename.is_some()
    }

    /// `ip=<if>:dhcp:<mtu>:<address>`.
    fn give_address(&self, link: &mut Link) -> bool {
        let mut requests = self.network.addressing.iter();
        if let Some(request) = requests.find(|r| r.device.as_ref() == Some(&link.name))
            && let Some(address) = request.link_address
            && link.mac != Some(Mac(address))
        {
            match down(link).and_then(|mut socket| socket.set_link_address(link.index, address)) {
                Ok(()) => link.mac = Some(Mac(address)),
                Err(e) => warn!("{}: {e}: {}", request.origin, causes(&e)),
            }
            link.up = false;
            return true;
        }
        false
    }

    /// Whether a link is set up here and not as soon as it appears: a bond takes no port that is up.
    pub(crate) fn sets_up(&self, link: &Link) -> bool {
        self.ports.contains_key(&link.index)
            || self.devices.iter().any(|device| {
                device.state != State::Failed
                    && (device.name == link.name
                        || (matches!(device.what, What::Bond(_))
                            && device.below().contains(&link.name)
                            && !self.refused.contains(&link.index)))
            })
    }

    /// Whether a link is part of something that is used instead: a port never asks for an address, and what
    /// carries a VLAN only if the command line names it.
    pub(crate) fn is_below(&self, link: &Link) -> bool {
        let network = &self.network;
        let named = || {
            let mut requests = network.addressing.iter();
            requests.any(|r| r.device.as_ref() == Some(&link.name))
                || network
                    .boot_device
                    .as_ref()
                    .is_some_and(|b| b.value == link.name)
        };
        self.devices.iter().any(|device| {
            device.state != State::Failed
                && device.below().contains(&link.name)
                && match device.what {
                    What::Vlan(_) => !named(),
                    What::Bond(_) | What::Bridge(_) => !self.refused.contains(&link.index),
                }
        })
    }

    /// The address of what stands for the NIC that was born with `mac`: its bond, its VLAN, its bridge.
    pub(crate) fn stand_in(&self, mac: Mac, links: &Links) -> Mac {
        let born = |link: &&Link| self.born.get(&link.index) == Some(&mac);
        // The NIC comes before what is made of it, which may have its address from it.
        let Some(mut top) = links.values().find(born) else {
            return mac;
        };
        // Each turn goes up by one device.
        for _ in &self.devices {
            let above = self
                .devices
                .iter()
                .find(|device| device.below().contains(&top.name));
            match above.and_then(|device| named(links, &device.name)) {
                Some(link) if self.is_below(top) => top = link,
                _ => break,
            }
        }
        top.mac.unwrap_or(mac)
    }

    /// The first device that cannot be used yet, with its parameter.
    pub(crate) fn missing(&self) -> Option<(&str, &Origin)> {
        let missing = |device: &&Device| device.state != State::Failed && !self.is_whole(device);
        let device = self.devices.iter().find(missing)?;
        Some((&device.name, &device.origin))
    }

    /// Whether frames can get through: a bond or a bridge needs a port.
    fn is_whole(&self, device: &Device) -> bool {
        match (device.state, &device.what) {
            (State::Made(_), What::Vlan(_)) => true,
            (State::Made(index), _) => self.ports.values().any(|master| *master == index),
            _ => false,
        }
    }

    /// Does without what is not there by now: the NICs that it was to be made of are used as they are.
    pub(crate) fn give_up(&mut self) {
        while let Some((name, origin)) = self.missing() {
            warn!("{origin}: nothing came that {name} could be made of; it is done without");
            let at = self.devices.iter().position(|device| device.name == name);
            if let Some(device) = at.and_then(|at| self.devices.get_mut(at)) {
                device.state = State::Failed;
            }
        }
    }

    /// A link went away.
    pub(crate) fn forget(&mut self, index: u32) {
        self.ports
            .retain(|port, master| *port != index && *master != index);
        self.refused.remove(&index);
        self.born.remove(&index);
        self.named.remove(&index);
        for device in &mut self.devices {
            if device.state == State::Made(index) {
                device.state = State::Wanted;
            }
        }
    }

    /// Takes one step that has become possible. True if it did: the links are then to be looked at anew.
    pub(crate) fn advance(&mut self, links: &Links, loader: &Loader) -> bool {
        let Some(step) = self.next(links) else {
            return false;
        };
        match step {
            Step::Make { device, below } => {
                self.make(device, below.and_then(|i| links.get(&i)), loader)
            }
            Step::Attach {
                device,
                master,
                port,
            } => self.attach(device, master, links.get(&port)),
        }
        true
    }

    /// The next step. Pure.
    fn next(&self, links: &Links) -> Option<Step> {
        // Something made counts once it is whole: a bond has no address before its first port.
        let usable = |name: &String| {
            let link = named(links, name)?;
            let made = self.devices.iter().find(|device| device.name == *name);
            made.is_none_or(|device| self.is_whole(device))
                .then_some(link)
        };
        self.devices
            .iter()
            .enumerate()
            .find_map(|(device, wanted)| {
                let mut below = wanted.below().iter().filter_map(usable);
                match (wanted.state, &wanted.what) {
                    (State::Failed, _) | (State::Made(_), What::Vlan(_)) => None,
                    (State::Wanted, _) => {
                        let below = Some(below.next()?.index);
                        Some(Step::Make { device, below })
                    }
                    (State::Made(master), _) => below
                        .find(|link| {
                            !self.ports.contains_key(&link.index)
                                && !self.refused.contains(&link.index)
                        })
                        .map(|link| Step::Attach {
                            device,
                            master,
                            port: link.index,
                        }),
                }
            })
    }

    fn make(&mut self, at: usize, below: Option<&Link>, loader: &Loader) {
        let Some(device) = self.devices.get_mut(at) else {
            return;
        };
        if loader.load(device.module()) == Loaded::Absent {
            debug!("the image has no module {}", device.module());
        }
        let made = realise(device, below);
        let parts = device.below().join(", ");
        let (name, kind, origin) = (&device.name, device.kind(), &device.origin);
        let mut link = match made {
            Ok(Some(link)) => link,
            Ok(None) => {
                warn!("{origin}: the kernel made no {name}; {parts} is used as it is");
                device.state = State::Failed;
                return;
            }
            Err(e) => {
                let (why, module) = (causes(&e), device.module());
                warn!(
                    "{origin}: {e}: {why}; {parts} is used as it is; is the module {module} in the image?"
                );
                device.state = State::Failed;
                return;
            }
        };
        info!("{name}: {kind} of {parts} ({origin})");
        device.state = State::Made(link.index);
        self.give_address(&mut link);
        if let Err(e) = RouteSocket::open().and_then(|mut socket| socket.set_up(link.index)) {
            warn!("{}: {e}: {}", link.name, causes(&e));
        }
    }

    fn attach(&mut self, at: usize, master: u32, port: Option<&Link>) {
        let (Some(device), Some(port)) = (self.devices.get(at), port) else {
            return;
        };
        match enslave(&device.what, master, port) {
            Ok(()) => {
                debug!("{}: port of {}", port.name, device.name);
                self.ports.insert(port.index, master);
            }
            Err(e) => {
                warn!("{}: {}: {e}: {}", device.origin, port.name, causes(&e));
                self.refused.insert(port.index);
            }
        }
    }
}

fn named<'a>(links: &'a Links, name: &str) -> Option<&'a Link> {
    links.values().find(|link| link.name == name)
}

#[cfg(test)]
mod tests;
