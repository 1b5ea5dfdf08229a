//! How a kernel is installed in the distribution that a root has.

use crate::root_tree::RootTree;

/// os-release(5): the second is where the first is a link to.
const FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// The size limit, in bytes; real ones have less than 1 KiB.
const MAX_SIZE: u64 = 64 << 10;

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
/// Without os-release: what the root of a distribution has, and its `ID`.
const BY_FILE: [(&str, &str); 8] = [
    ("/nix/store", "nixos"),
    ("/gnu/store", "guix"),
    ("/lib/apk", "alpine"),
    ("/var/lib/pacman", "arch"),
    ("/var/db/xbps", "void"),
    ("/var/db/pkg", "gentoo"),
    ("/var/log/packages", "slackware"),
    ("/etc/yum.repos.d", "fedora"),
];
/// Where nothing tells.
const UNKNOWN: &str = "Debian: chroot into it and run `apt install linux-image-amd64`";
/// What Debian and Ubuntu for arm64 have.
const ARM64: &str = "/usr/lib/aarch64-linux-gnu";

/// What to do about a missing kernel, such as `Fedora Linux: chroot into it and run …`.
pub(super) fn how_to_install(root: &RootTree) -> String {
    let text = FILES.iter().find_map(|file| root.read(file, MAX_SIZE).ok());
    let by_file = || {
        let mut files = BY_FILE.iter();
        files.find(|(folder, _)| root.has_directory(folder))
    };
    let advice = match text {
        Some(text) => from_os_release(&String::from_utf8_lossy(&text)),
        None => match by_file().and_then(|(_, id)| of_distribution(id)) {
            Some(advice) => advice.to_owned(),
            None => UNKNOWN.to_owned(),
        },
    };
    match root.has_directory(ARM64) {
        true => advice.replace("linux-image-amd64", "linux-image-arm64"),
        false => advice,
    }
}

fn from_os_release(text: &str) -> String {
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        let value = text.lines().rev().find_map(value)?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned())
    };
    let (id, like) = (field("ID"), field("ID_LIKE").unwrap_or_default());
    let advice = id
        .iter()
        .map(String::as_str)
        .chain(like.split_whitespace())
        .find_map(of_distribution)
        .unwrap_or(ITS_OWN);
    // A name is text of the root, and ends up on a terminal.
    let plain = |name: &String| {
        (1..=64).contains(&name.len()) && !name.contains(|c: char| !matches!(c, ' '..='~'))
    };
    match field("NAME").filter(plain) {
        Some(name) => format!("{name}: {advice}"),
        None => advice.to_owned(),
    }
}

fn of_distribution(id: &str) -> Option<&'static str> {
    // openSUSE's are `opensuse-leap`, `opensuse-tumbleweed`, `opensuse-microos`.
    let id = if id.starts_with("opensuse-") {
        "opensuse"
    } else {
        id
    };
    let mut known = BY_ID.iter();
    known
        .find(|(known, _)| *known == id)
        .map(|(_, advice)| *advice)
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
            assert_eq!(from_os_release(text), expected);
        }
        assert_eq!(
            from_os_release("ID=plan9\nNAME=\"Plan 9\""),
            "Plan 9: chroot into it and use its package manager"
        );
    }
}
