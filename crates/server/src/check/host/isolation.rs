//! What isolated networks need of this host: nf_tables, forwarding, and no firewall in the way of NAT.

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::isolation;

/// Nothing where no network is to be isolated.
pub(super) fn look(subject: &Subject) -> Vec<Finding> {
    let isolated = subject.networks.iter().filter(|it| it.is_isolated());
    let named = isolated.filter_map(|it| Some((it.interface()?, it.has_nat())));
    let networks: Vec<(&str, bool)> = named.collect();
    if networks.is_empty() {
        return Vec::new();
    }
    let blocked = match isolation::look(&networks) {
        Ok(blocked) => blocked,
        Err(text) => return vec![Finding::problem("isolation", text)],
    };
    if blocked.is_empty() {
        let nat = networks.iter().any(|(_, nat)| *nat);
        let text = match nat {
            true => "nf_tables answers, and no firewall drops what is forwarded (NAT)",
            false => "nf_tables answers",
        };
        return vec![Finding::ok("isolation", text)];
    }
    let told = blocked.into_iter().map(|one| {
        let text = format!(
            "{} drops what machines on {} send to the outside (--nat)",
            one.by, one.interface
        );
        let finding = Finding::warning("firewall", text);
        one.cure.into_iter().fold(finding, Finding::cured_by)
    });
    told.collect()
}
