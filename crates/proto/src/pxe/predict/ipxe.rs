//! iPXE (`src/net/udp/dhcp.c`, `src/usr/autoboot.c`).
//!
//! It ends its wait for offers as soon as it has an address and a proxy's offer, else two seconds after its first DISCOVER.
//! An offer with an address *and* option 60 counts as both. The file of the server of its address wins over a proxy's.

use super::outcome::{BootServer, Outcome, ask, first_item, is_url, loads, no_address};
use crate::pxe::offer::Offer;

pub(super) fn predict(offers: &[&Offer], boot_servers: &[BootServer]) -> Outcome {
    let (mut main, mut proxy): (Option<&Offer>, Option<&Offer>) = (None, None);
    for offer in offers {
        // `dhcp_discovery_rx`: later offers of the same priority replace earlier ones.
        if offer.address.is_some() {
            main = Some(offer);
        }
        if offer.is_pxe() && offer.server_id.is_some() {
            proxy = Some(offer);
        }
        if main.is_some_and(|main| main.no_proxy || proxy.is_some()) {
            break;
        }
    }
    let Some(main) = main else {
        return no_address(offers);
    };
    let proxy = proxy.filter(|_| !main.no_proxy);
    // `dhcp_has_pxeopts`: an offer without a server and a file, and without a menu, is completed by port 4011.
    let has_options = |offer: &Offer| {
        let file = offer.next_server.is_some() && offer.file.is_some();
        file || !offer.discovery.menu.is_empty()
    };
    let unfinished = proxy.filter(|proxy| !has_options(proxy));
    let completed = match unfinished {
        Some(proxy) => ask(boot_servers, proxy.server, None).filter(|answer| has_options(answer)),
        None => proxy,
    };
    // `have_pxe_menu`.
    let with_menu = [Some(main), completed]
        .into_iter()
        .flatten()
        .find_map(|offer| {
            let skips = offer.discovery.uses_file() && offer.file.is_some();
            let item = first_item(offer).filter(|_| offer.is_pxe() && !skips)?;
            Some((offer, item))
        });
    if let Some((offer, (server, item))) = with_menu {
        let because = "the first entry of its menu";
        let answer = ask(boot_servers, server, Some(item));
        return match answer.and_then(|answer| loads(answer, because)) {
            Some(outcome) => outcome,
            None => Outcome::BootServerSilent {
                server,
                because: format!("it is the boot server of the menu of {}", offer.server),
            },
        };
    }
    let own = "the file of the server of its address wins over a proxy's";
    let named = [(Some(main), own), (completed, "a proxy's offer")];
    for (offer, because) in named {
        let Some((offer, file)) = offer.and_then(|offer| Some((offer, offer.file_text()?))) else {
            continue;
        };
        if !is_url(&file) && offer.next_server.is_none() {
            return Outcome::NoFileServer {
                server: offer.server,
                file,
            };
        }
        let because = match proxy {
            None if offer == main => "the server of its address names it",
            _ => because,
        };
        if let Some(outcome) = loads(offer, because) {
            return outcome;
        }
    }
    let because = match unfinished {
        Some(offer) if offer.address.is_some() => format!(
            "{} says that it is a boot server (option 60), so that no other is waited for, and its port 4011 does not \
             name a file",
            offer.server
        ),
        Some(offer) => format!(
            "port 4011 of the proxy {} does not name a file",
            offer.server
        ),
        None if main.no_proxy => format!(
            "{} tells it to wait for no proxy (option 175.176, no-pxedhcp), and names no file",
            main.server
        ),
        None => "no offer names a file".to_owned(),
    };
    Outcome::NothingToBoot {
        address_from: main.server,
        because,
    }
}
