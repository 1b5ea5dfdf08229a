//! Kernel modules: which ones the machine's devices want, and loading them.
//!
//! Owns: the image's module index and `finit_module`. Refuses: compressed modules (the image holds plain ones, so
//! that no decompressor is carried here) and module options but those of the kernel command line.

mod index;
mod loader;

pub(crate) use loader::{Loaded, Loader, MODPROBE, run_as_modprobe};
