//! An initrd made from a root's own kernel and modules.
//!
//! ```text
//! RootTree → choose_kernel → Kernel ┐
//! Contents (initrd/netboot.toml)├→ build → cpio → zstd or gzip → image, BuildSummary
//! ModuleSelection, init            ┘
//! ```
//!
//! The image holds the init, what `initrd/netboot.toml` lists, and the modules asked for with all
//! that they need, as plain `.ko` files with a module index of their own. It is the same bit for
//! bit whenever the same things go in.
//!
//! Not here: running `depmod` (the root's own index is used), microcode, and anything that the
//! root does not hold.

#![forbid(unsafe_code)]

mod architecture;
mod build_error;
mod contents;
mod cpio;
mod decompress;
mod firmware;
#[cfg(test)]
mod fixture;
mod initrd;
mod kernel;
mod little_endian;
mod local_nics;
mod modinfo;
mod module_index;
mod module_selection;
mod path_pattern;
mod root_tree;

pub use architecture::Architecture;
pub use build_error::BuildError;
pub use contents::{
    Companions, Contents, ContentsError, Device, ExtraFile, FirmwareFilter, ModuleSet, Symlink,
};
pub use decompress::DecompressError;
pub use initrd::{BuildRequest, BuildSummary, Compression, CompressionOptions, build};
pub use kernel::{Kernel, KernelError, Skipped, choose_kernel, compare_versions, find_kernels};
pub use local_nics::LocalNicsError;
pub use module_index::index::IndexError;
pub use module_selection::ModuleSelection;
pub use root_tree::{RootTree, RootTreeError};
