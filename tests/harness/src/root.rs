//! A root file system small enough to boot in a second, and those in the shape of other distributions.

mod guix;
mod shaped;
mod tree;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths;
use crate::processor::Processor;
use tree::{folder, link_tree, link_tree_if};

pub use guix::GuixRoot;
pub use shaped::ShapedRoot;

/// A root whose `/sbin/init` prints what it finds and powers the machine off: see
/// `tests/facts`. It contains the Debian kernel and its modules as hard links, so that
/// `netroot serve` can make an initrd from it.
#[derive(Debug)]
pub struct TinyRoot {
    folder: tempfile::TempDir,
}

impl TinyRoot {
    /// A new root in its own directory, which is removed with this value.
    ///
    /// # Errors
    /// When the Debian root or `netroot-facts` are missing, or the disk is full.
    pub fn make() -> Result<Self> {
        Self::make_for(Processor::X86_64)
    }

    /// The same for machines with this processor.
    ///
    /// # Errors
    /// As [`TinyRoot::make`].
    pub fn make_for(processor: Processor) -> Result<Self> {
        let root = Self::without_init_for(processor, |_| true)?;
        root.add_init(processor)?;
        Ok(root)
    }

    /// The same with few modules: those of the NFS client and of a virtio card, and of folders that go with them. For
    /// machines that read their whole root again and again: it is some 25 MB instead of 400.
    ///
    /// # Errors
    /// As [`TinyRoot::make`].
    pub fn with_few_modules() -> Result<Self> {
        let processor = Processor::default();
        let root = Self::without_init_for(processor, is_one_of_few_modules)?;
        root.add_init(processor)?;
        Ok(root)
    }

    fn add_init(&self, processor: Processor) -> Result<()> {
        let init = self.path().join("sbin/init");
        std::fs::copy(paths::facts_for(processor)?, &init)
            .with_context(|| format!("copy netroot-facts to {}", init.display()))?;
        Ok(std::fs::set_permissions(
            &init,
            PermissionsExt::from_mode(0o755),
        )?)
    }

    /// The same with the files of [`TinyRoot::SIGNED`].
    ///
    /// # Errors
    /// When these are missing too.
    pub fn signed() -> Result<Self> {
        let root = Self::make()?;
        root.add_from_layer(&Self::SIGNED)?;
        Ok(root)
    }

    /// A root for aarch64 with shim and GRUB of Debian 13, where their packages have them.
    ///
    /// # Errors
    /// As [`TinyRoot::make`], or when these are missing too.
    pub fn signed_for_aarch64() -> Result<Self> {
        let root = Self::make_for(Processor::Aarch64)?;
        root.add_from_loaders("shimaa64.efi.signed", "usr/lib/shim")?;
        root.add_from_loaders("grubnetaa64.efi.signed", "usr/lib/grub/arm64-efi-signed")?;
        Ok(root)
    }

    /// The same with systemd's stub of Debian 13.
    ///
    /// # Errors
    /// As [`TinyRoot::make`], or when it is missing too.
    pub fn with_stub_for_aarch64() -> Result<Self> {
        let root = Self::make_for(Processor::Aarch64)?;
        root.add_from_loaders("linuxaa64.efi.stub", "usr/lib/systemd/boot/efi")?;
        Ok(root)
    }

    /// The same with systemd's stub, as `systemd-boot-efi` has it.
    ///
    /// # Errors
    /// When that is missing too.
    pub fn with_stub() -> Result<Self> {
        let root = Self::make()?;
        root.add_from_layer(&[Self::STUB])?;
        Ok(root)
    }

    fn add_from_layer(&self, files: &[&str]) -> Result<()> {
        for file in files {
            self.add(&paths::tests_layer().join(file), file)?;
        }
        Ok(())
    }

    /// Of the loaders for aarch64.
    fn add_from_loaders(&self, name: &str, folder: &str) -> Result<()> {
        let from = paths::signed_loaders().join("arm64").join(name);
        self.add(&from, &format!("{folder}/{name}"))
    }

    fn add(&self, from: &Path, place: &str) -> Result<()> {
        let to = self.path().join(place);
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(from, &to).with_context(|| format!("copy {}", from.display()))?;
        Ok(())
    }

    /// systemd's stub, with which a unified kernel image starts.
    pub const STUB: &'static str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";

    /// What Debian's packages `shim-signed` and `grub-efi-amd64-signed` put into a root: shim, and GRUB's image for the
    /// network.
    pub const SIGNED: [&'static str; 2] = [
        "usr/lib/shim/shimx64.efi.signed",
        "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
    ];

    /// The same without an init, as in a wrong directory.
    ///
    /// # Errors
    /// As [`TinyRoot::make`].
    pub fn without_init() -> Result<Self> {
        Self::without_init_for(Processor::X86_64, |_| true)
    }

    /// With those files of its kernel's module tree that `has` says, by their paths there.
    fn without_init_for(processor: Processor, has: fn(&Path) -> bool) -> Result<Self> {
        let folder = folder()?;
        let path = folder.path();
        for name in [
            "boot", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "usr/lib", "var",
        ] {
            std::fs::create_dir_all(path.join(name))?;
        }
        symlink("usr/lib", path.join("lib"))?;
        std::fs::write(path.join("etc/hostname"), "tiny\n")?;
        std::fs::write(path.join("etc/witness"), "the root's own words\n")?;
        let home = path.join("home/user");
        std::fs::create_dir_all(&home)?;
        std::fs::write(home.join("note"), "the user's own\n")?;
        for owned in [home.join("note"), home] {
            std::os::unix::fs::chown(&owned, Some(USER), Some(USER))
                .with_context(|| format!("give {} away", owned.display()))?;
        }
        let (version, kernel) = paths::debian_kernel_for(processor)?;
        let copy = path.join("boot").join(format!("vmlinuz-{version}"));
        std::fs::hard_link(&kernel, &copy)
            .with_context(|| format!("link {} to {}", kernel.display(), copy.display()))?;
        let modules = Path::new("lib/modules").join(&version);
        let tree = paths::debian_root_for(processor).join(&modules);
        link_tree_if(&tree, &path.join("usr").join(&modules), &|file| {
            has(file.strip_prefix(&tree).unwrap_or(file))
        })?;
        Ok(Self { folder })
    }

    /// Upgrades it: Debian's kernel under a newer version beside the old one, with its modules. Returns the version.
    ///
    /// # Errors
    /// When the Debian root is missing, or the disk is full.
    pub fn upgrade(&self) -> Result<String> {
        let version = self.add_newer_modules()?;
        self.add_newer_kernel(&version)?;
        Ok(version)
    }

    /// The first half of [`TinyRoot::upgrade`]: modules without a kernel.
    ///
    /// # Errors
    /// As [`TinyRoot::upgrade`].
    pub fn add_newer_modules(&self) -> Result<String> {
        let (version, _) = paths::debian_kernel()?;
        // Of the same length, since it is written over the old one.
        let next = version.replacen("6.1.0-", "6.9.9-", 1);
        anyhow::ensure!(next != version, "{version}");
        let tree = self.path().join("usr/lib/modules");
        link_tree(&tree.join(version), &tree.join(&next))?;
        Ok(next)
    }

    /// The second half: the kernel that says that it is this version, which is as long as Debian's.
    ///
    /// # Errors
    /// As [`TinyRoot::upgrade`].
    pub fn add_newer_kernel(&self, version: &str) -> Result<()> {
        let (old, kernel) = paths::debian_kernel()?;
        let mut kernel = std::fs::read(&kernel)?;
        let at = kernel
            .windows(old.len())
            .position(|part| part == old.as_bytes());
        let at = at.context("the kernel's version in its file")?;
        let place = kernel.get_mut(at..at + version.len());
        place
            .context("the kernel's version")?
            .copy_from_slice(version.as_bytes());
        // As dpkg does it, so that nobody sees half a kernel.
        let [new, path] =
            [".dpkg-new", ""].map(|end| self.path().join(format!("boot/vmlinuz-{version}{end}")));
        std::fs::write(&new, kernel)?;
        Ok(std::fs::rename(new, path)?)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The owner of some files in a tiny root, besides root.
const USER: u32 = 1000;

/// The folders of [`TinyRoot::with_few_modules`], in whichever of them a version of the kernel has what an initrd needs.
const FEW_MODULES: [&str; 13] = [
    "kernel/crypto",
    "kernel/drivers/virtio",
    "kernel/fs/efivarfs",
    "kernel/fs/fscache",
    "kernel/fs/lockd",
    "kernel/fs/netfs",
    "kernel/fs/nfs",
    "kernel/fs/nfs_common",
    "kernel/fs/overlayfs",
    "kernel/lib/dim",
    "kernel/net/core",
    "kernel/net/dns_resolver",
    "kernel/net/sunrpc",
];
/// Of this one the files, and none of the folders in it.
const CARDS: &str = "kernel/drivers/net";

/// Whether a file of a module tree is one of [`TinyRoot::with_few_modules`].
fn is_one_of_few_modules(file: &Path) -> bool {
    let is_index = !file.starts_with("kernel");
    is_index
        || file.parent() == Some(Path::new(CARDS))
        || FEW_MODULES.iter().any(|folder| file.starts_with(folder))
}
