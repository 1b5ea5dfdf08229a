//! The NFS server, asked before the kernel is: so that a refusal can be explained.
//!
//! portmapper, MOUNT, FSINFO and look-ups go through nfs3_client over [`stream`], a blocking connection with
//! deadlines. [`probe`] asks, [`walk`] looks for the init program, [`fault`] says what was wrong.

mod fault;
mod probe;
mod stream;
mod walk;

pub(crate) use fault::NfsFault;
pub(crate) use probe::{Server, probe_v3, probe_v4};
pub(crate) use walk::Found;
