//! This host: everything that a server needs of it, looked at before it is started.

pub(super) mod firewall;
mod isolation;
mod link;
pub(super) mod ports;
mod roots;
mod secure_boot;
mod settings;
mod system;

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::listen::interface::{Candidate, Interface};
use crate::serve::preflight::Host;

/// Looks at what all interfaces share.
pub(super) fn look(
    subject: &Subject,
    host: &Host,
    offline: bool,
    progress: impl Fn(&str),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(system::privileges());
    findings.extend(settings::look(subject, host, offline));
    findings.extend(isolation::look(subject));
    findings.extend(roots::loaders(subject));
    for image in &subject.settings.catalog.images {
        findings.extend(roots::look(image, &progress));
    }
    findings.extend(secure_boot::look(subject));
    findings.extend(system::folders(subject));
    findings.extend(system::confinement());
    findings
}

/// Looks at one interface; `all` are the host's.
pub(super) fn look_at_interface(
    subject: &Subject,
    interface: &Interface,
    all: &[Candidate],
) -> Vec<Finding> {
    let mut findings = link::look(interface, all);
    findings.extend(ports::look(subject, interface));
    findings.extend(firewall::look(subject, interface));
    findings
}

/// Looks at one that has no address yet, but will have.
pub(super) fn look_at_planned(subject: &Subject, interface: &Interface) -> Vec<Finding> {
    let mut findings = ports::look(subject, interface);
    findings.extend(firewall::look(subject, interface));
    findings
}
