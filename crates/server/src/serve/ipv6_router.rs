//! iPXE's IPv6 router solicitations, answered so that it does not wait sixteen seconds for a router.
//!
//! The advertisement and the check of the solicitation are [`netroot_proto::pxe::router_solicitation`]'s; here is the
//! socket. Only a machine that was offered its script lately and has not fetched it yet is answered: no other machine
//! on the network ever receives an advertisement.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use netroot_net::Mac;
use netroot_proto::pxe::router_solicitation::{advertisement, solicitor};
use netroot_sys::readable;
use netroot_sys::router_solicitation::SolicitationSocket;

use crate::serve::events::{Ignored, Machine, Timeline};
use crate::serve::listen::arrivals;
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::machines::Machines;

/// A solicitation is 8 bytes and a few options.
const MESSAGE: usize = 256;

/// Answers until the runtime ends.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn run(
    socket: SolicitationSocket,
    interface: Arc<LiveInterface>,
    timeline: Timeline,
) -> io::Result<()> {
    let waiting = readable::udp(socket.try_clone_for_polling()?)?;
    let mut buffer = [0; MESSAGE];
    loop {
        let received = arrivals::next(&waiting, || socket.receive(&mut buffer)).await;
        let message = buffer.get(..received.length).unwrap_or_default();
        let machine =
            arrivals::handle(|| solicitor(message, *received.from.ip(), received.hop_limit));
        let Some(mac) = machine
            .flatten()
            .filter(|mac| awaits_script(timeline.machines(), *mac))
        else {
            continue;
        };
        if let Err(error) = socket.send(&advertisement(interface.last().mac), received.from) {
            let error = error.to_string();
            timeline.ignored(Machine::Mac(mac), Ignored::AdvertisementSend { error });
        }
    }
}

fn awaits_script(machines: &Machines, mac: Mac) -> bool {
    machines.awaits_script(mac, Instant::now())
}
