//! Kernel modules: finding those that the machine's devices need, and loading them.
//!
//! Uses the initrd's module index and finit_module(2). Compressed modules are not supported (the initrd contains
//! uncompressed ones, so that no decompressor is needed here), nor are module options other than those of the kernel
//! command line.

mod index;
mod loader;

pub(crate) use loader::{
    Loaded, Loader, MODPROBE, NO_SIGNATURE, SIGNATURE_ADVICE, run_as_modprobe,
};
