//! The clock of a machine without one: set by a time server, beside the boot.
//!
//! A board without a battery starts in 1970, and in the real root every certificate is then of the future. Nothing
//! waits for the answer; who keeps time in the real root is told of the servers as well ([`crate::after::handoff`]).

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::Duration;

use netroot_proto::sntp;
use rustix::time::{ClockId, clock_gettime, clock_settime};

use crate::clock::{Moment, timespec};
use crate::console::{debug, info, warn};
use crate::net::address::Address;

/// A clock that stands before this is plainly wrong: 1 January 2025, older than this program. In seconds since 1970.
const EARLIEST: i64 = 1_735_689_600;
/// How long each server may take, and how often it is asked: there is all the time that the mount takes.
const PATIENCE: Duration = Duration::from_secs(1);
const TRIES: u32 = 2;
/// Servers that are asked, one after the other.
const MOST_SERVERS: usize = 4;

/// Sets the clock in the background if it is plainly wrong and somebody named a time server.
pub(crate) fn set_clock(address: &Address) {
    if address.ntp.is_empty() || clock_gettime(ClockId::Realtime).tv_sec >= EARLIEST {
        return;
    }
    let servers: Vec<Ipv4Addr> = address.ntp.iter().take(MOST_SERVERS).copied().collect();
    let thread = thread::Builder::new().stack_size(64 << 10);
    if let Err(e) = thread.spawn(move || ask_all(&servers)) {
        debug!("cannot start a thread to ask for the time: {e}");
    }
}

fn ask_all(servers: &[Ipv4Addr]) {
    for server in servers {
        for _ in 0..TRIES {
            match ask(*server, sntp::PORT) {
                Ok(time) => return set(*server, time),
                Err(e) => debug!("the time server {server}: {e}"),
            }
        }
    }
    warn!("the clock stands before 2025, and no time server answers");
}

/// The time since 1970 by one server.
fn ask(server: Ipv4Addr, port: u16) -> io::Result<Duration> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((server, port))?;
    let mut token = [0; 8];
    // Chance, as far as there is any so early.
    let _ = rustix::rand::getrandom(&mut token[..], rustix::rand::GetRandomFlags::INSECURE);
    let deadline = Moment::now().after(PATIENCE);
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

fn set(server: Ipv4Addr, time: Duration) {
    let now = timespec(time);
    if now.tv_sec < EARLIEST {
        return warn!("the time server {server} stands before 2025 itself");
    }
    match clock_settime(ClockId::Realtime, now) {
        Ok(()) => info!("the clock stood before 2025; it is set by the time server {server}"),
        Err(e) => warn!("the clock cannot be set: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server at a port of this machine's that answers a first question as told and each later one rightly.
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
    fn the_time_is_asked_for_and_strangers_words_are_passed_over() {
        let port = server(b"noise", 1_800_000_000);
        let time = ask(Ipv4Addr::LOCALHOST, port).unwrap();
        assert_eq!(time.as_secs(), 1_800_000_000);
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert!(ask(Ipv4Addr::LOCALHOST, port).is_err());
    }
}
