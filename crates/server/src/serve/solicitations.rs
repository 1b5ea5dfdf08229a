//! iPXE's questions for an IPv6 router, answered so that it does not wait sixteen seconds for one.
//!
//! What is said, and to whom it may be said, is [`netroot_proto::pxe::solicitation`]'s; here is the socket. Only a
//! machine that was told its script lately and has not asked for it yet is answered: nobody else on the wire ever
//! hears an advertisement.

use std::io;
use std::time::Instant;

use netroot_proto::dhcp::Mac;
use netroot_proto::pxe::solicitation::{advertisement, solicitor};
use netroot_sys::solicitation::{SolicitationError, SolicitationSocket};
use tokio::net::UdpSocket;

use super::arrivals;
use super::events::{Event, Ignored, Machine, Timeline, Warning};
use super::interface::Interface;
use super::machines::Machines;

/// A solicitation is 8 bytes and a few options.
const MESSAGE: usize = 256;

/// Answers until the runtime ends. Without a socket it waits for that, once it has said what that costs.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn run(
    socket: Result<SolicitationSocket, SolicitationError>,
    interface: &Interface,
    timeline: &Timeline,
) -> io::Result<()> {
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => {
            timeline.server(Event::Warning(Warning::NoIpv6 {
                interface: interface.name.clone(),
                error: error.to_string(),
            }));
            return std::future::pending().await;
        }
    };
    let waiting = UdpSocket::from_std(socket.to_wait_for()?)?;
    let mut buffer = [0; MESSAGE];
    loop {
        let heard = arrivals::next(&waiting, || socket.receive(&mut buffer)).await;
        let message = buffer.get(..heard.length).unwrap_or_default();
        let machine = solicitor(message, *heard.from.ip(), heard.hop_limit);
        let Some(mac) = machine.filter(|mac| is_ours(timeline.machines(), *mac)) else {
            continue;
        };
        if let Err(error) = socket.send(&advertisement(interface.mac), heard.from) {
            let error = error.to_string();
            timeline.ignored(Machine::Mac(mac), Ignored::AdvertisementSend { error });
        }
    }
}

fn is_ours(machines: &Machines, mac: Mac) -> bool {
    machines.awaits_script(mac, Instant::now())
}
