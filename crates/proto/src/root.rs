//! The choice of the root: from the command line, the lease and the machine's identity.
//!
//! [`choose_root`] decides which server and path to use, and records why. [`missing`] lists the
//! facts a machine with a configured address still needs from a DHCP server. [`RootImage`] knows what is
//! exported in place of a root.

mod choose;
mod missing;
mod root_image;

pub use choose::{LeaseFacts, NoRoot, choose_root, choose_root_of};
pub use missing::{Missing, missing};
pub use root_image::RootImage;

pub use crate::mount::{Evidence, RootChoice};
