//! What a machine asks by a relay, and what it reads of the answer.

use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::Mac;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::Header;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, SERVER_PORT, code};
use netroot_proto::pxe::decide::{Destination, Reply};

use super::{MAC, NOBODY};

/// A client's message.
#[derive(Clone)]
pub(super) struct Asks {
    pub(super) mac: Mac,
    pub(super) kind: MessageType,
    pub(super) giaddr: Ipv4Addr,
    pub(super) ciaddr: Ipv4Addr,
    pub(super) options: Vec<(u8, Vec<u8>)>,
    pub(super) agent: Vec<u8>,
}

impl Asks {
    pub(super) fn new(kind: MessageType, giaddr: Ipv4Addr) -> Self {
        Self {
            mac: MAC,
            kind,
            giaddr,
            ciaddr: NOBODY,
            options: Vec::new(),
            agent: Vec::new(),
        }
    }

    pub(super) fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    /// A REQUEST for what was offered.
    pub(super) fn takes(&self, offer: &Reply) -> Self {
        let message = Message::read(&offer.packet).unwrap();
        let server = message.options.address(code::SERVER_ID).unwrap();
        Self {
            kind: MessageType::Request,
            ..self.clone()
        }
        .with(code::REQUESTED_ADDRESS, &message.header.your_ip.octets())
        .with(code::SERVER_ID, &server.octets())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut header = Header::of_client(self.mac, 7);
        (header.relay_ip, header.client_ip) = (self.giaddr, self.ciaddr);
        let mut draft = Draft::new(header);
        draft.push(code::MESSAGE_TYPE, &[self.kind.into()]);
        draft.push(code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016");
        for (code, value) in &self.options {
            draft.push(*code, value);
        }
        if !self.agent.is_empty() {
            draft.relay_agent(Some(&self.agent));
        }
        draft.emit(LONGEST).bytes
    }
}

pub(super) fn discover(giaddr: Ipv4Addr) -> Asks {
    Asks::new(MessageType::Discover, giaddr)
}

pub(super) fn option(reply: &Reply, code: u8) -> Option<Vec<u8>> {
    let message = Message::read(&reply.packet).unwrap();
    message.options.bytes(code).map(<[u8]>::to_vec)
}

pub(super) fn address(reply: &Reply) -> Ipv4Addr {
    Message::read(&reply.packet).unwrap().header.your_ip
}

pub(super) fn to_relay(address: Ipv4Addr) -> Destination {
    Destination::Relay(SocketAddrV4::new(address, SERVER_PORT))
}
