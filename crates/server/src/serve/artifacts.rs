//! Name → artifact: everything that TFTP and HTTP serve.
//!
//! [`store`] looks names up: loaders, scripts, kernels and initrds (which of them at a moment: [`served`]), then the files of a
//! [`folder`]. [`loaders`] finds
//! iPXE's binaries, [`raspberry_pi`] knows where its ROM's files are, [`script`] writes what they run, and [`content`] is the bytes of any of these, which [`file_reads`]
//! reads off the network's thread, unless they are in memory ([`recently_cached`]).

mod artifact;
mod content;
mod file_reads;
mod folder;
pub(crate) mod loaders;
mod nic_initrds;
pub(crate) mod raspberry_pi;
mod recently_cached;
pub(crate) mod script;
mod served;
pub(crate) mod signed_chain;
pub(crate) mod signed_ipxe;
mod store;

pub(crate) use artifact::{Artifact, Chosen, FileKind, Follows};
pub(crate) use content::Content;
pub(crate) use file_reads::{CHUNK, FileReads};
pub(crate) use folder::{Folder, FolderError};
pub(crate) use nic_initrds::{NicInitrd, NicInitrds};
pub(crate) use served::{BootFiles, Exchange, Unified};
#[cfg(test)]
pub(crate) use store::tests::store;
pub(crate) use store::{ArtifactStore, Found};
