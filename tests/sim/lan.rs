//! An Ethernet: a frame reaches the station with its destination address, broadcasts reach all.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use smoltcp::wire::EthernetFrame;

use super::client::{Client, Kind};
use super::lossy_link::{Faults, Link};
use super::server::Server;

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A station on the LAN, as a frame's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Station {
    Client(usize),
    Server(usize),
}

/// The whole: servers, clients, link and clock.
pub(crate) struct Lan {
    pub(crate) now: Duration,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    link: Link<Station>,
}

impl Lan {
    pub(crate) fn new(seed: u64, faults: Faults, servers: Vec<Server>, clients: u8) -> Lan {
        let client = |number| Client::new(number, seed * 256 + u64::from(number), Kind::Plain);
        let clients = (0..clients).map(client).collect();
        Lan {
            now: Duration::ZERO,
            servers,
            clients,
            link: Link::new(seed, MILLISECOND, faults),
        }
    }

    /// Adds a client that identifies itself as UEFI PXE.
    pub(crate) fn add_firmware(&mut self, number: u8) {
        self.clients
            .push(Client::new(number, u64::from(number), Kind::Firmware));
    }

    /// Adds a client that is our init.
    pub(crate) fn add_init(&mut self, number: u8, seed: u64) {
        self.clients.push(Client::new(number, seed, Kind::Init));
    }

    /// Lets time pass until `end`, or until `done`.
    pub(crate) fn run(&mut self, end: Duration, mut done: impl FnMut(&Lan) -> bool) {
        while self.now <= end && !done(self) {
            while let Some((station, frame)) = self.link.receive(self.now) {
                self.deliver(station, frame);
            }
            for index in 0..self.clients.len() {
                let client = &mut self.clients[index];
                client.poll(self.now);
                let sent: Vec<Vec<u8>> = client.sent.drain(..).collect();
                for frame in sent {
                    self.transmit(Station::Client(index), Duration::ZERO, frame);
                }
            }
            let now = self.now;
            let polls = self
                .clients
                .iter_mut()
                .filter_map(|client| client.next_poll(now));
            let next = polls.chain(self.link.next_arrival()).min();
            // smoltcp may want to be polled again at once; time must pass anyway.
            let next = next.unwrap_or(end + MILLISECOND);
            self.now = next.max(now + Duration::from_micros(100));
        }
    }

    fn deliver(&mut self, station: Station, frame: Vec<u8>) {
        match station {
            Station::Client(index) => self.clients[index].receive(frame, self.now),
            Station::Server(index) => {
                let server = &mut self.servers[index];
                if let Some(reply) = server.answer(&frame, self.now) {
                    let delay = server.delay;
                    self.transmit(station, delay, reply);
                }
            }
        }
    }

    fn transmit(&mut self, from: Station, delay: Duration, frame: Vec<u8>) {
        let to = EthernetFrame::new_checked(&frame[..]).unwrap().dst_addr();
        let bears = |mac: Mac| to.is_broadcast() || to.0 == mac.0;
        let clients = self
            .clients
            .iter()
            .enumerate()
            .map(|(n, c)| (Station::Client(n), c.mac));
        let servers = self
            .servers
            .iter()
            .enumerate()
            .map(|(n, s)| (Station::Server(n), s.mac));
        for (station, mac) in clients.chain(servers) {
            if station != from && bears(mac) {
                self.link.send(self.now, delay, station, frame.clone());
            }
        }
    }
}

pub(crate) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}
