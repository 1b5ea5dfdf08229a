//! Kernel modules: finding those that the machine's devices need, and loading them.
//!
//! Uses the initrd's module index and finit_module(2). Compressed modules are not supported (the initrd contains
//! uncompressed ones, so that no decompressor is needed here), nor are module options other than those of the kernel
//! command line.

mod index;
mod loader;
mod signature;

pub(crate) use loader::{Loaded, Loader, MODPROBE, run_as_modprobe};
pub(crate) use signature::{NO_SIGNATURE, SIGNATURE_ADVICE};
