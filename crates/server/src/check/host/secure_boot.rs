//! Machines with Secure Boot: whether the images boot those that are known.
//!
//! The server keeps what machines showed and reported in its state folder. A machine whose `db` has none of the authorities
//! that signed shim refuses it, and says "Security Violation" at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use netroot_net::Mac;
use netroot_proto::pxe::strategy::{Known, SecureBootMode};
use netroot_secure_boot::Authority;

use super::roots;
use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::artifacts::loaders;
use crate::serve::artifacts::signed_chain::{SecondStage, SignedState};
use crate::serve::machines::secure_boot::{SecureBoot, remembered};
use crate::serve::opened::Opened;

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
    let catalog = &settings.catalog;
    let is_always = |mode: Option<SecureBootMode>| mode == Some(SecureBootMode::Always);
    let is_wanted = is_always(Some(catalog.secure_boot))
        || catalog.machines.iter().any(|it| is_always(it.secure_boot))
        || catalog.rules.iter().any(|it| is_always(it.secure_boot));
    let roots = catalog.images.iter();
    for image in roots.filter(|image| image.source.root().is_some()) {
        // What else is wrong with it is found elsewhere.
        if let Ok(Opened::Root(root)) = Opened::open(image) {
            let found = root.signed_chain();
            let mut pairs = pairs.iter().flatten();
            let state = match pairs.find(|pair| pair.is_for(&found)) {
                Some(pair) => Arc::new(pair.state_with(&found)),
                None => Arc::clone(&found.state),
            };
            let mut found = look_at(&state, &known, is_wanted);
            roots::named(image, &mut found);
            findings.extend(found);
        }
    }
    findings
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
