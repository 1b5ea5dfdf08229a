//! A machine's firmware, as far as DHCP goes: DISCOVER, REQUEST, and what it is answered.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::Net;
use netroot_net::Mac;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{CLIENT_PORT, MessageType, SERVER_PORT, code};

use crate::lan::TIMEOUT;

/// How long it waits before it asks again.
const REPEAT: Duration = Duration::from_secs(2);

/// Its hardware address.
pub(crate) const MACHINE: Mac = Mac([2, 0, 0, 0, 0x10, 1]);

/// What UEFI firmware broadcasts on the network of `machine`.
pub(crate) fn message(kind: MessageType, options: &[(u8, &[u8])]) -> Vec<u8> {
    message_of(MACHINE, kind, options)
}

/// The same of the machine with this hardware address.
pub(crate) fn message_of(mac: Mac, kind: MessageType, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut draft = Draft::new(Header {
        flags: BROADCAST_FLAG,
        ..Header::of_client(mac, 0x1000 + u32::from(u8::from(kind)))
    });
    draft.push(code::MESSAGE_TYPE, &[kind.into()]);
    if options.iter().all(|(code, _)| *code != code::VENDOR_CLASS) {
        draft.push(code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016");
    }
    draft.push(code::CLIENT_ARCH, &7_u16.to_be_bytes());
    let wanted = [code::SUBNET_MASK, code::ROUTERS, code::BOOT_FILE_NAME];
    draft.push(code::PARAMETER_REQUEST_LIST, &wanted);
    for (code, value) in options {
        draft.push(*code, value);
    }
    draft.emit(LONGEST).bytes
}

/// Broadcasts a message from the network of `machine`.
pub(crate) fn say(machine: &Net, message: &[u8]) -> Result<()> {
    machine.within(|| {
        let socket = socket()?;
        socket.send_to(message, (Ipv4Addr::BROADCAST, SERVER_PORT))?;
        Ok(())
    })
}

/// The same, again and again as firmware does, and the first answer to it.
pub(crate) fn ask(machine: &Net, message: &[u8]) -> Result<Message> {
    let asked = Message::read(message)?.header.transaction;
    machine.within(|| {
        let socket = socket()?;
        socket.set_read_timeout(Some(REPEAT))?;
        let mut buffer = [0; 2000];
        let began = Instant::now();
        while began.elapsed() < TIMEOUT {
            socket.send_to(message, (Ipv4Addr::BROADCAST, SERVER_PORT))?;
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                let answer = Message::read(buffer.get(..length).unwrap_or_default())?;
                if answer.header.transaction == asked {
                    return Ok(answer);
                }
            }
        }
        bail!("no answer within {TIMEOUT:?}")
    })
}

fn socket() -> Result<UdpSocket> {
    let socket = client_socket(Ipv4Addr::UNSPECIFIED)?;
    socket.set_broadcast(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

/// A socket with a DHCP client's port. A test beside this one that starts a program has the last one for a moment longer: what
/// is forked has every descriptor until it is executed.
pub(crate) fn client_socket(own: Ipv4Addr) -> Result<UdpSocket> {
    let until = Instant::now() + TIMEOUT;
    loop {
        match UdpSocket::bind((own, CLIENT_PORT)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            bound => return bound.with_context(|| format!("bind port {CLIENT_PORT}")),
        }
    }
}

/// Gets a lease: the acknowledgement.
pub(crate) fn lease(machine: &Net, options: &[(u8, &[u8])]) -> Result<Message> {
    lease_of(machine, MACHINE, options)
}

/// The same of the machine with this hardware address.
pub(crate) fn lease_of(machine: &Net, mac: Mac, options: &[(u8, &[u8])]) -> Result<Message> {
    let offer = ask(machine, &message_of(mac, MessageType::Discover, options))?;
    ensure!(offer.kind() == Some(MessageType::Offer), "{offer:?}");
    let (server, address) = (server_id(&offer)?.octets(), offer.header.your_ip.octets());
    let mut chosen = vec![
        (code::SERVER_ID, &server[..]),
        (code::REQUESTED_ADDRESS, &address[..]),
    ];
    let others = options.iter().copied();
    chosen.extend(others.filter(|(option, _)| *option != code::REQUESTED_ADDRESS));
    let ack = ask(machine, &message_of(mac, MessageType::Request, &chosen))?;
    ensure!(ack.kind() == Some(MessageType::Ack), "{ack:?}");
    ensure!(ack.header.your_ip == offer.header.your_ip, "{ack:?}");
    Ok(ack)
}

/// Option 54.
pub(crate) fn server_id(message: &Message) -> Result<Ipv4Addr> {
    message
        .options
        .address(code::SERVER_ID)
        .context("no server identifier")
}
