//! The socket of one transfer.
//!
//! In lockstep a block costs three system calls: waiting, receiving the ACK, sending the block. The runtime's own socket makes
//! two more of it: it receives again to learn that nothing else has come, which [`datagrams::receive_two`] tells by the way; and
//! it waits for room to send as well, so that the kernel wakes it for every block that has left.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use netroot_sys::{datagrams, readable};
use tokio::io::unix::AsyncFd;

use super::polling::Awake;
use super::service::REQUEST;

/// The pause where the kernel has no room for a datagram: what a slow link takes for a dozen blocks.
const NO_ROOM: Duration = Duration::from_millis(1);
/// How many pauses until a datagram counts as lost on the network.
const PAUSES: u32 = 100;

/// How often a transfer that waits awake looks before everything else has its turn: some 10 µs.
const LOOKS: u32 = 16;

/// How long the datagrams are that have come.
type Lengths = (usize, Option<usize>);

/// A transfer's socket, connected to its client.
pub(super) struct Link {
    socket: AsyncFd<UdpSocket>,
    received: [[u8; REQUEST + 1]; 2],
    /// The kernel does not take several datagrams at once on this path.
    one_by_one: bool,
}

impl Link {
    /// # Errors
    /// When the runtime cannot wait for it.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self {
            socket: readable::udp(socket)?,
            received: [[0; REQUEST + 1]; 2],
            one_by_one: false,
        })
    }

    /// Nothing of a window has come through, so that it is repeated. It may be because the network card, or what is between a
    /// virtual machine and it, cuts what it is given in a wrong way: from now on each datagram is sent by itself.
    pub(super) fn lost(&mut self) {
        self.one_by_one = true;
    }

    /// How many bytes [`Link::send_now`] sends in one call.
    pub(super) fn longest_run(&self) -> usize {
        if self.one_by_one {
            0
        } else {
            datagrams::LONGEST_RUN
        }
    }

    /// Sends datagrams of `each` bytes, the last one as long as what is left. One that cannot be sent (an ICMP error for the
    /// last one) counts as lost on the network, and is repeated.
    ///
    /// # Errors
    /// The kernel has no room: the position from which on they are left.
    pub(super) fn send_now(&mut self, datagrams: &[u8], each: usize) -> Result<(), usize> {
        let length = u16::try_from(each).unwrap_or(u16::MAX);
        let send = |bytes: &[u8]| datagrams::send_run(self.socket.get_ref(), bytes, length);
        if datagrams.len() > each && !self.one_by_one {
            match send(datagrams) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(0),
                Err(error) if datagrams::cannot_cut(&error) => self.one_by_one = true,
                Ok(()) | Err(_) => return Ok(()),
            }
        }
        for (number, datagram) in datagrams.chunks(each.max(1)).enumerate() {
            let sent = send(datagram);
            if sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return Err(number * each);
            }
        }
        Ok(())
    }

    /// The same, and waits for room.
    pub(super) async fn send(&mut self, datagrams: &[u8], each: usize) {
        let mut left = datagrams;
        for _ in 0..PAUSES {
            match self.send_now(left, each) {
                Ok(()) => return,
                Err(from) => left = left.get(from..).unwrap_or_default(),
            }
            tokio::time::sleep(NO_ROOM).await;
        }
    }

    /// Waits for a datagram, at first awake, as long as there is a turn for it; the one behind it, if it has come by then. Longer
    /// ones are cut off behind the longest request.
    ///
    /// # Errors
    /// The socket's: an ICMP error for what was sent.
    pub(super) async fn receive(
        &mut self,
        awake: &mut Option<Awake<'_>>,
    ) -> io::Result<[Option<&[u8]>; 2]> {
        // Whoever sends without end takes no more than his turn.
        tokio::task::coop::consume_budget().await;
        let (one, other) = match self.look(awake).await {
            Some(arrived) => arrived?,
            None => self.wait().await?,
        };
        let [first, second] = &self.received;
        Ok([first.get(..one), other.and_then(|it| second.get(..it))])
    }

    /// Looks for datagrams without sleeping, until the turn is over.
    async fn look(&mut self, turn: &mut Option<Awake<'_>>) -> Option<io::Result<Lengths>> {
        let [first, second] = &mut self.received;
        while let Some(awake) = turn {
            if !awake.goes_on().await {
                *turn = None;
                break;
            }
            for _ in 0..LOOKS {
                match datagrams::receive_two(self.socket.get_ref(), first, second) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    arrived => return Some(arrived),
                }
            }
        }
        None
    }

    /// Sleeps until there are any.
    async fn wait(&mut self) -> io::Result<Lengths> {
        let [first, second] = &mut self.received;
        loop {
            let mut ready = self.socket.readable().await?;
            match datagrams::receive_two(ready.get_inner(), first, second) {
                Ok((one, other)) => {
                    if other.is_none() {
                        ready.clear_ready();
                    }
                    return Ok((one, other));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::serve::tftp::polling::Pollers;

    #[tokio::test]
    async fn after_a_loss_each_datagram_is_sent_by_itself() {
        let [client, server] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        server.connect(client.local_addr().unwrap()).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut link = Link::new(server).unwrap();
        for is_lost in [false, true] {
            if is_lost {
                link.lost();
                assert_eq!(link.longest_run(), 0);
            }
            link.send_now(&[7; 250], 100).unwrap();
            assert_eq!(link.one_by_one, is_lost);
            let mut buffer = [0; 300];
            let lengths = [(); 3].map(|()| client.recv(&mut buffer).unwrap());
            assert_eq!(lengths, [100, 100, 50]);
        }
    }

    #[tokio::test]
    async fn a_client_is_waited_for_awake_and_asleep_while_everything_else_goes_on() {
        let [client, server] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        server.connect(client.local_addr().unwrap()).unwrap();
        server.set_nonblocking(true).unwrap();
        let mut link = Link::new(server).unwrap();
        let pollers = Pollers::of_at_most(1, Duration::ZERO);
        for round in 0..20_u8 {
            // One thread for both: it sends only if the other one lets it.
            let sender = client.try_clone().unwrap();
            let sent = tokio::spawn(async move { sender.send(&[round]).unwrap() });
            let longest = match round % 3 {
                0 => None,
                1 => Some(Duration::from_nanos(1)),
                _ => Some(Duration::from_secs(60)),
            };
            let mut turn = longest.and_then(|longest| pollers.enter(Instant::now() + longest));
            let arrived = link.receive(&mut turn).await.unwrap();
            assert_eq!(arrived, [Some(&[round][..]), None]);
            assert_eq!(turn.is_some(), round % 3 == 2);
            sent.await.unwrap();
        }
    }
}
