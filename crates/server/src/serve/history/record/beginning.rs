//! Which events begin a boot.

use std::time::Duration;

use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, Reason};

use super::super::boot::{Boot, Outcome};
use super::super::stage::Stage;
use crate::serve::events::{Decided, Event, Ignored};

/// Firmware that has been told what to load and asks again after this long starts anew: its own retries end before.
const FIRMWARE_GAP: Duration = Duration::from_secs(70);
/// The same for iPXE, whose `dhcp` is repeated by scripts.
const IPXE_GAP: Duration = Duration::from_secs(120);

/// Whether an event of a machine that has not booted before begins its first boot. What laptops send does not.
pub(super) fn begins_first(event: &Event, stage: Option<Stage>) -> bool {
    match event {
        Event::Ignored(Ignored::Dhcp { client, reason }) => {
            *client != Client::Plain && !is_request_elsewhere(*reason)
        }
        // A machine that runs, and renews its lease or asks who serves its root, of a server that has started since.
        Event::DhcpAnswer {
            client: Client::Init,
            answer:
                Answer::Acknowledged { .. }
                | Answer::Informed { .. }
                | Answer::RootAcknowledged { .. }
                | Answer::Refused { .. },
        } => false,
        _ => stage.is_some(),
    }
}

/// Whether an event begins another boot than `last`.
pub(super) fn begins_another(
    last: &Boot,
    event: &Event,
    stage: Option<Stage>,
    now: Duration,
) -> bool {
    let runs = matches!(last.outcome, Outcome::Running | Outcome::HandedOver);
    let is_over = !matches!(last.outcome, Outcome::Booting) && !last.outcome.is_without_image();
    let gap = now.saturating_sub(last.heard);
    match event {
        Event::Ignored(Ignored::Dhcp { reason, .. }) if is_request_elsewhere(*reason) => false,
        Event::DhcpDiscover { client }
        | Event::Ignored(Ignored::Dhcp { client, .. })
        | Event::Decided(Decided::Refused { client, .. }) => {
            match client {
                Client::Plain => false,
                // Of a kernel that was not loaded from here. One that loads again after a failure asks again.
                Client::Init => runs || (last.stage < Stage::Script && gap > FIRMWARE_GAP),
                Client::Ipxe(_) => is_over || last.stage >= Stage::Script || gap > IPXE_GAP,
                // A loader that firmware does not start is loaded again, or from elsewhere.
                _ => is_over || last.stage > Stage::Loader || gap > FIRMWARE_GAP,
            }
        }
        Event::Fetched(_) => runs && stage.is_some(),
        _ => false,
    }
}

/// Whether it is the second half of an exchange with another server.
fn is_request_elsewhere(reason: Reason) -> bool {
    matches!(reason, Reason::ForAnotherServer(_))
}
