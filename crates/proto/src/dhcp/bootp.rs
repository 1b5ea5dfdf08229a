//! BOOTP (RFC 951, RFC 1542): a client's question put for servers from before DHCP.
//!
//! A request of BOOTP has no option 53. Its reply is read by [`super::lease::Lease::read`] as
//! an address for ever, and given to the client by [`super::offers`].

use super::emit::{Draft, SAFE_LENGTH};
use super::options::Message;
use super::{CLIENT_PORT, MessageType, SERVER_PORT, restate};

/// The request of BOOTP that asks what `discover`, the frame of a DISCOVER, asks; `None` for
/// any other frame. The transaction is the same, so an answer to either counts.
pub fn request(discover: &[u8]) -> Option<Vec<u8>> {
    let message = Message::read(restate::client_message(discover)?).ok()?;
    if message.kind() != Some(MessageType::Discover) {
        return None;
    }
    // Nothing but the magic number of RFC 1497 stands in the vendor area: its 64 bytes have
    // no room for what a DHCP client says, and a server that reads option 55 without 53
    // would send less than everything it knows.
    let payload = Draft::new(message.header).emit(SAFE_LENGTH).bytes;
    restate::rewrap(discover, (CLIENT_PORT, SERVER_PORT), &payload)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::client_identity::{ClientIdentity, Protocol};
    use super::super::header::Header;
    use super::super::{Mac, code};
    use super::*;

    fn frame(kind: MessageType) -> Vec<u8> {
        let mut draft = Draft::new(Header {
            from_client: true,
            hops: 0,
            transaction: 0x1234_5678,
            secs: 3,
            flags: 0,
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: Ipv4Addr::UNSPECIFIED,
            next_server: Ipv4Addr::UNSPECIFIED,
            relay_ip: Ipv4Addr::UNSPECIFIED,
            mac: Mac([2, 0, 0, 0, 0, 1]),
        });
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        draft.push(code::CLIENT_ID, b"\x01abcdef");
        draft.push(code::PARAMETER_REQUEST_LIST, &[1, 3, 17]);
        let payload = draft.emit(SAFE_LENGTH).bytes;
        restate::broadcast(draft.header.mac, Ipv4Addr::UNSPECIFIED, &payload)
    }

    #[test]
    fn a_request_of_bootp_is_the_discover_without_any_option() {
        let discover = frame(MessageType::Discover);
        let asked = request(&discover).unwrap();
        let payload = restate::client_message(&asked).unwrap();
        // RFC 951 §3: 300 bytes, the last 64 of them the vendor area.
        assert_eq!(payload.len(), 300);
        let of = |frame| Message::read(restate::client_message(frame).unwrap()).unwrap();
        let message = of(&asked);
        assert_eq!(message.options.iter().count(), 0);
        assert_eq!(message.header, of(&discover).header);
        for other in [MessageType::Request, MessageType::Release] {
            assert_eq!(request(&frame(other)), None);
        }
        assert_eq!(request(b"noise"), None);
    }

    #[test]
    fn bootp_is_asked_alone_or_beside_as_told() {
        let discover = frame(MessageType::Discover);
        let bootp = request(&discover);
        for (protocol, alone, beside) in [
            (Protocol::Dhcp, false, false),
            (Protocol::Either, false, true),
            (Protocol::Bootp, true, false),
        ] {
            let identity = ClientIdentity {
                protocol,
                ..ClientIdentity::default()
            };
            assert_eq!(identity.with_identity(&discover) == bootp, alone);
            assert_eq!(identity.beside(&discover), bootp.clone().filter(|_| beside));
            // What takes a DHCP server's offer stays DHCP.
            let asked = identity
                .with_identity(&frame(MessageType::Request))
                .unwrap();
            let message = Message::read(restate::client_message(&asked).unwrap()).unwrap();
            assert_eq!(message.kind(), Some(MessageType::Request));
        }
    }
}
