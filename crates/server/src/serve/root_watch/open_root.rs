//! Opening a root's directory while the server is confined.

use std::io;
use std::path::Path;

use netroot_initramfs::RootTree;

use crate::error_chain::with_causes;
use crate::serve::privileged_helper::{Client, HelperError, ImageNumber, RootRequest};

/// Opens the directory of an image: by the helper that attaches a copy of its mounts where this process may read, or, where
/// none can mount, by its path.
///
/// # Errors
/// Why it cannot be opened, and what to do.
pub(super) async fn open_root(
    helper: &Client<RootRequest>,
    image: ImageNumber,
    directory: &Path,
) -> Result<RootTree, String> {
    match helper.root(image).await {
        Ok(opened) => Ok(RootTree::of_directory(opened, directory)),
        Err(HelperError::Impossible { .. }) => {
            let directory = directory.to_owned();
            let opened = tokio::task::spawn_blocking(move || by_path(&directory)).await;
            opened.map_err(|error| error.to_string())?
        }
        Err(error) => Err(error.to_string()),
    }
}

fn by_path(directory: &Path) -> Result<RootTree, String> {
    let opened = RootTree::open(directory).and_then(|tree| tree.names_in("/").map(|_| tree));
    opened.map_err(|error| {
        let mut cause = std::error::Error::source(&error);
        let is_denied = loop {
            let Some(inner) = cause else {
                break false;
            };
            if let Some(inner) = inner.downcast_ref::<io::Error>() {
                break inner.kind() == io::ErrorKind::PermissionDenied;
            }
            cause = inner.source();
        };
        match is_denied {
            // Landlock, since this process may pass over permissions.
            true => format!(
                "cannot read {}: without CAP_SYS_ADMIN netroot reads only what was named when it started; restart it (after \
                 `netroot image swap --at-restart`, if this is a swap), or name a folder that all roots are in as `roots` in \
                 [server] and restart it once",
                directory.display()
            ),
            false => with_causes(&error),
        }
    })
}
