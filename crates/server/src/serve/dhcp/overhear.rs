//! What other servers answer machines, as far as it is broadcast: evidence of why a machine does not boot from here.
//!
//! Anybody can send such an answer. It is shown in the history of the machine, and decides nothing.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{CLIENT_PORT, MessageType};
use netroot_proto::pxe::offer::Offer;
use netroot_proto::pxe::probe::OtherServer;
use netroot_sys::packet::PacketSocket;
use netroot_sys::readable;

use crate::serve::dhcp::frame;
use crate::serve::history::History;
use crate::serve::listen::arrivals;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::live_interface::LiveInterface;

/// The longest frame that is read, in bytes.
const FRAME: usize = 2048;

/// Listens on an interface until the runtime ends. A packet socket does not hear what this host sends.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn run(
    frames: Arc<PacketSocket>,
    live: Arc<LiveInterface>,
    history: Arc<History>,
) -> io::Result<()> {
    let waiting = readable::udp(frames.try_clone_for_polling()?)?;
    let mut buffer = [0; FRAME];
    loop {
        let receive = || {
            frames
                .receive(&mut buffer)?
                .ok_or(io::ErrorKind::WouldBlock.into())
        };
        let length = arrivals::next(&waiting, receive).await;
        let frame = buffer.get(..length).unwrap_or_default();
        arrivals::handle(|| {
            if let (Some(interface), Some((from, CLIENT_PORT, payload))) =
                (live.served(), frame::decode(frame))
            {
                heard(&history, &interface, from.address, payload);
            }
        });
    }
}

/// A datagram for a DHCP client was on the network.
fn heard(history: &History, interface: &Interface, from: Ipv4Addr, payload: &[u8]) {
    let Ok(message) = Message::read(payload) else {
        return;
    };
    let Some(offer) = Offer::read(&message, from) else {
        return;
    };
    let is_own = interface.has(offer.server) || interface.has(from);
    if is_own || offer.kind != Some(MessageType::Offer) {
        return;
    }
    let other = OtherServer::of(offer, |it| interface.has(it));
    history.overheard(&interface.name, message.header.mac, other);
}

#[cfg(test)]
mod tests {
    use netroot_net::Mac;
    use netroot_proto::dhcp::code;
    use netroot_proto::dhcp::emit::{Draft, LONGEST};
    use netroot_proto::dhcp::header::Header;

    use super::*;
    use crate::serve::listen::interface::tests::interface;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

    fn message(kind: MessageType) -> Vec<u8> {
        let mut draft = Draft::new(Header {
            from_client: false,
            your_ip: Ipv4Addr::new(10, 0, 0, 77),
            ..Header::of_client(MAC, 7)
        });
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        draft.push(code::VENDOR_CLASS, b"PXEClient");
        draft.emit(LONGEST).bytes
    }

    #[test]
    fn another_servers_offer_is_kept_and_its_own_and_noise_are_not() {
        let (history, interface) = (History::new(), interface());
        let own = interface.ipv4_addresses().next().unwrap().0;
        heard(&history, &interface, own, &message(MessageType::Offer));
        heard(&history, &interface, OTHER, &message(MessageType::Ack));
        heard(&history, &interface, OTHER, b"noise");
        assert_eq!(history.other_servers(), []);
        heard(&history, &interface, OTHER, &message(MessageType::Offer));
        let others = history.other_servers();
        assert_eq!(others.len(), 1);
        assert_eq!(
            (others[0].1.server, others[0].1.offers.is_some()),
            (OTHER, true)
        );
        assert!(
            history.machine(MAC, &[]).is_none(),
            "it is no machine's own word"
        );
    }
}
