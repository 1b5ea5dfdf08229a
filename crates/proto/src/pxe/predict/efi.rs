//! EDK2's PXE (`NetworkPkg/UefiPxeBcDxe/PxeBcDhcp4.c`), which nearly all UEFI firmware is made of.
//!
//! Offers are sorted into kinds (`PxeBcParseDhcp4Packet`), and one is selected by the order of kinds, not by the order in
//! which they came (`PxeBcSelectDhcp4Offer`). Without an address from an offer that is not a boot server's, a proxy's does
//! not count: that is why a router that sends option 60 keeps a proxy out.

use super::outcome::{BootServer, Outcome, ask, first_address, first_item, loads, no_address};
use crate::pxe::offer::Offer;

/// `PXEBC_OFFER_TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An address, and no option 60.
    DhcpOnly,
    /// An address, option 60, and one of 43.6 to 43.10.
    DhcpPxe10,
    /// An address and option 60.
    DhcpBinl,
    /// No address, option 60, and one of 43.6 to 43.10.
    ProxyPxe10,
    /// No address, and option 60.
    ProxyBinl,
}

/// `None` for an offer that is dropped: without option 54, or neither an address nor option 60.
fn kind(offer: &Offer) -> Option<Kind> {
    offer.server_id?;
    Some(match (offer.address.is_some(), offer.is_pxe()) {
        (true, false) => Kind::DhcpOnly,
        (true, true) if offer.discovery.present => Kind::DhcpPxe10,
        (true, true) => Kind::DhcpBinl,
        (false, true) if offer.discovery.present => Kind::ProxyPxe10,
        (false, true) => Kind::ProxyBinl,
        (false, false) => return None,
    })
}

pub(super) fn predict(offers: &[&Offer], boot_servers: &[BootServer]) -> Outcome {
    let first = |wanted: Kind| {
        let mut offers = offers.iter().copied();
        offers.find(|offer| kind(offer) == Some(wanted))
    };
    let dhcp_only = first(Kind::DhcpOnly);
    if let Some(offer) = first(Kind::DhcpPxe10) {
        let because = "it gives the address and is a boot server (options 60 and 43), which comes before all others";
        return discover(offer, boot_servers, because);
    }
    if let (Some(_), Some(proxy)) = (dhcp_only, first(Kind::ProxyPxe10)) {
        return discover(proxy, boot_servers, "a proxy's offer with option 43");
    }
    if let Some(offer) = first(Kind::DhcpBinl) {
        let because = "it gives the address and says that it is a boot server (option 60), so that only its own port \
                       4011 is asked";
        return binl(offer, boot_servers, because);
    }
    let Some(dhcp) = dhcp_only else {
        return match first_address(offers) {
            // Offers without option 54.
            Some(offer) => Outcome::NothingToBoot {
                address_from: offer.server,
                because: "its offer has no option 54, and is ignored".to_owned(),
            },
            None => no_address(offers),
        };
    };
    if let Some(proxy) = first(Kind::ProxyBinl) {
        return binl(proxy, boot_servers, "a proxy's offer without option 43");
    }
    let mut dhcp_only = offers.iter();
    let named = dhcp_only.find(|offer| kind(offer) == Some(Kind::DhcpOnly) && offer.file.is_some());
    named
        .and_then(|offer| loads(offer, "it gives the address, and no boot server answers"))
        .unwrap_or_else(|| Outcome::NothingToBoot {
            address_from: dhcp.server,
            because: "no offer names a file".to_owned(),
        })
}

/// `PxeBcDiscoverBootFile`: the offer's own file, or that of the menu's first entry.
fn discover(offer: &Offer, boot_servers: &[BootServer], because: &str) -> Outcome {
    let own_file = || loads(offer, because);
    let nothing = || Outcome::NothingToBoot {
        address_from: offer.server,
        because: "its offer has option 43, and names no file".to_owned(),
    };
    if offer.discovery.uses_file() {
        return own_file().unwrap_or_else(nothing);
    }
    let Some((server, item)) = first_item(offer) else {
        return own_file().unwrap_or_else(nothing);
    };
    let menu = format!("{because}: the first entry of its menu");
    match ask(boot_servers, server, Some(item)).and_then(|answer| loads(answer, menu)) {
        Some(outcome) => outcome,
        None => Outcome::BootServerSilent {
            server,
            because: because.to_owned(),
        },
    }
}

/// `PxeBcRetryBinlOffer`: whatever file the offer names, port 4011 is asked.
fn binl(offer: &Offer, boot_servers: &[BootServer], because: &str) -> Outcome {
    let server = offer.boot_server();
    let answered = ask(boot_servers, server, None);
    match answered.and_then(|answer| loads(answer, format!("{because}; port 4011 answers"))) {
        Some(outcome) => outcome,
        None => Outcome::BootServerSilent {
            server,
            because: because.to_owned(),
        },
    }
}
