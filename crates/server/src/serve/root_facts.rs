//! What a root holds now, as far as its kernel and initrd depend on it.
//!
//! Looked at by `stat` and the finder every few seconds, and before a script is handed out. Not by inotify or fanotify: the
//! former sees neither what other machines write (NFS, clustered file systems) nor what happens below a mount or in the
//! lower layer of an overlay, and watches inodes, which is no help where a directory is replaced; the latter takes
//! `CAP_SYS_ADMIN`. Neither tells when a package manager is done, which takes looking twice anyway.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use netroot_initramfs::{Kernel, RootTree, choose_kernel, find_kernels};

use crate::serve::signed_files::{self, SignedFiles};
use crate::settings::{InitrdSource, RootSettings};
use crate::unified_image::stub_of;

/// Tells a file from what had its name before, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change of its content.
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Of an open file.
    pub(crate) fn of_file(file: &fs::File) -> Option<Self> {
        file.metadata().ok().map(|metadata| Self::of(&metadata))
    }

    /// Of a regular file of this machine; `None` without one.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| Self::of(&metadata))
    }
}

/// Which directory is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    device: u64,
    inode: u64,
}

impl Place {
    /// The directory at `path` now.
    ///
    /// # Errors
    /// The file system's; `NotADirectory` for anything else.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// An open directory. `None` if it has been deleted: a new one may have its number.
    pub(crate) fn of(directory: impl AsFd) -> Option<Self> {
        let stat = rustix::fs::fstat(directory).ok()?;
        (stat.st_nlink > 0).then_some(Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        })
    }
}

/// A kernel with what it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundKernel {
    /// As the finder describes it.
    pub(crate) kernel: Kernel,
    /// Its file.
    pub(crate) file: Option<Stamp>,
    /// `modules.dep` of its modules, which `depmod` writes last; `None` while there is none.
    pub(crate) modules_dep: Option<Stamp>,
}

/// What is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The kernel that machines would be told to boot, or why there is none.
    pub(crate) kernel: Result<FoundKernel, String>,
    /// The version of a newer kernel that was passed over, because it has no modules, or no `modules.dep` yet.
    pub(crate) without_modules: Option<String>,
    /// The file of `--initrd`, or of `--init`.
    pub(crate) given: Option<Stamp>,
    /// Shim, and what it starts, for machines with Secure Boot.
    pub(crate) signed: Vec<Option<Stamp>>,
    /// systemd's stub, where the image is to be a unified kernel image.
    pub(crate) stub: Option<Stamp>,
}

/// Looks at a root.
pub(crate) fn look(root: &RootTree, settings: &RootSettings) -> Facts {
    let kernel = choose_kernel(root, settings.kernel.as_deref());
    let kernel = kernel.map_err(|error| error.to_string());
    let kernel = kernel.and_then(|kernel| match settings.hidden.hide(&kernel.path) {
        true => Err(format!("the kernel {} is hidden (--hide)", kernel.path)),
        false => Ok(FoundKernel {
            file: stamp(root, &kernel.path),
            modules_dep: modules_dep(root, &kernel),
            kernel,
        }),
    });
    let without_modules = match (&kernel, &settings.kernel) {
        (Ok(found), None) => newer_without_modules(root, &found.kernel),
        _ => None,
    };
    let given = match &settings.initrd {
        InitrdSource::File(file) => Some(file),
        InitrdSource::Build { init, .. } => init.as_ref(),
    };
    // A folder that cannot be opened is told of when its files are looked for.
    let signed = signed_files::folder(settings).map(|folder| {
        let found = signed_files::found(root, settings, folder.as_ref());
        let tree = folder.as_ref().unwrap_or(root);
        let paths = found.iter().flat_map(SignedFiles::paths);
        paths.map(|path| stamp(tree, path)).collect()
    });
    let stub = kernel.as_ref().ok().filter(|_| settings.uki);
    let stub = stub.and_then(|found| stamp(root, stub_of(found.kernel.architecture)));
    Facts {
        kernel,
        without_modules,
        given: given.and_then(|path| Stamp::of_path(path)),
        signed: signed.unwrap_or_default(),
        stub,
    }
}

/// Whether a kernel's modules, which it had, are no longer in the root.
pub(crate) fn has_lost_modules(root: &RootTree, found: &FoundKernel) -> bool {
    found.modules_dep.is_some() && modules_dep(root, &found.kernel).is_none()
}

fn newer_without_modules(root: &RootTree, chosen: &Kernel) -> Option<String> {
    chosen.modules.as_ref()?;
    let newest = find_kernels(root).ok()?.into_iter().next()?;
    let is_passed_over = newest.version != chosen.version && modules_dep(root, &newest).is_none();
    is_passed_over.then_some(newest.version)
}

fn modules_dep(root: &RootTree, kernel: &Kernel) -> Option<Stamp> {
    let modules = kernel.modules.as_ref()?;
    stamp(root, &format!("{modules}/modules.dep"))
}

fn stamp(root: &RootTree, path: &str) -> Option<Stamp> {
    let metadata = root.open_file(path).ok()?.metadata().ok()?;
    Some(Stamp::of(&metadata))
}
