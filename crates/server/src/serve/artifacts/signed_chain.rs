//! What there is for firmware with Secure Boot: shim, and the GRUB that it starts.
//!
//! netroot ships neither. A distribution signs its own shim, GRUB and kernels, and they are in the root if the packages
//! are, or in a folder that the image's settings name; the initrd needs no signature. They are checked before firmware sees them, because what is wrong with them it
//! tells as "Security Violation", or not at all.

mod state;

use std::path::PathBuf;
use std::sync::Arc;

use netroot_initramfs::{Kernel, RootTree, RootTreeError};
use netroot_proto::pxe::arch::Platform;
use netroot_secure_boot::{
    Architecture, Binary, BinaryError, Chain, ChainError, Part, check_kernel,
};

pub(crate) use self::state::{ChainFacts, SecondStage, SignedState};
use super::content::Content;
use crate::catalog::ImageFile;
use crate::error_chain::with_causes;
use crate::serve::signed_files::{self, SignedFiles};
use crate::settings::RootSettings;

/// More bytes than any shim or GRUB has, and than any kernel.
const LONGEST_LOADER: u64 = 16 << 20;
const LONGEST_KERNEL: u64 = 128 << 20;
/// What GRUB's module for HTTP sends. Debian 12's GRUB for the network was built without that module.
const HTTP_HEADER: &[u8] = b"User-Agent: ";
/// An option that GRUB's module for TFTP asks for. Its image for disks was built without that module.
const TFTP_OPTION: &[u8] = b"blksize";
/// What GRUB says (for who debugs it) when it takes the server of its files from a proxy's offer: since GRUB 2.12.
const PROXY_OFFER: &[u8] = b"proxy offer receive";

/// Shim and GRUB, which start a root's kernel.
#[derive(Debug, Clone)]
pub(crate) struct SignedChain {
    /// What firmware loads, what shim loads, and what else shim asks for.
    pub(super) files: Vec<(ImageFile, Content)>,
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
    /// A folder is named, and has no shim for the kernel's processor.
    #[error("{} has no shim for {architecture} ({name}, or {name}.signed)", folder.display())]
    NoShim {
        /// The folder.
        folder: PathBuf,
        /// The processor.
        architecture: Architecture,
        /// What it is usually called.
        name: ImageFile,
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
    pub(super) chain: Option<Arc<SignedChain>>,
    /// The same for sentences.
    pub(crate) state: Arc<SignedState>,
    /// What starts the kernel where something else than that GRUB loads it.
    pub(super) kernel: Arc<KernelStart>,
}

/// What starts a root's kernel where iPXE's own signed files load it: the shim of its distribution.
#[derive(Debug, Clone)]
pub(crate) struct KernelStart {
    /// The processor.
    pub(super) architecture: Architecture,
    /// The shim, if there is one.
    pub(super) shim: Option<Content>,
    /// Who starts whom, or why nobody starts the kernel, and what to do.
    pub(super) starts: Result<Chain, String>,
    /// What installs both: a clause that begins with a verb.
    pub(super) cure: String,
}

#[cfg(test)]
impl FoundChain {
    /// That of a root without them.
    pub(super) fn none() -> Self {
        let cure = "run `chroot /srv/debian apt install shim-signed`".to_owned();
        let nothing = || cure.clone();
        Self {
            chain: None,
            state: Arc::new(SignedState::Nothing { cure: nothing() }),
            kernel: Arc::new(KernelStart {
                architecture: Architecture::X64,
                shim: None,
                starts: Err(nothing()),
                cure: nothing(),
            }),
        }
    }
}

/// The files for the processor of a root's kernel, of the root or of the folder that its settings name.
pub(crate) fn find(root: &RootTree, kernel: &Kernel, settings: &RootSettings) -> FoundChain {
    let architecture = match kernel.architecture {
        netroot_initramfs::Architecture::X86_64 => Architecture::X64,
        netroot_initramfs::Architecture::Aarch64 => Architecture::Arm64,
    };
    let cure = signed_files::advice(root, architecture, settings);
    let beginning = beginning(root, kernel, architecture, settings);
    let starts = match &beginning {
        Ok(Some(found)) => kernel_start(found, root, kernel).map_err(|error| error.to_string()),
        Ok(None) => Err("the root has no shim of its distribution".to_owned()),
        Err(error) => Err(with_causes(error)),
    };
    let shim = match &beginning {
        Ok(Some(found)) => Some(found.shim.content.clone()),
        _ => None,
    };
    let chain = beginning.and_then(|found| {
        let found = found.map(|found| with_grub(found, root, kernel, &cure));
        found.transpose()
    });
    let (chain, state) = match chain {
        Ok(Some(chain)) => {
            let state = SignedState::Usable(Arc::clone(&chain.facts));
            (Some(Arc::new(chain)), state)
        }
        Ok(None) => (None, SignedState::Nothing { cure: cure.clone() }),
        Err(error) => {
            let error = format!("{}; {cure}", with_causes(&error));
            (None, SignedState::Unusable { error })
        }
    };
    FoundChain {
        chain,
        state: Arc::new(state),
        kernel: Arc::new(KernelStart {
            architecture,
            shim,
            starts: starts.map_err(|why| format!("{why}; {cure}")),
            cure,
        }),
    }
}

/// Shim and kernel, with where the others are.
struct Beginning {
    /// What `files` are in; `None` for the root.
    folder: Option<RootTree>,
    files: SignedFiles,
    shim: Read,
    linux: Read,
}

/// The shim and the kernel; `None` if there is no such folder, and no shim in the root.
///
/// # Errors
/// One cannot be read.
fn beginning(
    root: &RootTree,
    kernel: &Kernel,
    architecture: Architecture,
    settings: &RootSettings,
) -> Result<Option<Beginning>, SignedChainError> {
    let folder = signed_files::folder(settings)?;
    let found = signed_files::found(root, settings, folder.as_ref());
    let mut found = found.into_iter();
    let Some(files) = found.find(|files| files.architecture == architecture) else {
        return match folder {
            None => Ok(None),
            Some(folder) => Err(SignedChainError::NoShim {
                folder: folder.path().to_owned(),
                architecture,
                name: ImageFile::Shim(architecture),
            }),
        };
    };
    let part_of_kernel = |whole: Content| match kernel.part {
        Some(part) => whole.part(part.offset, part.length),
        None => whole,
    };
    let linux = read(root, &kernel.path, LONGEST_KERNEL, part_of_kernel)?;
    let tree = folder.as_ref().unwrap_or(root);
    let shim = read(tree, &files.shim, LONGEST_LOADER, |whole| whole)?;
    Ok(Some(Beginning {
        folder,
        files,
        shim,
        linux,
    }))
}

/// Whether that shim starts that kernel with no loader between them.
///
/// # Errors
/// A machine with Secure Boot would stop there.
fn kernel_start(
    found: &Beginning,
    root: &RootTree,
    kernel: &Kernel,
) -> Result<Chain, SignedChainError> {
    let checked = check_kernel(&found.shim.binary, &found.linux.binary);
    checked.map_err(|error| {
        let tree = found.folder.as_ref().unwrap_or(root);
        let path = match error.part() {
            Part::Kernel => root.host_path(&kernel.path),
            Part::Shim | Part::Loader => tree.host_path(&found.files.shim),
        };
        SignedChainError::Chain { path, error }
    })
}

/// The same with GRUB between them, which loads the kernel.
///
/// # Errors
/// There is none, or a machine with Secure Boot would stop at a file.
fn with_grub(
    found: Beginning,
    root: &RootTree,
    kernel: &Kernel,
    cure: &str,
) -> Result<SignedChain, SignedChainError> {
    let Beginning {
        folder,
        files,
        shim,
        linux,
    } = found;
    let architecture = files.architecture;
    let tree = folder.as_ref().unwrap_or(root);
    let Some(grub_path) = &files.grub else {
        let shim = tree.host_path(&files.shim);
        return Err(SignedChainError::NoGrub { shim });
    };
    let grub = read(tree, grub_path, LONGEST_LOADER, |whole| whole)?;
    let checked = netroot_secure_boot::check(&shim.binary, &grub.binary, Some(&linux.binary));
    let checked = checked.map_err(|error| {
        let path = match error.part() {
            Part::Shim => tree.host_path(&files.shim),
            Part::Loader => tree.host_path(grub_path),
            Part::Kernel => root.host_path(&kernel.path),
        };
        SignedChainError::Chain { path, error }
    })?;
    let has = |text: &[u8]| grub.bytes.windows(text.len()).any(|window| window == text);
    if !has(TFTP_OPTION) {
        let path = tree.host_path(grub_path);
        return Err(SignedChainError::NoNetwork { path });
    }
    let facts = ChainFacts {
        checked,
        second: SecondStage::Grub,
        over_http: has(HTTP_HEADER),
        by_proxy: has(PROXY_OFFER),
        cure: cure.to_owned(),
        kernel_cure: cure.to_owned(),
        no_kernel: None,
    };
    let asked = grub_name(architecture, shim.binary.default_loader.as_deref());
    let mut served = vec![
        (ImageFile::Shim(architecture), shim.content),
        (asked, grub.content),
    ];
    let mok_manager = mok_manager_name(architecture, asked).zip(files.mok_manager.clone());
    for (file, path) in mok_manager.iter().chain(&files.beside) {
        served.push((*file, open(tree, path)?));
    }
    Ok(SignedChain {
        files: served,
        facts: Arc::new(facts),
    })
}

/// The name under which a shim asks for GRUB, which has `asks` inside if that was found. One that asks for no GRUB's name is
/// told of when a machine has asked.
fn grub_name(architecture: Architecture, asks: Option<&str>) -> ImageFile {
    let asked = asks.and_then(ImageFile::named);
    let asked = asked.filter(|file| matches!(file, ImageFile::SignedGrub(_)));
    asked.unwrap_or(ImageFile::SignedGrub(Some(architecture)))
}

/// That under which the shim that starts `grub` asks for MokManager. openSUSE's names are without the processor.
fn mok_manager_name(architecture: Architecture, grub: ImageFile) -> Option<ImageFile> {
    ImageFile::named(match (grub, architecture) {
        (ImageFile::SignedGrub(None), _) => "MokManager.efi",
        (_, Architecture::X64) => "mmx64.efi",
        (_, Architecture::Arm64) => "mmaa64.efi",
    })
}

/// A file as it is served, and all of it.
struct Read {
    content: Content,
    bytes: Vec<u8>,
    binary: Binary,
}

fn open(tree: &RootTree, path: &str) -> Result<Content, SignedChainError> {
    let file = tree.open_file(path)?;
    Content::from_regular(file).map_err(|source| unreadable(tree, path, source))
}

fn unreadable(tree: &RootTree, path: &str, source: std::io::Error) -> SignedChainError {
    let path = tree.host_path(path);
    SignedChainError::File { path, source }
}

fn read(
    tree: &RootTree,
    path: &str,
    longest: u64,
    part: impl FnOnce(Content) -> Content,
) -> Result<Read, SignedChainError> {
    let content = part(open(tree, path)?);
    let bytes = content.all(longest);
    let bytes = bytes.map_err(|source| unreadable(tree, path, source))?;
    let binary = Binary::parse(&bytes).map_err(|error| SignedChainError::Binary {
        path: tree.host_path(path),
        error,
    })?;
    Ok(Read {
        content,
        bytes,
        binary,
    })
}
