//! An initrd built from the kernel and modules of a root.
//!
//! ```text
//! RootTree → choose_kernel → Kernel ┐
//! Contents (initrd/contents.toml)    ├→ build → cpio → zstd or gzip → initrd, BuildSummary
//! ModuleSelection, init             ┘
//! ```
//!
//! ```text
//! what a root has           root_tree; distribution; kernel: where kernels are, which one boots, its version; generations
//! what an initrd has        contents; module_selection: names of sets, cards and modules → modules
//! which modules there are   module_index (depmod's files, aliases), modinfo; driver_kind and out_of_tree: those that
//!                           lie anywhere; nic_drivers: which card needs which; local_nics: the cards of this machine
//! the bytes                 initrd; firmware, decompress, index_files, cpio
//! ```
//!
//! The initrd contains the init, what `initrd/contents.toml` lists, and the requested modules with everything they
//! depend on, as uncompressed `.ko` files with a module index of their own. It is reproducible: the same input gives
//! the same bytes.
//!
//! Not included: running `depmod` (the root's own index is used), microcode, and anything that is not in the root.

#![forbid(unsafe_code)]

mod architecture;
mod build_error;
mod contents;
mod cpio;
mod decompress;
mod distribution;
mod driver_kind;
mod firmware;
#[cfg(test)]
mod fixture;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index_files;
mod initrd;
mod kernel;
mod little_endian;
mod local_nics;
mod modinfo;
mod module_index;
mod module_selection;
mod nic_drivers;
mod out_of_tree;
mod root_tree;

pub use architecture::Architecture;
pub use build_error::BuildError;
pub use contents::{
    Companions, Contents, ContentsError, Device, ExtraFile, FirmwareFilter, ModuleSet, Symlink,
};
pub use decompress::DecompressError;
pub use distribution::Distribution;
pub use driver_kind::DriverKind;
pub use initrd::{BuildRequest, BuildSummary, Compression, CompressionOptions, build, check};
pub use kernel::{
    FilePart, Generation, Kernel, KernelError, Skipped, choose_kernel, compare_versions,
    find_kernels, generations,
};
pub use local_nics::LocalNicsError;
pub use module_index::index::IndexError;
pub use module_selection::ModuleSelection;
pub use nic_drivers::{NicDriver, NicDrivers};
pub use out_of_tree::WhyLeftOut;
pub use root_tree::{RootTree, RootTreeError};
