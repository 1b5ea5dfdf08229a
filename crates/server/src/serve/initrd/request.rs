//! What an initrd is built from.

use std::path::Path;

use netroot_initramfs::{Kernel, RootTree};

/// What an initrd is built from.
#[derive(Debug)]
pub(crate) struct InitrdRequest<'a> {
    /// The root.
    pub(crate) root: &'a RootTree,
    /// The kernel whose modules go in.
    pub(crate) kernel: &'a Kernel,
    /// `--modules`.
    pub(crate) modules: &'a str,
    /// `--init`.
    pub(crate) init: Option<&'a Path>,
}
