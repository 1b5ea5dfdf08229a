//! Machines with Secure Boot: whether the images boot those that are known.
//!
//! The server keeps what machines showed and reported in its state folder. A machine whose `db` has none of the authorities
//! that signed shim refuses it, and says "Security Violation" at most. A machine counts for the image that the configuration
//! has it boot, and only if it may be given signed files there (`secure-boot`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use netroot_initramfs::Architecture;
use netroot_net::Mac;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::strategy::{Known, SecureBootMode};
use netroot_secure_boot::Authority;

use super::roots;
use crate::catalog::{ArrivedAt, Boots, Catalog, KnownMachine};
use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::artifacts::loaders;
use crate::serve::artifacts::signed_chain::{SecondStage, SignedState};
use crate::serve::machines::secure_boot::{SecureBoot, remembered};
use crate::serve::opened::Opened;
use crate::settings::{Choice, ImageSettings, Settings};

/// How many machines a sentence names.
const NAMED: usize = 4;

/// Looks at each root, for the machines that are remembered.
pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    let settings = &subject.settings;
    let mut findings = Vec::new();
    let known = remembered(&settings.state).unwrap_or_else(|error| {
        let text = format!(
            "what is known of machines' Secure Boot cannot be read ({}): {error}",
            settings.state.display()
        );
        findings.push(Finding::note("secure-boot", text));
        BTreeMap::new()
    });
    let pairs = loaders::find(settings.ipxe.as_deref()).signed;
    let images = settings.catalog.images.iter();
    // What else is wrong with one is found elsewhere.
    let opened: Vec<_> = images
        .filter_map(|image| Some((image, Opened::open(image).ok()?)))
        .collect();
    let boots = WhoBoots::new(settings, &opened);
    for (image, open) in &opened {
        let Opened::Root(root) = open else {
            continue;
        };
        let name = open.image(image, settings.nfs_port, Arc::from([])).name;
        let platform = match root.chosen().architecture {
            Architecture::X86_64 => Platform::EfiX64,
            Architecture::Aarch64 => Platform::EfiArm64,
        };
        let mut concerned = known.clone();
        concerned.retain(|mac, _| {
            let modes = boots.modes(&name, platform, Some(*mac));
            modes.iter().any(|mode| *mode != SecureBootMode::Never)
        });
        let is_wanted = boots.is_always(&name, platform);
        let found = root.signed_chain();
        let mut pairs = pairs.iter().flatten();
        let state = match pairs.find(|pair| pair.is_for(&found)) {
            Some(pair) => Arc::new(pair.state_with(&found)),
            None => Arc::clone(&found.state),
        };
        let mut found = look_at(&state, &concerned, is_wanted);
        roots::named(image, &mut found);
        findings.extend(found);
    }
    findings
}

/// Who boots what, as far as the configuration says it of a machine of which the hardware address is known.
struct WhoBoots<'a> {
    settings: &'a Settings,
    /// `None` where not every image could be opened, or a web hook decides: then any machine may boot any image.
    catalog: Option<Catalog>,
}

impl<'a> WhoBoots<'a> {
    fn new(settings: &'a Settings, opened: &[(&ImageSettings, Opened<'_>)]) -> Self {
        let images = opened
            .iter()
            .map(|(image, open)| open.image(image, settings.nfs_port, Arc::from([])));
        let of = &settings.catalog;
        let catalog = Catalog::new(
            images.collect(),
            of.machines.clone(),
            of.rules.clone(),
            of.default.clone(),
            of.menu.clone(),
        );
        let is_whole = opened.len() == of.images.len() && settings.api.hook.is_none();
        let catalog = catalog.ok().filter(|_| is_whole);
        Self {
            settings,
            catalog: catalog.map(|catalog| catalog.with_secure_boot(of.secure_boot)),
        }
    }

    /// The modes in which a machine boots this image: on each interface one at most. A machine that waits for somebody, or
    /// asks in the menu, may boot any image.
    fn modes(&self, image: &str, platform: Platform, mac: Option<Mac>) -> Vec<SecureBootMode> {
        let Some(catalog) = &self.catalog else {
            return self.all_modes(mac);
        };
        let machine = KnownMachine {
            mac,
            platform: Some(platform),
            ..KnownMachine::default()
        };
        let networks = self.settings.networks.iter();
        let modes = networks.filter_map(|network| {
            // At no address of the server's that is known yet.
            let arrived = ArrivedAt {
                interface: network.interface.as_deref().unwrap_or_default(),
                server: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            };
            let assigned = catalog.assign(&machine, &arrived);
            let may = match assigned.boots {
                Boots::Image(own) => own.name == image,
                Boots::Menu | Boots::Wait => true,
                Boots::Refuse => false,
            };
            may.then_some(assigned.secure_boot)
        });
        modes.collect()
    }

    /// The modes that the configuration has for a machine, whatever it boots.
    fn all_modes(&self, mac: Option<Mac>) -> Vec<SecureBootMode> {
        let of = &self.settings.catalog;
        let machines = of.machines.iter();
        let own = machines.filter(|machine| mac.is_some_and(|mac| machine.macs.contains(&mac)));
        let own = own.filter_map(|machine| machine.secure_boot);
        let rules = of.rules.iter().filter_map(|rule| rule.secure_boot);
        own.chain(rules).chain([of.secure_boot]).collect()
    }

    /// Whether machines are to be given the signed chain of this image whatever is known of them: one that has an entry, or
    /// one of which nothing is known.
    fn is_always(&self, image: &str, platform: Platform) -> bool {
        let machines = self.settings.catalog.machines.iter();
        let macs = machines.flat_map(|machine| machine.macs.iter().copied().map(Some));
        let mut all = macs.chain([None]);
        all.any(|mac| {
            let modes = self.modes(image, platform, mac);
            modes.contains(&SecureBootMode::Always)
        }) || self.has_rule_for_always(image)
    }

    /// A rule may be for machines of which more is known than a hardware address.
    fn has_rule_for_always(&self, image: &str) -> bool {
        let mut rules = self.settings.catalog.rules.iter();
        rules.any(|rule| {
            let is_for_it = match &rule.choice {
                Some(Choice::Image(name)) => name == image,
                Some(Choice::Refuse) => false,
                Some(Choice::Menu | Choice::Wait) | None => true,
            };
            is_for_it && rule.secure_boot == Some(SecureBootMode::Always)
        })
    }
}

fn look_at(
    state: &SignedState,
    known: &BTreeMap<Mac, SecureBoot>,
    is_wanted: bool,
) -> Vec<Finding> {
    match state {
        SignedState::Usable(facts) => {
            let checked = &facts.checked;
            let ok = starts(facts.second, &checked.authorities);
            let mut found = match &facts.no_kernel {
                None => vec![Finding::ok("secure-boot", ok)],
                Some(why) => {
                    let text = format!("no machine with Secure Boot boots it: {why}");
                    vec![Finding::warning("secure-boot", text)]
                }
            };
            let conditions = facts.conditions_of_image();
            found.extend(conditions.map(|it| Finding::warning("secure-boot", it.to_string())));
            found.extend(lost(known, &checked.authorities, &facts.cure));
            found
        }
        SignedState::Nothing { cure } => {
            let finding = without_chain(known, is_wanted, cure);
            finding.into_iter().collect()
        }
        SignedState::Unusable { error } => {
            let text = format!("no machine with Secure Boot boots it: {error}");
            vec![Finding::warning("secure-boot", text)]
        }
    }
}

/// Which firmware starts a chain.
fn starts(second: SecondStage, authorities: &[Authority]) -> String {
    let names: Vec<String> = authorities.iter().map(ToString::to_string).collect();
    let whole = match second {
        SecondStage::Grub => "shim, GRUB and kernel start one another",
        SecondStage::Ipxe => "iPXE's signed files start its kernel by the root's shim",
    };
    match names.is_empty() {
        true => whole.to_owned(),
        false => format!("{whole}, where firmware has {} in db", names.join(" or ")),
    }
}

/// The machines that refuse a shim that these have signed.
fn lost(known: &BTreeMap<Mac, SecureBoot>, signers: &[Authority], cure: &str) -> Vec<Finding> {
    // Who enrolled another certificate is not known by its name.
    if signers.is_empty() {
        return Vec::new();
    }
    let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
    let lost = known.iter().filter_map(|(mac, one)| {
        let reported = one.reported.as_ref()?;
        let trusts = reported.authorities.iter().any(|it| signers.contains(it));
        let is_lost = reported.enforcing && !reported.authorities.is_empty() && !trusts;
        is_lost.then(|| {
            let text = format!(
                "{mac} refuses its shim: Secure Boot is on, db has {}, and shim is signed under {}; {cure}, or update the \
                 machine's db (fwupdmgr update)",
                reported.authorities.join(", "),
                signers.join(" and ")
            );
            Finding::warning("secure-boot", text)
        })
    });
    lost.collect()
}

/// The machines that refuse everything of a root without a shim.
fn without_chain(
    known: &BTreeMap<Mac, SecureBoot>,
    is_wanted: bool,
    cure: &str,
) -> Option<Finding> {
    let signed_only = known
        .iter()
        .filter(|(_, one)| one.known() == Known::SignedOnly);
    let macs: Vec<String> = signed_only.map(|(mac, _)| mac.to_string()).collect();
    if macs.is_empty() {
        let text = format!(
            "it has no signed shim and GRUB, which secure-boot = \"always\" asks for; {cure}"
        );
        return is_wanted.then(|| Finding::warning("secure-boot", text));
    }
    let named: Vec<&str> = macs.iter().take(NAMED).map(String::as_str).collect();
    let more = match macs.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!(
        "it has nothing that {}{more} would start, whose Secure Boot is on; {cure}",
        named.join(", ")
    );
    Some(Finding::warning("secure-boot", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::reported_secure_boot::ReportedSecureBoot;
    use crate::settings::{MachineSettings, Origin};

    fn machine(enforcing: bool, authorities: &[Authority]) -> BTreeMap<Mac, SecureBoot> {
        let one = SecureBoot {
            reported: Some(ReportedSecureBoot {
                enforcing,
                setup_mode: false,
                authorities: authorities.iter().map(ToString::to_string).collect(),
            }),
            ..SecureBoot::default()
        };
        BTreeMap::from([(Mac([2, 0, 0, 0, 0, 1]), one)])
    }

    /// Two images, the first of which nobody boots that has no entry.
    fn boots(settings: &Settings) -> WhoBoots<'_> {
        use crate::catalog::tests::{image, one};
        let of = &settings.catalog;
        let catalog = Catalog::new(
            vec![image("first"), image("second")],
            of.machines.clone(),
            of.rules.clone(),
            Some(Choice::Image("second".to_owned())),
            one("first").menu().clone(),
        );
        let catalog = catalog.unwrap().with_secure_boot(of.secure_boot);
        WhoBoots {
            settings,
            catalog: Some(catalog),
        }
    }

    #[test]
    fn a_machine_counts_for_the_image_that_it_boots_and_in_its_mode() {
        use SecureBootMode::{Always, Auto, Never};
        const X64: Platform = Platform::EfiX64;
        let (own, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let mut settings = Settings::from(crate::cli::tests::serve(&["/srv/debian"]).unwrap());
        let entry = |choice, secure_boot| MachineSettings {
            name: "own".to_owned(),
            macs: vec![own],
            uuid: None,
            serial: None,
            client_id: None,
            address: None,
            choice,
            append: None,
            secure_boot,
            origin: Origin::CommandLine,
        };
        let first = Some(Choice::Image("first".to_owned()));
        settings.catalog.machines = vec![entry(first, Some(Never))];
        assert_eq!(boots(&settings).modes("first", X64, Some(own)), [Never]);
        assert_eq!(boots(&settings).modes("second", X64, Some(own)), []);
        assert_eq!(boots(&settings).modes("second", X64, Some(other)), [Auto]);
        assert!(!boots(&settings).is_always("first", X64));

        settings.catalog.machines = vec![entry(Some(Choice::Menu), Some(Always))];
        for image in ["first", "second"] {
            assert_eq!(boots(&settings).modes(image, X64, Some(own)), [Always]);
            assert!(boots(&settings).is_always(image, X64));
        }
        settings.catalog.machines = vec![entry(Some(Choice::Refuse), Some(Always))];
        assert!(!boots(&settings).is_always("first", X64));
        settings.catalog.secure_boot = Always;
        assert!(!boots(&settings).is_always("first", X64));
        assert!(boots(&settings).is_always("second", X64));
        // Who boots what is not known.
        let unknown = WhoBoots {
            settings: &settings,
            catalog: None,
        };
        assert_eq!(unknown.modes("first", X64, Some(own)), [Always, Always]);
        assert_eq!(unknown.modes("first", X64, Some(other)), [Always]);
    }

    #[test]
    fn a_machine_is_lost_if_its_db_has_none_of_those_that_signed_shim() {
        use Authority::{Microsoft2011, Microsoft2023};
        let only_2023 = machine(true, &[Microsoft2023]);
        let text = &lost(&only_2023, &[Microsoft2011], "mend it")[0].text;
        for part in [
            "02:00:00:00:00:01 refuses its shim",
            "db has Microsoft UEFI CA 2023,",
            "signed under Microsoft Corporation UEFI CA 2011;",
        ] {
            assert!(text.contains(part), "{text}");
        }
        for (machines, signers) in [
            (only_2023, &Authority::ALL[..]),
            (machine(false, &[Microsoft2023]), &[Microsoft2011]),
            // What is in its db is not known.
            (machine(true, &[]), &[Microsoft2011]),
            (machine(true, &[Microsoft2011]), &[]),
        ] {
            assert_eq!(lost(&machines, signers, "mend it"), []);
        }
    }

    #[test]
    fn a_root_without_a_shim_loses_machines_with_secure_boot() {
        let on = without_chain(&machine(true, &[]), false, "mend it").unwrap();
        assert!(
            on.text
                .contains("nothing that 02:00:00:00:00:01 would start")
        );
        assert_eq!(without_chain(&machine(false, &[]), false, "mend it"), None);
        let wanted = without_chain(&BTreeMap::new(), true, "mend it").unwrap();
        assert!(wanted.text.contains("secure-boot = \"always\""));
    }
}
