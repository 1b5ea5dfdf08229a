//! A unified kernel image of a root: its kernel, an initrd, a command line and its own systemd's stub, as one file that
//! firmware starts.
//!
//! The command line is in the file, and so the same for every machine: what differs between them comes by DHCP, the root by
//! option 17 and the host name by option 12.

use std::io;
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
        "there is no {file} in {}, with which a unified kernel image starts: install it in the root (Debian, Ubuntu: the package systemd-boot-efi; Fedora: systemd-boot-unsigned; Arch, openSUSE: systemd)",
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
    let linux = whole_kernel(root, kernel)?;
    let image = assemble(&Parts {
        stub,
        kernel: &linux,
        initrd: from.initrd,
        command_line: from.command_line,
        version: &kernel.version,
        os_release: &os_release(root, from.hidden),
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
    if hides(root, hidden, place) {
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
pub(crate) fn stub_of(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "/usr/lib/systemd/boot/efi/linuxx64.efi.stub",
        Architecture::Aarch64 => "/usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
    }
}

/// The kernel, and never a part of it.
fn whole_kernel(root: &RootTree, kernel: &Kernel) -> Result<Vec<u8>, RootTreeError> {
    let Some(part) = kernel.part else {
        return root.read(&kernel.path, LONGEST_KERNEL);
    };
    let path = || root.host_path(&kernel.path);
    if part.length > LONGEST_KERNEL {
        return Err(RootTreeError::TooLong {
            path: path(),
            limit: LONGEST_KERNEL,
        });
    }
    let linux = root.read_part(&kernel.path, part.offset, part.length)?;
    match linux.len() as u64 == part.length {
        true => Ok(linux),
        false => Err(RootTreeError::Read {
            path: path(),
            source: io::ErrorKind::UnexpectedEof.into(),
        }),
    }
}

/// Whether nobody may see the file that this path leads to, or may not know of the path.
fn hides(root: &RootTree, hidden: &HiddenPaths, path: &str) -> bool {
    // Of links that lead nowhere nothing is read.
    let real = root.real_path(path);
    hidden.hide(path) || real.is_some_and(|real| hidden.hide(&real))
}

/// What the root says that it is; nothing if it does not, hides it, or it cannot be read. An image boots without.
fn os_release(root: &RootTree, hidden: &HiddenPaths) -> Vec<u8> {
    let places = ["/etc/os-release", "/usr/lib/os-release"];
    let mut shown = places
        .into_iter()
        .filter(|place| !hides(root, hidden, place));
    shown
        .find_map(|place| root.read(place, LONGEST_TEXT).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use netroot_initramfs::FilePart;
    use netroot_nfs_export::HidePattern;

    use super::*;

    fn hidden(pattern: &str) -> HiddenPaths {
        HiddenPaths::new([pattern.parse::<HidePattern>().unwrap()])
    }

    #[test]
    fn what_is_hidden_comes_into_no_image_by_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("secret.key"), "secret").unwrap();
        symlink("/etc/secret.key", etc.join("os-release")).unwrap();
        let root = RootTree::open(folder.path()).unwrap();
        assert_eq!(os_release(&root, &HiddenPaths::default()), b"secret");
        assert_eq!(os_release(&root, &hidden("/etc/*.key")), b"");
    }

    #[test]
    fn a_kernel_is_whole_or_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vmlinuz"), "kernel").unwrap();
        let root = RootTree::open(folder.path()).unwrap();
        let kernel = |offset, length| Kernel {
            version: "6.1".to_owned(),
            path: "/vmlinuz".to_owned(),
            part: Some(FilePart { offset, length }),
            architecture: Architecture::X86_64,
            modules: None,
            firmware: None,
            start: None,
        };
        assert_eq!(whole_kernel(&root, &kernel(2, 4)).unwrap(), b"rnel");
        let beyond = whole_kernel(&root, &kernel(2, 5)).unwrap_err();
        assert!(matches!(beyond, RootTreeError::Read { .. }), "{beyond}");
        let long = whole_kernel(&root, &kernel(0, LONGEST_KERNEL + 1)).unwrap_err();
        assert!(matches!(long, RootTreeError::TooLong { .. }), "{long}");
    }
}
