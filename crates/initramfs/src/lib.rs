//! An initrd made from a root's own kernel and modules.
//!
//! ```text
//! Root → choose_kernel → Kernel ┐
//! Contents (initrd/netboot.toml)├→ build → cpio → zstd or gzip → image, Report
//! ModuleChoice, init            ┘
//! ```
//!
//! The image holds the init, what `initrd/netboot.toml` lists, and the modules asked for with all
//! that they need, as plain `.ko` files with a module index of their own. It is the same bit for
//! bit whenever the same things go in.
//!
//! Not here: running `depmod` (the root's own index is used), microcode, and anything that the
//! root does not hold.

#![forbid(unsafe_code)]

mod bytes;
mod choice;
mod contents;
mod cpio;
mod firmware;
#[cfg(test)]
mod fixture;
mod image;
mod index;
mod kernel;
mod modinfo;
mod pattern;
mod root;
mod this_machine;
mod unpack;

pub use choice::ModuleChoice;
pub use contents::{
    Companions, Contents, ContentsError, Device, ExtraFile, FirmwareChoice, ModuleSet, Symlink,
};
pub use image::{BuildError, Format, Packing, Report, Request, build};
pub use index::IndexError;
pub use kernel::{
    Architecture, Kernel, KernelError, Skipped, choose_kernel, compare_versions, find_kernels,
};
pub use root::{Root, RootError};
pub use this_machine::MachineError;
pub use unpack::UnpackError;
