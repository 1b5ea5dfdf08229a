//! name → artifact: the one look-up behind TFTP and HTTP.
//!
//! A virtual name space first: loaders, scripts, kernel, initrd. Then, only with `--tftp-dir`, a folder, which
//! `openat2(RESOLVE_BENEATH)` never leaves. Nothing else can be named, and nothing can be written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Bytes;
use netroot_proto::dhcp::Mac;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use crate::serve::artifacts::script::{self, Boot};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    /// The bytes.
    pub(crate) content: Content,
    /// What HTTP calls it; EDK2's HTTP boot goes by it.
    pub(crate) content_type: &'static str,
    /// What it is to a boot.
    pub(crate) role: Role,
    /// The machine that the name itself tells.
    pub(crate) machine: Option<Mac>,
}

/// What a thing is to a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What firmware loads.
    Loader,
    /// What the loader is told by.
    Script,
    /// The kernel.
    Kernel,
    /// The initrd.
    Initrd,
    /// Anything else.
    Other,
}

/// Bytes in memory or in a file that stays open: a transfer sees one version from its start to its end.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Made here.
    Memory(Bytes),
    /// Read where it lies; the heap never holds it.
    File {
        /// Read by position: transfers share it.
        file: Arc<File>,
        /// Its length in bytes when it was opened.
        length: u64,
    },
}

impl Content {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // O_NONBLOCK: a FIFO in the place of a file must not stop the server.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Self::from_regular(rustix::fs::open(path, flags, Mode::empty())?.into())
    }

    /// Takes an open file, which has to be a regular one.
    pub(crate) fn from_regular(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(Self::File {
            file: Arc::new(file),
            length: metadata.len(),
        })
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File { length, .. } => *length,
        }
    }

    /// Fills `buffer` from `offset`, or up to the end; returns how many bytes that were.
    ///
    /// # Errors
    /// The file system's; `UnexpectedEof` when the file has shrunk under us, since a transfer whose length was
    /// announced must not end early in silence.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let source = bytes.get(start..).and_then(|rest| rest.get(..wanted));
                if let Some(source) = source {
                    buffer.copy_from_slice(source);
                }
            }
            Self::File { file, .. } => file.read_exact_at(buffer, offset)?,
        }
        Ok(wanted)
    }
}

/// Everything that can be asked for by name.
#[derive(Debug)]
pub(crate) struct Shelf {
    fixed: BTreeMap<String, Artifact>,
    boot: Boot,
    http_port: u16,
    folder: Option<Folder>,
}

impl Shelf {
    /// A shelf with scripts only.
    pub(crate) fn new(boot: Boot, http_port: u16, folder: Option<Folder>) -> Self {
        Self {
            fixed: BTreeMap::new(),
            boot,
            http_port,
            folder,
        }
    }

    /// Puts a thing under its name.
    pub(crate) fn put(&mut self, name: &str, content: Content, role: Role) {
        let content_type = content_type(name);
        let artifact = Artifact {
            content,
            content_type,
            role,
            machine: None,
        };
        self.fixed.insert(name.to_owned(), artifact);
    }

    /// The names that are always there, for the status page.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fixed.keys().map(String::as_str)
    }

    /// What `name` (normalised, as `netroot_proto::tftp::name` does) is for a machine that reaches us at `local`.
    pub(crate) fn find(&self, name: &str, local: Ipv4Addr) -> Option<Artifact> {
        let server = SocketAddrV4::new(local, self.http_port);
        if let Some(artifact) = self.fixed.get(name) {
            return Some(artifact.clone());
        }
        match name {
            script::AUTOEXEC => return Some(text(script::autoexec(server), None)),
            script::GENERIC => return Some(text(self.boot.script(server, None), None)),
            _ => {}
        }
        let mac = name
            .strip_prefix("boot/")
            .and_then(|rest| rest.strip_suffix(".ipxe"));
        if let Some(mac) = mac.and_then(|mac| mac.parse().ok()) {
            return Some(text(self.boot.script(server, Some(mac)), Some(mac)));
        }
        // Firmware asks for what is beside its loader under the loader's own folder.
        let file = self.folder.as_ref()?.open(name).ok()?;
        let content_type = content_type(name);
        Some(Artifact {
            content: file,
            content_type,
            role: Role::Other,
            machine: None,
        })
    }
}

fn text(script: String, machine: Option<Mac>) -> Artifact {
    Artifact {
        content: Content::Memory(Bytes::from(script)),
        content_type: "text/plain; charset=utf-8",
        role: Role::Script,
        machine,
    }
}

/// EDK2 takes `application/efi` or the extension `.efi`; the rest is for people with a browser.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("efi") => "application/efi",
        Some("ipxe" | "cfg" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A folder whose regular, world-readable files may be fetched (`--tftp-dir`).
#[derive(Debug)]
pub(crate) struct Folder {
    folder: OwnedFd,
}

/// Why `--tftp-dir` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} (--tftp-dir) could not be opened", path.display())]
pub(crate) struct FolderError {
    path: PathBuf,
    source: io::Error,
}

impl Folder {
    /// Opens the folder, once: renaming it later changes nothing.
    pub(crate) fn open_path(path: &Path) -> Result<Self, FolderError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| FolderError {
            path: path.to_owned(),
            source: errno.into(),
        })?;
        Ok(Self { folder })
    }

    fn open(&self, name: &str) -> io::Result<Content> {
        let file = rustix::fs::openat2(
            &self.folder,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
            Mode::empty(),
            // Neither `..` nor an absolute link nor /proc's magic links lead out of the folder.
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )?;
        let facts = rustix::fs::fstat(&file)?;
        let regular = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
        // As tftpd: anybody on the wire may fetch it, so it has to be for anybody. The server itself may read
        // every file, which is no leave to hand them out.
        if !regular || !Mode::from_raw_mode(facts.st_mode).contains(Mode::ROTH) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Content::from_regular(file.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::serve::artifacts::script::Root;

    const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    pub(crate) fn boot() -> Boot {
        Boot {
            image: "debian".to_owned(),
            kernel: "6.1.0".to_owned(),
            root: Root::Own {
                image: "debian".to_owned(),
                port: 2049,
            },
            overlay: true,
            append: None,
        }
    }

    fn bytes(artifact: &Artifact) -> Vec<u8> {
        let mut buffer = vec![0; usize::try_from(artifact.content.length()).unwrap() + 10];
        let length = artifact.content.read_at(0, &mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn scripts_are_made_for_the_machine_and_the_address_that_it_reached() {
        let shelf = Shelf::new(boot(), 8069, None);
        let found = shelf.find("boot/52-54-00-12-34-56.ipxe", LOCAL).unwrap();
        assert_eq!(found.machine, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
        let text = String::from_utf8(bytes(&found)).unwrap();
        assert!(text.contains("http://10.0.0.1:8069/vmlinuz"), "{text}");
        let elsewhere = shelf
            .find("boot.ipxe", Ipv4Addr::new(192, 0, 2, 7))
            .unwrap();
        let text = String::from_utf8(bytes(&elsewhere)).unwrap();
        assert!(text.contains("nfsroot=192.0.2.7:/debian"), "{text}");
        assert!(shelf.find("autoexec.ipxe", LOCAL).is_some());
        for name in [
            "boot/52-54.ipxe",
            "boot/.ipxe",
            "boot",
            "vmlinuz",
            "etc/passwd",
        ] {
            assert!(shelf.find(name, LOCAL).is_none(), "{name}");
        }
    }

    #[test]
    fn a_file_is_read_by_position_and_never_past_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vmlinuz");
        fs::write(&path, b"0123456789").unwrap();
        let mut shelf = Shelf::new(boot(), 8069, None);
        shelf.put("vmlinuz", Content::open(&path).unwrap(), Role::Kernel);
        let kernel = shelf.find("vmlinuz", LOCAL).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(kernel.content.read_at(8, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"89");
        assert_eq!(kernel.content.read_at(10, &mut buffer).unwrap(), 0);
        assert_eq!(kernel.content.read_at(u64::MAX, &mut buffer).unwrap(), 0);
        // It shrinks while a machine reads it: an error, not a short file.
        fs::write(&path, b"01").unwrap();
        let error = kernel.content.read_at(4, &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_folder_gives_its_public_regular_files_and_nothing_outside() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tftp");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(parent.path().join("secret"), "secret").unwrap();
        fs::write(folder.join("sub/grubx64.efi"), "grub").unwrap();
        fs::write(folder.join("private"), "private").unwrap();
        fs::set_permissions(folder.join("private"), PermissionsExt::from_mode(0o600)).unwrap();
        symlink("sub/grubx64.efi", folder.join("inside")).unwrap();
        symlink("../secret", folder.join("outside")).unwrap();
        symlink("/etc/passwd", folder.join("absolute")).unwrap();
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            folder.join("fifo"),
            Mode::from_raw_mode(0o644),
        )
        .unwrap();

        let shelf = Shelf::new(boot(), 8069, Some(Folder::open_path(&folder).unwrap()));
        for name in ["sub/grubx64.efi", "inside"] {
            assert_eq!(bytes(&shelf.find(name, LOCAL).unwrap()), b"grub", "{name}");
        }
        for name in [
            "outside",
            "absolute",
            "private",
            "fifo",
            "sub",
            "absent",
            "../secret",
        ] {
            assert!(shelf.find(name, LOCAL).is_none(), "{name}");
        }
    }

    #[test]
    fn efi_programs_have_the_type_that_firmware_looks_for() {
        assert_eq!(content_type("snponly.efi"), "application/efi");
        assert_eq!(content_type("initrd.img"), "application/octet-stream");
    }
}
