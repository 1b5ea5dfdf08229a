//! What the events of a boot say, and what is known of the other servers.

use std::net::{IpAddr, Ipv4Addr};

use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Reason};
use netroot_proto::pxe::probe::OtherServer;

use crate::serve::events::{Event, Ignored};
use crate::serve::history::boot::{Boot, Step};
use crate::serve::history::cause::IpxeAddress;
use crate::serve::history::step;

/// Whether it was told what to load beside another server, which gives addresses.
pub(super) fn is_proxied(boot: &Boot) -> bool {
    boot.events().any(|event| {
        matches!(
            event,
            Event::DhcpAnswer {
                answer: Answer::ProxyOffered { .. } | Answer::ProxyAcknowledged { .. },
                ..
            }
        )
    })
}

/// Whether it has an address from here.
pub(super) fn has_address(boot: &Boot) -> bool {
    boot.events().any(|event| {
        matches!(
            event,
            Event::DhcpAnswer {
                answer: Answer::Acknowledged { .. } | Answer::Informed { .. },
                ..
            }
        )
    })
}

/// Another server that offers addresses.
pub(super) fn gives_addresses(others: &[OtherServer]) -> Option<IpAddr> {
    let mut others = others.iter();
    let other = others.find(|other| other.is_dhcp_server());
    other.map(|other| other.server.into())
}

/// What firmware was told to load, last.
pub(super) fn offered(boot: &Boot) -> Option<String> {
    let named = boot.events().filter_map(|event| match event {
        Event::DhcpAnswer { answer, .. } => match answer {
            Answer::ProxyOffered { loader } | Answer::ProxyAcknowledged { loader } => Some(loader),
            Answer::Offered {
                loader: BootFile::Named(loader),
                ..
            }
            | Answer::Acknowledged {
                loader: BootFile::Named(loader),
                ..
            } => Some(loader),
            _ => None,
        },
        _ => None,
    });
    named.last().cloned()
}

/// The other server whose address the machine took, as its own request says.
pub(super) fn address_from(boot: &Boot) -> Option<Ipv4Addr> {
    last(boot, other_server)
}

fn other_server(event: &Event) -> Option<Ipv4Addr> {
    match event {
        Event::Ignored(Ignored::Dhcp {
            reason: Reason::ForAnotherServer(server),
            ..
        }) => *server,
        _ => None,
    }
}

/// What the event says that happened last, of those that say it.
fn last<T>(boot: &Boot, said: impl Fn(&Event) -> Option<T>) -> Option<T> {
    let said = |step: &Step| Some((step.last, said(&step.event)?));
    let last = boot.steps.iter().filter_map(said).max_by_key(|(at, _)| *at);
    last.map(|(_, said)| said)
}

/// The other server that gives addresses and sends option 60, and that.
pub(super) fn claims_boot(others: &[OtherServer]) -> Option<(IpAddr, Vec<u8>)> {
    let mut claim = others.iter();
    let claim = claim.find(|other| other.claims_boot && other.offers.is_some())?;
    let class = claim.class.clone().unwrap_or_else(|| b"PXEClient".to_vec());
    Some((claim.server.into(), class))
}

/// The other server that gives addresses and names a file, and that.
pub(super) fn names_file(others: &[OtherServer]) -> Option<(IpAddr, Vec<u8>)> {
    others.iter().find_map(|other| {
        let file = other.boot_file.as_ref().filter(|file| !file.is_empty())?;
        other.offers?;
        Some((other.server.into(), file.clone()))
    })
}

/// Whose address iPXE took last, as its own requests say: one from here, or another server's. Where it has not asked for
/// itself, it goes on with what its firmware took.
pub(super) fn took_address(boot: &Boot) -> Option<IpxeAddress> {
    let is_ipxes = |event: &Event| matches!(step::client(event), Some(Client::Ipxe(_)));
    let has_asked = boot.events().any(is_ipxes);
    last(boot, |event| match event {
        _ if has_asked && !is_ipxes(event) => None,
        Event::DhcpAnswer {
            answer: Answer::Acknowledged { .. },
            ..
        } => Some(IpxeAddress::Here),
        _ => other_server(event).map(|server| IpxeAddress::From(server.into())),
    })
}
