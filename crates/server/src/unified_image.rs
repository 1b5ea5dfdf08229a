//! A unified kernel image of a root: its kernel, an initrd, a command line and its own systemd's stub, as one file that
//! firmware starts.
//!
//! The command line is in the file, and so the same for every machine: what differs between them comes by DHCP, the root by
//! option 17 and the host name by option 12.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use netroot_initramfs::{Architecture, Kernel, RootTree, RootTreeError};
use netroot_nfs_export::HiddenPaths;
use netroot_secure_boot::{Hashing, SigningKey};
use netroot_uki::{Image, KERNEL_START, Parts, Pcr, UkiError, WriteError, lay_out};

use crate::append::{self, Values};
use crate::catalog::RootArguments;

/// What it means for machines that there is none.
pub(crate) const WITHOUT_UNIFIED: &str =
    "there is no unified kernel image, and machines load what they load without one";

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
    /// The length of the initrd, in bytes.
    pub(crate) initrd_length: u64,
    /// The stub, if it is not the root's.
    pub(crate) stub: Option<&'a [u8]>,
    /// The command line.
    pub(crate) command_line: &'a str,
    /// Who signs it.
    pub(crate) signer: Option<&'a dyn Signer>,
}

/// Who signs images: a key, or a process that has one.
pub(crate) trait Signer {
    /// The length in bytes of every certificate table that it makes, a multiple of eight.
    fn table_length(&self) -> Result<u64, SigningFailed>;

    /// See [`SigningKey::certificate_table`].
    fn certificate_table(&self, digest: &[u8; 32]) -> Result<Vec<u8>, SigningFailed>;
}

/// Why it did not sign.
pub(crate) type SigningFailed = Box<dyn std::error::Error + Send + Sync>;

impl Signer for SigningKey {
    fn table_length(&self) -> Result<u64, SigningFailed> {
        Ok(self.table_length()?)
    }

    fn certificate_table(&self, digest: &[u8; 32]) -> Result<Vec<u8>, SigningFailed> {
        Ok(self.certificate_table(digest)?)
    }
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
    Sign(#[source] SigningFailed),
    /// It is not complete.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// An image that was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its length in bytes.
    pub(crate) length: u64,
    /// The signature at its end; empty without a key. Of different images it differs.
    pub(crate) signature: Vec<u8>,
    /// The value of a TPM's PCR 11 once the image's stub has measured it, if that is known.
    pub(crate) pcr_11: Option<Pcr>,
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

/// Looks whether the image can be made: all of it but the contents of kernel and initrd.
///
/// # Errors
/// See [`UnifiedImageError`].
pub(crate) fn check(from: &Ingredients<'_>) -> Result<(), UnifiedImageError> {
    laid_out(from).map(drop)
}

/// Writes the image, the same from the same parts. Of kernel and initrd little is in memory at a time.
///
/// # Errors
/// See [`UnifiedImageError`].
pub(crate) fn write(
    from: &Ingredients<'_>,
    initrd: &mut dyn Read,
    to: &mut dyn Write,
) -> Result<Written, UnifiedImageError> {
    let (mut image, mut kernel) = laid_out(from)?;
    let Some(signer) = from.signer else {
        let pcr_11 = image.write(to, initrd, &mut kernel.content)?;
        return Ok(Written {
            length: image.length(),
            signature: Vec::new(),
            pcr_11,
        });
    };
    let length = signer.table_length().map_err(UnifiedImageError::Sign)?;
    image.reserve_certificates(u32::try_from(length).map_err(|_| UkiError::Long)?)?;
    let mut hashing = Hashing::new(to, image.unsigned());
    let pcr_11 = image.write(&mut hashing, initrd, &mut kernel.content)?;
    let signature = signer.certificate_table(&hashing.finish());
    let signature = signature.map_err(UnifiedImageError::Sign)?;
    to.write_all(&signature).map_err(WriteError::Output)?;
    Ok(Written {
        length: image.length() + length,
        signature,
        pcr_11,
    })
}

fn laid_out(from: &Ingredients<'_>) -> Result<(Image, OpenKernel), UnifiedImageError> {
    let Ingredients { root, kernel, .. } = *from;
    let of_root;
    let stub = match from.stub {
        Some(stub) => stub,
        None => {
            of_root = find_stub(root, kernel.architecture, from.hidden)?;
            &of_root
        }
    };
    let linux = OpenKernel::open(root, kernel)?;
    let image = lay_out(&Parts {
        stub,
        kernel_start: &linux.start,
        kernel_length: linux.length,
        initrd_length: from.initrd_length,
        command_line: from.command_line,
        version: &kernel.version,
        os_release: &os_release(root, from.hidden),
    })?;
    Ok((image, linux))
}

/// The root's stub.
///
/// # Errors
/// It has none, or hides it.
fn find_stub(
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

/// A kernel: all of it, or there is an error.
struct OpenKernel {
    /// Its first bytes.
    start: Vec<u8>,
    /// How many it has.
    length: u64,
    /// From its first byte on.
    content: io::Take<File>,
}

impl OpenKernel {
    fn open(root: &RootTree, kernel: &Kernel) -> Result<Self, RootTreeError> {
        let mut file = root.open_file(&kernel.path)?;
        let path = || root.host_path(&kernel.path);
        let unreadable = |source| RootTreeError::Read {
            path: path(),
            source,
        };
        let whole = file.metadata().map_err(unreadable)?.len();
        let (offset, length) = match kernel.part {
            Some(part) => (part.offset, part.length),
            None => (0, whole),
        };
        if length > LONGEST_KERNEL {
            return Err(RootTreeError::TooLong {
                path: path(),
                limit: LONGEST_KERNEL,
            });
        }
        if offset.checked_add(length).is_none_or(|end| end > whole) {
            return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
        let start = root.read_part(&kernel.path, offset, length.min(KERNEL_START))?;
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        Ok(Self {
            start,
            length,
            content: file.take(length),
        })
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
        let opened = |offset, length| {
            let kernel = Kernel {
                version: "6.1".to_owned(),
                path: "/vmlinuz".to_owned(),
                part: Some(FilePart { offset, length }),
                architecture: Architecture::X86_64,
                modules: None,
                firmware: None,
                start: None,
            };
            OpenKernel::open(&root, &kernel)
        };
        let mut part = opened(2, 3).unwrap();
        assert_eq!((&part.start[..], part.length), (&b"rne"[..], 3));
        let mut content = String::new();
        part.content.read_to_string(&mut content).unwrap();
        assert_eq!(content, "rne");
        for (offset, length) in [(2, 5), (u64::MAX, 1)] {
            let beyond = opened(offset, length).err().unwrap();
            assert!(matches!(beyond, RootTreeError::Read { .. }), "{beyond}");
        }
        let long = opened(0, LONGEST_KERNEL + 1).err().unwrap();
        assert!(matches!(long, RootTreeError::TooLong { .. }), "{long}");
    }
}
