//! Sets the clock of a machine without a battery from a time server, in the background.
//!
//! Such a machine starts in 1970, and to the real root every certificate is then not yet valid. The boot does not wait
//! for the answer; the real root's own time synchronisation gets the servers too ([`crate::after::handoff`]).

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use netroot_net::unspecified;
use netroot_proto::sntp;
use rustix::time::{ClockId, clock_gettime, clock_settime};

use crate::clock::{Moment, timespec};
use crate::console::{debug, info, warn};
use crate::net::address::Address;
use crate::threads;

/// A clock before this is certainly wrong: 1 January 2025, which is older than this program. In seconds since 1970.
const EARLIEST: i64 = 1_735_689_600;
/// The timeout of a request, and how often each server is asked: there is time for that while the root is mounted.
const TIMEOUT: Duration = Duration::from_secs(1);
const TRIES: u32 = 2;
/// The stack of the thread that asks, in bytes.
const STACK: usize = 64 << 10;
/// The most servers that are asked, one after the other.
const MAX_SERVERS: usize = 4;

/// Sets the clock in the background if it is certainly wrong and a time server is configured.
pub(crate) fn set_clock(address: &Address) {
    if address.ntp.is_empty() || clock_gettime(ClockId::Realtime).tv_sec >= EARLIEST {
        return;
    }
    let servers: Vec<IpAddr> = address.ntp.iter().take(MAX_SERVERS).copied().collect();
    if let Err(e) = threads::start(STACK, move || ask_all(&servers)) {
        debug!("cannot start a thread to ask for the time: {e}");
    }
}

fn ask_all(servers: &[IpAddr]) {
    for server in servers {
        for _ in 0..TRIES {
            match ask(*server, sntp::PORT) {
                Ok(time) => return set(*server, time),
                Err(e) => debug!("the time server {server}: {e}"),
            }
        }
    }
    warn!("cannot set the clock, which is before 2025: no time server answers");
}

/// Asks one server for the time, since 1970.
fn ask(server: IpAddr, port: u16) -> io::Result<Duration> {
    let socket = UdpSocket::bind((unspecified(server), 0))?;
    socket.connect((server, port))?;
    let mut token = [0; 8];
    // As random as possible this early.
    let _ = rustix::rand::getrandom(&mut token[..], rustix::rand::GetRandomFlags::INSECURE);
    let deadline = Moment::now().after(TIMEOUT);
    socket.send(&sntp::question(token))?;
    let mut buffer = [0; sntp::LENGTH];
    loop {
        let left = deadline.remaining();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        let answer = buffer.get(..length).unwrap_or_default();
        if let Some(time) = sntp::answer(token, answer) {
            return Ok(time);
        }
    }
}

fn set(server: IpAddr, time: Duration) {
    let now = timespec(time);
    if now.tv_sec < EARLIEST {
        return warn!("the time of the time server {server} is before 2025 too");
    }
    match clock_settime(ClockId::Realtime, now) {
        Ok(()) => info!("the clock was before 2025; it is now set by the time server {server}"),
        Err(e) => warn!("cannot set the clock: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A local server that sends `first` and then the correct answer to each request. Returns its port.
    fn server(first: &'static [u8], time: u64) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut question = [0; sntp::LENGTH];
            while let Ok((_, peer)) = socket.recv_from(&mut question) {
                let mut answer = [0; sntp::LENGTH];
                answer[..2].copy_from_slice(&[4 << 3 | 4, 1]);
                answer[24..32].copy_from_slice(&question[40..]);
                let ntp = u32::try_from(time + 2_208_988_800).unwrap();
                answer[40..44].copy_from_slice(&ntp.to_be_bytes());
                for datagram in [first, &answer] {
                    socket.send_to(datagram, peer).unwrap();
                }
            }
        });
        port
    }

    #[test]
    fn the_time_is_received_and_other_datagrams_are_ignored() {
        let port = server(b"noise", 1_800_000_000);
        let time = ask([127, 0, 0, 1].into(), port).unwrap();
        assert_eq!(time.as_secs(), 1_800_000_000);
    }

    #[test]
    fn a_silent_server_times_out() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert!(ask([127, 0, 0, 1].into(), port).is_err());
    }
}
