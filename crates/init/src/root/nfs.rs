//! The NFS server, asked so that a refusal can be explained: before the kernel mounts, or once it could not.
//!
//! portmapper, MOUNT, FSINFO and look-ups go through nfs3_client over [`stream`], a blocking connection with
//! deadlines. [`version_choice`] decides which version is asked for, [`probe`] asks the programs that [`service`] lists,
//! [`refusal`] reads the list of exports, [`walk`] looks for the init program in a [`tree`], [`compound`] for the path
//! itself in version 4, [`flavour`] names security flavours, [`fault`] says what was wrong.

mod compound;
pub(crate) mod export;
mod failover;
mod fault;
mod flavour;
pub(crate) mod mount;
mod probe;
mod readahead;
mod refusal;
mod server;
mod service;
mod stream;
mod tree;
mod version_choice;
mod walk;

pub(crate) use fault::NfsFault;
pub(crate) use probe::{MountEntry, tell_unmounted};
pub(crate) use server::Questions;
pub(crate) use version_choice::ask;
pub(crate) use walk::Found;
