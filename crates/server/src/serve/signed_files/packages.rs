//! Which packages of a distribution hold what it has signed.

use netroot_initramfs::{Distribution, RootTree};
use netroot_secure_boot::Architecture;

/// What installs shim, GRUB and the kernel.
struct Packages {
    command: &'static str,
    x64: &'static str,
    arm64: &'static str,
}

const DEBIAN: Packages = Packages {
    command: "apt install",
    x64: "shim-signed grub-efi-amd64-signed linux-image-amd64",
    arm64: "shim-signed grub-efi-arm64-signed linux-image-arm64",
};
const UBUNTU: Packages = Packages {
    command: "apt install",
    x64: "shim-signed grub-efi-amd64-signed linux-image-generic",
    arm64: "shim-signed grub-efi-arm64-signed linux-image-generic",
};
const FEDORA: Packages = Packages {
    command: "dnf install",
    x64: "shim-x64 grub2-efi-x64 kernel",
    arm64: "shim-aa64 grub2-efi-aa64 kernel",
};

/// By `ID`. Arch, Alpine, Gentoo, Void, NixOS and Guix System have nothing that Microsoft signed; the files of openSUSE are not
/// known here ([`super`] says why).
const BY_ID: [(&str, Packages); 5] = [
    ("ubuntu", UBUNTU),
    ("debian", DEBIAN),
    ("fedora", FEDORA),
    ("rhel", FEDORA),
    ("centos", FEDORA),
];

/// What is to be done in a root so that it has signed files, or newer ones: a clause that begins with a verb.
pub(super) fn advice(root: &RootTree, architecture: Architecture) -> String {
    let distribution = Distribution::of(root);
    let known = distribution.as_ref().map(|it| (it, it.find(&BY_ID)));
    let of = |packages: &Packages| {
        let Packages {
            command,
            x64,
            arm64,
        } = packages;
        let packages = match architecture {
            Architecture::X64 => x64,
            Architecture::Arm64 => arm64,
        };
        format!("`chroot {} {command} {packages}`", root.path().display())
    };
    match known {
        Some((_, Some(packages))) => format!("run {}", of(packages)),
        Some((distribution, None)) => format!(
            "boot a root of Debian, Ubuntu or Fedora there: netroot knows no files of {} that Microsoft's keys start",
            distribution.name.as_deref().unwrap_or("this distribution")
        ),
        None => format!("run {} (Debian)", of(&DEBIAN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_its_command() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let root = RootTree::open(folder.path()).unwrap();
        let place = folder.path().display();
        for (release, architecture, expected) in [
            (
                "ID=debian\n",
                Architecture::X64,
                "apt install shim-signed grub-efi-amd64-signed linux-image-amd64",
            ),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                Architecture::Arm64,
                "apt install shim-signed grub-efi-arm64-signed linux-image-generic",
            ),
            (
                "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\n",
                Architecture::X64,
                "dnf install shim-x64 grub2-efi-x64 kernel",
            ),
        ] {
            std::fs::write(folder.path().join("etc/os-release"), release).unwrap();
            let expected = format!("run `chroot {place} {expected}`");
            assert_eq!(advice(&root, architecture), expected);
        }
        let release = "NAME=\"Arch Linux\"\nID=arch\n";
        std::fs::write(folder.path().join("etc/os-release"), release).unwrap();
        let told = advice(&root, Architecture::X64);
        assert!(told.contains("no files of Arch Linux"), "{told}");
    }
}
