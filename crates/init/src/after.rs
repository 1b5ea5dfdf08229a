//! What outlives the switch of root: a program of its own, started before it.
//!
//! [`read_ahead`] fills the cache while the root's init starts, [`handoff`] leaves files in `/run` for network managers, [`renewer`] keeps the lease while the machine runs, and
//! [`shutdown`] is `/run/initramfs/shutdown`, which unmounts the root at the end.

pub(crate) mod handoff;
pub(crate) mod read_ahead;
pub(crate) mod renewer;
pub(crate) mod shutdown;
