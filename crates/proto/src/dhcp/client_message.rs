//! What a client says, written out: DISCOVER, REQUEST, DECLINE, INFORM and BOOTP's request.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

use super::client_identity::ClientIdentity;
use super::emit::{Draft, LONGEST, SAFE_LENGTH};
use super::header::Header;
use super::{MessageType, PARAMETER_REQUEST_LIST, code};

/// Option 57, which counts IP and UDP headers: an Ethernet MTU, less the longest IP header
/// and UDP's, as this init has always said.
const MAX_MESSAGE_SIZE: u16 = 1432;

/// What all messages of one question have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientMessage<'a> {
    pub(super) identity: &'a ClientIdentity,
    pub(super) mac: Mac,
    pub(super) transaction: u32,
    /// Seconds since the client began to ask.
    pub(super) secs: u16,
}

/// An address, and the server that offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) server: Ipv4Addr,
    pub(super) address: Ipv4Addr,
}

/// Seconds for the `secs` field.
pub(super) fn seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

impl ClientMessage<'_> {
    pub(super) fn discover(&self) -> Vec<u8> {
        let mut draft = self.draft(MessageType::Discover, Ipv4Addr::UNSPECIFIED, None);
        if let Some(address) = self.identity.requested {
            draft.push(code::REQUESTED_ADDRESS, &address.octets());
        }
        // An ACK without an OFFER may answer a DISCOVER, and nothing else (RFC 4039 §3.1).
        draft.push(code::RAPID_COMMIT, &[]);
        draft.emit(LONGEST).bytes
    }

    pub(super) fn request(&self, offered: Offered) -> Vec<u8> {
        self.draft(MessageType::Request, Ipv4Addr::UNSPECIFIED, Some(offered))
            .emit(LONGEST)
            .bytes
    }

    /// Asks for everything but an address, which is `own` already. RFC 2131 table 5 forbids
    /// asking for an address or a lease time here.
    pub(super) fn inform(&self, own: Ipv4Addr) -> Vec<u8> {
        let draft = self.draft(MessageType::Inform, own, None);
        draft.emit(LONGEST).bytes
    }

    /// Tells the server that another machine uses the address. RFC 2131 table 5: these
    /// options, and nothing that a client would like.
    pub(super) fn decline(&self, offered: Offered) -> Vec<u8> {
        let mut draft = Draft::new(self.header(Ipv4Addr::UNSPECIFIED));
        draft.push(code::MESSAGE_TYPE, &[MessageType::Decline.into()]);
        draft.push(code::CLIENT_ID, &self.identity.client_id(self.mac));
        draft.push(code::REQUESTED_ADDRESS, &offered.address.octets());
        draft.push(code::SERVER_ID, &offered.server.octets());
        draft.push(code::MESSAGE, b"another machine answers at this address");
        draft.emit(SAFE_LENGTH).bytes
    }

    /// The DISCOVER for servers that predate DHCP (RFC 951, RFC 1542); an answer to either
    /// is accepted. The vendor area contains only the magic number of RFC 1497: its 64 bytes are
    /// too few for the options of a DHCP client, and a server that reads option 55 without 53
    /// would send less than everything it knows.
    pub(super) fn bootp(&self) -> Vec<u8> {
        let header = self.header(Ipv4Addr::UNSPECIFIED);
        Draft::new(header).emit(SAFE_LENGTH).bytes
    }

    fn header(&self, client_ip: Ipv4Addr) -> Header {
        Header {
            secs: self.secs,
            client_ip,
            ..Header::of_client(self.mac, self.transaction)
        }
    }

    fn draft(&self, kind: MessageType, client_ip: Ipv4Addr, offered: Option<Offered>) -> Draft {
        let identity = self.identity;
        let mut draft = Draft::new(self.header(client_ip));
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        draft.push(code::CLIENT_ID, &identity.client_id(self.mac));
        if let Some(Offered { server, address }) = offered {
            draft.push(code::SERVER_ID, &server.octets());
            draft.push(code::REQUESTED_ADDRESS, &address.octets());
        }
        draft.push(code::MAX_MESSAGE_SIZE, &MAX_MESSAGE_SIZE.to_be_bytes());
        draft.push(code::PARAMETER_REQUEST_LIST, PARAMETER_REQUEST_LIST);
        if !identity.class.is_empty() {
            draft.push(code::VENDOR_CLASS, &identity.class);
        }
        if let Some(uuid) = identity.uuid {
            draft.push(code::CLIENT_UUID, &[&[0], &uuid[..]].concat());
        }
        if let Some(architecture) = identity.architecture {
            draft.push(code::CLIENT_ARCH, &architecture.to_be_bytes());
        }
        draft
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Message;
    use super::*;

    #[test]
    fn a_bootp_request_is_the_discover_without_options() {
        let identity = ClientIdentity::default();
        let message = ClientMessage {
            identity: &identity,
            mac: Mac([2, 0, 0, 0, 0, 1]),
            transaction: 0x1234_5678,
            secs: 3,
        };
        let bootp = message.bootp();
        // RFC 951 §3: 300 bytes, the last 64 of them the vendor area.
        assert_eq!(bootp.len(), 300);
        let read = Message::read(&bootp).unwrap();
        assert_eq!(read.options.iter().count(), 0);
        let discover = Message::read(&message.discover()).unwrap();
        assert_eq!(read.header, discover.header);
        assert_eq!(discover.kind(), Some(MessageType::Discover));
    }
}
