//! S13: kernels as distributions name and place them.

use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::lab::{Lab, text};
use super::row::Row;
use crate::fixture::{bzimage, efi_program};

/// What a root has.
enum Has {
    /// A kernel's path and version.
    Kernel(&'static str, &'static str),
    /// A unified kernel image's.
    Unified(&'static str, &'static str),
    /// A module tree.
    Modules(&'static str),
    Link(&'static str, &'static str),
    Text(&'static str, &'static str),
}
use Has::{Kernel, Link, Modules, Text, Unified};

struct Root {
    source: &'static str,
    what: &'static str,
    has: &'static [Has],
    expected: &'static str,
}

const FEDORA: &str = "6.11.4-300.fc41.x86_64";
const ROOTS: [Root; 13] = [
    Root {
        source: "warewulf/warewulf#2199",
        what: "EL9, three kernels",
        has: &[
            Kernel(
                "boot/vmlinuz-5.14.0-611.55.1.el9_7.0.1.x86_64",
                "5.14.0-611.55.1.el9_7.0.1.x86_64",
            ),
            Kernel(
                "boot/vmlinuz-5.14.0-611.55.1.el9_7.0.3.x86_64",
                "5.14.0-611.55.1.el9_7.0.3.x86_64",
            ),
            Kernel(
                "boot/vmlinuz-5.14.0-687.12.1.el9_8.x86_64",
                "5.14.0-687.12.1.el9_8.x86_64",
            ),
            Modules("lib/modules/5.14.0-611.55.1.el9_7.0.1.x86_64"),
            Modules("lib/modules/5.14.0-611.55.1.el9_7.0.3.x86_64"),
            Modules("lib/modules/5.14.0-687.12.1.el9_8.x86_64"),
        ],
        expected: "5.14.0-687.12.1.el9_8.x86_64",
    },
    Root {
        source: "CISOfy/lynis#9",
        what: "Gentoo's genkernel",
        has: &[
            Kernel(
                "boot/kernel-genkernel-x86_64-6.6.62-gentoo",
                "6.6.62-gentoo",
            ),
            Modules("lib/modules/6.6.62-gentoo"),
        ],
        expected: "6.6.62-gentoo",
    },
    Root {
        source: "damiandudycz/ps3#22",
        what: "Gentoo's dist-kernel",
        has: &[
            Kernel("boot/kernel-6.6.62-gentoo-dist", "6.6.62-gentoo-dist"),
            Modules("lib/modules/6.6.62-gentoo-dist"),
        ],
        expected: "6.6.62-gentoo-dist",
    },
    Root {
        source: "systemd/mkosi#2242",
        what: "openSUSE",
        has: &[
            Kernel("usr/lib/modules/6.6.7-1-default/vmlinuz", "6.6.7-1-default"),
            Modules("usr/lib/modules/6.6.7-1-default"),
            Link(
                "boot/vmlinuz-6.6.7-1-default",
                "../usr/lib/modules/6.6.7-1-default/vmlinuz",
            ),
            Link("boot/vmlinuz", "vmlinuz-6.6.7-1-default"),
            Link("lib", "usr/lib"),
        ],
        expected: "6.6.7-1-default",
    },
    Root {
        source: "openSUSE/update-bootloader#144",
        what: "openSUSE, /boot/vmlinuz leads nowhere",
        has: &[
            Kernel(
                "usr/lib/modules/6.4.0-150600.21-default/vmlinuz",
                "6.4.0-150600.21-default",
            ),
            Modules("usr/lib/modules/6.4.0-150600.21-default"),
            Link("boot/vmlinuz", "vmlinuz-6.4.0-150600.14-default"),
            Link("lib", "usr/lib"),
        ],
        expected: "6.4.0-150600.21-default",
    },
    Root {
        source: "systemd/mkosi#2242",
        what: "Arch, two kernels",
        has: &[
            Kernel("boot/vmlinuz-linux", "6.12.1-arch1-1"),
            Kernel("boot/vmlinuz-linux-lts", "6.6.62-1-lts"),
            Modules("usr/lib/modules/6.12.1-arch1-1"),
            Modules("usr/lib/modules/6.6.62-1-lts"),
            Link("lib", "usr/lib"),
        ],
        expected: "6.12.1-arch1-1",
    },
    Root {
        source: "netbootxyz/netboot.xyz#37",
        what: "Alpine",
        has: &[
            Kernel("boot/vmlinuz-lts", "6.6.62-0-lts"),
            Modules("lib/modules/6.6.62-0-lts"),
        ],
        expected: "6.6.62-0-lts",
    },
    Root {
        source: "systemd/mkosi#2242",
        what: "Fedora, /boot/<machine-id>/<version>/linux alone",
        has: &[
            Kernel(
                "boot/0123456789abcdef0123456789abcdef/6.11.4-300.fc41.x86_64/linux",
                FEDORA,
            ),
            Modules("lib/modules/6.11.4-300.fc41.x86_64"),
        ],
        expected: FEDORA,
    },
    Root {
        source: "systemd/mkosi#2242",
        what: "a unified kernel image alone",
        has: &[
            Unified("boot/efi/EFI/Linux/linux.efi", FEDORA),
            Modules("lib/modules/6.11.4-300.fc41.x86_64"),
        ],
        expected: FEDORA,
    },
    Root {
        source: "netbootxyz/netboot.xyz#37",
        what: "NixOS, GRUB's copy",
        has: &[
            Kernel("boot/kernels/abc-linux-6.6.62-bzImage", "6.6.62"),
            Kernel("nix/store/abc-linux-6.6.62/bzImage", "6.6.62"),
            Modules("nix/store/xyz-kernel-modules/lib/modules/6.6.62"),
        ],
        expected: "6.6.62",
    },
    Root {
        source: "own, after Guix's",
        what: "Guix System, two generations",
        has: &[
            Kernel("gnu/store/aaa-linux-libre-6.6.62/bzImage", "6.6.62-gnu"),
            Modules("gnu/store/aaa-linux-libre-6.6.62/lib/modules/6.6.62-gnu"),
            Kernel("gnu/store/bbb-linux-libre-6.12.1/bzImage", "6.12.1-gnu"),
            Modules("gnu/store/bbb-linux-libre-6.12.1/lib/modules/6.12.1-gnu"),
            Link(
                "gnu/store/ccc-system/kernel",
                "/gnu/store/aaa-linux-libre-6.6.62",
            ),
            Link(
                "gnu/store/ddd-system/kernel",
                "/gnu/store/bbb-linux-libre-6.12.1",
            ),
            Link("var/guix/profiles/system-1-link", "/gnu/store/ccc-system"),
            Link("var/guix/profiles/system-2-link", "/gnu/store/ddd-system"),
            Link("var/guix/profiles/system", "system-1-link"),
        ],
        expected: "6.6.62-gnu",
    },
    Root {
        source: "netbootxyz/netboot.xyz#1822",
        what: "a kernel without its modules, beside an older one with them",
        has: &[
            Kernel("boot/vmlinuz-6.12.94+deb13-amd64", "6.12.94+deb13-amd64"),
            Kernel("boot/vmlinuz-6.12.73+deb13-amd64", "6.12.73+deb13-amd64"),
            Modules("lib/modules/6.12.73+deb13-amd64"),
        ],
        expected: "6.12.73+deb13-amd64",
    },
    Root {
        source: "openSUSE/update-bootloader#144",
        what: "Fedora without a kernel: what is said",
        has: &[Text("etc/os-release", "NAME=\"Fedora Linux\"\nID=fedora\n")],
        expected: "install one in the root (Fedora Linux: chroot into it and run `dnf install kernel`)",
    },
];

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut lab = Lab::new("kernels")?;
    let mut rows = Vec::new();
    for root in &ROOTS {
        let observed = observe(&mut lab, root);
        rows.push(Row::new(
            ("S13", root.source),
            root.what,
            root.expected,
            observed,
        ));
    }
    Ok(rows)
}

/// The version that is served, or the part of the refusal that was expected.
fn observe(lab: &mut Lab, root: &Root) -> Result<String> {
    let folder = lab.folder.path().join("root");
    std::fs::remove_dir_all(&folder)?;
    lab.file("root/etc/hostname", b"case\n")?;
    for one in root.has {
        match one {
            Kernel(path, version) => lab.file(&format!("root/{path}"), &bzimage(version))?,
            Unified(path, version) => {
                let image = efi_program(&[(".linux", &bzimage(version)), (".initrd", b"initrd")]);
                lab.file(&format!("root/{path}"), &image)?;
            }
            Modules(tree) => lab.file(&format!("root/{tree}/modules.dep"), b"")?,
            Text(path, text) => lab.file(&format!("root/{path}"), text.as_bytes())?,
            Link(path, target) => {
                let path = folder.join(path);
                std::fs::create_dir_all(path.parent().context("a folder")?)?;
                symlink(target, path)?;
            }
        }
    }
    if !root
        .has
        .iter()
        .any(|one| matches!(one, Kernel(..) | Unified(..)))
    {
        let (netroot, folder) = (paths::netroot()?, folder.display().to_string());
        let netroot = netroot.display().to_string();
        let argv = [netroot.as_str(), "serve", &folder, "--interface", "br0"];
        let said = lab.net.run_for(&argv, super::lab::TIMEOUT)?;
        let said = format!("{}{}", said.stdout, said.stderr);
        return Ok(match said.contains(root.expected) {
            true => root.expected.to_owned(),
            false => said,
        });
    }
    lab.serve(&[])?;
    let ready = lab.event("ready")?;
    Ok(text(&ready, "/images/0/linux").to_owned())
}
