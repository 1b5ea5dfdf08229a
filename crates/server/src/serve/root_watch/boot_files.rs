//! The kernel and the initrd that are to be served: opened, found in the cache, or built by the helper.

use std::path::Path;

use netroot_initramfs::{Kernel, RootTree};

use crate::serve::artifacts::Content;
use crate::serve::initrd::{self, InitrdRequest, Scope};
use crate::serve::privileged_helper::{Client, FileRequest, ImageNumber};
use crate::serve::root_facts::FoundKernel;
use crate::settings::{InitrdSource, RootSettings};

/// Whether an initrd is in the cache.
pub(super) enum Kept {
    Found(Content),
    /// It would have this fingerprint.
    Absent(u64),
}

/// Looks for the initrd of this kernel in the cache.
pub(super) fn kept_initrd(
    root: &RootTree,
    kernel: &Kernel,
    settings: &RootSettings,
    cache: &Path,
) -> Kept {
    let InitrdSource::Build { modules, init } = &settings.initrd else {
        return Kept::Absent(0);
    };
    let fingerprint = initrd::fingerprint(&InitrdRequest {
        root,
        kernel,
        modules,
        init: init.as_deref(),
    });
    match initrd::kept(cache, Scope::EveryNic, fingerprint) {
        Some(content) => Kept::Found(content),
        None => Kept::Absent(fingerprint),
    }
}

/// Has it built. Returns what its builder noted with it.
pub(super) async fn built_initrd(
    helper: &Client<FileRequest>,
    image: ImageNumber,
    fingerprint: u64,
) -> Result<(Content, Vec<String>), String> {
    let built = helper.initrd(image, fingerprint).await;
    let (file, notes) = built.map_err(|error| error.to_string())?;
    let content = Content::from_regular(file.into()).map_err(|error| error.to_string())?;
    Ok((content, notes))
}

/// Opens the kernel's file; of a unified kernel image, the kernel.
pub(super) fn open_kernel(root: &RootTree, found: &FoundKernel) -> Result<Content, String> {
    let file = root.open_file(&found.kernel.path);
    let file = file.map_err(|error| error.to_string())?;
    let whole = Content::from_regular(file).map_err(|error| error.to_string())?;
    Ok(match found.kernel.part {
        Some(part) => whole.part(part.offset, part.length),
        None => whole,
    })
}
