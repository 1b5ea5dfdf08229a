//! Fedora, Arch, openSUSE and Ubuntu: where each has systemd, its libraries, its kernel and its modules.
//!
//! systemd is Debian 13's (257), process 1 of a target that tells how it finds the machine: services of those
//! distributions would only be the same programs once more.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::ShapedRoot;

use super::{Booted, FACTS, ONE_DIRECTORY, TELL, small_root};

/// What differs between them.
struct Layout {
    id: &'static str,
    name: &'static str,
    /// Links between the directories of programs and libraries, each with its target.
    links: &'static [(&'static str, &'static str)],
    libraries: &'static str,
    /// Where the kernel is, with `@` for its version.
    kernel: &'static str,
    /// The end of a module's name.
    compressed: &'static str,
    /// Files that decide how the root is booted, with `@` for the kernel's version.
    files: &'static [(&'static str, &'static str)],
    /// Whether its init would load a policy of SELinux.
    has_policy: bool,
}

const MERGED_USR: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
];

/// The policy itself lies in a directory that the configuration names.
const SELINUX: (&str, &str) = (
    "etc/selinux/config",
    "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
);

static FEDORA: Layout = Layout {
    id: "fedora",
    name: "Fedora Linux",
    // Since Fedora 42, there is one directory of programs.
    links: &[
        ("bin", "usr/bin"),
        ("sbin", "usr/bin"),
        ("usr/sbin", "bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
    ],
    libraries: "usr/lib64",
    kernel: "usr/lib/modules/@/vmlinuz",
    compressed: "ko.xz",
    files: &[
        SELINUX,
        ("etc/selinux/targeted/policy/policy.33", "a policy"),
        (
            "etc/fstab",
            "UUID=6a0c3f5e-8a63-4b0f-9e0a-2f0d8a4f1f11 / btrfs subvol=root,compress=zstd:1 0 0\n",
        ),
    ],
    has_policy: true,
};

static ARCH: Layout = Layout {
    id: "arch",
    name: "Arch Linux",
    links: &ONE_DIRECTORY,
    libraries: "usr/lib",
    kernel: "usr/lib/modules/@/vmlinuz",
    compressed: "ko.zst",
    files: &[
        ("usr/lib/modules/@/pkgbase", "linux\n"),
        ("var/lib/pacman/local/ALPM_DB_VERSION", "9\n"),
    ],
    has_policy: false,
};

static OPENSUSE: Layout = Layout {
    id: "opensuse-tumbleweed",
    name: "openSUSE Tumbleweed",
    links: &MERGED_USR,
    libraries: "usr/lib64",
    kernel: "usr/lib/modules/@/vmlinuz",
    compressed: "ko.zst",
    files: &[
        SELINUX,
        ("etc/selinux/targeted/policy/policy.33", "a policy"),
    ],
    has_policy: true,
};

static UBUNTU: Layout = Layout {
    id: "ubuntu",
    name: "Ubuntu",
    links: &MERGED_USR,
    libraries: "usr/lib/x86_64-linux-gnu",
    kernel: "boot/vmlinuz-@",
    compressed: "ko.zst",
    files: &[(
        "etc/fstab",
        "/dev/disk/by-id/dm-uuid-LVM-x / ext4 defaults 0 1\n",
    )],
    has_policy: false,
};

/// The modules that the boot needs, beside what they depend on; all others would only take time to compress.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_net", "nfsv3", "nfsv4", "overlay"];

/// What systemd starts, and all that it starts.
const TARGET: &str = "[Unit]\nDefaultDependencies=no\nWants=tell.service\n";
const SERVICE: &str =
    "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sh /etc/tell\n";
const OWN: &str = "echo \"cmdline $(cat /proc/cmdline)\" | tell\necho \"os $(. /etc/os-release; echo $ID)\" | tell\n";

impl Layout {
    fn root(&self) -> Result<ShapedRoot> {
        let root = small_root(self.id, self.name)?;
        root.directories(&["usr/bin", "usr/lib", "var", "root"])?;
        root.directories(&[self.libraries])?;
        for directory in ["usr/sbin", "usr/lib64"] {
            if !self.links.iter().any(|(link, _)| *link == directory) {
                root.directories(&[directory])?;
            }
        }
        for (link, target) in self.links {
            root.link(link, target)?;
        }
        root.programs(
            &[
                "usr/lib/systemd/systemd",
                "usr/lib/systemd/systemd-executor",
            ],
            "usr/lib/systemd",
            self.libraries,
        )?;
        root.link("sbin/init", "../lib/systemd/systemd")?;
        root.busybox("usr/bin/busybox")?;
        root.write("usr/lib/systemd/system/default.target", TARGET)?;
        root.write("usr/lib/systemd/system/tell.service", SERVICE)?;
        root.write("etc/machine-id", "uninitialized\n")?;
        root.write("etc/tell", &format!("{TELL}{OWN}{FACTS}"))?;
        let (version, _) = netroot_harness::paths::debian_kernel()?;
        let of_version = |path: &str| path.replace('@', &version);
        root.kernel(&of_version(self.kernel), "usr/lib/modules")?;
        let modules = root.path().join("usr/lib/modules").join(&version);
        compress(&modules, self.compressed)?;
        for (file, text) in self.files {
            root.write(&of_version(file), text)?;
        }
        root.find_libraries(self.libraries)?;
        Ok(root)
    }

    fn boots(&self) -> Result<()> {
        let root = self.root()?;
        let booted = Booted::boot(self.id, &root)?;
        let text = booted.vm.console().text();
        ensure!(
            text.contains("systemd 257") && text.contains("running in system mode"),
            "systemd's first words are missing"
        );
        ensure!(booted.told("init") == "systemd");
        ensure!(booted.told("os") == self.id);
        let mounts = booted.told("mount");
        ensure!(mounts.contains("/ overlay rw"), "{mounts}");
        let command_line = booted.told("cmdline");
        let is_off = command_line.split(' ').any(|word| word == "selinux=0");
        ensure!(is_off == self.has_policy, "{command_line}");
        booted.assert_has_its_address_alone()
    }
}

/// Compresses the modules in `tree` that a boot needs, and removes the others, as if the distribution had built so few.
fn compress(tree: &Path, end: &str) -> Result<()> {
    let list = tree.join("modules.dep");
    let text = std::fs::read_to_string(&list)?;
    let needed: HashSet<&str> = text
        .lines()
        .filter(|line| {
            MODULES
                .iter()
                .any(|module| line.contains(&format!("/{module}.ko:")))
        })
        .flat_map(|line| line.split([':', ' ']))
        .collect();
    let mut lines = Vec::new();
    for line in text.lines() {
        let (name, _) = line.split_once(':').context("a module's name")?;
        let module = tree.join(name);
        if needed.contains(name) {
            compress_module(&module, end)?;
            lines.push(line.replace(".ko", &format!(".{end}")));
        } else {
            std::fs::remove_file(&module).with_context(|| module.display().to_string())?;
        }
    }
    ensure!(lines.len() > MODULES.len(), "too few modules: {lines:?}");
    // It is a link to Debian's, and the others are made of it.
    for file in ["modules.dep", "modules.dep.bin"] {
        std::fs::remove_file(tree.join(file))?;
    }
    Ok(std::fs::write(&list, lines.join("\n") + "\n")?)
}

/// As the kernel's build does (`scripts/Makefile.modinst`).
fn compress_module(module: &Path, end: &str) -> Result<()> {
    if end == "ko.xz" {
        // It is a hard link, hence the force.
        let xz = ["--check=crc32", "--lzma2=dict=1MiB", "--force"];
        let done = Command::new("xz").args(xz).arg(module).status();
        let done = done.context("start xz")?;
        ensure!(done.success(), "xz: {done}");
        return Ok(());
    }
    let compressed = zstd::encode_all(std::fs::read(module)?.as_slice(), 1)?;
    std::fs::remove_file(module)?;
    let name: PathBuf = module.with_extension(end);
    Ok(std::fs::write(name, compressed)?)
}

#[test]
fn fedora() -> Result<()> {
    FEDORA.boots()
}

#[test]
fn arch() -> Result<()> {
    ARCH.boots()
}

#[test]
fn opensuse() -> Result<()> {
    OPENSUSE.boots()
}

#[test]
fn ubuntu() -> Result<()> {
    UBUNTU.boots()
}
