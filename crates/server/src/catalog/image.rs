//! What one machine boots.

mod file_name;
mod one_nic;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_initramfs::{Architecture, NicDriver};
use netroot_net::Host;
use netroot_nfs_export::HiddenPaths;
use netroot_proto::cmdline::{BootPlan, Rescue};
use netroot_proto::mount::cache_of_still_root;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::Loader;

pub(crate) use self::file_name::{ImageFile, NamedFile, file_of_image};
use crate::settings::{InitrdSource, Kind, Location, SwappedRoot};

/// Something to boot.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Its name: in URLs, as an NFS path, and for people.
    pub(crate) name: String,
    /// What a menu shows; `None` for its name.
    pub(crate) title: Option<String>,
    /// What firmware loads before it, by platform.
    pub(crate) loaders: Arc<[Loader]>,
    /// The same where firmware loads the image itself as one program (a unified kernel image). It is for machines that boot
    /// this image, and not for those that ask first; `None` where there is no such program.
    pub(crate) unified_loaders: Option<Arc<[Loader]>>,
    /// iPXE is to start its kernel by the shim of its distribution, where Secure Boot is on.
    pub(crate) kernel_shim: bool,
    /// Added at the end of the command line, where it overrides what comes before.
    pub(crate) append: Option<String>,
    /// Tells its files from those that had the image's name before, in hexadecimal digits; empty where names go without.
    pub(crate) tag: String,
    /// What it is.
    pub(crate) kind: ImageKind,
    /// The drivers of the network card that its initrd is for, in the script of a machine; `None` for every card.
    pub(crate) nic: Option<NicDriver>,
}

/// What an image is, which decides how a loader starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageKind {
    /// A root with the kernel and the initrd that mount it.
    Root(RootImage),
    /// A kernel and initrds, without a root of ours.
    Kernel(KernelImage),
    /// An EFI program.
    Efi(PathBuf),
    /// The image of a disk.
    Disk(Location),
    /// The image of a CD or DVD.
    Iso(Location),
    /// The machine's own disk.
    LocalDisk,
}

/// A root, and the kernel and initrd that mount it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootImage {
    /// Where it is.
    pub(crate) location: RootLocation,
    /// Its kernel.
    pub(crate) kernel: KernelFile,
    /// Where its initrd comes from.
    pub(crate) initrd: InitrdSource,
    /// Whether the root is made writable by a tmpfs over it (`rd.overlay`).
    pub(crate) overlay: bool,
}

/// A kernel as it is, with its initrds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelImage {
    /// Its file.
    pub(crate) kernel: PathBuf,
    /// The files of its initrds, in the order in which they are unpacked.
    pub(crate) initrds: Vec<PathBuf>,
}

/// Where a root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootLocation {
    /// A directory of this machine, exported by netroot at the address that the machine reached.
    Own {
        /// The path under which it is exported.
        path: String,
        /// The directory.
        directory: PathBuf,
        /// The TCP port of NFS and MOUNT.
        port: u16,
        /// What machines do not see of it.
        hidden: HiddenPaths,
        /// Whether they see the file systems that are mounted below it.
        submounts: bool,
        /// What it was before, if somebody exchanged it.
        swapped: Option<Box<SwappedRoot>>,
    },
    /// An export elsewhere, word for word: `ADDR:/PATH[,OPTIONS]`.
    Elsewhere(String),
}

/// A kernel of an image's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelFile {
    /// Its version, as `uname -r` prints it.
    pub(crate) version: String,
    /// The processor that it is for.
    pub(crate) architecture: Architecture,
    /// Its file.
    pub(crate) path: PathBuf,
    /// The parameters that start the root's system, where `/sbin/init` does not.
    pub(crate) start: Option<String>,
}

impl ImageKind {
    /// What kind that is, as a word.
    pub(crate) const fn word(&self) -> &'static str {
        let kind = match self {
            Self::Root(_) => Kind::Root,
            Self::Kernel(_) => Kind::Kernel,
            Self::Efi(_) => Kind::Efi,
            Self::Disk(_) => Kind::Disk,
            Self::Iso(_) => Kind::Iso,
            Self::LocalDisk => Kind::LocalDisk,
        };
        kind.word()
    }
}

impl Image {
    /// What people choose it by.
    pub(crate) fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The version of its kernel, where that is known.
    pub(crate) fn linux(&self) -> Option<&str> {
        self.root().map(|root| root.kernel.version.as_str())
    }

    /// Why a machine with this firmware cannot boot it, if its kernel is for another processor. A Raspberry Pi has its kernel
    /// from its own files, and firmware that does not say what it is may be any.
    pub(crate) fn is_for_another_processor(&self, platform: Option<Platform>) -> Option<String> {
        let platform = platform?;
        let architecture = self.root()?.kernel.architecture;
        let fits = match platform {
            Platform::Bios | Platform::EfiIa32 | Platform::EfiX64 => {
                architecture == Architecture::X86_64
            }
            Platform::EfiArm64 => architecture == Architecture::Aarch64,
            Platform::RaspberryPi | Platform::Unknown(_) => true,
            // 32-bit ARM, RISC-V, LoongArch.
            _ => false,
        };
        (!fits).then(|| {
            let (name, word) = (&self.name, platform.word().unwrap_or_default());
            format!(
                "{name} is for {architecture}, and this machine is {platform}: assign it an image for its processor, \
                 with a rule for arch {word} for example"
            )
        })
    }

    /// What it is, if it has a root.
    pub(crate) fn root(&self) -> Option<&RootImage> {
        match &self.kind {
            ImageKind::Root(root) => Some(root),
            _ => None,
        }
    }

    /// The same with names of its own for its files.
    pub(crate) fn tagged(&self, tag: String) -> Self {
        Self {
            tag,
            ..self.clone()
        }
    }

    /// The name of one of its files over TFTP and HTTP, for this image's scripts.
    pub(crate) fn file_name(&self, file: ImageFile) -> String {
        let name = match (file, &self.nic) {
            (ImageFile::INITRD, Some(drivers)) => {
                let initrd = file_name::initrd_name(drivers.as_str());
                format!("images/{}/{initrd}", self.name)
            }
            _ => self.newest(file),
        };
        match self.tag.as_str() {
            "" => name,
            tag => format!("{name}-{tag}"),
        }
    }

    /// The name under which the newest is found, whatever the image's tag is by then.
    pub(crate) fn newest(&self, file: ImageFile) -> String {
        format!("images/{}/{file}", self.name)
    }

    /// What its files are, in the order in which a loader fetches them.
    pub(crate) fn files(&self) -> Vec<ImageFile> {
        match &self.kind {
            ImageKind::Root(_) => vec![ImageFile::Kernel, ImageFile::INITRD],
            ImageKind::Kernel(KernelImage { initrds, .. }) => {
                let initrds = (0..)
                    .zip(initrds)
                    .map(|(number, _)| ImageFile::Initrd(number));
                [ImageFile::Kernel].into_iter().chain(initrds).collect()
            }
            ImageKind::Efi(_) => vec![ImageFile::Program],
            ImageKind::Disk(Location::File(_)) => vec![ImageFile::Disk],
            ImageKind::Iso(Location::File(_)) => vec![ImageFile::Iso],
            ImageKind::Disk(Location::Url(_)) | ImageKind::Iso(Location::Url(_)) => Vec::new(),
            ImageKind::LocalDisk => Vec::new(),
        }
    }

    /// The root as `nfsroot=` and DHCP's option 17 name it, for a machine that reaches the server at `server`; `None`
    /// without one.
    pub(crate) fn nfsroot(&self, server: IpAddr) -> Option<String> {
        let root = self.root()?;
        Some(match &root.location {
            // Both ports, so that no machine asks a portmapper, which may not exist.
            RootLocation::Own { port, path, .. } => {
                let server = Host::Address(server).in_url();
                // What is below an overlay must not change, whatever initrd mounts it.
                let cache = match root.overlay {
                    true => format!(",{}", cache_of_still_root()),
                    false => String::new(),
                };
                format!(
                    "{server}:{path},vers=3,proto=tcp,port={port},mountport={port},nolock{cache}"
                )
            }
            RootLocation::Elsewhere(nfsroot) => nfsroot.clone(),
        })
    }

    /// Whether machines mount its root from this server.
    pub(crate) fn is_mounted_here(&self) -> bool {
        let location = self.root().map(|root| &root.location);
        matches!(location, Some(RootLocation::Own { .. }))
    }

    /// Whether somebody at the console may get a shell before the root's own login.
    pub(crate) fn offers_shell(&self) -> bool {
        offers_shell(self.append.as_deref())
    }
}

/// Whether what is appended to a command line leaves somebody at the console a shell.
pub(crate) fn offers_shell(append: Option<&str>) -> bool {
    BootPlan::parse(append.unwrap_or_default()).rescue.value != Rescue::Never
}

/// The path under which netroot exports the root of an image with this name.
pub(crate) fn export_path(name: &str) -> String {
    format!("/{name}")
}

/// What tells the trees of an image apart whose root was exchanged.
const TREE: &str = "@tree";

/// The path of one tree of an image whose root was exchanged, whichever of them machines boot by now.
pub(crate) fn tree_path(name: &str, number: u32) -> String {
    format!("{}{TREE}{number}", export_path(name))
}

/// Whether that is the path of one tree.
pub(crate) fn is_tree_path(path: &str) -> bool {
    let number = path.rsplit_once(TREE).map(|(_, number)| number);
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Whether a URL, an NFS path and a command line can carry this as an image's name.
pub(crate) fn is_name(name: &str) -> bool {
    // Nothing but dots would be a way up, and what starts with a hyphen an option of iPXE's.
    name.chars().all(in_name) && !name.chars().all(|c| c == '.') && !name.starts_with('-')
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')
}

/// The name of an image that is configured without one: its directory's, as far as a name can carry it.
///
/// # Errors
/// The file system's, if the directory cannot be found.
pub(crate) fn name_of_directory(directory: &Path) -> io::Result<String> {
    let real = directory.canonicalize()?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let kept: String = name.chars().filter(|c| in_name(*c)).collect();
    Ok(if is_name(&kept) {
        kept
    } else {
        "root".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_another_processor_is_told_which_image_it_was() {
        let image = crate::catalog::tests::image("debian");
        for platform in [
            Platform::Bios,
            Platform::EfiX64,
            Platform::RaspberryPi,
            Platform::Unknown(99),
        ] {
            assert_eq!(image.is_for_another_processor(Some(platform)), None);
        }
        assert_eq!(image.is_for_another_processor(None), None);
        let why = image.is_for_another_processor(Some(Platform::EfiArm64));
        let said = why.unwrap();
        assert!(
            said.starts_with("debian is for x86_64, and this machine is UEFI arm64"),
            "{said}"
        );
        assert!(
            image
                .is_for_another_processor(Some(Platform::EfiRiscv64))
                .is_some()
        );
    }

    #[test]
    fn an_image_is_named_after_its_directory_as_far_as_a_command_line_can_carry_it() {
        let folder = tempfile::tempdir().unwrap();
        for (directory, name) in [
            ("bookworm", "bookworm"),
            ("my root, 2", "myroot2"),
            ("...", "root"),
            ("ü", "root"),
        ] {
            let path = folder.path().join(directory);
            std::fs::create_dir(&path).unwrap();
            assert_eq!(name_of_directory(&path).unwrap(), name);
            assert_eq!(name_of_directory(&path.join(".")).unwrap(), name);
        }
        assert_eq!(name_of_directory(Path::new("/")).unwrap(), "root");
        assert!(name_of_directory(&folder.path().join("absent")).is_err());
    }
}
