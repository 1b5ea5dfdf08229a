//! Machines in other networks, whose DHCP requests a relay passed on.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_proto::dhcp::MessageType;
use netroot_proto::dhcp::request::Request;

/// How many machines are remembered: four /24 networks.
const KNOWN: usize = 1024;
/// How long a machine may take from its DHCP request to its last file: an hour, a short lease.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The addresses of the machines that came by a relay. Bounded.
#[derive(Debug, Default)]
pub(crate) struct RelayedMachines {
    addresses: Mutex<HashMap<Ipv4Addr, Instant>>,
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
            addresses.retain(|_, then| is_recent(*then, now));
            if addresses.len() >= KNOWN {
                return;
            }
        }
        addresses.insert(address, now);
    }

    /// Whether a machine with this address came by a relay within the last hour.
    pub(crate) fn has(&self, address: Ipv4Addr, now: Instant) -> bool {
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        addresses
            .get(&address)
            .is_some_and(|then| is_recent(*then, now))
    }
}

fn is_recent(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < REMEMBERED
}

#[cfg(test)]
mod tests {
    use netroot_net::Mac;
    use netroot_proto::dhcp::code;
    use netroot_proto::dhcp::emit::{Draft, LONGEST};
    use netroot_proto::dhcp::header::Header;

    use super::*;

    const RELAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

    /// A request for 10.9.0.`host` by the relay.
    fn request(host: u8) -> Request {
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
}
