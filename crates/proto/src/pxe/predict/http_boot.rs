//! EDK2's HTTP boot (`NetworkPkg/HttpBootDxe/HttpBootDhcp4.c`): a URL counts only in an offer with option 60 `HTTPClient`,
//! from the server of the address or from a proxy beside it.

use super::outcome::{Outcome, first_address, loads, no_address};
use crate::pxe::offer::{Offer, url_host};

pub(super) fn predict(offers: &[&Offer]) -> Outcome {
    let Some(dhcp) = first_address(offers) else {
        return no_address(offers);
    };
    let resolves = offers.iter().any(|offer| !offer.name_servers.is_empty());
    let usable = |offer: &&Offer| {
        let url = offer.file_text();
        let url = url.filter(|_| offer.is_http());
        url.is_some_and(|url| host(&url).is_some_and(|host| resolves || is_address(host)))
    };
    let mut all = offers.iter().copied().filter(usable);
    let (mut own, mut proxied) = (None, None);
    for offer in all.by_ref() {
        let place = match offer.address {
            Some(_) => &mut own,
            None => &mut proxied,
        };
        place.get_or_insert(offer);
    }
    let own = own.and_then(|offer| loads(offer, "it gives the address and the URL"));
    let proxied = proxied.and_then(|offer| loads(offer, "a proxy's offer with a URL"));
    own.or(proxied).unwrap_or_else(|| {
        let named = offers.iter().any(|offer| offer.file.is_some());
        Outcome::NothingToBoot {
            address_from: dhcp.server,
            because: match named {
                true => "no offer has both option 60 = HTTPClient and a URL with a host that it can reach",
                false => "no offer has a URL",
            }
            .to_owned(),
        }
    })
}

/// The host of an HTTP URL, without its port.
fn host(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    url_host(url).filter(|_| http)
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}
