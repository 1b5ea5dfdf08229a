//! Who asks for what is made for a machine.

use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::machines::Asker;

/// Whose script is asked for, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) machine: &'a KnownMachine,
    pub(super) asks: &'a Asker,
    pub(super) arrived: &'a ArrivedAt<'a>,
}
