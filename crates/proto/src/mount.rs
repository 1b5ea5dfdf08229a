//! NFS targets, mount options, and the choice of server and path.
//!
//! [`NfsTarget`] reads what `nfsroot=`, `root=nfs:` and DHCP option 17 write;
//! [`choose_root`] decides which server and path hold and says why; and
//! [`mount_request`] yields what the kernel's NFS client is told, one parameter per
//! `fsconfig` call or as one string for `mount(2)`.

mod choice;
mod lack;
mod nfs_words;
mod options;
mod path_tokens;
mod request;
mod target;
mod versions;

pub use choice::{Evidence, LeaseFacts, NoRoot, RootChoice, choose_root, choose_root_of};
pub use lack::{Lack, lack};
pub use options::{Access, MountFlags, NfsOption, NfsOptions, Version};
pub use path_tokens::{MachineIdentity, path_has_tokens};
pub use request::{KnownPorts, MountParameter, MountRequest, mount_request};
pub(crate) use target::{Dialect, other_scheme};
pub use target::{MOST_SERVERS, NfsTarget, TargetError};
pub use versions::versions_to_try;
