//! The parameters of the network, but for the root.

use std::net::IpAddr;
use std::time::Duration;

use netroot_net::Mac;

use super::bond::Bond;
use super::boot_link;
use super::device::{Bridge, Rename, Vlan};
use super::ignored::Ignored;
use super::ip::IpRequest;
use super::route::StaticRoute;
use super::selector::NicSelector;
use super::udev_naming::UdevNaming;
use super::word::{Notes, Word};
use crate::address::read_address;

use crate::reading::{Origin, Setting};

/// How the network comes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    /// One request per `ip=` or `nfsaddrs=`, in order. Empty: DHCP on every NIC.
    pub addressing: Vec<IpRequest>,
    /// The NIC that the firmware booted from (`BOOTIF=`, `hwaddr=`).
    pub boot_link: Option<Setting<Mac>>,
    /// The NIC whose lease decides about the root (`bootdev=`).
    pub boot_device: Option<Setting<NicSelector>>,
    /// Which of udev's names a NIC may be called by (`net.ifnames=`, `net.naming_scheme=`).
    pub udev_naming: UdevNaming,
    /// `nameserver=`, in order; they go before those of DHCP.
    pub name_servers: Vec<Setting<IpAddr>>,
    /// Whether the name servers of DHCP count (not with `rd.peerdns=0`).
    pub peer_dns: Setting<bool>,
    /// How long to wait for a carrier before a NIC is given up (`carrier_timeout=`, 120 s).
    pub carrier_timeout: Setting<Duration>,
    /// The other limits.
    pub timeouts: NetworkTimeouts,
    /// DHCP option 60 (`dhcpclass=`, `rd.net.dhcp.vendor-class=`).
    pub dhcp_class: Option<Setting<String>>,
    /// `ifname=`, in order, one per name and per address.
    pub renames: Vec<Setting<Rename>>,
    /// Names for the NIC of `BOOTIF=` (`ifname=<name>:`), until the whole line is known.
    pub(super) boot_link_names: Vec<Setting<String>>,
    /// `bond=`, in order, one per name. They are made before VLANs and bridges.
    pub bonds: Vec<Setting<Bond>>,
    /// `vlan=`, in order, one per name. They are made before bridges.
    pub vlans: Vec<Setting<Vlan>>,
    /// `bridge=`, in order, one per name.
    pub bridges: Vec<Setting<Bridge>>,
    /// `rd.route=`, in order; they come on top of those of `ip=` and DHCP.
    pub routes: Vec<Setting<StaticRoute>>,
}

/// Timeouts of the network, where the command line sets them (dracut). `None` is the
/// init's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkTimeouts {
    /// `rd.net.timeout.dhcp=`: one try of DHCP, from the first DISCOVER.
    pub dhcp: Option<Setting<Duration>>,
    /// `rd.net.dhcp.retry=`: how many such tries, at least 1.
    pub dhcp_tries: Option<Setting<u32>>,
    /// `rd.net.timeout.iflink=`: until a NIC appears.
    pub link: Option<Setting<Duration>>,
    /// `rd.net.timeout.ifup=`: until it is up.
    pub up: Option<Setting<Duration>>,
}

impl Default for NetworkPlan {
    fn default() -> Self {
        Self {
            addressing: Vec::new(),
            boot_link: None,
            boot_device: None,
            udev_naming: UdevNaming::default(),
            name_servers: Vec::new(),
            peer_dns: Setting::default_value(true),
            carrier_timeout: Setting::default_value(Duration::from_secs(120)),
            timeouts: NetworkTimeouts::default(),
            dhcp_class: None,
            renames: Vec::new(),
            boot_link_names: Vec::new(),
            bonds: Vec::new(),
            vlans: Vec::new(),
            bridges: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl NetworkPlan {
    /// Applies `word` if it is about the network; returns whether it is.
    pub(super) fn take(&mut self, word: &Word<'_>, notes: &mut Notes) -> bool {
        let text = word.text;
        self.udev_naming.note(word.name, word.value);
        match (word.name, word.value) {
            ("ip" | "nfsaddrs", Some(value)) => {
                let origin = Origin::Parameter(text.to_owned());
                let request = IpRequest::read(value, origin, &mut notes.reading(word));
                self.add_request(request, notes);
            }
            ("BOOTIF" | "hwaddr", Some(value)) => {
                if let Some(address) = boot_link::read(value, &mut notes.reading(word)) {
                    self.boot_link = Some(Setting::parameter(address, text));
                }
            }
            ("bootdev", Some(device)) => {
                let nic = NicSelector::read(device).unwrap_or_else(|| {
                    let expected = "the name or the Ethernet address of a network device";
                    notes.complain(word, expected, "no NIC decides about the root");
                    NicSelector::Unreadable(device.to_owned())
                });
                self.boot_device = Some(Setting::parameter(nic, text));
            }
            ("nameserver", Some(server)) => match read_address(server) {
                Ok(address) => self.name_servers.push(Setting::parameter(address, text)),
                Err(error) => notes.complain(word, error.to_string(), "left out"),
            },
            ("rd.peerdns", _) => {
                if let Some(yes) = notes.boolean(word, "DHCP's name servers are used") {
                    self.peer_dns = Setting::parameter(yes, text);
                }
            }
            ("dhcpclass" | "rd.net.dhcp.vendor_class", Some(class)) => {
                // 253 bytes is all that the kernel's buffer takes.
                if (1..=253).contains(&class.len()) {
                    self.dhcp_class = Some(Setting::parameter(class.to_owned(), text));
                } else {
                    let expected = "a vendor class of 1 to 253 bytes";
                    notes.complain(word, expected, "no vendor class is sent");
                }
            }
            ("ifname", Some(value)) if Rename::is_for_boot_link(value) => {
                let name = value.trim_end_matches(':').to_owned();
                self.boot_link_names.push(Setting::parameter(name, text));
            }
            ("ifname", Some(value)) => {
                if let Some(new) = Rename::read(value, &mut notes.reading(word)) {
                    let same = |old: &Rename| old.name == new.name || old.address == new.address;
                    replace(&mut self.renames, same, notes);
                    self.renames.push(Setting::parameter(new, text));
                }
            }
            ("vlan", Some(value)) => {
                if let Some(new) = Vlan::read(value, &mut notes.reading(word)) {
                    replace(&mut self.vlans, |old| old.name == new.name, notes);
                    self.vlans.push(Setting::parameter(new, text));
                }
            }
            ("bond", value) => {
                if let Some(new) = Bond::read(value, &mut notes.reading(word)) {
                    replace(&mut self.bonds, |old| old.name == new.name, notes);
                    self.bonds.push(Setting::parameter(new, text));
                }
            }
            ("bridge", value) => {
                if let Some(new) = Bridge::read(value, &mut notes.reading(word)) {
                    replace(&mut self.bridges, |old| old.name == new.name, notes);
                    self.bridges.push(Setting::parameter(new, text));
                }
            }
            ("rd.route", Some(value)) => {
                if let Some(route) = StaticRoute::read(value, &mut notes.reading(word)) {
                    self.routes.push(Setting::parameter(route, text));
                }
            }
            _ => return self.take_timeout(word, notes),
        }
        true
    }

    fn take_timeout(&mut self, word: &Word<'_>, notes: &mut Notes) -> bool {
        let place = match word.name {
            "carrier_timeout" | "rd.net.timeout.carrier" if word.value.is_some() => {
                if let Some(limit) = notes.seconds(word, "120 seconds are used") {
                    self.carrier_timeout = limit;
                }
                return true;
            }
            "rd.net.dhcp.retry" => {
                match word.value.unwrap_or_default().parse() {
                    Ok(tries @ 1..) => {
                        let tries = Setting::parameter(tries, word.text);
                        self.timeouts.dhcp_tries = Some(tries);
                    }
                    _ => notes.complain(word, "a number of tries, at least 1", "left out"),
                }
                return true;
            }
            "rd.net.timeout.dhcp" => &mut self.timeouts.dhcp,
            "rd.net.timeout.iflink" => &mut self.timeouts.link,
            "rd.net.timeout.ifup" => &mut self.timeouts.up,
            _ => return false,
        };
        if let Some(limit) = notes.seconds(word, "left out") {
            *place = Some(limit);
        }
        true
    }

    /// Keeps a request; a later one for the same NIC takes an earlier one's place.
    fn add_request(&mut self, request: IpRequest, notes: &mut Notes) {
        let same_nic = |earlier: &IpRequest| earlier.device == request.device;
        if let Some(at) = self.addressing.iter().position(same_nic) {
            let earlier = self.addressing.remove(at);
            let why = "a later ip= is about the same NIC";
            notes.ignore(&earlier.origin, why);
        }
        self.addressing.push(request);
    }

    /// The names of NICs that are asked for, each with its parameter: devices of `ip=` and `bootdev=`, and what bonds,
    /// VLANs, bridges and routes are made of. Those of devices that are made, and of `ifname=`, are left out.
    pub fn asked_names(&self) -> Vec<(&str, &Origin)> {
        let mut names: Vec<(&str, &Origin)> = Vec::new();
        for request in &self.addressing {
            if let Some(name) = request.device.as_ref().and_then(NicSelector::name) {
                names.push((name, &request.origin));
            }
        }
        if let Some(Setting { value, origin }) = &self.boot_device
            && let Some(name) = value.name()
        {
            names.push((name, origin));
        }
        for Setting { value, origin } in &self.bonds {
            value
                .ports
                .iter()
                .for_each(|port| names.push((port, origin)));
        }
        for Setting { value, origin } in &self.vlans {
            names.push((&value.link, origin));
        }
        for Setting { value, origin } in &self.bridges {
            value
                .ports
                .iter()
                .for_each(|port| names.push((port, origin)));
        }
        for Setting { value, origin } in &self.routes {
            if let Some(device) = &value.device {
                names.push((device, origin));
            }
        }
        names.retain(|(name, _)| !self.gives_name(name));
        names
    }

    /// Whether a NIC is asked for by this name.
    pub fn asks_for(&self, name: &str) -> bool {
        self.asked_names().iter().any(|(asked, _)| *asked == name)
    }

    /// Whether a device that is made or renamed has this name.
    fn gives_name(&self, name: &str) -> bool {
        self.renames.iter().any(|s| s.value.name == name)
            || self.bonds.iter().any(|s| s.value.name == name)
            || self.vlans.iter().any(|s| s.value.name == name)
            || self.bridges.iter().any(|s| s.value.name == name)
    }

    /// Puts the address of `BOOTIF=` where a parameter refers to it.
    pub(super) fn settle_boot_link(&mut self, notes: &mut Notes) {
        let address = self.boot_link.as_ref().map(|boot| boot.value);
        let boot = self.boot_device.iter_mut();
        let boot = boot.map(|s| (&mut s.value, &s.origin));
        let requests = self.addressing.iter_mut();
        let requests = requests.filter_map(|r| Some((r.device.as_mut()?, &r.origin)));
        for (nic, origin) in boot.chain(requests) {
            if *nic != NicSelector::BootLink {
                continue;
            }
            *nic = match address {
                Some(address) => NicSelector::Address(address),
                None => {
                    notes.without_boot_link(origin, "BOOTIF", "no NIC is set up by it");
                    NicSelector::Unreadable("BOOTIF".to_owned())
                }
            };
        }
        for Setting {
            value: name,
            origin,
        } in std::mem::take(&mut self.boot_link_names)
        {
            let Some(address) = address else {
                notes.without_boot_link(&origin, "", "no NIC is renamed");
                continue;
            };
            let new = Rename { name, address };
            let same = |old: &Rename| old.name == new.name || old.address == new.address;
            replace(&mut self.renames, same, notes);
            self.renames.push(Setting { value: new, origin });
        }
    }

    /// `rd.bootif=0`: nothing is made of `BOOTIF=`. Says what is passed over.
    pub(super) fn without_boot_link(&mut self) -> Option<Ignored> {
        let Setting { origin, .. } = self.boot_link.take()?;
        Some(Ignored::new(origin.to_string(), "rd.bootif=0 is given"))
    }
}

/// Removes the values that a later parameter replaces.
fn replace<T>(list: &mut Vec<Setting<T>>, same: impl Fn(&T) -> bool, notes: &mut Notes) {
    list.retain(|earlier| {
        let gone = same(&earlier.value);
        if gone {
            notes.ignore(&earlier.origin, "a later one takes its place");
        }
        !gone
    });
}
