//! A writable overlay in memory over a read-only root, and one over each other file system of the server below it.

use std::ffi::CString;
use std::io;

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use crate::console::{info, warn};
use crate::modules::Loader;
use crate::root::mount_point::{DirectoryError, MEMORY, ROOT, make_directory};

/// Why there is no writable layer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OverlayError {
    /// A directory of the layer could not be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A step failed.
    #[error("the writable layer over it cannot be made ({what}): {source}")]
    Step {
        /// The step.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl OverlayError {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Step {
                what: "overlay", ..
            } => "add the module overlay to the initrd, or boot without rd.overlay",
            Self::Step { .. } | Self::Directory(_) => "give the machine more memory",
        }
    }
}

/// Marks a directory of the writable layer that hides the one below it (Documentation/filesystems/overlayfs.rst).
const OPAQUE: &str = "trusted.overlay.opaque";

/// A step of making the layer, as an error names it.
fn failed(what: &'static str) -> impl Fn(Errno) -> OverlayError {
    move |errno| OverlayError::Step {
        what,
        source: errno.into(),
    }
}

/// Mounts an overlay with a tmpfs over the root, and one over each of the file systems at the paths `nested` within it,
/// outer ones first: an overlay does not look into them. All layers are below `/run`, which is moved to the real root.
pub(crate) fn layer(
    lower: &str,
    nested: &[String],
    size: Option<&str>,
    loader: &Loader,
) -> Result<(), OverlayError> {
    let memory = MEMORY;
    make_directory(memory)?;
    let data = match size {
        Some(size) => format!("mode=755,size={size}"),
        None => "mode=755".to_owned(),
    };
    let data = CString::new(data).map_err(|_| failed("its size")(Errno::INVAL))?;
    mount(
        "netroot",
        memory,
        "tmpfs",
        MountFlags::empty(),
        data.as_c_str(),
    )
    .map_err(failed("tmpfs"))?;
    let root = Layer {
        path: String::new(),
        folder: memory.to_owned(),
    };
    root.make()?;
    let mut layers = vec![root];
    let mut unusable = Vec::new();
    for path in nested {
        let layer = Layer {
            path: path.clone(),
            folder: format!("{memory}/nested/{}", layers.len()),
        };
        match layer.prepare(lower, &layers) {
            Ok(()) => layers.push(layer),
            Err(error) => unusable.push((path, error)),
        }
    }
    make_directory(ROOT)?;
    // If the module is absent, it may be built in; the mount will show.
    loader.load("overlay");
    let mut inner = layers.iter();
    if let Some(root) = inner.next() {
        root.mount(lower)?;
    }
    let mut laid = Vec::new();
    for layer in inner {
        match layer.mount(lower) {
            Ok(()) => laid.push(layer.path.as_str()),
            Err(error) => unusable.push((&layer.path, error)),
        }
    }
    if !laid.is_empty() {
        info!(
            "overlays of their own for other file systems of the server below the root: {}",
            laid.join(", ")
        );
    }
    for (path, error) in unusable {
        warn!(
            "below the overlay {path} is empty: it is another file system of the server, and {error}; export it as a part of the root, or boot without rd.overlay"
        );
    }
    Ok(())
}

/// The writable layer of one file system.
struct Layer {
    /// Where it is in the root: nothing for the root itself, else `/usr`.
    path: String,
    /// What holds its layers in the tmpfs.
    folder: String,
}

impl Layer {
    fn upper(&self) -> String {
        format!("{}/upper", self.folder)
    }

    fn work(&self) -> String {
        format!("{}/work", self.folder)
    }

    fn make(&self) -> Result<(), OverlayError> {
        make_directory(&self.upper())?;
        make_directory(&self.work())?;
        Ok(())
    }

    /// Makes its layers, and in the layer above which it lies a directory to mount on, which hides what the kernel would
    /// refuse.
    fn prepare(&self, lower: &str, outer: &[Layer]) -> Result<(), OverlayError> {
        self.make()?;
        copy_attributes(&format!("{lower}{}", self.path), &self.upper());
        let holds = |layer: &&Layer| {
            let rest = self.path.strip_prefix(layer.path.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let Some(outer) = outer.iter().rev().find(holds) else {
            return Ok(());
        };
        let rest = self
            .path
            .strip_prefix(outer.path.as_str())
            .unwrap_or_default();
        let mut within = String::new();
        for name in rest.split('/').filter(|name| !name.is_empty()) {
            within = format!("{within}/{name}");
            let made = format!("{}{within}", outer.upper());
            make_directory(&made)?;
            copy_attributes(&format!("{lower}{}{within}", outer.path), &made);
        }
        let hiding = format!("{}{rest}", outer.upper());
        rustix::fs::setxattr(hiding.as_str(), OPAQUE, b"y", XattrFlags::empty())
            .map_err(failed("a directory for it"))
    }

    fn mount(&self, lower: &str) -> Result<(), OverlayError> {
        let data = format!(
            "lowerdir={lower}{},upperdir={},workdir={}",
            self.path,
            self.upper(),
            self.work()
        );
        let data = CString::new(data).map_err(|_| failed("its layers")(Errno::INVAL))?;
        let target = format!("{ROOT}{}", self.path);
        mount(
            "netroot",
            target.as_str(),
            "overlay",
            MountFlags::empty(),
            data.as_c_str(),
        )
        .map_err(failed("overlay"))
    }
}

/// Gives a directory of the writable layer the owner and permissions of the one that it stands for: they hide those.
fn copy_attributes(from: &str, to: &str) {
    let Ok(status) = rustix::fs::lstat(from) else {
        return;
    };
    let _ = std::os::unix::fs::chown(to, Some(status.st_uid), Some(status.st_gid));
    let _ = rustix::fs::chmod(to, rustix::fs::Mode::from_raw_mode(status.st_mode & 0o7777));
}
