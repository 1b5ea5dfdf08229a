//! NFS targets and mount options.
//!
//! [`NfsTarget`] parses the values of `nfsroot=`, `root=nfs:` and DHCP option 17, and
//! [`mount_request`] makes the mount options for the kernel's NFS client, one parameter per
//! `fsconfig` call or as one string for `mount(2)`. The choice of the root is made in
//! [`crate::root`].

mod choice;
mod flags;
mod known_options;
mod options;
mod path_tokens;
mod request;
mod target;
mod versions;

pub use choice::{Evidence, RootChoice};
pub use flags::MountFlags;
pub use options::{Access, NfsOption, NfsOptions, Version};
pub use path_tokens::{MachineIdentity, path_has_tokens};
pub(crate) use path_tokens::{Unfilled, fill_in};
pub use request::{KnownPorts, MountParameter, MountRequest, cache_of_still_root, mount_request};
pub(crate) use target::{Dialect, other_scheme};
pub use target::{MOST_SERVERS, NfsTarget, TargetError};
pub use versions::versions_to_try;
