//! DHCP messages as Ethernet frames: of machines that have no address, or another one's.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use netroot_harness::Net;
use netroot_net::Mac;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::frame;
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, code};
use netroot_sys::packet::PacketSocket;

use super::super::lab::{SERVER, TIMEOUT};

pub(super) const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A message, before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) kind: MessageType,
    pub(super) mac: Mac,
    pub(super) transaction: u32,
    pub(super) client_ip: Ipv4Addr,
    pub(super) relay_ip: Ipv4Addr,
    /// Option 50.
    pub(super) requested: Option<Ipv4Addr>,
    /// Whether it names this server (54).
    pub(super) for_server: bool,
    /// Whether it comes from PXE firmware (60, 93).
    pub(super) pxe: bool,
}

impl Sent {
    pub(super) fn new(kind: MessageType, mac: Mac, transaction: u32) -> Self {
        Self {
            kind,
            mac,
            transaction,
            client_ip: NONE,
            relay_ip: NONE,
            requested: None,
            for_server: false,
            pxe: false,
        }
    }

    /// The UDP payload.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut header = Header::of_client(self.mac, self.transaction);
        header.flags = BROADCAST_FLAG;
        header.client_ip = self.client_ip;
        header.relay_ip = self.relay_ip;
        let mut draft = Draft::new(header);
        draft.push(code::MESSAGE_TYPE, &[self.kind.into()]);
        if let Some(address) = self.requested {
            draft.push(code::REQUESTED_ADDRESS, &address.octets());
        }
        if self.for_server {
            draft.push(code::SERVER_ID, &SERVER.octets());
        }
        if self.pxe {
            draft.push(code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016");
            draft.push(code::CLIENT_ARCH, &[0, 7]);
        }
        if !self.relay_ip.is_unspecified() {
            draft.relay_agent(Some(&[b'A'; 200]));
        }
        draft.emit(LONGEST).bytes
    }
}

/// The network card of the machine that sends them.
pub(super) struct Wire {
    socket: PacketSocket,
    /// Its own hardware address.
    pub(super) mac: Mac,
    transaction: u32,
}

impl Wire {
    /// `eth0` of the machine; to be used within it.
    pub(super) fn of(clients: &Net) -> Result<Self> {
        let mac = clients.run(&["cat", "/sys/class/net/eth0/address"])?;
        let index = clients.run(&["cat", "/sys/class/net/eth0/ifindex"])?;
        let index = index.trim().parse()?;
        let socket = clients.within(|| Ok(PacketSocket::for_dhcp_client(index)?))?;
        Ok(Self {
            socket,
            mac: mac.trim().parse()?,
            transaction: 0,
        })
    }

    pub(super) fn next_transaction(&mut self) -> u32 {
        self.transaction += 1;
        self.transaction
    }

    /// Sends a message from this address, as a broadcast.
    pub(super) fn send(&self, from: Ipv4Addr, sent: &Sent) -> Result<()> {
        let frame = frame::broadcast((sent.mac, from), &sent.bytes());
        // The queue of the card may be full.
        for _ in 0..1000 {
            if self.socket.send(&frame).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("nothing can be sent")
    }

    /// The next message of the server, and its transaction. It must come.
    pub(super) fn next(&self) -> Result<Message> {
        let end = Instant::now() + TIMEOUT;
        while Instant::now() < end {
            if let Some(message) = self.queued()? {
                return Ok(message);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("the server does not answer")
    }

    /// A message of the server that has arrived already.
    pub(super) fn queued(&self) -> Result<Option<Message>> {
        let mut buffer = [0; 1600];
        while let Some(length) = self.socket.receive(&mut buffer)? {
            let frame = buffer.get(..length).unwrap_or_default();
            if let Some(from_server) = frame::from_server(frame) {
                return Ok(Some(Message::read(from_server.message)?));
            }
        }
        Ok(None)
    }

    /// Sends a message, and returns the answer, which must be the server's next message: nothing that was sent before
    /// is answered after it.
    pub(super) fn ask(&self, from: Ipv4Addr, sent: &Sent) -> Result<Message> {
        self.send(from, sent)?;
        let answer = self.next()?;
        if answer.header.transaction != sent.transaction {
            bail!("answers {:?} instead of {sent:?}", answer.header);
        }
        Ok(answer)
    }

    /// A DISCOVER, and the offered address.
    pub(super) fn discover(&mut self, mac: Mac, requested: Option<Ipv4Addr>) -> Result<Ipv4Addr> {
        let transaction = self.next_transaction();
        let offer = self.ask(
            NONE,
            &Sent {
                requested,
                ..Sent::new(MessageType::Discover, mac, transaction)
            },
        )?;
        match offer.kind() {
            Some(MessageType::Offer) => Ok(offer.header.your_ip),
            other => bail!("{other:?} instead of an offer"),
        }
    }

    /// The REQUEST for an offered address. True if it is acknowledged, false if it is refused.
    pub(super) fn request(&mut self, mac: Mac, address: Ipv4Addr) -> Result<bool> {
        let transaction = self.next_transaction();
        let answer = self.ask(
            NONE,
            &Sent {
                requested: Some(address),
                for_server: true,
                ..Sent::new(MessageType::Request, mac, transaction)
            },
        )?;
        verdict(&answer)
    }

    /// The REQUEST of a machine that uses its address and renews the lease. True if it keeps it.
    pub(super) fn renew(&mut self, mac: Mac, address: Ipv4Addr) -> Result<bool> {
        let transaction = self.next_transaction();
        let answer = self.ask(
            address,
            &Sent {
                client_ip: address,
                ..Sent::new(MessageType::Request, mac, transaction)
            },
        )?;
        verdict(&answer)
    }

    /// The lease of a machine that asks again and again, as firmware does, until it is offered one.
    pub(super) fn lease_at_last(&mut self, mac: Mac) -> Result<Ipv4Addr> {
        let transaction = self.next_transaction();
        let discover = Sent::new(MessageType::Discover, mac, transaction);
        let mut offered = None;
        for _ in 0..600 {
            self.send(NONE, &discover)?;
            std::thread::sleep(Duration::from_millis(50));
            while let Some(message) = self.queued()? {
                if message.header.transaction == transaction {
                    offered = Some(message.header.your_ip);
                }
            }
            if let Some(address) = offered {
                let mut request = Sent::new(MessageType::Request, mac, self.next_transaction());
                request.requested = Some(address);
                request.for_server = true;
                self.send(NONE, &request)?;
                // Further offers may come first.
                let mut answer = self.next()?;
                while answer.header.transaction != request.transaction {
                    answer = self.next()?;
                }
                anyhow::ensure!(verdict(&answer)?, "{address} is refused");
                return Ok(address);
            }
        }
        bail!("no offer")
    }

    /// The lease of a machine: DISCOVER and REQUEST.
    pub(super) fn lease(&mut self, mac: Mac) -> Result<Ipv4Addr> {
        let address = self.discover(mac, None)?;
        anyhow::ensure!(self.request(mac, address)?, "{address} is refused");
        Ok(address)
    }
}

fn verdict(answer: &Message) -> Result<bool> {
    match answer.kind().context("no message type")? {
        MessageType::Ack => Ok(true),
        MessageType::Nak => Ok(false),
        other => bail!("{other} instead of an acknowledgement"),
    }
}
