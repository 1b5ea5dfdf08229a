//! What a root has for firmware with Secure Boot: shim, and the GRUB that it starts.
//!
//! netroot ships neither. A distribution signs its own shim, GRUB and kernels, and they are in the root if the packages
//! are; the initrd needs no signature. They are checked before firmware sees them, because what is wrong with them it
//! tells as "Security Violation", or not at all.

use std::path::PathBuf;

use netroot_initramfs::{Kernel, RootTree, RootTreeError};
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::arch::Platform;
use netroot_secure_boot::{Architecture, Binary, BinaryError, Chain, ChainError};

use super::content::Content;
use crate::serve::signed_files;

/// More bytes than any shim or GRUB has, and than any kernel.
const LONGEST_LOADER: u64 = 16 << 20;
const LONGEST_KERNEL: u64 = 128 << 20;
/// What GRUB's module for HTTP sends. Debian 12's GRUB for the network was built without that module.
const HTTP_HEADER: &[u8] = b"User-Agent: ";
/// What GRUB says (for who debugs it) when it takes the server of its files from a proxy's offer: since GRUB 2.12.
const PROXY_OFFER: &[u8] = b"proxy offer receive";

/// Shim and GRUB of a root, which start its kernel.
#[derive(Debug, Clone)]
pub(crate) struct SignedChain {
    /// What firmware loads.
    pub(super) shim: Content,
    /// What shim loads.
    pub(super) grub: Content,
    /// Who starts what.
    pub(crate) checked: Chain,
    /// Whether GRUB loads files by HTTP.
    pub(crate) over_http: bool,
    /// Whether GRUB looks for its files on the server that a proxy's offer names.
    pub(crate) by_proxy: bool,
}

impl SignedChain {
    /// The platform whose firmware loads it.
    pub(super) fn platform(&self) -> Platform {
        match self.checked.architecture {
            Architecture::X64 => Platform::EfiX64,
            Architecture::Arm64 => Platform::EfiArm64,
        }
    }
}

/// Why a root's files do not boot a machine with Secure Boot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignedChainError {
    /// One cannot be read.
    #[error(transparent)]
    Root(#[from] RootTreeError),
    /// One cannot be served.
    #[error("{} cannot be read", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// One cannot be started by any firmware.
    #[error("{}: {source}", path.display())]
    Binary {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: BinaryError,
    },
    /// There is a shim, and nothing that it starts.
    #[error(
        "there is a shim, and no signed GRUB beside it (Debian, Ubuntu: apt install {packages} in the root)"
    )]
    NoGrub {
        /// What to install.
        packages: &'static str,
    },
    /// They do not start one another.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// What a root was found to have; nothing without a shim.
pub(crate) type FoundChain = Result<Option<SignedChain>, SignedChainError>;

/// The files of a root for its kernel's processor; `None` if it has no shim.
///
/// # Errors
/// It has one, and a machine with Secure Boot would stop at it or after it.
pub(crate) fn find(root: &RootTree, kernel: &Kernel, hidden: &HiddenPaths) -> FoundChain {
    let mut found = signed_files::found(root, hidden).peekable();
    if found.peek().is_none() {
        return Ok(None);
    }
    let Read { binary: linux, .. } =
        read(root, &kernel.path, LONGEST_KERNEL, |whole| {
            match kernel.part {
                Some(part) => whole.part(part.offset, part.length),
                None => whole,
            }
        })?;
    let Some(files) = found.find(|files| files.architecture == linux.architecture) else {
        return Ok(None);
    };
    let packages = files.packages;
    let grub = files.grub.ok_or(SignedChainError::NoGrub { packages })?;
    let [shim, grub] =
        [files.shim, grub].map(|path| read(root, &path, LONGEST_LOADER, |whole| whole));
    let (shim, grub) = (shim?, grub?);
    let checked = netroot_secure_boot::check(&shim.binary, &grub.binary, Some(&linux))?;
    let has = |text: &[u8]| grub.bytes.windows(text.len()).any(|window| window == text);
    Ok(Some(SignedChain {
        over_http: has(HTTP_HEADER),
        by_proxy: has(PROXY_OFFER),
        shim: shim.content,
        grub: grub.content,
        checked,
    }))
}

/// A file as it is served, and all of it.
struct Read {
    content: Content,
    bytes: Vec<u8>,
    binary: Binary,
}

fn read(
    root: &RootTree,
    path: &str,
    longest: u64,
    part: impl FnOnce(Content) -> Content,
) -> Result<Read, SignedChainError> {
    let unreadable = |source| SignedChainError::File {
        path: root.host_path(path),
        source,
    };
    let content = part(Content::from_regular(root.open_file(path)?).map_err(unreadable)?);
    let bytes = content.all(longest).map_err(unreadable)?;
    let binary = Binary::parse(&bytes).map_err(|source| SignedChainError::Binary {
        path: root.host_path(path),
        source,
    })?;
    Ok(Read {
        content,
        bytes,
        binary,
    })
}
