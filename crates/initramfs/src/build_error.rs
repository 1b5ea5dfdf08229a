//! Why an initrd cannot be built: each sentence names the cause, the place and the fix.

use std::io;
use std::path::PathBuf;

use netroot_net::PciId;

use crate::architecture::Architecture;
use crate::decompress::DecompressError;
use crate::local_nics::LocalNicsError;
use crate::module_index::index::IndexError;
use crate::root_tree::RootTreeError;

/// Why an initrd cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The root cannot be read.
    #[error(transparent)]
    Root(#[from] RootTreeError),
    /// The kernel is modular, and the root has no modules for it.
    #[error(
        "the root has no modules for its kernel {version}: {} is missing; install the package that \
         the kernel came from, or copy its module tree there", place.display()
    )]
    NoModules {
        /// The kernel's version.
        version: String,
        /// Where they should be.
        place: PathBuf,
    },
    /// The modules have no index.
    #[error(
        "{} has no modules.dep: run `depmod -b {} {version}`", place.display(), root.display()
    )]
    NoIndex {
        /// The module tree.
        place: PathBuf,
        /// The root.
        root: PathBuf,
        /// The kernel's version.
        version: String,
    },
    /// The index is damaged.
    #[error(
        "the module index in {} cannot be used; run `depmod -b {} {version}`",
        place.display(), root.display()
    )]
    Index {
        /// The module tree.
        place: PathBuf,
        /// The root.
        root: PathBuf,
        /// The kernel's version.
        version: String,
        /// What is wrong with it.
        source: IndexError,
    },
    /// An unknown module name.
    #[error("kernel {version} has no module {name:?}{}", did_you_mean(suggestion))]
    UnknownModule {
        /// The requested name.
        name: String,
        /// The kernel's version.
        version: String,
        /// A similar name that exists.
        suggestion: Option<String>,
    },
    /// A required module of a set does not exist.
    #[error(
        "kernel {version} has no {name}, neither as a module nor built in, and the module set \
         {set:?} requires it; boot another kernel, or change the set (--contents)"
    )]
    SetLacksModule {
        /// The name of the set.
        set: String,
        /// The name of the module.
        name: String,
        /// The kernel's version.
        version: String,
    },
    /// The kernel's configuration shows that it cannot unpack an initrd.
    #[error(
        "kernel {version} cannot unpack an initrd: {} lacks CONFIG_BLK_DEV_INITRD=y, and \
         CONFIG_RD_ZSTD=y or CONFIG_RD_GZIP=y", config.display()
    )]
    KernelCannotUnpack {
        /// The kernel's version.
        version: String,
        /// Its configuration.
        config: PathBuf,
    },
    /// The NICs of this machine cannot be listed.
    #[error(transparent)]
    Machine(#[from] LocalNicsError),
    /// The root's kernel has no driver for a NIC of this machine.
    #[error("kernel {version} has no driver for this machine's {nic} ({device})")]
    NicWithoutDriver {
        /// The interface.
        nic: String,
        /// The device's modalias.
        device: String,
        /// The kernel's version.
        version: String,
    },
    /// The root's kernel has no driver for a NIC that is asked for by its numbers.
    #[error(
        "kernel {version} has no driver for the network card {nic} among the modules of `netboot`; give it all of them \
         (--modules netboot), or name its driver"
    )]
    NoNicDriver {
        /// The card.
        nic: PciId,
        /// The kernel's version.
        version: String,
    },
    /// A compressed module or firmware file is damaged.
    #[error("cannot use {}", path.display())]
    Decompress {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecompressError,
    },
    /// A module of `modules.dep` without a file.
    #[error(
        "cannot open {}: modules.dep has it, but there is no file, or a link that leads nowhere in the root; install \
         the module, or run `depmod -b {} {version}`",
        path.display(), root.display()
    )]
    NoModuleFile {
        /// The file.
        path: PathBuf,
        /// The root.
        root: PathBuf,
        /// The kernel's version.
        version: String,
    },
    /// A file is named like a module but is not one for this kernel.
    #[error("{} is not a module for {architecture}", path.display())]
    NotAModule {
        /// The file.
        path: PathBuf,
        /// The expected architecture.
        architecture: Architecture,
    },
    /// The kernel cannot run the init.
    #[error("the init is {fault}, and the kernel {version} is for {architecture}")]
    Init {
        /// What is wrong with it.
        fault: &'static str,
        /// The kernel's version.
        version: String,
        /// The architecture of the kernel.
        architecture: Architecture,
    },
    /// The compressor or the output failed.
    #[error("cannot write the initrd")]
    Write(#[source] io::Error),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}
