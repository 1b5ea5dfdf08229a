//! How a kernel is installed in the distribution that a root has.

use crate::distribution::Distribution;
use crate::root_tree::RootTree;

/// `ID` and what installs a kernel, in the words of an error. Derived distributions name theirs in `ID_LIKE`.
const BY_ID: [(&str, &str); 26] = [
    (
        "raspbian",
        "chroot into it and run `apt install linux-image-rpi-v8`",
    ),
    (
        "slackware",
        "chroot into it and run `slackpkg install kernel-generic kernel-modules`",
    ),
    (
        "mageia",
        "chroot into it and run `dnf install kernel-desktop-latest`",
    ),
    (
        "openmandriva",
        "chroot into it and run `dnf install kernel-desktop`",
    ),
    ("chimera", "chroot into it and run `apk add linux-stable`"),
    (
        "solus",
        "chroot into it and run `eopkg install linux-current`",
    ),
    (
        "clear-linux-os",
        "run `swupd bundle-add --path` with that directory and kernel-native",
    ),
    (
        "altlinux",
        "chroot into it and run `apt-get install kernel-image-un-def`",
    ),
    ("openeuler", "chroot into it and run `dnf install kernel`"),
    ("amzn", "chroot into it and run `dnf install kernel`"),
    ("azurelinux", "chroot into it and run `tdnf install kernel`"),
    ("photon", "chroot into it and run `tdnf install linux`"),
    (
        "archarm",
        "chroot into it and run `pacman -S linux-aarch64`",
    ),
    (
        "ubuntu",
        "chroot into it and run `apt install linux-image-generic`",
    ),
    (
        "debian",
        "chroot into it and run `apt install linux-image-amd64`",
    ),
    ("fedora", "chroot into it and run `dnf install kernel`"),
    ("rhel", "chroot into it and run `dnf install kernel`"),
    ("centos", "chroot into it and run `dnf install kernel`"),
    ("arch", "chroot into it and run `pacman -S linux`"),
    (
        "suse",
        "chroot into it and run `zypper install kernel-default`",
    ),
    (
        "opensuse",
        "chroot into it and run `zypper install kernel-default`",
    ),
    ("alpine", "chroot into it and run `apk add linux-lts`"),
    (
        "gentoo",
        "chroot into it and run `emerge sys-kernel/gentoo-kernel-bin`",
    ),
    ("void", "chroot into it and run `xbps-install linux`"),
    ("nixos", "run `nixos-install --root` with that directory"),
    (
        "guix",
        "run `guix system init` with its configuration and that directory",
    ),
];
/// For what is in no line of [`BY_ID`].
const ITS_OWN: &str = "chroot into it and use its package manager";
/// Where nothing tells.
const UNKNOWN: &str = "Debian: chroot into it and run `apt install linux-image-amd64`";
/// What Debian and Ubuntu for arm64 have.
const ARM64: &str = "/usr/lib/aarch64-linux-gnu";

/// What to do about a missing kernel, such as `Fedora Linux: chroot into it and run …`.
pub(super) fn how_to_install(root: &RootTree) -> String {
    let advice = match Distribution::of(root) {
        Some(distribution) => of(&distribution),
        None => UNKNOWN.to_owned(),
    };
    match root.has_directory(ARM64) {
        true => advice.replace("linux-image-amd64", "linux-image-arm64"),
        false => advice,
    }
}

fn of(distribution: &Distribution) -> String {
    let advice = distribution.find(&BY_ID).copied().unwrap_or(ITS_OWN);
    match &distribution.name {
        Some(name) => format!("{name}: {advice}"),
        None => advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_is_told_its_own_command() {
        for (text, expected) in [
            (
                "NAME=\"Fedora Linux\"\nID=fedora\n",
                "Fedora Linux: chroot into it and run `dnf install kernel`",
            ),
            (
                "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"",
                "chroot into it and run `dnf install kernel`",
            ),
            (
                "ID=opensuse-tumbleweed",
                "chroot into it and run `zypper install kernel-default`",
            ),
            (
                "NAME='Linux Mint'\nID=linuxmint\nID_LIKE=\"ubuntu debian\"",
                "Linux Mint: chroot into it and run `apt install linux-image-generic`",
            ),
            (
                "NAME=\"\u{1b}[2J\"\nID=guix",
                "run `guix system init` with its configuration and that directory",
            ),
        ] {
            assert_eq!(of(&Distribution::from_os_release(text)), expected);
        }
        assert_eq!(
            of(&Distribution::from_os_release("ID=plan9\nNAME=\"Plan 9\"")),
            "Plan 9: chroot into it and use its package manager"
        );
    }
}
