//! A unified kernel image of a root: its kernel, an initrd, a command line and its own systemd's stub, as one file that
//! firmware starts.
//!
//! The command line is in the file, and so the same for every machine: what differs between them comes by DHCP, the root by
//! option 17 and the host name by option 12.

use std::path::PathBuf;

use netroot_initramfs::{Architecture, Kernel, RootTree, RootTreeError};
use netroot_nfs_export::HiddenPaths;
use netroot_secure_boot::{SignError, SigningKey};
use netroot_uki::{Parts, UkiError, assemble};

use crate::append::{self, Values};
use crate::catalog::RootArguments;

/// More bytes than a stub has, and than a kernel.
const LONGEST_STUB: u64 = 4 << 20;
const LONGEST_KERNEL: u64 = 128 << 20;
const LONGEST_TEXT: u64 = 64 << 10;

/// What an image is made of.
pub(crate) struct Ingredients<'a> {
    /// The root.
    pub(crate) root: &'a RootTree,
    /// Files of it that nobody may see.
    pub(crate) hidden: &'a HiddenPaths,
    /// Its kernel.
    pub(crate) kernel: &'a Kernel,
    /// The initrd.
    pub(crate) initrd: &'a [u8],
    /// The stub, if it is not the root's.
    pub(crate) stub: Option<&'a [u8]>,
    /// The command line.
    pub(crate) command_line: &'a str,
    /// Who signs it.
    pub(crate) key: Option<&'a SigningKey>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnifiedImageError {
    /// The root has no stub.
    #[error(
        "there is no {file} in {}, with which a unified kernel image starts: install it in the root (Debian, Ubuntu: the package systemd-boot-efi; Fedora: systemd-boot-unsigned; Arch, openSUSE: systemd), or name one with --stub",
        root.display()
    )]
    NoStub {
        /// Its name.
        file: &'static str,
        /// The root.
        root: PathBuf,
    },
    /// The root hides a part.
    #[error("{} is hidden (--hide), and an image with it would show it", path.display())]
    Hidden {
        /// The part.
        path: PathBuf,
    },
    /// A part cannot be read.
    #[error(transparent)]
    Root(#[from] RootTreeError),
    /// A part is none.
    #[error(transparent)]
    Uki(#[from] UkiError),
    /// It cannot be signed.
    #[error("the image cannot be signed")]
    Sign(#[from] SignError),
}

/// The command line of an image.
pub(crate) struct CommandLine {
    /// The line.
    pub(crate) line: String,
    /// Parameters that were appended and are not in it, because what they name differs between machines.
    pub(crate) left_out: Vec<String>,
}

/// The command line of the image called `image`. Where `nfsroot` does not name the root, DHCP's option 17 does.
pub(crate) fn command_line(
    image: &str,
    kernel: &Kernel,
    nfsroot: Option<&str>,
    overlay: bool,
    append: Option<&str>,
) -> CommandLine {
    let own = RootArguments {
        nfsroot,
        overlay,
        start: kernel.start.as_deref(),
        ..RootArguments::default()
    };
    let values = Values {
        image,
        ..Values::default()
    };
    let appended = append::expand(append.unwrap_or_default(), &values);
    let line = format!("{} {}", own.line(), appended.line);
    CommandLine {
        line: line.trim_end().to_owned(),
        left_out: appended.left_out,
    }
}

/// Makes the image: the same from the same parts.
///
/// # Errors
/// See [`UnifiedImageError`].
pub(crate) fn make(from: &Ingredients<'_>) -> Result<Vec<u8>, UnifiedImageError> {
    let Ingredients { root, kernel, .. } = *from;
    let of_root;
    let stub = match from.stub {
        Some(stub) => stub,
        None => {
            of_root = find_stub(root, kernel.architecture, from.hidden)?;
            &of_root
        }
    };
    let (offset, length) = match kernel.part {
        Some(part) => (part.offset, part.length.min(LONGEST_KERNEL)),
        None => (0, LONGEST_KERNEL),
    };
    let linux = root.read_part(&kernel.path, offset, length)?;
    let image = assemble(&Parts {
        stub,
        kernel: &linux,
        initrd: from.initrd,
        command_line: from.command_line,
        version: &kernel.version,
        os_release: &os_release(root)?,
    })?;
    Ok(match from.key {
        Some(key) => key.sign(image)?,
        None => image,
    })
}

/// The root's stub.
///
/// # Errors
/// It has none, or hides it.
pub(crate) fn find_stub(
    root: &RootTree,
    architecture: Architecture,
    hidden: &HiddenPaths,
) -> Result<Vec<u8>, UnifiedImageError> {
    let place = stub_of(architecture);
    if hidden.hide(place) {
        let path = root.host_path(place);
        return Err(UnifiedImageError::Hidden { path });
    }
    root.read(place, LONGEST_STUB)
        .map_err(|error| match error.is_absent() {
            true => UnifiedImageError::NoStub {
                file: place,
                root: root.path().to_owned(),
            },
            false => error.into(),
        })
}

/// Where every distribution installs systemd's stub.
fn stub_of(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "/usr/lib/systemd/boot/efi/linuxx64.efi.stub",
        Architecture::Aarch64 => "/usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
    }
}

/// What the root says that it is; nothing if it does not.
fn os_release(root: &RootTree) -> Result<Vec<u8>, RootTreeError> {
    for place in ["/etc/os-release", "/usr/lib/os-release"] {
        match root.read(place, LONGEST_TEXT) {
            Err(error) if error.is_absent() => {}
            read => return read,
        }
    }
    Ok(Vec::new())
}
