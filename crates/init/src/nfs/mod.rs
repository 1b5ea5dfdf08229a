//! The NFS server, asked before the kernel is: so that a refusal can be explained.
//!
//! portmapper, MOUNT, FSINFO and look-ups go through nfs3_client over [`stream`], a blocking connection with
//! deadlines. [`offer`] decides which version is asked for, [`probe`] asks, [`walk`] looks for the init program,
//! [`fault`] says what was wrong.

mod fault;
mod offer;
mod probe;
mod stream;
mod walk;

pub(crate) use fault::NfsFault;
pub(crate) use offer::ask;
pub(crate) use probe::Server;
pub(crate) use walk::Found;
