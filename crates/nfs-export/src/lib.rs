//! A Linux root, read-only, over NFSv3: what a machine without a disk boots from.
//!
//! ```text
//! server      listens; one thread per connection (lines, connection), a few more for slow disks (pool)
//! record      stream → messages         rpc, decode    message → call, caller
//! service     call → program            mount, portmap, nfs → read, directory, readonly
//! export      handle → file → handle    handle, key (signatures), cache, index, object, root
//! ```
//!
//! # What it promises
//!
//! - **True.** Modes with setuid and sticky bits, owners, device numbers, hard links, times to the nanosecond; a
//!   stable file system id; permissions by mode for every uid, everything for uid 0.
//! - **Never stale.** Handles hold no state of the server. They survive restarts and reboots of it
//!   ([`HandleScheme`]), as long as the [`HandleKey`] is kept.
//! - **Never outside.** Names are single entries; `openat2` resolves them beneath the root, through no link and no
//!   mount. Handles are signed, and a directory that was moved out of the root is refused within a second. What is
//!   mounted beneath the root is not there ([`MountView`]): a chroot's `/proc` is an empty directory, as with nfsd without
//!   `crossmnt`.
//! - **Never writing.** Files are opened for reading only, devices and FIFOs not at all; where the kernel lets it, in
//!   a private copy of the mount that is read-only.
//! - **Bounded.** Records, fragments, connections per client and in total, open files, threads, replies.
//!
//! # What it does not do
//!
//! Writing, locking (clients mount with `nolock`), NFSv2 and v4, UDP for NFS itself, Kerberos, POSIX access lists. A
//! file (not a directory) that is moved out of the root within its file system can still be read by clients that hold
//! its handle, as with nfsd.
#![forbid(unsafe_code)]

mod address_list;
mod counters;
mod event;
mod export;
mod exports;
mod open_file_limit;
mod programs;
mod rpc;
mod server;
mod server_state;
mod tree;

pub use address_list::AddressList;
pub use counters::Counts;
pub use event::{Event, Refusal};
pub use export::{Export, ExportError, ExportOptions};
pub use open_file_limit::raise_open_file_limit;
pub use server::{Listeners, Server, StartError};
pub use tree::HandleScheme;
pub use tree::handle_key::{HandleKey, KeyError};
pub use tree::root_dir::{MountView, RootDirError};
