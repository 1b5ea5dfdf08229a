//! What a relay says of the request that it passes on.

use std::net::Ipv4Addr;

use super::options::{Message, Options};
use super::{code, is_host_address};

/// Sub-options of option 82.
mod sub {
    /// The network of the client, where giaddr is in another one (RFC 3527).
    pub(super) const LINK_SELECTION: u8 = 5;
    /// The server identifier that the client is to see, so that it renews by the relay (RFC 5107).
    pub(super) const SERVER_ID: u8 = 11;
    /// The relay is to be answered at the port that it sends from (RFC 8357).
    pub(super) const SOURCE_PORT: u8 = 19;
}

/// A relay, and what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// giaddr: its address, as a rule in the network of the client.
    pub address: Ipv4Addr,
    /// An address in the network of the client.
    pub link: Ipv4Addr,
    /// The server identifier that the client is to see.
    pub server_id: Option<Ipv4Addr>,
    /// Whether it is to be answered at the port that it sent from.
    pub by_source_port: bool,
}

impl Relay {
    /// The relay of a client's message; `None` for one that came directly.
    pub(super) fn of(message: &Message) -> Option<Relay> {
        let address = message.header.relay_ip;
        if address.is_unspecified() {
            return None;
        }
        let agent = message.options.bytes(code::RELAY_AGENT);
        let agent = agent.map(Options::read).unwrap_or_default();
        let host = |address: Option<Ipv4Addr>| address.filter(|it| is_host_address(*it));
        let link = host(agent.address(sub::LINK_SELECTION));
        let link = link.or_else(|| host(message.options.address(code::SUBNET_SELECTION)));
        Some(Relay {
            address,
            link: link.unwrap_or(address),
            server_id: host(agent.address(sub::SERVER_ID)),
            by_source_port: agent.bytes(sub::SOURCE_PORT).is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use netroot_net::Mac;

    use super::super::emit::{Draft, LONGEST};
    use super::super::header::Header;
    use super::*;

    const GIADDR: Ipv4Addr = Ipv4Addr::new(10, 77, 9, 254);

    fn relay(giaddr: Ipv4Addr, agent: &[u8], subnet: Option<[u8; 4]>) -> Option<Relay> {
        let mut header = Header::of_client(Mac([2, 0, 0, 0, 0, 1]), 1);
        header.relay_ip = giaddr;
        let mut draft = Draft::new(header);
        if let Some(subnet) = subnet {
            draft.push(code::SUBNET_SELECTION, &subnet);
        }
        draft.relay_agent(Some(agent));
        Relay::of(&Message::read(&draft.emit(LONGEST).bytes).unwrap())
    }

    #[test]
    fn the_network_of_the_client_is_link_selection_then_subnet_selection_then_giaddr() {
        let selected = |agent: &[u8], subnet| relay(GIADDR, agent, subnet).unwrap().link;
        let (one, two) = ([10, 88, 0, 0], [10, 99, 0, 0]);
        assert_eq!(selected(&[], None), GIADDR);
        assert_eq!(selected(&[1, 1, 7], Some(two)), Ipv4Addr::from(two));
        let both = selected(&[1, 1, 7, 5, 4, 10, 88, 0, 0], Some(two));
        assert_eq!(both, Ipv4Addr::from(one));
        // Cut short, or no network at all.
        assert_eq!(selected(&[5, 4, 10, 88], None), GIADDR);
        assert_eq!(selected(&[5, 4, 0, 0, 0, 0], None), GIADDR);
        assert_eq!(
            relay(Ipv4Addr::UNSPECIFIED, &[5, 4, 10, 88, 0, 0], Some(two)),
            None
        );
    }

    #[test]
    fn what_else_the_relay_asks_for_is_read() {
        let asks = relay(GIADDR, &[11, 4, 10, 88, 0, 1, 19, 0], None).unwrap();
        assert_eq!(asks.server_id, Some(Ipv4Addr::new(10, 88, 0, 1)));
        assert!(asks.by_source_port);
        let plain = relay(GIADDR, &[], None).unwrap();
        assert!(plain.server_id.is_none() && !plain.by_source_port);
    }
}
