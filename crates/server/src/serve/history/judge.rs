//! Why a boot stopped: from what happened in it, from the other DHCP servers, and from how long it has been silent. Pure.

mod evidence;
mod secure_boot;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Reason};
use netroot_proto::pxe::probe::OtherServer;

use self::evidence::{
    address_from, claims_boot, gives_addresses, has_address, is_proxied, names_file, offered,
    took_address,
};
pub(super) use self::secure_boot::begins_anew;
use super::boot::{Boot, Outcome};
use super::cause::{CauseOfDeath, Instead, IpxeAddress};
use super::stage::Stage;
use crate::catalog::{ImageFile, file_of_image};
use crate::serve::artifacts::signed_chain::SignedState;
use crate::serve::artifacts::{FileKind, Follows};
use crate::serve::events::{Event, Fetch, Ignored, StopCause};

/// What follows from a boot's silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may go on.
    Wait,
    /// What it was given needs nothing more from here.
    HandedOver,
    /// It is dead.
    Dead(CauseOfDeath),
}

/// How long a boot may be silent at a stage: without a request, and without a file being sent to it.
pub(super) const fn patience(stage: Stage) -> Duration {
    let seconds = match stage {
        // UEFI repeats its request after 4, 8 and 16 s.
        Stage::Discover | Stage::Offer => 30,
        // iPXE brings the link up again, which takes 30 s where a switch has spanning tree.
        Stage::Loader => 60,
        Stage::Ipxe | Stage::Script | Stage::Kernel => 45,
        // A server with much memory and many disks, and a switch with spanning tree.
        Stage::Initrd => 180,
        Stage::Init => 120,
        Stage::Mount | Stage::Reads | Stage::Running => 300,
    };
    Duration::from_secs(seconds)
}

/// What follows from the silence of a boot, at `now` on the server's clock. `signed` is what its machine would boot with Secure
/// Boot.
pub(super) fn judge(
    boot: &Boot,
    signed: Option<&Arc<SignedState>>,
    others: &[OtherServer],
    now: Duration,
) -> Verdict {
    let silent = now.saturating_sub(boot.heard);
    let is_over =
        boot.started_again || secure_boot::is_refused_again(boot) || silent >= patience(boot.stage);
    if boot.outcome != Outcome::Booting || !is_over {
        return Verdict::Wait;
    }
    // Those that answered this machine are better evidence than those that answered somebody at some time.
    let overheard = boot.events().filter_map(|event| match event {
        Event::OtherOffered(other) => Some(other.clone()),
        _ => None,
    });
    let overheard: Vec<OtherServer> = overheard.collect();
    let known = |other: &&OtherServer| overheard.iter().any(|it| it.server == other.server);
    let far = others.iter().filter(|other| !known(other)).cloned();
    let others: Vec<OtherServer> = overheard.iter().cloned().chain(far).collect();
    let others = others.as_slice();
    let follows = boot.follows();
    let by_signed = || {
        let is_elsewhere = is_proxied(boot) || address_from(boot).is_some();
        let stopped = secure_boot::stopped(boot, signed.map(Arc::as_ref), is_elsewhere);
        stopped.map(CauseOfDeath::SecureBoot)
    };
    let stopped = |otherwise| {
        stopped_transfer(boot)
            .or_else(by_signed)
            .unwrap_or(otherwise)
    };
    let cause = match boot.stage {
        Stage::Discover => unanswered(boot, others),
        Stage::Offer => after_offer(boot, others),
        Stage::Loader => stopped(after_loader(boot, signed)),
        Stage::Ipxe => after_ipxe(boot, others),
        Stage::Script if follows == Follows::Script => return Verdict::Wait,
        Stage::Script if follows == Follows::Nothing => return Verdict::HandedOver,
        Stage::Script => stopped(CauseOfDeath::KernelNotAsked),
        Stage::Kernel if follows == (Follows::Kernel { initrd: false }) => {
            return Verdict::HandedOver;
        }
        Stage::Kernel => stopped(CauseOfDeath::InitrdNotAsked),
        Stage::Initrd | Stage::Init if mount_refused(boot).is_some() => {
            mount_refused(boot).unwrap_or(CauseOfDeath::InitStopped)
        }
        Stage::Initrd if matches!(follows, Follows::Kernel { .. }) => return Verdict::HandedOver,
        Stage::Initrd => by_signed().unwrap_or_else(|| CauseOfDeath::InitSilent {
            image: boot.image_name().map(str::to_owned),
            reports: follows == Follows::Root { reports: true },
        }),
        Stage::Init => CauseOfDeath::InitStopped,
        Stage::Mount | Stage::Reads => CauseOfDeath::SilentAfterMount { silent },
        Stage::Running => return Verdict::Wait,
    };
    Verdict::Dead(cause)
}

/// Asked, and was not told what to load.
fn unanswered(boot: &Boot, others: &[OtherServer]) -> CauseOfDeath {
    let answered = boot.events().find_map(|event| match event {
        Event::DhcpAnswer { answer, .. } => match answer {
            Answer::Offered { loader, .. } | Answer::Acknowledged { loader, .. } => match loader {
                BootFile::NoLoader(platform) => Some(Reason::NoLoader(*platform).to_string()),
                BootFile::NoArchitecture => Some(Reason::NoArchitecture.to_string()),
                _ => None,
            },
            Answer::Refused { address, why } => Some(why.sentence(*address)),
            _ => None,
        },
        _ => None,
    });
    if let Some(reason) = answered {
        return CauseOfDeath::NothingToLoad { reason };
    }
    let reason = boot.events().find_map(|event| match event {
        Event::Ignored(ignored @ Ignored::Dhcp { reason, .. })
            if !matches!(reason, Reason::ForAnotherServer(_)) =>
        {
            Some(ignored.to_string())
        }
        Event::Ignored(ignored @ Ignored::DhcpSend { .. }) => Some(ignored.to_string()),
        _ => None,
    });
    if let Some(reason) = reason {
        return CauseOfDeath::NotAnswered { reason };
    }
    if let Some(untaken) = not_taken(boot, others) {
        return untaken;
    }
    if has_address(boot) {
        let reason = "this server has nothing for it".to_owned();
        return CauseOfDeath::NothingToLoad { reason };
    }
    if let Some((server, class)) = claims_boot(others) {
        return CauseOfDeath::OtherClaimsBoot {
            server,
            class,
            loader: String::new(),
            stage: boot.stage,
        };
    }
    CauseOfDeath::NoAddress
}

fn after_offer(boot: &Boot, others: &[OtherServer]) -> CauseOfDeath {
    if let Some(stopped) = stopped_transfer(boot) {
        return stopped;
    }
    let loader = offered(boot).unwrap_or_default();
    if matches!(boot.firmware, Some(Client::Http(_))) && !boot.asked {
        return CauseOfDeath::HttpNotAsked { url: loader };
    }
    if !is_proxied(boot) {
        let untaken = not_taken(boot, others);
        return untaken.unwrap_or(CauseOfDeath::LoaderNotAsked {
            loader,
            proxied: None,
        });
    }
    if let Some((server, class)) = claims_boot(others) {
        return CauseOfDeath::OtherClaimsBoot {
            server,
            class,
            loader,
            stage: boot.stage,
        };
    }
    if let Some(other) = others.iter().find(|other| other.offers.is_none()) {
        let server = other.server.into();
        return CauseOfDeath::OtherProxy { server, loader };
    }
    if let Some((server, file)) = names_file(others) {
        let stage = boot.stage;
        return CauseOfDeath::OtherNamesFile {
            server,
            file,
            stage,
        };
    }
    if address_from(boot).is_none() && !others.iter().any(OtherServer::is_dhcp_server) {
        return CauseOfDeath::NoAddress;
    }
    CauseOfDeath::LoaderNotAsked {
        loader,
        proxied: boot.firmware.and_then(|client| client.platform()),
    }
}

fn after_loader(boot: &Boot, signed: Option<&Arc<SignedState>>) -> CauseOfDeath {
    let is_uefi = match boot.firmware {
        Some(
            Client::Pxe(platform) | Client::Http(platform) | Client::IpxeWithoutHttp(platform),
        ) => is_uefi(platform),
        _ => false,
    };
    let uefi = is_uefi.then(|| Instead {
        signed: signed.map(Arc::clone),
        why_not: secure_boot::why_not_given(boot, signed.map(Arc::as_ref), is_proxied(boot)),
    });
    let mut fetched = boot.steps.iter().filter_map(|step| match &step.event {
        Event::Fetched(Fetch {
            kind: FileKind::Loader,
            name,
            ..
        }) => Some((name.clone(), step.count)),
        _ => None,
    });
    let (loader, times) = fetched.next_back().unwrap_or_default();
    let is_unified = file_of_image(&loader).is_some_and(|named| named.file == ImageFile::Program);
    if is_unified {
        return CauseOfDeath::UnifiedSilent { program: loader };
    }
    match times {
        0 | 1 => CauseOfDeath::LoaderSilent { loader, uefi },
        _ => CauseOfDeath::LoaderRefused {
            loader,
            times,
            uefi,
        },
    }
}

fn after_ipxe(boot: &Boot, others: &[OtherServer]) -> CauseOfDeath {
    if let Some(stopped) = stopped_transfer(boot) {
        return stopped;
    }
    let stage = boot.stage;
    let took = took_address(boot);
    // What else is offered counts only of the server whose address it has.
    let counts = |other: &&OtherServer| match took {
        Some(IpxeAddress::Here) => false,
        Some(IpxeAddress::From(server)) => server == IpAddr::from(other.server),
        _ => true,
    };
    let counting: Vec<OtherServer> = others.iter().filter(counts).cloned().collect();
    if let Some((server, file)) = names_file(&counting) {
        return CauseOfDeath::OtherNamesFile {
            server,
            file,
            stage,
        };
    }
    if let Some((server, class)) = claims_boot(&counting) {
        return CauseOfDeath::OtherClaimsBoot {
            server,
            class,
            loader: offered(boot).unwrap_or_default(),
            stage,
        };
    }
    let offered = gives_addresses(others).map(IpxeAddress::OfferedBy);
    CauseOfDeath::ScriptNotAsked {
        address: took.or(offered).unwrap_or(IpxeAddress::Nowhere),
    }
}

/// An address was offered from here, and the machine did not ask for it.
fn not_taken(boot: &Boot, others: &[OtherServer]) -> Option<CauseOfDeath> {
    let address = boot.events().find_map(|event| match event {
        Event::DhcpAnswer {
            answer: Answer::Offered { address, .. },
            ..
        } => Some(*address),
        _ => None,
    })?;
    if has_address(boot) {
        return None;
    }
    Some(match address_from(boot) {
        Some(server) => CauseOfDeath::OtherServerChosen {
            server: server.into(),
            loader: offered(boot).unwrap_or_default(),
        },
        None => CauseOfDeath::OfferNotTaken {
            address,
            other: gives_addresses(others),
        },
    })
}

/// The transfer that stopped last, unless the same file was sent whole after it.
fn stopped_transfer(boot: &Boot) -> Option<CauseOfDeath> {
    let mut stopped = None;
    let mut steps: Vec<_> = boot.steps.iter().collect();
    steps.sort_by_key(|step| step.last);
    for step in steps {
        match &step.event {
            Event::FetchStopped {
                kind,
                name,
                sent,
                bytes,
                why,
            } => {
                stopped = match why {
                    // Firmware that wanted the length alone.
                    StopCause::TftpError { .. } if *sent == 0 => stopped,
                    StopCause::TftpUnreadable { error } => Some(CauseOfDeath::Unreadable {
                        name: name.clone(),
                        error: error.clone(),
                    }),
                    _ => Some(CauseOfDeath::TransferStopped {
                        kind: *kind,
                        name: name.clone(),
                        sent: *sent,
                        bytes: *bytes,
                        tftp: !matches!(why, StopCause::HttpClosed),
                    }),
                };
            }
            Event::Fetched(_) => stopped = None,
            _ => {}
        }
    }
    stopped
}

fn mount_refused(boot: &Boot) -> Option<CauseOfDeath> {
    boot.events().find_map(|event| match event {
        Event::Ignored(refused @ (Ignored::Mount { .. } | Ignored::NfsCall { .. })) => {
            Some(CauseOfDeath::MountRefused {
                reason: refused.to_string(),
            })
        }
        _ => None,
    })
}

const fn is_uefi(platform: Platform) -> bool {
    !matches!(
        platform,
        Platform::Bios | Platform::RaspberryPi | Platform::Unknown(_)
    )
}
