//! Machines in other networks, whose DHCP requests a relay passed on.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::Mac;
use netroot_proto::dhcp::MessageType;
use netroot_proto::dhcp::request::Request;

/// How many machines are remembered: four /24 networks.
const KNOWN: usize = 1024;
/// How long a machine may take from its DHCP request to its last file: an hour, a short lease.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The addresses of the machines that came by a relay. Bounded: the relay with the most machines loses those that
/// were heard of longest ago, so that a host that claims to be a relay keeps no other relay's machines out.
#[derive(Debug, Default)]
pub(crate) struct RelayedMachines {
    addresses: Mutex<HashMap<Ipv4Addr, Heard>>,
}

/// The last request of a machine.
#[derive(Debug, Clone, Copy)]
struct Heard {
    relay: Ipv4Addr,
    mac: Mac,
    at: Instant,
}

impl RelayedMachines {
    /// Remembers the machine of a request that `source` sent at `now`, if that is the relay which the request names.
    pub(crate) fn learn(&self, request: &Request, source: Ipv4Addr, now: Instant) {
        let relay = request.header.relay_ip;
        if relay.is_unspecified() || relay != source || request.kind != MessageType::Request {
            return;
        }
        let own = request.header.client_ip;
        let own = Some(own).filter(|address| !address.is_unspecified());
        let Some(address) = own.or(request.requested_address) else {
            return;
        };
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= KNOWN && !addresses.contains_key(&address) {
            addresses.retain(|_, heard| is_recent(heard.at, now));
            if addresses.len() >= KNOWN {
                make_room(&mut addresses);
            }
        }
        let mac = request.header.mac;
        let heard = Heard {
            relay,
            mac,
            at: now,
        };
        addresses.insert(address, heard);
    }

    /// Whether a machine with this address came by a relay within the last hour.
    pub(crate) fn has(&self, address: Ipv4Addr, now: Instant) -> bool {
        self.of(address, now).is_some()
    }

    /// The machine that asked for this address by a relay within the last hour.
    pub(super) fn of(&self, address: Ipv4Addr, now: Instant) -> Option<Mac> {
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let heard = addresses.get(&address);
        let heard = heard.filter(|heard| is_recent(heard.at, now));
        heard.map(|heard| heard.mac)
    }
}

/// For several machines, so that not every one of a flood looks at all that are remembered.
fn make_room(addresses: &mut HashMap<Ipv4Addr, Heard>) {
    let mut machines: HashMap<Ipv4Addr, usize> = HashMap::new();
    for heard in addresses.values() {
        *machines.entry(heard.relay).or_default() += 1;
    }
    let most = machines.iter().max_by_key(|(_, machines)| **machines);
    let Some((relay, machines)) = most else {
        return;
    };
    let of_it = addresses.iter().filter(|(_, heard)| heard.relay == *relay);
    let mut of_it: Vec<_> = of_it.map(|(address, heard)| (heard.at, *address)).collect();
    of_it.sort_unstable();
    for (_, address) in of_it.iter().take((machines / 16).max(1)) {
        addresses.remove(address);
    }
}

fn is_recent(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < REMEMBERED
}

#[cfg(test)]
pub(super) mod tests {
    use netroot_proto::dhcp::code;
    use netroot_proto::dhcp::emit::{Draft, LONGEST};
    use netroot_proto::dhcp::header::Header;

    use super::*;

    pub(in super::super) const RELAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

    /// A request for 10.9.0.`host` by the relay.
    pub(in super::super) fn request(host: u8) -> Request {
        let mut header = Header::of_client(Mac([2, 0, 0, 0, 0, host]), 7);
        header.relay_ip = RELAY;
        let mut draft = Draft::new(header);
        draft.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
        draft.push(code::REQUESTED_ADDRESS, &address(host).octets());
        Request::read(&draft.emit(LONGEST).bytes).unwrap()
    }

    fn address(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, 0, host)
    }

    #[test]
    fn a_machine_is_believed_from_the_relay_itself_and_for_an_hour() {
        let (relayed, start) = (RelayedMachines::default(), Instant::now());
        relayed.learn(&request(7), Ipv4Addr::new(10, 0, 0, 66), start);
        assert!(!relayed.has(address(7), start));
        relayed.learn(&request(7), RELAY, start);
        assert!(relayed.has(address(7), start) && !relayed.has(address(8), start));
        assert_eq!(relayed.of(address(7), start), Some(Mac([2, 0, 0, 0, 0, 7])));
        assert!(!relayed.has(address(7), start + REMEMBERED));
    }

    #[test]
    fn their_number_is_bounded() {
        let (relayed, start) = (RelayedMachines::default(), Instant::now());
        let mut request = request(1);
        for number in 0..5000_u32 {
            request.requested_address = Some(Ipv4Addr::from_bits(0x0a0a_0000 + number));
            relayed.learn(&request, RELAY, start);
        }
        assert!(relayed.addresses.lock().unwrap().len() <= KNOWN);
    }

    #[test]
    fn a_host_that_claims_to_be_a_relay_keeps_no_other_relays_machines_out() {
        let (relayed, start) = (RelayedMachines::default(), Instant::now());
        relayed.learn(&request(7), RELAY, start);
        let liar = Ipv4Addr::new(10, 0, 0, 66);
        let mut invented = request(1);
        invented.header.relay_ip = liar;
        // Before, the first 1024 of them kept every later machine out for an hour.
        for number in 0..5000_u32 {
            invented.requested_address = Some(Ipv4Addr::from_bits(0x0a0a_0000 + number));
            relayed.learn(&invented, liar, start + Duration::from_secs(1));
        }
        let later = start + Duration::from_secs(2);
        relayed.learn(&request(8), RELAY, later);
        assert!(relayed.has(address(7), later) && relayed.has(address(8), later));
        assert!(relayed.addresses.lock().unwrap().len() <= KNOWN);
    }
}
