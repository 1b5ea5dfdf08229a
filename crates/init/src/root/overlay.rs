//! A writable overlay in memory over a read-only root.

use std::ffi::CString;
use std::io;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

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

/// Mounts an overlay with a tmpfs over the root. Both layers are below `/run`, which is moved to the real root.
pub(crate) fn layer(lower: &str, size: Option<&str>, loader: &Loader) -> Result<(), OverlayError> {
    let failed = |what: &'static str| {
        move |errno: Errno| OverlayError::Step {
            what,
            source: errno.into(),
        }
    };
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
    let (upper, work) = (format!("{memory}/upper"), format!("{memory}/work"));
    make_directory(&upper)?;
    make_directory(&work)?;
    make_directory(ROOT)?;
    // If the module is absent, it may be built in; the mount will show.
    loader.load("overlay");
    let data = CString::new(format!("lowerdir={lower},upperdir={upper},workdir={work}"))
        .map_err(|_| failed("its layers")(Errno::INVAL))?;
    mount(
        "netroot",
        ROOT,
        "overlay",
        MountFlags::empty(),
        data.as_c_str(),
    )
    .map_err(failed("overlay"))
}
