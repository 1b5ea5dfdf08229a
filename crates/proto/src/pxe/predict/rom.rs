//! ROMs: those of BIOS machines after Intel's PXE 2.1, and the Raspberry Pi's.

use super::outcome::{BootServer, Outcome, ask, first_address, first_item, loads, no_address};
use crate::pxe::offer::Offer;

/// PXE 2.1 §2.2: a boot server's offer (option 60) before the file of a plain DHCP server; that of the server of the
/// address before a proxy's.
pub(super) fn bios(offers: &[&Offer], boot_servers: &[BootServer]) -> Outcome {
    let Some(dhcp) = first_address(offers) else {
        return no_address(offers);
    };
    let proxy = || {
        offers
            .iter()
            .copied()
            .find(|offer| offer.is_proxy() && offer.is_pxe())
    };
    let (boot, because) = match dhcp.is_pxe() {
        true => (
            Some(dhcp),
            "it gives the address and says that it is a boot server (option 60)",
        ),
        false => (proxy(), "a proxy's offer"),
    };
    let Some(boot) = boot else {
        let because = "it gives the address, and no boot server answers";
        return loads(dhcp, because).unwrap_or_else(|| Outcome::NothingToBoot {
            address_from: dhcp.server,
            because: "no offer names a file".to_owned(),
        });
    };
    if boot.discovery.uses_file()
        && let Some(outcome) = loads(boot, because)
    {
        return outcome;
    }
    let (server, item) = match first_item(boot) {
        Some((server, item)) => (server, Some(item)),
        None => (boot.boot_server(), None),
    };
    match ask(boot_servers, server, item).and_then(|answer| loads(answer, because)) {
        Some(outcome) => outcome,
        None => Outcome::BootServerSilent {
            server,
            because: because.to_owned(),
        },
    }
}

/// What its ROM looks for in option 43.9.
const RASPBERRY_ENTRY: &[u8] = b"Raspberry Pi Boot";

/// It loads its maker's files from whoever has its entry in a menu.
pub(super) fn raspberry_pi(offers: &[&Offer]) -> Outcome {
    let Some(dhcp) = first_address(offers) else {
        return no_address(offers);
    };
    let has_entry = |offer: &&&Offer| {
        let mut entries = offer.discovery.menu.iter();
        entries.any(|(_, text)| text.starts_with(RASPBERRY_ENTRY))
    };
    match offers.iter().find(has_entry) {
        Some(offer) => Outcome::Loads {
            server: offer.server,
            from: Some(offer.file_server()),
            file: offer
                .file_text()
                .unwrap_or_else(|| "bootcode.bin".to_owned()),
            because: "its menu has the entry Raspberry Pi Boot".to_owned(),
        },
        None => Outcome::NothingToBoot {
            address_from: dhcp.server,
            because: "no offer has the entry \"Raspberry Pi Boot\" in a menu (option 43)"
                .to_owned(),
        },
    }
}
