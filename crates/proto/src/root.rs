//! The choice of the root: from the command line, the lease and the machine's identity.
//!
//! [`choose_root`] decides which server and path to use, and records why. [`missing`] lists the
//! facts a machine with a configured address still needs from a DHCP server.

mod choose;
mod missing;

pub use choose::{LeaseFacts, NoRoot, choose_root, choose_root_of};
pub use missing::{Missing, missing};

pub use crate::mount::{Evidence, RootChoice};
