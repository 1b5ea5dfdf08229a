//! What each machine will do, from what was heard and what a netroot of this host would answer.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use netroot_proto::pxe::decide::{Decision, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Loader, Role, SubnetOptions};
use netroot_proto::pxe::offer::Offer;
use netroot_proto::pxe::predict::{BootServer, Outcome, Prediction, predict};
use netroot_proto::pxe::probe::{Asker, Probe};
use netroot_proto::pxe::strategy::Strategy;

use super::files::FileState;
use super::survey::Survey;
use crate::serve::dhcp::script_path::SCRIPT_PATH;
use crate::serve::listen::interface::Interface;

/// The netroot that this host runs, or would.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// Its boot loaders.
    pub(super) loaders: Vec<Loader>,
    /// The TCP port of its HTTP server.
    pub(super) http_port: u16,
    /// The range that it gives addresses from; `None` as a proxy.
    pub(super) range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The name of its first image.
    pub(super) image: Option<String>,
}

/// Whose boot it is in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A netroot's.
    Netroot(Ipv4Addr),
    /// Another server's.
    Other(Ipv4Addr),
    /// It gets what it wants: an address.
    Served,
    /// It does not boot.
    Fails,
}

/// What one machine will do.
#[derive(Debug, Clone)]
pub(super) struct Forecast {
    /// Its first step, by its firmware.
    pub(super) first: Prediction,
    /// What the server says about the file.
    pub(super) file: Option<FileState>,
    /// What iPXE does then, where the firmware loads it from a netroot.
    pub(super) then: Option<Prediction>,
    /// Why the netroot of this host has nothing for it.
    pub(super) unanswered: Option<String>,
    /// How it ends.
    pub(super) verdict: Verdict,
}

/// Everything that is foretold.
#[derive(Debug, Clone)]
pub(super) struct Forecasts {
    /// By asker.
    pub(super) all: Vec<Forecast>,
    /// The servers that are netroots, with this host's own if it was heard.
    pub(super) netroots: Vec<Ipv4Addr>,
    /// Whether the offers of this host's netroot were heard; else they are what it would send.
    pub(super) heard_own: bool,
}

/// Whether this is a netroot's script for a machine.
fn is_script_of(offer: &Offer, mac: Mac) -> bool {
    let script = SCRIPT_PATH.replace("{mac}", &mac.hyphenated());
    offer
        .file_text()
        .is_some_and(|file| file.contains(&format!("/{script}")))
}

/// The netroots among the servers that were heard.
pub(super) fn netroots(survey: &Survey) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    for answers in &survey.answers {
        for offer in &answers.offers {
            let ipxe = matches!(answers.asker, Asker::Ipxe(_)) && is_script_of(offer, survey.mac);
            if (ipxe || offer.is_for_init()) && !found.contains(&offer.server) {
                found.push(offer.server);
            }
        }
    }
    found
}

/// Foretells everything. `look` asks a server for the file of an outcome.
pub(super) fn forecast(
    survey: &Survey,
    interface: &Interface,
    planned: &Planned,
    mut look: impl FnMut(&Outcome) -> Option<FileState>,
) -> Forecasts {
    let mut netroots = netroots(survey);
    let heard_own = netroots.iter().any(|server| interface.has(*server));
    let own = interface.ipv4_addresses().next();
    let own = own.map_or(Ipv4Addr::UNSPECIFIED, |(own, _)| own);
    if !heard_own {
        netroots.push(own);
    }
    // What is heard, and what this host's netroot would add.
    let mut offered = Vec::new();
    for answers in &survey.answers {
        let probe = Probe {
            mac: survey.mac,
            transaction: 1,
            asker: answers.asker,
        };
        let mut offers = answers.offers.clone();
        let mut unanswered = None;
        if !heard_own {
            match would_offer(&probe, interface, planned) {
                Ok(offer) => offers.push(offer),
                Err(reason) => unanswered = Some(reason),
            }
        }
        // Also while a netroot serves, and where it gives addresses, which come without a file then.
        let names_file = |offer: &Offer| interface.has(offer.server) && offer.file.is_some();
        if unanswered.is_none() && !offers.iter().any(names_file) {
            unanswered = has_nothing(&probe, interface, planned);
        }
        offered.push((answers, offers, unanswered));
    }
    let prediction = |asker: Asker| {
        let of = offered.iter().find(|(answers, ..)| answers.asker == asker);
        of.map(|(answers, offers, _)| predict(asker, offers, &answers.boot_servers))
    };
    let mut all = Vec::new();
    for (answers, _, unanswered) in &offered {
        let Some(first) = prediction(answers.asker) else {
            continue;
        };
        let by_netroot = netroot_of(&first, &netroots);
        let loads = matches!(first.outcome, Outcome::Loads { .. });
        let is_firmware = matches!(answers.asker, Asker::Firmware(_));
        // Which iPXE it is does not change what it does with offers.
        let then = match (loads && is_firmware, by_netroot) {
            (true, Some(_)) => {
                let bios = answers.asker.architecture() == Some(0);
                prediction(Asker::Ipxe(if bios { 0 } else { 7 }))
            }
            _ => None,
        };
        // This host's own files are looked at where they are.
        let file = match by_netroot {
            Some(server) if interface.has(server) => None,
            _ => look(&first.outcome),
        };
        let verdict = verdict(&first, file.as_ref(), then.as_ref(), &netroots);
        all.push(Forecast {
            first,
            file,
            then,
            unanswered: unanswered.clone(),
            verdict,
        });
    }
    if !heard_own {
        netroots.retain(|server| !interface.has(*server));
    }
    Forecasts {
        all,
        netroots,
        heard_own,
    }
}

/// The netroot that sends what is loaded, or is told of it by another server. An iPXE that is to load a loader again would
/// do so for ever.
fn netroot_of(prediction: &Prediction, netroots: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let outcome = &prediction.outcome;
    let from = outcome.loaded_from().filter(|_| match outcome {
        Outcome::Loads { file, .. } => is_for(prediction.asker, file),
        _ => true,
    });
    let both = [outcome.server(), from];
    both.into_iter().flatten().find(|it| netroots.contains(it))
}

/// Whether a machine that gets this file from a netroot goes on.
pub(super) fn is_for(asker: Asker, file: &str) -> bool {
    !matches!(asker, Asker::Ipxe(_)) || file.ends_with(".ipxe")
}

fn verdict(
    first: &Prediction,
    file: Option<&FileState>,
    then: Option<&Prediction>,
    netroots: &[Ipv4Addr],
) -> Verdict {
    if matches!(file, Some(FileState::Refused { .. } | FileState::Silent)) {
        return Verdict::Fails;
    }
    let last = then.unwrap_or(first);
    match &last.outcome {
        Outcome::Loads { server, .. } | Outcome::Root { server, .. } => {
            match netroot_of(last, netroots) {
                Some(netroot) => Verdict::Netroot(netroot),
                None => Verdict::Other(*server),
            }
        }
        Outcome::Address { .. } => Verdict::Served,
        _ => Verdict::Fails,
    }
}

/// Why a netroot on this interface has nothing for a machine, whoever gives the address.
fn has_nothing(probe: &Probe, interface: &Interface, planned: &Planned) -> Option<String> {
    let proxy = Planned {
        range: None,
        ..planned.clone()
    };
    would_offer(probe, interface, &proxy).err()
}

/// What a netroot on this interface would offer, or why nothing.
fn would_offer(probe: &Probe, interface: &Interface, planned: &Planned) -> Result<Offer, String> {
    let request = Request::read(&probe.discover()).map_err(|error| error.to_string())?;
    let (address, network) = match planned.range {
        Some((first, last)) => interface
            .network_of(&[first, last])
            .ok_or_else(|| format!("{first}-{last} is in none of {}'s networks", interface.name))?,
        None => interface.address_for([]),
    };
    let arrival = Arrival {
        interface: interface.name.clone(),
        address,
        network,
        behind_relays: false,
        port: SERVER_PORT,
        source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
    };
    // Its init is told of the root only where there is one.
    let root = planned.image.as_ref();
    let root = root.map(|image| format!("{address}:/{image}"));
    let boots = BootOptions {
        http_port: planned.http_port,
        script_path: SCRIPT_PATH,
        loaders: &planned.loaders,
        root_path: root.as_deref().map(str::as_bytes),
        allowed: None,
        host_name: None,
        refused: false,
    };
    let options = SubnetOptions::new(Duration::from_secs(3600));
    let mut pool = match planned.range {
        Some((first, last)) => {
            let own = interface.ipv4_addresses().map(|(own, _)| own).collect();
            Some(Pool::new(first, last, own).map_err(|error| error.to_string())?)
        }
        None => None,
    };
    let role = match &mut pool {
        Some(pool) => Role::Authoritative {
            options: &options,
            pool,
        },
        None => Role::Proxy,
    };
    let decision = decide(
        &request,
        &arrival,
        &boots,
        role,
        Strategy::default(),
        Duration::ZERO,
    );
    match decision {
        Decision::Reply(reply) => probe
            .offer(&reply.packet, reply.source)
            .ok_or_else(|| "its own answer could not be read".to_owned()),
        Decision::Ignore(reason) => Err(reason.to_string()),
        Decision::Noted(_) => Err("a DISCOVER is answered".to_owned()),
    }
}

/// What port 4011 of a boot server said, for the list of servers.
pub(super) fn answered(boot_servers: &[BootServer], server: Ipv4Addr) -> Option<bool> {
    let mut of = boot_servers
        .iter()
        .filter(|one| one.asked == server)
        .peekable();
    of.peek()?;
    Some(of.any(|one| one.answer.is_some()))
}
