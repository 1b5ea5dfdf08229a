//! An address for the machine: from the command line, or from whichever NIC's DHCP server has a root.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::fd::AsFd;
use std::time::Duration;

use netroot_proto::cmdline::BootPlan;
use netroot_proto::dhcp::Mac;
use netroot_proto::dhcp::lease::Lease;

use crate::causes::causes;
use crate::clock::{Moment, Wait};
use crate::console::{info, warn};
use crate::net::address::Address;
use crate::net::dhcp::client::DhcpClient;
use crate::net::dhcp::firmware;
use crate::net::dhcp::nic_selection::{
    Addressing, BOOT_LINK_GRACE, NicState, RootKnown, Selection, addressing_of, select,
};
use crate::net::dhcp::offer_score::{protocol, root_known, score};
use crate::net::link::Nics;
use crate::net::nic::Nic;
use crate::timeouts;

/// Looks at the clock this often at least.
const TICK: Duration = Duration::from_secs(5);

/// Why no NIC has an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// The command line allows none of the NICs.
    #[error(
        "no network card to use: the command line names none of those that are there ({there}); correct the device in ip=, or BOOTIF="
    )]
    DeviceNotPresent {
        /// The NICs that are there.
        there: String,
    },
    /// No cable.
    #[error("no carrier: nothing is at the other end of {interfaces} after {} s; check the cable and the switch's port", waited.as_secs())]
    NoCarrier {
        /// The NICs.
        interfaces: String,
        /// How long was waited.
        waited: Duration,
    },
    /// No DHCP server answered.
    #[error("no address: no {protocol} server answered on {interfaces} within {} s; check that one serves this network and is not out of addresses, that the switch lets this port through (VLAN, spanning tree), or give ip=<address>::<gateway>:<netmask>", waited.as_secs())]
    NoDhcp {
        /// The protocol that was used: DHCP or BOOTP.
        protocol: &'static str,
        /// The NICs with a carrier.
        interfaces: String,
        /// How long was asked.
        waited: Duration,
    },
}

/// One NIC in the race.
struct Port {
    nic: Nic,
    client: Option<DhcpClient>,
    /// Since when it has had a carrier.
    carrier: Option<Moment>,
    /// Its address, once known, and when that was.
    address: Option<(Moment, Address)>,
    /// It is asked for nothing.
    off: bool,
}

/// Waits until a NIC has an address that a root can be mounted with. NICs that an attempt failed with (by index)
/// let the others go first.
pub(crate) fn obtain(
    nics: &mut Nics,
    plan: &BootPlan,
    failed: &BTreeMap<u32, Moment>,
) -> Result<Address, LeaseError> {
    let mut race = Race {
        plan,
        ports: BTreeMap::new(),
        started: Moment::now(),
        boot_link: None,
        failed,
    };
    race.boot_link = plan
        .network
        .boot_link
        .as_ref()
        .map(|setting| nics.stand_in(Mac(setting.value)));
    let mut wait = Wait::start();
    loop {
        nics.update();
        race.follow(nics);
        race.listen();
        let now = Moment::now();
        let until = match race.judge(now) {
            Selection::Take(index) => {
                if let Some(address) = race.take(index) {
                    return Ok(address);
                }
                now
            }
            Selection::WaitUntil(moment) => moment,
            Selection::Wait => {
                let end = race.end(now)?;
                end.min(now.after(TICK))
            }
        };
        let speak = wait.log_if_due(race.what());
        let clients = race.ports.values_mut().filter_map(|p| p.client.as_mut());
        let next = clients
            .filter_map(DhcpClient::poll_at)
            .chain([until, speak])
            .min()
            .unwrap_or(until);
        let fds: Vec<_> = race
            .ports
            .values()
            .filter_map(|p| p.client.as_ref().map(AsFd::as_fd))
            .collect();
        nics.sleep_until(next, &fds);
    }
}

struct Race<'a> {
    plan: &'a BootPlan,
    ports: BTreeMap<u32, Port>,
    started: Moment,
    /// The NIC that the firmware booted from, while it is insisted on.
    boot_link: Option<Mac>,
    /// When an attempt with a NIC failed last, by its index.
    failed: &'a BTreeMap<u32, Moment>,
}

impl Race<'_> {
    /// Brings the ports in line with the NICs that there are.
    fn follow(&mut self, nics: &Nics) {
        let now = Moment::now();
        let there: Vec<Nic> = nics.iter().collect();
        self.ports
            .retain(|index, _| there.iter().any(|nic| nic.index == *index));
        if let Some(boot) = self.boot_link
            && now.since(self.started) > BOOT_LINK_GRACE
            && !there.iter().any(|nic| nic.mac == boot)
        {
            warn!("no NIC has the address {boot} that BOOTIF= names; every NIC is tried");
            self.boot_link = None;
            self.ports.clear();
        }
        for nic in there {
            let index = nic.index;
            if !self.ports.contains_key(&index) {
                let port = self.enter(nic.clone());
                self.ports.insert(index, port);
            }
            let Some(port) = self.ports.get_mut(&index) else {
                continue;
            };
            let came_or_went = nic.carrier != port.carrier.is_some();
            if came_or_went {
                port.carrier = nic.carrier.then_some(now);
            }
            let surer = nic.carrier && nic.running && !port.nic.running;
            if let Some(client) = port.client.as_mut().filter(|_| came_or_went || surer) {
                client.carrier(nic.carrier);
            }
            port.nic = nic;
        }
    }

    fn enter(&self, nic: Nic) -> Port {
        let wanted = addressing_of(&self.plan.network, &nic.name, nic.mac, self.boot_link);
        let mut port = Port {
            nic,
            client: None,
            carrier: None,
            address: None,
            off: wanted == Addressing::Off,
        };
        match wanted {
            Addressing::Off => {}
            Addressing::Static(request) => {
                let address = Address::fixed(port.nic.clone(), request, &self.plan.network);
                port.address = address.map(|address| (Moment::now(), address));
            }
            Addressing::Dhcp(request) => {
                let identity = firmware::identity(&self.plan.network, request);
                match DhcpClient::start(port.nic.index, port.nic.mac, identity) {
                    Ok(client) => port.client = Some(client),
                    Err(e) => warn!("{}: {e}: {}", port.nic.name, causes(&e)),
                }
            }
        }
        port
    }

    /// Lets every client take and send.
    fn listen(&mut self) {
        let (plan, boot_link) = (self.plan, self.boot_link);
        for port in self.ports.values_mut() {
            let Some(client) = &mut port.client else {
                continue;
            };
            let nic = &port.nic;
            let request = match addressing_of(&plan.network, &nic.name, nic.mac, boot_link) {
                Addressing::Dhcp(request) => request,
                Addressing::Static(_) | Addressing::Off => None,
            };
            let address =
                |lease: Lease| Address::leased(nic.clone(), lease, request, &plan.network);
            let judge = |lease: &Lease| score(root_known(plan, &address(lease.clone()), None));
            let Some((lease, dialogue)) = client.poll(&nic.name, &judge) else {
                continue;
            };
            for note in &lease.notes {
                warn!("{}: DHCP: {note}", port.nic.name);
            }
            let mut address = address(lease);
            address.dialogue = Some(dialogue);
            port.address = Some((Moment::now(), address));
        }
    }

    fn judge(&self, now: Moment) -> Selection {
        let chosen = self
            .plan
            .network
            .boot_device
            .as_ref()
            .map(|setting| setting.value.as_str());
        let states: Vec<NicState> = self
            .ports
            .values()
            .map(|port| {
                // An address is of no use without a carrier, be it from the command line or from a lease.
                let usable = port.address.as_ref().filter(|_| port.carrier.is_some());
                let usable = usable.filter(|_| chosen.is_none_or(|name| name == port.nic.name));
                let failed = self.failed.get(&port.nic.index).copied();
                NicState {
                    arrived: usable.map(|(moment, _)| *moment),
                    root: usable.map_or(RootKnown::None, |(_, address)| {
                        root_known(self.plan, address, failed)
                    }),
                    failed,
                    asking: port.client.is_some() && port.carrier.is_some(),
                }
            })
            .collect();
        select(&states, now)
    }

    fn take(&mut self, index: usize) -> Option<Address> {
        let port = self.ports.values_mut().nth(index)?;
        let (_, address) = port.address.take()?;
        let (name, own, prefix) = (&address.nic.name, address.own, address.prefix);
        match &address.lease {
            None => info!("{name}: address {own}/{prefix} (ip=)"),
            Some(lease) => {
                let server = lease
                    .server_id
                    .map_or_else(|| "a BOOTP server".to_owned(), |s| s.to_string());
                let gateway = lease
                    .default_gateway()
                    .map(|g| format!(", router {g}"))
                    .unwrap_or_default();
                info!("{name}: lease {own}/{prefix} from {server}{gateway}");
            }
        }
        Some(address)
    }

    /// When waiting on makes no sense any more; the failure, once it does not.
    fn end(&self, now: Moment) -> Result<Moment, LeaseError> {
        let asking = || self.ports.values().filter(|p| !p.off);
        let names = |ports: Vec<&Port>| {
            ports
                .iter()
                .map(|p| p.nic.name.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let carriers: Vec<&Port> = asking().filter(|p| p.carrier.is_some()).collect();
        let longest = carriers.iter().filter_map(|p| p.carrier).min();
        if let Some(since) = longest {
            let waited = now.since(since);
            let patience = timeouts::dhcp(&self.plan.network);
            if waited < patience {
                return Ok(since.after(patience));
            }
            return Err(LeaseError::NoDhcp {
                protocol: protocol(&self.plan.network),
                interfaces: names(carriers),
                waited,
            });
        }
        let patience = timeouts::carrier(&self.plan.network);
        let waited = now.since(self.started);
        if waited < patience {
            return Ok(self.started.after(patience));
        }
        if asking().next().is_none() {
            let there = names(self.ports.values().collect());
            return Err(LeaseError::DeviceNotPresent { there });
        }
        Err(LeaseError::NoCarrier {
            interfaces: names(asking().collect()),
            waited,
        })
    }

    /// What is waited for.
    fn what(&self) -> impl Display {
        let names = |carrier: bool| {
            let ports = self
                .ports
                .values()
                .filter(|p| !p.off && p.carrier.is_some() == carrier);
            ports
                .map(|p| p.nic.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let has_address = |port: &&Port| port.address.is_some() && port.carrier.is_some();
        if let Some(port) = self.ports.values().find(has_address) {
            let name = &port.nic.name;
            return format!("an address with a root: that of {name} came without a sure one");
        }
        let protocol = protocol(&self.plan.network);
        match (names(true), names(false)) {
            (up, _) if !up.is_empty() => format!("a {protocol} server to answer on {up}"),
            (_, down) if !down.is_empty() => format!("a carrier on {down}"),
            _ => "the network card that the command line names".to_owned(),
        }
    }
}
