//! What an event is to a boot. Pure.

use std::mem::size_of;

use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile};
use netroot_proto::pxe::probe::OtherServer;

use super::boot::Step;
use super::stage::Stage;
use crate::serve::artifacts::{FileKind, script, signed_ipxe};
use crate::serve::events::{Decided, Event, Fetch, Ignored, StopCause};

/// The most bytes that are kept of a string.
const TEXT: usize = 300;

/// The stage that a boot has reached with this event; `None` if it says nothing about that.
pub(super) fn stage(event: &Event) -> Option<Stage> {
    match event {
        Event::DhcpDiscover { client } => match client {
            Client::Plain => None,
            Client::Init => Some(Stage::Init),
            Client::Ipxe(_) => Some(Stage::Ipxe),
            _ => Some(Stage::Discover),
        },
        Event::Decided(Decided::Refused { client, .. }) => match client {
            Client::Ipxe(_) => Some(Stage::Ipxe),
            _ => Some(Stage::Discover),
        },
        Event::DhcpAnswer { client, answer } => match client {
            Client::Plain => None,
            Client::Init => Some(Stage::Init),
            Client::Ipxe(_) => Some(Stage::Ipxe),
            _ if names_file(answer) => Some(Stage::Offer),
            _ => Some(Stage::Discover),
        },
        Event::Fetched(Fetch { kind, name, .. }) => match kind {
            FileKind::Loader => Some(Stage::Loader),
            FileKind::Script if is_first_script(name) => Some(Stage::Ipxe),
            FileKind::Script => Some(Stage::Script),
            FileKind::Kernel => Some(Stage::Kernel),
            FileKind::Initrd => Some(Stage::Initrd),
            FileKind::Other => None,
        },
        Event::Mounted { .. } => Some(Stage::Mount),
        Event::Booted { .. } => Some(Stage::Running),
        Event::BootFailed { .. } => Some(Stage::Init),
        _ => None,
    }
}

/// Whether it is the script that iPXE asks for by itself, in the folder that it was loaded from.
fn is_first_script(name: &str) -> bool {
    let in_folder = signed_ipxe::without_folder(name);
    in_folder.unwrap_or(name) == script::AUTOEXEC
}

fn names_file(answer: &Answer) -> bool {
    match answer {
        Answer::Offered { loader, .. }
        | Answer::Acknowledged { loader, .. }
        | Answer::Informed { loader, .. } => matches!(loader, BootFile::Named(_)),
        Answer::ProxyOffered { .. } | Answer::ProxyAcknowledged { .. } => true,
        Answer::Refused { .. } | Answer::RootOffered { .. } | Answer::RootAcknowledged { .. } => {
            false
        }
    }
}

/// The client that an event is of, if it is of DHCP.
pub(super) fn client(event: &Event) -> Option<Client> {
    match event {
        Event::DhcpDiscover { client }
        | Event::DhcpAnswer { client, .. }
        | Event::Ignored(Ignored::Dhcp { client, .. })
        | Event::Decided(Decided::Refused { client, .. }) => Some(*client),
        _ => None,
    }
}

/// Whether two events are one step that happened twice.
pub(super) fn is_repeated(before: &Event, event: &Event) -> bool {
    match (before, event) {
        (Event::Fetched(before), Event::Fetched(now)) => {
            let chosen = |fetch: &Fetch| {
                let chosen = fetch.chosen.as_deref();
                chosen.map(|it| (it.choice.clone(), it.why.clone()))
            };
            before.kind == now.kind && before.name == now.name && chosen(before) == chosen(now)
        }
        (
            Event::FetchStopped {
                name: before,
                why: why_before,
                ..
            },
            Event::FetchStopped { name, why, .. },
        ) => before == name && why_before == why,
        // The last one counts: its address may be another, and what it says was mended perhaps.
        (Event::OtherOffered(before), Event::OtherOffered(now)) => {
            before.server == now.server && before.offers.is_some() == now.offers.is_some()
        }
        _ => before == event,
    }
}

/// The event with its strings cut to what is kept of them.
pub(super) fn bounded(event: &Event) -> Event {
    let mut event = event.clone();
    for text in texts(&mut event) {
        if text.len() > TEXT {
            let mut end = TEXT;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        text.shrink_to_fit();
    }
    event
}

/// What a step takes, in bytes.
pub(super) fn size(step: &mut Step) -> usize {
    let texts = texts(&mut step.event);
    let length = texts.iter().map(|text| text.capacity()).sum::<usize>();
    let other = match &step.event {
        Event::OtherOffered(OtherServer {
            class,
            boot_file,
            root_path,
            ..
        }) => [class, boot_file, root_path]
            .into_iter()
            .flatten()
            .map(Vec::capacity)
            .sum(),
        _ => 0,
    };
    size_of::<Step>() + length + other
}

/// The strings of an event about a machine: what anybody on the network may have made long.
fn texts(event: &mut Event) -> Vec<&mut String> {
    match event {
        Event::DhcpAnswer { answer, .. } => answer.file_mut().into_iter().collect(),
        Event::Decided(Decided::Refused { why, .. }) => vec![why],
        Event::Fetched(fetch) => vec![&mut fetch.name],
        Event::FetchStopped { name, why, .. } => match why {
            StopCause::TftpError { message, .. } => vec![name, message],
            StopCause::TftpUnreadable { error } => vec![name, error],
            StopCause::TftpTimeout | StopCause::HttpClosed => vec![name],
        },
        Event::Mounted { path } | Event::Unmounted { path } => vec![path],
        Event::Booted { linux, .. } => vec![linux],
        Event::BootFailed { failure, .. } => vec![failure],
        Event::Ignored(ignored) => match ignored {
            Ignored::TftpUnknown { name } | Ignored::HttpUnknown { name } => vec![name],
            Ignored::TftpSocket { name, error } => vec![name, error],
            Ignored::DhcpSend { error } | Ignored::AdvertisementSend { error } => vec![error],
            Ignored::TftpAddress { interface, .. } => vec![interface],
            Ignored::Mount { path, .. } => vec![path],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
