//! What a root has for firmware with Secure Boot: shim, and the GRUB that it starts.
//!
//! netroot ships neither. A distribution signs its own shim, GRUB and kernels, and they are in the root if the packages
//! are; the initrd needs no signature. They are checked before firmware sees them, because what is wrong with them it
//! tells as "Security Violation", or not at all.

mod state;

use std::path::PathBuf;
use std::sync::Arc;

use netroot_initramfs::{Kernel, RootTree, RootTreeError};
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::arch::Platform;
use netroot_secure_boot::{Architecture, Binary, BinaryError, ChainError, Part};

pub(crate) use self::state::{ChainFacts, SignedState};
use super::content::Content;
use crate::error_chain::with_causes;
use crate::serve::signed_files;

/// More bytes than any shim or GRUB has, and than any kernel.
const LONGEST_LOADER: u64 = 16 << 20;
const LONGEST_KERNEL: u64 = 128 << 20;
/// What GRUB's module for HTTP sends. Debian 12's GRUB for the network was built without that module.
const HTTP_HEADER: &[u8] = b"User-Agent: ";
/// An option that GRUB's module for TFTP asks for. Its image for disks was built without that module.
const TFTP_OPTION: &[u8] = b"blksize";
/// What GRUB says (for who debugs it) when it takes the server of its files from a proxy's offer: since GRUB 2.12.
const PROXY_OFFER: &[u8] = b"proxy offer receive";

/// Shim and GRUB of a root, which start its kernel.
#[derive(Debug, Clone)]
pub(crate) struct SignedChain {
    /// What firmware loads.
    pub(super) shim: Content,
    /// What shim loads.
    pub(super) grub: Content,
    /// What is known of them.
    pub(crate) facts: Arc<ChainFacts>,
}

impl SignedChain {
    /// The platform whose firmware loads it.
    pub(super) fn platform(&self) -> Platform {
        match self.facts.checked.architecture {
            Architecture::X64 => Platform::EfiX64,
            Architecture::Arm64 => Platform::EfiArm64,
        }
    }
}

/// Why a root's files do not boot a machine with Secure Boot.
#[derive(Debug, thiserror::Error)]
enum SignedChainError {
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
    #[error("{}: {error}", path.display())]
    Binary {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        error: BinaryError,
    },
    /// There is a shim, and nothing that it starts.
    #[error("there is a shim ({}), and no signed GRUB beside it", shim.display())]
    NoGrub {
        /// Where the shim is.
        shim: PathBuf,
    },
    /// It is GRUB's image for disks.
    #[error(
        "{} loads no files from the network: it is GRUB's image for disks", path.display()
    )]
    NoNetwork {
        /// Where it is.
        path: PathBuf,
    },
    /// They do not start one another.
    #[error("{error} ({})", path.display())]
    Chain {
        /// Where the file is that is not started.
        path: PathBuf,
        /// Why not.
        error: ChainError,
    },
}

/// What a root was found to have for machines with Secure Boot.
#[derive(Debug, Clone)]
pub(crate) struct FoundChain {
    /// What they boot, if they can.
    pub(super) chain: Option<SignedChain>,
    /// The same for sentences.
    pub(crate) state: Arc<SignedState>,
}

#[cfg(test)]
impl FoundChain {
    /// That of a root without them.
    pub(super) fn none() -> Self {
        let cure = "run `chroot /srv/debian apt install shim-signed`".to_owned();
        Self {
            chain: None,
            state: Arc::new(SignedState::Nothing { cure }),
        }
    }
}

/// The files of a root for its kernel's processor.
pub(crate) fn find(root: &RootTree, kernel: &Kernel, hidden: &HiddenPaths) -> FoundChain {
    let architecture = match kernel.architecture {
        netroot_initramfs::Architecture::X86_64 => Architecture::X64,
        netroot_initramfs::Architecture::Aarch64 => Architecture::Arm64,
    };
    let cure = signed_files::advice(root, architecture);
    let (chain, state) = match usable(root, kernel, architecture, hidden, &cure) {
        Ok(Some(chain)) => {
            let state = SignedState::Usable(Arc::clone(&chain.facts));
            (Some(chain), state)
        }
        Ok(None) => (None, SignedState::Nothing { cure }),
        Err(error) => {
            let error = format!("{}; {cure}", with_causes(&error));
            (None, SignedState::Unusable { error })
        }
    };
    FoundChain {
        chain,
        state: Arc::new(state),
    }
}

/// The same; `None` if it has no shim.
///
/// # Errors
/// It has one, and a machine with Secure Boot would stop at it or after it.
fn usable(
    root: &RootTree,
    kernel: &Kernel,
    architecture: Architecture,
    hidden: &HiddenPaths,
    cure: &str,
) -> Result<Option<SignedChain>, SignedChainError> {
    let mut found = signed_files::found(root, hidden);
    let Some(files) = found.find(|files| files.architecture == architecture) else {
        return Ok(None);
    };
    let Some(grub_path) = files.grub else {
        let shim = root.host_path(&files.shim);
        return Err(SignedChainError::NoGrub { shim });
    };
    let part_of_kernel = |whole: Content| match kernel.part {
        Some(part) => whole.part(part.offset, part.length),
        None => whole,
    };
    let linux = read(root, &kernel.path, LONGEST_KERNEL, part_of_kernel)?;
    let shim = read(root, &files.shim, LONGEST_LOADER, |whole| whole)?;
    let grub = read(root, &grub_path, LONGEST_LOADER, |whole| whole)?;
    let checked = netroot_secure_boot::check(&shim.binary, &grub.binary, Some(&linux.binary));
    let checked = checked.map_err(|error| {
        let path = match error.part() {
            Part::Shim => &files.shim,
            Part::Loader => &grub_path,
            Part::Kernel => &kernel.path,
        };
        let path = root.host_path(path);
        SignedChainError::Chain { path, error }
    })?;
    let has = |text: &[u8]| grub.bytes.windows(text.len()).any(|window| window == text);
    if !has(TFTP_OPTION) {
        let path = root.host_path(&grub_path);
        return Err(SignedChainError::NoNetwork { path });
    }
    let facts = ChainFacts {
        checked,
        over_http: has(HTTP_HEADER),
        by_proxy: has(PROXY_OFFER),
        cure: cure.to_owned(),
    };
    Ok(Some(SignedChain {
        shim: shim.content,
        grub: grub.content,
        facts: Arc::new(facts),
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
    let binary = Binary::parse(&bytes).map_err(|error| SignedChainError::Binary {
        path: root.host_path(path),
        error,
    })?;
    Ok(Read {
        content,
        bytes,
        binary,
    })
}
