//! Sets POSIX access lists.

use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::XattrFlags;

/// A POSIX access list: tag, permissions and id of each entry (`include/uapi/linux/posix_acl_xattr.h`).
pub(super) fn list(path: &Path, which: &str, entries: &[(u16, u16, u32)]) -> Result<()> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(
            [tag, permissions]
                .into_iter()
                .flat_map(|half| half.to_le_bytes()),
        );
        bytes.extend(id.to_le_bytes());
    }
    let name = format!("system.posix_acl_{which}");
    rustix::fs::setxattr(path, &*name, &bytes, XattrFlags::empty()).context("set an access list")
}
