//! Where a boot by signed files stopped: firmware loads shim, shim loads GRUB or iPXE, and that its configuration and the kernel.
//! Who refuses a file says so on the screen alone; what is seen here is what was asked for, and what was not.

use std::sync::Arc;

use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::strategy::LoaderChoice;
use netroot_secure_boot::Part;

use super::super::boot::Boot;
use super::super::cause::secure_boot::{SignedStage, SignedStop};
use super::super::stage::Stage;
use crate::catalog::{ImageFile, file_of_image};
use crate::serve::artifacts::signed_chain::{ChainFacts, SignedState};
use crate::serve::artifacts::{FileKind, loaders, script, signed_ipxe};
use crate::serve::events::{Event, Fetch, Ignored};

/// What shim asks for and can do without: lists of what is revoked, and certificates.
const OPTIONAL: [&str; 2] = ["revocations", "shim_certificate"];
/// MokManager, for which shim asks where it may not start GRUB, once somebody has read that (its `shim.c`, `init_grub`).
const MOK_MANAGER: [&str; 3] = ["mmx64.efi", "mmaa64.efi", "MokManager.efi"];

/// The shim that firmware loaded in this boot.
fn shim(boot: &Boot) -> Option<&str> {
    let mut loaded = boot.events().filter_map(fetched);
    loaded.find_map(|fetch| {
        let is_shim =
            fetch.kind == FileKind::Loader && loaders::chosen(&fetch.name) == LoaderChoice::Signed;
        is_shim.then_some(fetch.name.as_str())
    })
}

/// Whether a machine that begins another boot was in one whose files start it anew where they fail.
pub(in crate::serve::history) fn begins_anew(boot: &Boot) -> bool {
    match shim(boot) {
        Some(shim) if signed_ipxe::is_shim(shim) => boot.stage <= Stage::Initrd,
        Some(_) => boot.stage <= Stage::Kernel,
        None => false,
    }
}

/// Whether iPXE's script has come to its end, since the kernel was not started. It tries again for ever, and is never silent.
pub(super) fn is_refused_again(boot: &Boot) -> bool {
    boot.came_back && boot.stage == Stage::Initrd && is_by_ipxe(boot)
}

/// Whether firmware has loaded the shim that starts iPXE.
fn is_by_ipxe(boot: &Boot) -> bool {
    shim(boot).is_some_and(signed_ipxe::is_shim)
}

/// Where it stopped; `None` if it was not one by signed files, or went on to the init. `is_elsewhere`: its address is another
/// server's.
pub(super) fn stopped(
    boot: &Boot,
    signed: Option<&SignedState>,
    is_elsewhere: bool,
) -> Option<SignedStop> {
    let shim = shim(boot)?;
    let facts = match signed {
        Some(SignedState::Usable(facts)) => Some(facts),
        _ => None,
    };
    let at = match boot.stage {
        Stage::Loader if is_by_ipxe(boot) => before_ipxe(boot),
        Stage::Loader => {
            let asks_elsewhere = is_elsewhere && facts.is_none_or(|facts| !facts.by_proxy);
            before_configuration(boot, asks_elsewhere)
        }
        Stage::Initrd if is_by_ipxe(boot) => kernel_not_started(boot, facts)?,
        // Whoever boots otherwise after all has another loader's script.
        Stage::Script | Stage::Kernel if !boot.events().filter_map(fetched).any(is_grubs) => {
            return None;
        }
        Stage::Script => match not_served(boot).find(|name| is_of_image(name)) {
            Some(name) => SignedStage::GrubLacksFile {
                name: name.to_owned(),
            },
            None => SignedStage::KernelNotAsked,
        },
        Stage::Kernel => {
            let mut kernels = boot.events().filter_map(fetched);
            let kernel = kernels.find(|fetch| fetch.kind == FileKind::Kernel)?;
            SignedStage::KernelRefused {
                name: kernel.name.clone(),
            }
        }
        _ => return None,
    };
    Some(SignedStop {
        shim: shim.to_owned(),
        at,
        facts: facts.map(Arc::clone),
    })
}

/// iPXE has kernel and initrd. Whether the kernel was started is known if something is wrong with it, or if iPXE's script tries
/// again; a shim that refuses it waits for somebody to read that.
fn kernel_not_started(boot: &Boot, facts: Option<&Arc<ChainFacts>>) -> Option<SignedStage> {
    let is_wrong = facts.is_some_and(|facts| {
        let mut conditions = facts.checked.conditions.iter();
        facts.no_kernel.is_some() || conditions.any(|it| it.part() == Part::Kernel)
    });
    if !is_wrong && !boot.came_back {
        return None;
    }
    let mut kernels = boot.events().filter_map(fetched);
    let kernel = kernels.find(|fetch| fetch.kind == FileKind::Kernel)?;
    Some(SignedStage::KernelNotStarted {
        name: kernel.name.clone(),
    })
}

/// Firmware, or the shim that starts iPXE, came no further.
fn before_ipxe(boot: &Boot) -> SignedStage {
    let mut loaded = boot.events().filter_map(fetched);
    let ipxe = loaded.find(|fetch| is_signed_ipxe(fetch));
    match ipxe.map(|ipxe| ipxe.name.clone()) {
        Some(name) => SignedStage::IpxeRefused {
            name,
            is_certain: asks_for_mok_manager(boot),
        },
        None if not_served(boot).next().is_none() => SignedStage::ShimRefused,
        None => match not_served(boot).find(is_needed) {
            Some(name) => SignedStage::ShimLacksFile {
                name: name.to_owned(),
            },
            None => SignedStage::IpxeNotAsked,
        },
    }
}

/// Whether it is iPXE by the name beside its shim, or by that name in no folder, which firmware has of an iPXE that is its loader.
fn is_signed_ipxe(fetch: &Fetch) -> bool {
    let is_alone = fetch.kind == FileKind::Other && signed_ipxe::is_loader_alone(&fetch.name);
    is_alone || signed_ipxe::is_loader(&fetch.name)
}

/// Whether shim cannot do without this file.
fn is_needed(name: &&str) -> bool {
    let file = last(name);
    file.ends_with(".efi") && !OPTIONAL.iter().any(|start| file.starts_with(start))
}

/// Firmware, shim or GRUB came no further.
fn before_configuration(boot: &Boot, asks_elsewhere: bool) -> SignedStage {
    let mut loaded = boot.events().filter_map(fetched);
    let grub = loaded.find(|fetch| {
        let file = file_of_image(&fetch.name).map(|named| named.file);
        matches!(file, Some(ImageFile::SignedGrub(_)))
    });
    let mut missing = not_served(boot);
    let owned = str::to_owned;
    match grub.map(|grub| grub.name.clone()) {
        Some(name) if asks_for_mok_manager(boot) => SignedStage::GrubRefused {
            name,
            is_certain: true,
        },
        Some(name) => match asked_by_grub(boot) {
            Some(name) => SignedStage::GrubLacksFile { name: owned(name) },
            None if asks_elsewhere => SignedStage::GrubAsksElsewhere { name },
            None => SignedStage::GrubRefused {
                name,
                is_certain: false,
            },
        },
        None if not_served(boot).next().is_none() => SignedStage::ShimRefused,
        None => match missing.find(is_needed) {
            Some(name) => SignedStage::ShimLacksFile { name: owned(name) },
            None => SignedStage::GrubNotAsked,
        },
    }
}

/// What GRUB asked for in vain: its configuration, or something else.
fn asked_by_grub(boot: &Boot) -> Option<&str> {
    let mut configurations = not_served(boot).filter(|name| name.contains("grub.cfg"));
    let is_its = |name: &&str| !name.ends_with(".efi");
    configurations
        .next()
        .or_else(|| not_served(boot).find(is_its))
}

/// Why a machine is not given the signed files that are there, in a clause.
pub(super) fn why_not_given(
    boot: &Boot,
    signed: Option<&SignedState>,
    is_proxied: bool,
) -> Option<&'static str> {
    let Some(SignedState::Usable(facts)) = signed else {
        return None;
    };
    match boot.firmware {
        Some(Client::Http(_)) if !facts.over_http => Some(
            "that GRUB, older than 2.12, does not load files by HTTP; choose the firmware's PXE entry, or put a newer one into the root",
        ),
        _ if is_proxied && !facts.by_proxy => Some(
            "that GRUB, older than 2.12, looks for its files on the server that gives the address; let netroot give it (--dhcp FIRST-LAST), or put a newer one into the root",
        ),
        _ => None,
    }
}

/// Whether it is a configuration of GRUB's.
fn is_grubs(fetch: &Fetch) -> bool {
    fetch.kind == FileKind::Script && script::grub_machine(&fetch.name).is_some()
}

fn fetched(event: &Event) -> Option<&Fetch> {
    match event {
        Event::Fetched(fetch) => Some(fetch),
        _ => None,
    }
}

/// What was asked for and is not served.
fn not_served(boot: &Boot) -> impl Iterator<Item = &str> {
    boot.events().filter_map(|event| match event {
        Event::Ignored(Ignored::TftpUnknown { name } | Ignored::HttpUnknown { name }) => {
            Some(name.as_str())
        }
        _ => None,
    })
}

/// Whether shim asked for MokManager, which may be served or not.
fn asks_for_mok_manager(boot: &Boot) -> bool {
    let served = boot.events().filter_map(fetched);
    let mut asked = served
        .map(|fetch| fetch.name.as_str())
        .chain(not_served(boot));
    asked.any(|name| MOK_MANAGER.contains(&last(name)))
}

/// A kernel or an initrd that a configuration named.
fn is_of_image(name: &str) -> bool {
    file_of_image(name).is_some()
}

/// The name without its folders.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
