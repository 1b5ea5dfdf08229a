//! The configuration of a root's kernel, if the root has it.

use super::compression::Compression;
use crate::build_error::BuildError;
use crate::kernel::Kernel;
use crate::root_tree::RootTree;

/// The size limit, in bytes; Debian 12 has 0.3 MiB.
const MAX_SIZE: u64 = 32 << 20;

/// A kernel's `.config`.
#[derive(Debug)]
pub(super) struct KernelConfig {
    /// Its path in the root.
    pub(super) path: String,
    text: String,
}

impl KernelConfig {
    /// Looks in `/boot` (Debian, Ubuntu), in the module tree (Fedora) and beside the kernel (Guix System).
    pub(super) fn read(root: &RootTree, kernel: &Kernel) -> Result<Option<Self>, BuildError> {
        let usual = format!("/boot/config-{}", kernel.version);
        let among = kernel.modules.iter().map(|tree| format!("{tree}/config"));
        let folder = kernel
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let beside = format!("{folder}/.config");
        for path in std::iter::once(usual).chain(among).chain([beside]) {
            match root.read(&path, MAX_SIZE) {
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

    /// Whether the option is `y`.
    pub(super) fn has(&self, option: &str) -> bool {
        let mut lines = self.text.lines();
        lines.any(|line| line.strip_prefix(option) == Some("=y"))
    }

    /// The best compression that the kernel supports; `None` if it cannot unpack an initrd.
    pub(super) fn format(&self) -> Option<Compression> {
        let mut formats = Compression::ALL.into_iter();
        formats
            .find(|format| self.has(format.option()))
            .filter(|_| self.has("CONFIG_BLK_DEV_INITRD"))
    }
}
