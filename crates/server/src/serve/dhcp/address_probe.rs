//! ARP probes of the addresses that are given out next, and who answers them.
//!
//! Which addresses are asked for, and what an answer means, is [`Pool`]'s; here is the socket.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netroot_proto::dhcp::conflict::{self, Claim};
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::pxe::subnet::Subnet;
use netroot_sys::packet::PacketSocket;
use netroot_sys::readable;
use tokio::sync::Notify;

use crate::serve::clock::Clock;
use crate::serve::counters::Counters;
use crate::serve::events::{Event, Machine, Timeline};
use crate::serve::listen::arrivals;
use crate::serve::listen::live_interface::LiveInterface;

/// An ARP frame has 42 bytes, and 60 with Ethernet's padding.
const FRAME: usize = 64;
/// The longest pause between two looks at the clock.
const PAUSE: Duration = Duration::from_secs(1);
/// How many frames are read before probes are sent again.
const FRAMES: usize = 64;

/// What the probes of an interface's addresses need.
#[derive(Debug)]
pub(crate) struct AddressProbe<'a> {
    /// The interface.
    pub(crate) interface: &'a LiveInterface,
    /// The networks with their addresses. Those behind relays are not probed: ARP does not get there.
    pub(crate) subnets: &'a Mutex<Vec<Subnet>>,
    /// The clock of the pool.
    pub(crate) clock: Clock,
    /// Where machines are logged that use an address of the range.
    pub(crate) timeline: &'a Timeline,
    /// The counters.
    pub(crate) counters: &'a Counters,
}

impl AddressProbe<'_> {
    /// Probes until the runtime ends. `offered` is notified when an offer may have caused a probe.
    ///
    /// # Errors
    /// Only when the socket cannot be waited for at all.
    pub(crate) async fn run(&self, socket: PacketSocket, offered: &Notify) -> io::Result<()> {
        let waiting = readable::udp(socket.try_clone_for_polling()?)?;
        loop {
            let until_next = self.send(&socket);
            tokio::select! {
                () = arrivals::next(&waiting, || self.receive(&socket)) => {}
                () = offered.notified() => {}
                () = tokio::time::sleep(until_next.min(PAUSE)) => {}
            }
        }
    }

    /// Reads what has arrived, and sends what is due. To be called every few milliseconds.
    pub(crate) fn poll(&self, socket: &PacketSocket) {
        // The kernel keeps the error of an interface that is down until it is read.
        let _ = self.receive(socket);
        self.send(socket);
    }

    /// Sends what is due, and returns the time until more is.
    fn send(&self, socket: &PacketSocket) -> Duration {
        let now = self.clock.now();
        let mut subnets = self.subnets();
        let mut due = Vec::new();
        let mut wait = PAUSE;
        for Subnet { pool, .. } in subnets.iter_mut() {
            if pool.next_probe().is_some_and(|next| next <= now) {
                due.extend(pool.probes_due(now));
            }
            wait = wait.min(until(pool, now));
        }
        drop(subnets);
        let own = self.interface.last().mac;
        for address in due {
            // A frame that could not be sent counts as lost: there is another one.
            let _ = socket.send(&conflict::probe(own, address));
        }
        wait
    }

    /// Reads some of the frames that have arrived; `WouldBlock` when none has.
    fn receive(&self, socket: &PacketSocket) -> io::Result<()> {
        let own = self.interface.last().mac;
        let mut buffer = [0; FRAME];
        for number in 0..FRAMES {
            match socket.receive(&mut buffer)? {
                Some(length) => {
                    let frame = buffer.get(..length).unwrap_or_default();
                    arrivals::handle(|| {
                        if let Some(claim) = conflict::claim(frame, own) {
                            self.heard(claim);
                        }
                    });
                }
                None if number == 0 => return Err(io::ErrorKind::WouldBlock.into()),
                None => break,
            }
        }
        Ok(())
    }

    fn heard(&self, Claim { address, mac }: Claim) {
        let now = self.clock.now();
        let mut is_new = false;
        for subnet in self.subnets().iter_mut() {
            is_new |= !subnet.behind_relays && subnet.pool.heard(address, mac, now);
        }
        if is_new {
            Counters::count(&self.counters.dhcp_addresses_in_use);
            let event = Event::AddressInUse {
                address: address.into(),
            };
            self.timeline.machine(Machine::Mac(mac), event);
        }
    }

    fn subnets(&self) -> MutexGuard<'_, Vec<Subnet>> {
        self.subnets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn until(pool: &Pool, now: Duration) -> Duration {
    let next = pool.next_probe();
    next.map_or(PAUSE, |next| next.saturating_sub(now))
}
