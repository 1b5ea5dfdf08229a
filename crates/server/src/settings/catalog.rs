//! Which machine boots what: the part of the settings that may change while the server runs.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netroot_net::{Mac, MacPrefix, Prefix, Uuid};
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::strategy::SecureBootMode;

/// The images, and who boots which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogSettings {
    /// The images, at least one.
    pub images: Vec<ImageSettings>,
    /// The machines that are known by name.
    pub machines: Vec<MachineSettings>,
    /// For the other machines, and those without a choice of their own; the first that matches decides.
    pub rules: Vec<Rule>,
    /// For machines that no rule is for; `None` for the first image.
    pub default: Option<Choice>,
    /// The menu.
    pub menu: MenuSettings,
    /// Whether firmware is given the signed chain, where no machine's entry and no rule says it.
    pub secure_boot: SecureBootMode,
}

impl CatalogSettings {
    /// One image, which every machine boots.
    #[must_use]
    pub fn of_one(image: ImageSettings) -> Self {
        Self {
            images: vec![image],
            ..Self::default()
        }
    }

    /// The images that have a root directory, with their places among all.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (usize, &RootSettings)> {
        let numbered = self.images.iter().enumerate();
        numbered.filter_map(|(number, image)| Some((number, image.source.root()?)))
    }
}

/// Where something was configured, for messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    #[default]
    CommandLine,
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("the command line"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// One image, before its files are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// Its name in URLs and as an export; `None` for the root directory's.
    pub name: Option<String>,
    /// What the menu shows; `None` for its name.
    pub title: Option<String>,
    /// What is booted.
    pub source: ImageSource,
    /// Added at the end of the kernel's command line; `${mac}` and the like stand for what the machine has.
    pub append: Option<String>,
    /// Where it was configured.
    pub origin: Origin,
}

/// What an image boots.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each image, most are roots, and none is moved often"
)]
pub enum ImageSource {
    /// A root file system, with the kernel that is in it.
    Root(RootSettings),
    /// Any kernel.
    Kernel {
        /// Its file.
        kernel: PathBuf,
        /// Its initrds, in the order in which they are unpacked.
        initrds: Vec<PathBuf>,
    },
    /// An EFI program.
    Efi(PathBuf),
    /// The image of a disk.
    Disk(Location),
    /// The image of an optical disc.
    Iso(Location),
    /// The machine's own disk.
    LocalDisk,
}

/// What kind an image is. Its words are those of the configuration, the commands, the log and the API alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A root file system with its kernel.
    Root,
    /// A kernel with its initrds.
    Kernel,
    /// An EFI program.
    Efi,
    /// The image of a disk.
    Disk,
    /// The image of an optical disc.
    Iso,
    /// The machine's own disk.
    LocalDisk,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 6] = [
        Self::Root,
        Self::Kernel,
        Self::Efi,
        Self::Disk,
        Self::Iso,
        Self::LocalDisk,
    ];

    /// As a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Kernel => "kernel",
            Self::Efi => "efi",
            Self::Disk => "disk",
            Self::Iso => "iso",
            Self::LocalDisk => "local-disk",
        }
    }

    /// The key of an image in the configuration that makes it one of these. It is the word, but that `kernel` is which
    /// kernel of a root.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Kernel => "kernel-file",
            other => other.word(),
        }
    }
}

impl ImageSource {
    /// Its kind.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Root(_) => Kind::Root,
            Self::Kernel { .. } => Kind::Kernel,
            Self::Efi(_) => Kind::Efi,
            Self::Disk(_) => Kind::Disk,
            Self::Iso(_) => Kind::Iso,
            Self::LocalDisk => Kind::LocalDisk,
        }
    }

    /// The files of this machine that it is made of, if it is no root: of a kernel, that first.
    pub(crate) fn files(&self) -> Vec<&Path> {
        match self {
            Self::Kernel { kernel, initrds } => {
                let initrds = initrds.iter().map(PathBuf::as_path);
                [kernel.as_path()].into_iter().chain(initrds).collect()
            }
            Self::Efi(file)
            | Self::Disk(Location::File(file))
            | Self::Iso(Location::File(file)) => {
                vec![file]
            }
            Self::Disk(Location::Url(_)) | Self::Iso(Location::Url(_)) => Vec::new(),
            Self::Root(_) | Self::LocalDisk => Vec::new(),
        }
    }

    /// The root, if it is one.
    pub fn root(&self) -> Option<&RootSettings> {
        match self {
            Self::Root(root) => Some(root),
            _ => None,
        }
    }
}

/// Where an image's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of this machine, served over HTTP.
    File(PathBuf),
    /// Elsewhere: what iPXE can open, such as `http://`, `iscsi:` or `aoe:`.
    Url(String),
}

/// A root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSettings {
    /// The directory with its kernel and modules, and with its root unless that is elsewhere.
    pub directory: PathBuf,
    /// The export elsewhere that machines mount instead of the directory: `ADDR:/PATH[,OPTIONS]`.
    pub nfsroot: Option<String>,
    /// The kernel's version, or its path in the root; `None` for the newest.
    pub kernel: Option<String>,
    /// Where its initrd comes from.
    pub initrd: InitrdSource,
    /// Whether the root is made writable by a tmpfs over it.
    pub overlay: bool,
    /// What is not shown of the directory, over NFS, TFTP or HTTP. Images of one directory share what they hide.
    pub hidden: HiddenPaths,
    /// Whether file systems that are mounted below the directory are served.
    pub submounts: bool,
    /// Whether UEFI firmware is given a unified kernel image before any boot loader.
    pub uki: bool,
    /// Which generations of a store system (Guix, NixOS) it stands for.
    pub generations: Generations,
    /// The folder of shim and what it starts, for machines with Secure Boot; `None` if those of the root are served.
    pub secure_boot_files: Option<PathBuf>,
    /// What it was before, if somebody exchanged the directory (`netroot image swap`); `None` if it is the configured one.
    pub swapped: Option<SwappedRoot>,
}

/// The other directories of a root that was exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwappedRoot {
    /// The one that is configured.
    pub configured: PathBuf,
    /// The number of the one that machines boot, in the paths that they mount.
    pub tree: u32,
    /// Those after it, the latest first, with their numbers: they cannot be served.
    pub newer: Vec<(u32, PathBuf)>,
    /// Those before it, the latest first, with their numbers. Machines that run from them keep them.
    pub before: Vec<(u32, PathBuf)>,
}

impl SwappedRoot {
    /// All that machines do not boot, but may run from, the latest first.
    pub(crate) fn others(&self) -> impl Iterator<Item = &(u32, PathBuf)> {
        self.newer.iter().chain(&self.before)
    }
}

/// The generations of a store system that an image stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generations {
    /// The current one alone, whichever that is.
    Current,
    /// The current one; each of the newest is an image of its own beside it, at most this many.
    Newest(u16),
    /// This one: the image is one of those.
    One(u32),
}

/// Where an image's initrd comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitrdSource {
    /// A file.
    File(PathBuf),
    /// It is built for the image's kernel.
    Build {
        /// The modules in it, as `netroot initrd --modules` takes them.
        modules: String,
        /// The program that is its `/init`; `None` for the one that netroot carries.
        init: Option<PathBuf>,
    },
}

/// What a machine is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The image of this name.
    Image(String),
    /// The menu, in which somebody at its console chooses.
    Menu,
    /// Nothing yet: it asks again until it is adopted.
    Wait,
    /// Nothing: it goes on to its next boot device.
    Refuse,
}

impl Choice {
    /// The words that mean something else where an image's name is expected. No image has one of these names.
    pub const WORDS: [&str; 3] = ["menu", "wait", "refuse"];

    /// As it is written.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "menu" => Self::Menu,
            "wait" => Self::Wait,
            "refuse" => Self::Refuse,
            image => Self::Image(image.to_owned()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image(name) => name,
            Self::Menu => "menu",
            Self::Wait => "wait",
            Self::Refuse => "refuse",
        })
    }
}

/// A machine that is known by name. It is this one if one of its identities is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSettings {
    /// Its host name.
    pub name: String,
    /// Its NICs' hardware addresses.
    pub macs: Vec<Mac>,
    /// Its UUID.
    pub uuid: Option<Uuid>,
    /// The serial number of its SMBIOS.
    pub serial: Option<String>,
    /// DHCP's option 61, type and value.
    pub client_id: Option<Vec<u8>>,
    /// The address that is kept for it.
    pub address: Option<Ipv4Addr>,
    /// What it boots; `None` for what the rules say.
    pub choice: Option<Choice>,
    /// Added to the kernel's command line behind the image's.
    pub append: Option<String>,
    /// Whether its firmware is given the signed chain; `None` for what the rules say.
    pub secure_boot: Option<SecureBootMode>,
    /// Where it was configured.
    pub origin: Origin,
}

/// A rule: machines for which every condition holds are given this. Without any condition it is for all. Of several
/// values in one condition one has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The beginnings of hardware addresses.
    pub macs: Vec<MacPrefix>,
    /// The names of the interfaces on which it may reach the server.
    pub interfaces: Vec<String>,
    /// The networks that its address may be in.
    pub subnets: Vec<Prefix>,
    /// Its firmware, by option 93.
    pub platforms: Vec<Platform>,
    /// The beginnings of DHCP's option 60.
    pub vendor_classes: Vec<String>,
    /// The circuit IDs of relays and switches (option 82.1).
    pub circuits: Vec<Vec<u8>>,
    /// What it is given; `None` to leave that to the next rules.
    pub choice: Option<Choice>,
    /// Added to the kernel's command line behind the image's and before the machine's.
    pub append: Option<String>,
    /// Whether its firmware is given the signed chain; `None` to leave that to the next rules.
    pub secure_boot: Option<SecureBootMode>,
    /// Where it was configured.
    pub origin: Origin,
}

/// The menu in which somebody at a machine's console chooses what it boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuSettings {
    /// Its first line.
    pub title: Option<String>,
    /// How long it waits for a key before it boots the default; `None` for ever.
    pub timeout: Option<Duration>,
    /// The images in it, in this order; empty for all.
    pub images: Vec<String>,
    /// The image that is chosen where nobody chooses; `None` for the first.
    pub default: Option<String>,
}

impl Default for MenuSettings {
    fn default() -> Self {
        Self {
            title: None,
            timeout: Some(Duration::from_secs(10)),
            images: Vec::new(),
            default: None,
        }
    }
}

#[cfg(test)]
impl RootSettings {
    /// The root in a directory, with an initrd that the administrator has made.
    pub(crate) fn with_initrd(directory: PathBuf) -> Self {
        Self {
            directory,
            nfsroot: None,
            kernel: None,
            initrd: InitrdSource::File("/initrd.img".into()),
            overlay: true,
            hidden: HiddenPaths::default(),
            submounts: true,
            uki: false,
            generations: Generations::Current,
            secure_boot_files: None,
            swapped: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_name_every_kind_of_image() {
        let words = Kind::ALL
            .map(|kind| format!("`{}`", kind.word()))
            .join(", ");
        let keys = Kind::ALL.map(Kind::key).join(", ");
        let api = include_str!("../../API.md").replace(" or ", ", ");
        assert!(api.contains(&words), "{words}");
        let events = include_str!("../../EVENTS.md");
        assert!(events.contains(&words), "{words}");
        let example = include_str!("../../examples/netroot.toml");
        assert!(example.contains(&format!("one of: {keys}.")), "{keys}");
    }

    #[test]
    fn what_is_no_image_is_written_as_it_is_read() {
        for word in Choice::WORDS {
            let choice = Choice::of_word(word);
            assert!(!matches!(choice, Choice::Image(_)), "{word}");
            assert_eq!(choice.to_string(), word);
        }
        assert_eq!(
            Choice::of_word("debian"),
            Choice::Image("debian".to_owned())
        );
    }
}
