//! What firmware will do with the offers that were seen, before any machine boots.
//!
//! Each firmware has rules of its own for choosing among offers, in files of their own: `efi` (EDK2's PXE),
//! `http_boot` (EDK2's HTTP boot), `ipxe`, `rom` (PXE 2.1 ROMs of BIOS machines, the Raspberry Pi's).
//! `tests/vm/check.rs` holds the predictions against what real firmware does.

mod efi;
mod http_boot;
mod ipxe;
mod outcome;
mod rom;

use std::net::Ipv4Addr;

use super::offer::Offer;
use super::probe::Asker;

pub use outcome::{BootServer, Outcome, Prediction, Silence};

/// A request to port 4011 that firmware may send after these offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootRequest {
    /// Whom it asks.
    pub server: Ipv4Addr,
    /// The item of that server's menu.
    pub item: Option<u16>,
}

/// The requests to port 4011 whose answers [`predict`] may need.
pub fn boot_requests(offers: &[Offer]) -> Vec<BootRequest> {
    let mut requests: Vec<BootRequest> = Vec::new();
    for offer in offers.iter().filter(|offer| offer.is_pxe()) {
        let mut add = |server, item| {
            let request = BootRequest { server, item };
            if !requests.contains(&request) {
                requests.push(request);
            }
        };
        // EDK2 asks `siaddr`, iPXE option 54.
        add(offer.boot_server(), None);
        add(offer.server, None);
        if let Some((server, item)) = outcome::first_item(offer) {
            add(server, Some(item));
        }
    }
    requests
}

/// What firmware does that got `offers`, in the order in which they came, and whose requests to port 4011 are answered
/// as `boot_servers` tells.
pub fn predict(asker: Asker, offers: &[Offer], boot_servers: &[BootServer]) -> Prediction {
    let offered = |offer: &&Offer| offer.kind != Some(crate::dhcp::MessageType::Nak);
    let offers: Vec<&Offer> = offers.iter().filter(offered).collect();
    let outcome = match asker {
        Asker::Plain => outcome::plain(&offers),
        Asker::Init => outcome::init(&offers),
        Asker::RaspberryPi => rom::raspberry_pi(&offers),
        Asker::Ipxe(_) => ipxe::predict(&offers, boot_servers),
        Asker::Firmware(_) if asker.is_http() => http_boot::predict(&offers),
        Asker::Firmware(0) => rom::bios(&offers, boot_servers),
        Asker::Firmware(_) => efi::predict(&offers, boot_servers),
    };
    let screen = outcome::screen(asker, &outcome);
    Prediction {
        asker,
        outcome,
        screen,
    }
}

#[cfg(test)]
mod tests;
