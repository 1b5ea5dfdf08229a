//! Why there is no image: each sentence names the thing, the place and the fix.

use std::io;
use std::path::PathBuf;

use crate::architecture::Architecture;
use crate::decompress::DecompressError;
use crate::local_nics::LocalNicsError;
use crate::module_index::index::IndexError;
use crate::root_tree::RootTreeError;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The root.
    #[error(transparent)]
    Root(#[from] RootTreeError),
    /// The kernel has modules, and the root has none for it.
    #[error(
        "the root has no modules for its kernel {version}: {} is missing; install the package that \
         the kernel came from, or copy its module tree there", place.display()
    )]
    NoModules {
        /// The kernel's version.
        version: String,
        /// Where they would be.
        place: PathBuf,
    },
    /// There are modules, and no index of them.
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
    /// A name that stands for nothing.
    #[error("kernel {version} has no module {name:?}{}", did_you_mean(suggestion))]
    UnknownModule {
        /// The name that was asked for.
        name: String,
        /// The kernel's version.
        version: String,
        /// A name that exists and is like it.
        suggestion: Option<String>,
    },
    /// What every machine needs to boot from NFS is not there.
    #[error(
        "kernel {version} has no {name}, neither as a module nor built in, and the image's set \
         {set:?} needs it; boot another kernel, or change the set (--contents)"
    )]
    SetLacksModule {
        /// The set's name.
        set: String,
        /// The module's.
        name: String,
        /// The kernel's version.
        version: String,
    },
    /// The kernel's configuration says that it could not unpack the image.
    #[error(
        "kernel {version} cannot unpack an image: {} has not CONFIG_BLK_DEV_INITRD=y, and \
         CONFIG_RD_ZSTD=y or CONFIG_RD_GZIP=y", config.display()
    )]
    KernelCannotUnpack {
        /// The kernel's version.
        version: String,
        /// Its configuration.
        config: PathBuf,
    },
    /// This machine's NICs.
    #[error(transparent)]
    Machine(#[from] LocalNicsError),
    /// A NIC of this machine that the root's kernel does not know.
    #[error("kernel {version} has no driver for this machine's {nic} ({device})")]
    NicWithoutDriver {
        /// The interface.
        nic: String,
        /// The device's modalias.
        device: String,
        /// The kernel's version.
        version: String,
    },
    /// A packed module or firmware file is damaged.
    #[error("cannot use {}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecompressError,
    },
    /// A file is named like a module and is none for this kernel.
    #[error("{} is no module for {architecture}", path.display())]
    NotAModule {
        /// The file.
        path: PathBuf,
        /// What it should be for.
        architecture: Architecture,
    },
    /// The init is not one that this kernel could run.
    #[error("the init is {fault}, and the kernel {version} is for {architecture}")]
    Init {
        /// What it is.
        fault: &'static str,
        /// The kernel's version.
        version: String,
        /// What the kernel runs on.
        architecture: Architecture,
    },
    /// The compressor or the output.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}
