//! Where an answer goes, so that nobody has a third party sent to.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::context::Context;
use super::super::reply::Grant;
use super::{Destination, Reason};
use crate::dhcp::{CLIENT_PORT, MessageType, SERVER_PORT, is_host_address};

impl Context<'_> {
    /// Where a proxy's answer goes: on this network, to the sender, or to the relay.
    pub(super) fn proxy_destination(&self, kind: MessageType) -> Result<Destination, Reason> {
        let header = &self.request.header;
        if !header.relay_ip.is_unspecified() {
            return self.relay();
        }
        self.check_inform()?;
        let own = Some(header.client_ip).filter(|own| own == self.arrival.source.ip());
        Ok(match own {
            Some(own) if kind == MessageType::Ack && !own.is_unspecified() => {
                Destination::Unicast(SocketAddrV4::new(own, self.arrival.source.port()))
            }
            // The client has no address yet, and this server does not assign one.
            _ => Destination::Broadcast,
        })
    }

    /// RFC 2131 §4.1 has answers sent to giaddr, and the usual servers do so, whoever sent the
    /// request: then anybody has them send anywhere. A relay that is not in this network has
    /// sent the request itself, from giaddr or from another one of its addresses. There it is
    /// answered: relays (ISC's dhcrelay, dnsmasq, systemd-networkd) find the interface of the
    /// client by the giaddr in the answer, not by the address that the answer came to.
    pub(super) fn relay(&self) -> Result<Destination, Reason> {
        let (relay, source) = (self.request.header.relay_ip, self.arrival.source);
        // RFC 8357 §5.3: the port that the request was sent from, and so nobody else's either.
        let by_source_port = self.request.relay.is_some_and(|it| it.by_source_port);
        let port = match source.port() {
            port @ 1.. if by_source_port => port,
            _ => SERVER_PORT,
        };
        if relay == *source.ip() {
            Ok(Destination::Relay(SocketAddrV4::new(relay, port)))
        } else if self.is_on_link(relay) {
            Ok(Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT)))
        } else if is_host_address(*source.ip()) {
            Ok(Destination::Relay(SocketAddrV4::new(*source.ip(), port)))
        } else {
            Err(Reason::RelayUnknown(relay))
        }
    }

    /// An INFORM is answered at ciaddr, which must be its sender's (RFC 2131 §4.4.3).
    pub(super) fn check_inform(&self) -> Result<(), Reason> {
        let address = self.request.header.client_ip;
        let is_inform = self.request.kind == MessageType::Inform;
        if is_inform && !address.is_unspecified() && address != *self.arrival.source.ip() {
            return Err(Reason::NotFromItsAddress(address));
        }
        Ok(())
    }

    /// RFC 2131 §4.1.
    pub(super) fn lease_destination(&self, grant: &Grant) -> Result<Destination, Reason> {
        let header = &self.request.header;
        let has_ethernet_address = header
            .hardware
            .is_none_or(|hardware| hardware.has_ethernet_address());
        Ok(if !header.relay_ip.is_unspecified() {
            self.relay()?
        } else if self.is_at(header.client_ip) {
            Destination::Unicast(SocketAddrV4::new(header.client_ip, CLIENT_PORT))
        } else if header.wants_broadcast() || !has_ethernet_address {
            Destination::Broadcast
        } else {
            Destination::Ethernet {
                mac: header.mac,
                address: grant.address(),
            }
        })
    }

    /// True if the client may be at this address: it is the sender's, or on this link.
    pub(super) fn is_at(&self, address: Ipv4Addr) -> bool {
        let is_sender = address == *self.arrival.source.ip();
        is_host_address(address) && (is_sender || self.is_on_link(address))
    }

    /// True for an address in the network of the client.
    pub(super) fn is_in_network(&self, address: Ipv4Addr) -> bool {
        self.arrival.network.contains(address)
    }

    /// True for an address in a network of the interface: what is sent there leaves it for nobody else.
    fn is_on_link(&self, address: Ipv4Addr) -> bool {
        !self.arrival.behind_relays && self.is_in_network(address)
    }
}
