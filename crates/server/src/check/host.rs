//! This host: everything that a server needs of it, looked at before it is started.

pub(super) mod firewall;
mod link;
pub(super) mod ports;
mod roots;
mod system;

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::listen::interface::{Candidate, Interface};

/// Looks at what all interfaces share.
pub(super) fn look(subject: &Subject, progress: impl Fn(&str)) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(system::privileges());
    findings.extend(roots::loaders(subject));
    for image in &subject.images {
        findings.extend(roots::look(image, &progress));
    }
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
