//! A writable layer in memory over a root that is not written to.

use std::ffi::CString;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use crate::modules::Loader;
use crate::root::mount_point::{MEMORY, ROOT};
use crate::root::nfs::mount::{MountError, make_directory};

/// Lays a tmpfs over the root. Both layers are below `/run`, which moves along: the real root sees them.
pub(crate) fn layer(lower: &str, size: Option<&str>, loader: &Loader) -> Result<(), MountError> {
    let failed = |what: &'static str| {
        move |errno: Errno| MountError::Overlay {
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
    // If it is absent, the kernel may have it all the same; the mount will tell.
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
