//! Gets the machine an address: from the command line, or from the DHCP server of the NIC that offers a root.

mod error;

use std::os::fd::AsFd;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::cmdline::{BootPlan, Complaint, Method, NicSelector};
use netroot_proto::dhcp::lease::Lease;

pub(crate) use self::error::LeaseError;
use self::error::{asked, is_unreadable};
use crate::clock::{Moment, Wait};
use crate::console::{info, warn};
use crate::error_chain::causes;
use crate::net::address::Address;
use crate::net::addressing::{Addressing, addressing_of};
use crate::net::by_index::ByIndex;
use crate::net::dhcp::client::{self, DhcpClient};
use crate::net::dhcp::client_identity;
use crate::net::dhcp::nic_selection::{BOOT_LINK_GRACE, NicState, RootKnown, Selection, select};
use crate::net::dhcp::offer_score::{protocol, root_known, score};
use crate::net::link::Nics;
use crate::net::nic::Nic;
use crate::net::udev_names;
use crate::timeouts;

/// The longest sleep between two checks of the clock.
const TICK: Duration = Duration::from_secs(5);

/// An address, and the client that got it by DHCP.
pub(crate) struct Obtained {
    pub(crate) address: Address,
    pub(crate) client: Option<DhcpClient>,
}

/// The attempt to get an address on one NIC.
struct NicAttempt {
    nic: Nic,
    client: Option<DhcpClient>,
    /// When its carrier appeared; `None` without one.
    carrier: Option<Moment>,
    /// Its address, once known, and when it arrived.
    address: Option<(Moment, Address)>,
    /// The command line excludes it.
    disabled: bool,
    /// It would ask a server, and the kernel has no packet sockets.
    lacks_packet_sockets: bool,
}

/// Waits until a NIC has an address that a root can be mounted with. NICs with which an earlier boot attempt failed (by
/// index) are used last.
pub(crate) fn obtain(
    nics: &mut Nics,
    plan: &BootPlan,
    failed: &ByIndex<Moment>,
) -> Result<Obtained, LeaseError> {
    let mut search = LeaseSearch {
        plan,
        attempts: ByIndex::new(),
        started: Moment::now(),
        boot_link: None,
        failed,
    };
    search.boot_link = plan
        .network
        .boot_link
        .as_ref()
        .map(|setting| nics.top_mac(setting.value));
    let mut wait = Wait::start();
    loop {
        nics.update();
        search.sync_nics(nics);
        search.poll_clients();
        let now = Moment::now();
        let until = match search.select(now) {
            Selection::Take(index) => {
                if let Some(obtained) = search.take_address(index) {
                    let others = search.attempts.into_values();
                    client::close(others.filter_map(|attempt| attempt.client).collect());
                    return Ok(obtained);
                }
                now
            }
            Selection::WaitUntil(moment) => moment,
            Selection::Wait => {
                let end = search.deadline(now)?;
                end.min(now.after(TICK))
            }
        };
        let next_log = wait.log_if_due(|| search.waiting_for());
        let clients = search
            .attempts
            .values_mut()
            .filter_map(|p| p.client.as_mut());
        let next = clients
            .filter_map(DhcpClient::poll_at)
            .chain([until, next_log])
            .min()
            .unwrap_or(until);
        let fds: Vec<_> = search
            .attempts
            .values()
            .filter_map(|p| p.client.as_ref().map(AsFd::as_fd))
            .collect();
        nics.sleep_until(next, &fds);
    }
}

struct LeaseSearch<'a> {
    plan: &'a BootPlan,
    attempts: ByIndex<NicAttempt>,
    started: Moment,
    /// The NIC that the firmware booted from, while only that one is allowed.
    boot_link: Option<Mac>,
    /// When a boot attempt with a NIC last failed, by its index.
    failed: &'a ByIndex<Moment>,
}

impl LeaseSearch<'_> {
    /// Updates the attempts to the NICs that are present.
    fn sync_nics(&mut self, nics: &Nics) {
        let now = Moment::now();
        let there: Vec<Nic> = nics.iter().collect();
        self.attempts
            .retain(|index, _| there.iter().any(|nic| nic.index == index));
        if let Some(boot) = self.boot_link
            && now.since(self.started) > BOOT_LINK_GRACE
            && !there.iter().any(|nic| nic.mac == boot)
        {
            warn!("no NIC has the address {boot} that BOOTIF= names; every NIC is tried");
            self.boot_link = None;
            self.attempts.clear();
        }
        for nic in there {
            let index = nic.index;
            if !self.attempts.contains(index) {
                let attempt = self.start(nic.clone());
                self.attempts.insert(index, attempt);
            }
            let Some(attempt) = self.attempts.get_mut(index) else {
                continue;
            };
            let carrier_changed = nic.carrier != attempt.carrier.is_some();
            if carrier_changed {
                attempt.carrier = nic.carrier.then_some(now);
            }
            let now_running = nic.carrier && nic.running && !attempt.nic.running;
            if let Some(client) = attempt
                .client
                .as_mut()
                .filter(|_| carrier_changed || now_running)
            {
                client.carrier(nic.carrier, nic.running);
            }
            attempt.nic = nic;
        }
    }

    fn start(&self, nic: Nic) -> NicAttempt {
        let wanted = addressing_of(&self.plan.network, &nic, self.boot_link);
        let mut attempt = NicAttempt {
            nic,
            client: None,
            carrier: None,
            address: None,
            disabled: wanted == Addressing::Off,
            lacks_packet_sockets: false,
        };
        match wanted {
            Addressing::Off => {}
            Addressing::Static(request) => {
                let address = Address::fixed(attempt.nic.clone(), request, &self.plan.network);
                attempt.address = address.map(|address| (Moment::now(), address));
            }
            Addressing::Dhcp(request) => {
                let identity = client_identity::identity(&self.plan.network, request);
                match DhcpClient::start(attempt.nic.index, attempt.nic.mac, identity) {
                    Ok(client) => attempt.client = Some(client),
                    Err(e) => {
                        warn!("{}: {e}: {}", attempt.nic.name, causes(&e));
                        attempt.lacks_packet_sockets = e.is_kernels();
                    }
                }
            }
        }
        attempt
    }

    /// Lets every client receive and send.
    fn poll_clients(&mut self) {
        let (plan, boot_link) = (self.plan, self.boot_link);
        for attempt in self.attempts.values_mut() {
            let Some(client) = &mut attempt.client else {
                continue;
            };
            let nic = &attempt.nic;
            let request = match addressing_of(&plan.network, nic, boot_link) {
                Addressing::Dhcp(request) => request,
                Addressing::Static(_) | Addressing::Off => None,
            };
            let address =
                |lease: Lease| Address::leased(nic.clone(), lease, request, &plan.network);
            let judge = |lease: &Lease| score(root_known(plan, &address(lease.clone()), None));
            let Some((lease, exchange)) = client.poll(&nic.name, &judge) else {
                continue;
            };
            for note in &lease.notes {
                warn!("{}: DHCP: {note}", attempt.nic.name);
            }
            let mut address = address(lease);
            address.exchange = Some(exchange);
            attempt.address = Some((Moment::now(), address));
        }
    }

    fn select(&self, now: Moment) -> Selection {
        let states: Vec<NicState> = self
            .attempts
            .values()
            .map(|attempt| {
                // An address is of no use without a carrier, be it from the command line or from a lease.
                let usable = attempt
                    .address
                    .as_ref()
                    .filter(|_| attempt.carrier.is_some());
                let usable = usable.filter(|_| self.may_be_chosen(&attempt.nic));
                let failed = self.failed.get(attempt.nic.index).copied();
                NicState {
                    arrived: usable.map(|(moment, _)| *moment),
                    root: usable.map_or(RootKnown::None, |(_, address)| {
                        root_known(self.plan, address, failed)
                    }),
                    failed,
                    asking: attempt.client.is_some() && attempt.carrier.is_some(),
                }
            })
            .collect();
        select(&states, now)
    }

    fn take_address(&mut self, index: usize) -> Option<Obtained> {
        let attempt = self.attempts.values_mut().nth(index)?;
        let (_, address) = attempt.address.take()?;
        let client = attempt.client.take();
        let (name, own) = (&address.nic.name, address.prefix);
        match &address.lease {
            None => info!("{name}: address {own} (ip=)"),
            Some(lease) => {
                let server = lease
                    .server_id
                    .map_or_else(|| "a BOOTP server".to_owned(), |s| s.to_string());
                let gateway = lease
                    .default_gateway()
                    .map(|g| format!(", router {g}"))
                    .unwrap_or_default();
                info!("{name}: lease {own} from {server}{gateway}");
            }
        }
        Some(Obtained { address, client })
    }

    /// When the search times out; the error, once it has.
    fn deadline(&self, now: Moment) -> Result<Moment, LeaseError> {
        let asking = || {
            let usable = |p: &&NicAttempt| !p.disabled && self.may_be_chosen(&p.nic);
            self.attempts.values().filter(usable)
        };
        let requests = &self.plan.network.addressing;
        if !requests.is_empty() && requests.iter().all(is_unreadable) {
            return Err(self.no_nic());
        }
        let protocol = protocol(&self.plan.network);
        let lacks_packet_sockets = asking().any(|p| p.lacks_packet_sockets);
        // Only a NIC whose address is on the command line is worth waiting for then.
        if lacks_packet_sockets && requests.iter().all(|r| r.method != Method::Static) {
            return Err(LeaseError::NoPacketSockets { protocol });
        }
        let names = |attempts: Vec<&NicAttempt>| {
            attempts
                .iter()
                .map(|p| p.nic.name.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let carriers: Vec<&NicAttempt> = asking().filter(|p| p.carrier.is_some()).collect();
        let longest = carriers.iter().filter_map(|p| p.carrier).min();
        if let Some(since) = longest {
            let waited = now.since(since);
            let timeout = timeouts::dhcp(&self.plan.network);
            if waited < timeout {
                return Ok(since.after(timeout));
            }
            return Err(match lacks_packet_sockets {
                true => LeaseError::NoPacketSockets { protocol },
                false => LeaseError::NoDhcp {
                    protocol,
                    interfaces: names(carriers),
                    waited,
                },
            });
        }
        let timeout = timeouts::carrier(&self.plan.network);
        let waited = now.since(self.started);
        if waited < timeout {
            return Ok(self.started.after(timeout));
        }
        if asking().next().is_none() {
            return Err(self.no_nic());
        }
        Err(LeaseError::NoCarrier {
            interfaces: names(asking().collect()),
            waited,
        })
    }

    /// Whether `bootdev=` leaves a NIC.
    fn may_be_chosen(&self, nic: &Nic) -> bool {
        let chosen = self.plan.network.boot_device.as_ref();
        chosen.is_none_or(|device| nic.is_selected_by(&device.value))
    }

    /// The error about the first request that cannot be read, if there is one.
    fn unreadable(&self) -> Option<LeaseError> {
        let request = self
            .plan
            .network
            .addressing
            .iter()
            .find(|r| is_unreadable(r))?;
        let parameter = request.origin.to_string();
        let is_about = |c: &&Complaint| {
            let value = c.value.as_deref().unwrap_or_default();
            let of_device = match &request.device {
                Some(NicSelector::Unreadable(device)) => c.found == *device,
                _ => true,
            };
            of_device && parameter == format!("{}={value}", c.parameter)
        };
        let complaint = self.plan.complaints.iter().find(is_about);
        let complaint = complaint.map_or(parameter.clone(), ToString::to_string);
        Some(LeaseError::Unreadable { complaint })
    }

    /// The error about a command line that allows none of the NICs.
    fn no_nic(&self) -> LeaseError {
        if let Some(error) = self.unreadable() {
            return error;
        }
        let there = self.attempts.values().map(|attempt| {
            let mut nic = attempt.nic.clone();
            // They are not looked for where no parameter has a name.
            if nic.udev_names.is_empty() {
                let names = udev_names::of(&nic.name, self.plan.network.udev_naming);
                nic.udev_names = names.into_iter().map(|name| name.name).collect();
            }
            nic.all_names()
        });
        let there: Vec<String> = there.collect();
        LeaseError::DeviceNotPresent {
            there: there.join(", "),
            asked: asked(&self.plan.network),
        }
    }

    /// What the search is waiting for, for the log.
    fn waiting_for(&self) -> String {
        let names = |carrier: bool| {
            let attempts = self
                .attempts
                .values()
                .filter(|p| !p.disabled && p.carrier.is_some() == carrier)
                .filter(|p| self.may_be_chosen(&p.nic));
            attempts
                .map(|p| p.nic.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let has_address = |attempt: &&NicAttempt| {
            let usable = attempt.address.is_some() && attempt.carrier.is_some();
            usable && self.may_be_chosen(&attempt.nic)
        };
        if let Some(attempt) = self.attempts.values().find(has_address) {
            let name = &attempt.nic.name;
            return format!("an address with a root: that of {name} came without a sure one");
        }
        let protocol = protocol(&self.plan.network);
        match (names(true), names(false)) {
            (up, _) if !up.is_empty() => format!("a {protocol} server to answer on {up}"),
            (_, down) if !down.is_empty() => format!("a carrier on {down}"),
            _ => format!("the network card of {}", asked(&self.plan.network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search<'a>(plan: &'a BootPlan, failed: &'a ByIndex<Moment>) -> LeaseSearch<'a> {
        let mut search = LeaseSearch {
            plan,
            attempts: ByIndex::new(),
            started: Moment::at(Duration::ZERO),
            boot_link: None,
            failed,
        };
        let nic = Nic {
            udev_names: vec!["ens3".into(), "enp0s3".into(), "enx020000000001".into()],
            ..crate::net::address::tests::nic()
        };
        let attempt = search.start(nic);
        search.attempts.insert(2, attempt);
        search
    }

    #[test]
    fn a_nic_that_is_not_there_is_told_with_all_names_of_those_that_are() {
        let plan = BootPlan::parse("ip=enp9s0:dhcp");
        let error = search(&plan, &ByIndex::new())
            .deadline(Moment::at(Duration::from_secs(600)))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "no network card to use: the command line names none of those that are there \
             (eth0 alias ens3 enp0s3 enx020000000001); correct the device in ip=enp9s0:dhcp"
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_at_once() {
        let plan = BootPlan::parse("ip=10.0.0.300:::24::eth0:off");
        let error = search(&plan, &ByIndex::new())
            .deadline(Moment::at(Duration::from_secs(1)))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "no network card is set up: ip=10.0.0.300:::24::eth0:off: at position 0: expected an IPv4 address, \
             found \"10.0.0.300\"; no address is taken from it; correct it, or leave the address to DHCP with ip=dhcp"
        );
        let plan = BootPlan::parse("ip=10.0.0.300 ip=eth7:dhcp");
        let waits = search(&plan, &ByIndex::new()).deadline(Moment::at(Duration::from_secs(1)));
        assert!(waits.is_ok(), "eth7 may still appear");
    }

    #[test]
    fn a_kernel_without_packet_sockets_is_told_at_once_unless_another_nic_may_have_an_address() {
        let failed = ByIndex::new();
        let end = |line: &str, seconds: u64| {
            let plan = BootPlan::parse(line);
            let mut search = search(&plan, &failed);
            for attempt in search.attempts.values_mut() {
                attempt.carrier = Some(Moment::at(Duration::ZERO));
                attempt.lacks_packet_sockets = true;
            }
            let end = search.deadline(Moment::at(Duration::from_secs(seconds)));
            end.err().map(|error| error.to_string())
        };
        let sentence = "no address: the kernel has no packet sockets, which DHCP needs; add af_packet to the initrd \
            (netroot initrd), enable CONFIG_PACKET in the kernel, or give ip=<address>::<gateway>:<netmask>";
        assert_eq!(end("ip=dhcp", 0).as_deref(), Some(sentence));
        let another = "ip=eth0:dhcp ip=10.0.0.9:::24::eth7:off";
        assert_eq!(end(another, 1), None);
        assert_eq!(end(another, 600).as_deref(), Some(sentence));
    }
}
