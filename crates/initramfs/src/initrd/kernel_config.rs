//! What a root's kernel was built with, where the root says so.

use super::compression::Compression;
use crate::build_error::BuildError;
use crate::kernel::Kernel;
use crate::root_tree::RootTree;

/// No distribution's comes near this (Debian 12: 0.3 MiB).
const LIMIT: u64 = 32 << 20;

/// A kernel's `.config`.
#[derive(Debug)]
pub(super) struct KernelConfig {
    /// Where it is in the root.
    pub(super) path: String,
    text: String,
}

impl KernelConfig {
    /// Looks beside the kernel (Debian, Ubuntu) and among its modules (Fedora).
    pub(super) fn read(root: &RootTree, kernel: &Kernel) -> Result<Option<Self>, BuildError> {
        let beside = format!("/boot/config-{}", kernel.version);
        let among = kernel.modules.iter().map(|tree| format!("{tree}/config"));
        for path in std::iter::once(beside).chain(among) {
            match root.read(&path, LIMIT) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return Ok(Some(Self { path, text }));
                }
                Err(error) if error.is_absent() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Whether that option is part of the kernel.
    pub(super) fn has(&self, option: &str) -> bool {
        let mut lines = self.text.lines();
        lines.any(|line| line.strip_prefix(option) == Some("=y"))
    }

    /// What an image is best packed by; `None` if the kernel can unpack none.
    pub(super) fn format(&self) -> Option<Compression> {
        let mut formats = Compression::ALL.into_iter();
        formats
            .find(|format| self.has(format.option()))
            .filter(|_| self.has("CONFIG_BLK_DEV_INITRD"))
    }
}
