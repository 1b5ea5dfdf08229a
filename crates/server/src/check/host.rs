//! This host: everything that a server needs of it, looked at before it is started.

pub(super) mod firewall;
mod link;
pub(super) mod ports;
mod roots;
mod system;

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::listen::interface::{Candidate, Interface};

/// Looks at everything. `interface` is `None` if none could be chosen.
pub(super) fn look(
    subject: &Subject,
    interface: Option<&Interface>,
    all: &[Candidate],
    progress: impl Fn(&str),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(system::privileges());
    if let Some(interface) = interface {
        findings.extend(link::look(interface, all));
        findings.extend(ports::look(subject, interface));
        findings.extend(firewall::look(subject, interface));
    }
    findings.extend(roots::loaders(subject));
    for image in &subject.images {
        findings.extend(roots::look(image, &progress));
    }
    findings.extend(system::folders(subject));
    findings.extend(system::confinement());
    findings
}
