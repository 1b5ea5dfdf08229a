//! Who is told of every event, beside the log: what the log leaves out too.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::event::{Event, Machine};
use crate::serve::artifacts::FileKind;

/// To whom something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whom {
    /// The machine: by its hardware address where that is certain.
    pub(crate) machine: Machine,
    /// The IP address that it came from, if it had one.
    pub(crate) address: Option<IpAddr>,
}

impl Whom {
    pub(super) fn new(machine: Machine, sender: Machine) -> Self {
        let address = match sender {
            Machine::Mac(_) => None,
            Machine::Address(address) => Some(address),
        };
        Self { machine, address }
    }
}

/// It is called from every thread of the server, and must not block.
pub(crate) trait Observer: Send + Sync + fmt::Debug {
    /// Something happened to a machine, or to the server itself.
    fn happened(&self, whom: Option<Whom>, event: &Event);

    /// A machine asks for a file, which is there, by TFTP or HTTP; [`Observer::fetch_ended`] follows.
    fn fetch_began(&self, machine: Machine, kind: FileKind);

    /// It has been sent, or not.
    fn fetch_ended(&self, machine: Machine);
}

/// A file that is being sent to a machine, until it is dropped.
#[derive(Debug)]
pub(crate) struct Fetching {
    pub(super) observer: Option<(Arc<dyn Observer>, Machine)>,
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some((observer, machine)) = self.observer.take() {
            observer.fetch_ended(machine);
        }
    }
}
