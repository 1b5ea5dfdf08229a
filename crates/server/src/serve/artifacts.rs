//! Name → artifact: everything that TFTP and HTTP serve.
//!
//! [`store`] looks names up: loaders, scripts, kernels and initrds (which of them at a moment: [`served`]; of one image:
//! [`boot_files`]), then the files of a [`folder`]. [`loaders`] finds iPXE's binaries, [`signed_chain`] and [`signed_ipxe`]
//! what machines with Secure Boot start, and [`raspberry_pi`] knows where its ROM's files are. [`script`] writes what loaders
//! run, and [`content`] is the bytes of any of these, which [`file_reads`] reads off the network's thread, unless they are in
//! memory ([`recently_cached`]).

mod artifact;
mod boot_files;
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
pub(crate) use boot_files::{BootFiles, Unified};
pub(crate) use content::Content;
pub(crate) use file_reads::{CHUNK, FileReads};
pub(crate) use folder::{Folder, FolderError};
pub(crate) use nic_initrds::{NicInitrd, NicInitrds};
pub(crate) use served::Exchange;
#[cfg(test)]
pub(crate) use store::tests::store;
pub(crate) use store::{ArtifactStore, Found};
