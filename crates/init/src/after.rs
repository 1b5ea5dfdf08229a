//! What outlives the switch of root: a program of its own, started before it.
//!
//! [`handoff`] leaves files in `/run` for network managers, [`renewer`] keeps the lease while the machine runs, and
//! [`shutdown`] is `/run/initramfs/shutdown`, which unmounts the root at the end.

pub(crate) mod handoff;
pub(crate) mod renewer;
pub(crate) mod shutdown;
