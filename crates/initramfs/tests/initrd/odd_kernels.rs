//! Kernels with names, formats and places that are less usual, one line of a table each.

use std::io::Write;
use std::os::unix::fs::symlink;

use netroot_initramfs::choose_kernel;

use crate::fixture::{bzimage, efi_program};
use crate::laid_out::Has::{self, Bytes, Kernel as Bzimage, Link, Modules, Text};
use crate::laid_out::{arm64, assert_kernel, root_with};

/// What it is, what the root has, and the version, path and modules of the kernel that is chosen.
type Row = (
    &'static str,
    Vec<Has>,
    (&'static str, &'static str, Option<&'static str>),
);

fn assert_chosen(rows: Vec<Row>) {
    for (what, content, (version, path, modules)) in rows {
        println!("{what}");
        let (_dir, root) = root_with(&content);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_kernel(&kernel, version, path, modules);
    }
}

/// An arm64 Image that tells its version where Linux does.
fn image(version: &str) -> Vec<u8> {
    let mut kernel = vec![0; 4096];
    kernel[56..60].copy_from_slice(b"ARM\x64");
    kernel.extend_from_slice(b"\0%s version %s (x@y) (gcc) %s\0");
    kernel.extend_from_slice(format!("Linux version {version} (x@y) (gcc) #1 SMP\n\0").as_bytes());
    kernel
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

fn for_arm64(mut program: Vec<u8>) -> Vec<u8> {
    program[0x84..0x86].copy_from_slice(&0xaa64_u16.to_le_bytes());
    program
}

/// An EFI program that unpacks the kernel in it (zboot-header.S).
fn zboot(format: &str, version: &str) -> Vec<u8> {
    let payload = match format {
        "gzip" => gzip(&image(version)),
        "xzkern" => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(&image(version)).unwrap();
            xz.finish().unwrap()
        }
        _ => zstd::encode_all(image(version).as_slice(), 1).unwrap(),
    };
    let mut program = for_arm64(efi_program(&[(".text", &payload)]));
    program[4..8].copy_from_slice(b"zimg");
    program[8..12].copy_from_slice(&0x400_u32.to_le_bytes());
    program[0x18..0x18 + format.len()].copy_from_slice(format.as_bytes());
    program
}

const LINUX_5_14: &str = "5.14.0-611.55.1.el9_7.x86_64";

#[test]
fn of_several_the_newest_of_the_usual_flavour_is_chosen() {
    let two = |one: &'static str, other: &'static str| {
        [one, other]
            .into_iter()
            .flat_map(|version| {
                let path: &'static str = format!("boot/vmlinuz-{version}").leak();
                let tree: &'static str = format!("lib/modules/{version}").leak();
                [Bzimage(path, version), Modules(tree)]
            })
            .collect::<Vec<_>>()
    };
    for (wanted, other) in [
        ("6.12.0-amd64", "6.12~rc5-amd64"),
        ("6.12~rc5-amd64", "6.11.10-amd64"),
        ("6.12.0", "6.12.0-rc7"),
        ("6.12.0-rc7+", "6.11.9"),
        ("6.12.73+deb13-amd64", "6.12.73+deb13-cloud-amd64"),
        ("6.12.73+deb13-amd64", "6.12.73+deb13-rt-amd64"),
        ("6.12.94+deb13-amd64", "6.12.73+deb13-amd64"),
        ("6.8.0-45-generic", "6.8.0-1015-aws"),
        ("6.8.0-45-generic", "6.8.0-45-lowlatency"),
        ("6.8.12-10-pve", "6.8.12-9-pve"),
        ("6.6.62-0-lts", "6.6.62-0-virt"),
        ("6.6.51+rpt-rpi-v8", "6.6.51+rpt-rpi-2712"),
        ("6.6.62_1", "6.6.9_2"),
        // Fedora, its own candidates, and the next release's build of the same version.
        (
            "6.12.0-63.fc42.x86_64",
            "6.12.0-0.rc5.20241101git6c52d4da1c74.47.fc42.x86_64",
        ),
        ("6.11.4-301.fc41.x86_64", "6.11.4-201.fc40.x86_64"),
        ("6.12.1-arch1-1", "6.12.1-hardened1-1-hardened"),
        ("6.12.1-arch1-1", "6.6.62-1-lts"),
        ("6.4.0-150600.23.25-default", "6.4.0-150600.23.25-kvmsmall"),
        ("6.4.0-150600.23.25-default", "6.4.0-150600.23.7-default"),
        ("6.11.8-1-default", "6.11.8-1-debug"),
        ("6.6.62-gentoo-r1", "6.6.62-gentoo"),
        ("6.6.62-gentoo-r10-dist", "6.6.62-gentoo-r9-dist"),
        ("6.6.63-gentoo", "6.6.62-gentoo-r1"),
        ("6.12.0-061200-generic", "6.12.0-061200rc5-generic"),
        ("6.8.0-45-generic", "6.8.0-1015-raspi"),
        (LINUX_5_14, "5.14.0-611.55.1.el9_7.x86_64+debug"),
        (LINUX_5_14, "5.14.0-611.55.1.el9_7.x86_64+rt"),
        (LINUX_5_14, "5.14.0-611.9.1.el9_7.x86_64"),
    ] {
        let (_dir, root) = root_with(&two(wanted, other));
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, wanted, "beside {other}");
        let kernel = choose_kernel(&root, Some(other)).unwrap();
        assert_eq!(kernel.version, other);
    }
}

#[test]
fn a_kernel_whose_modules_were_removed_half_is_not_chosen() {
    assert_chosen(vec![
        (
            "the newer one's tree has leftovers only",
            vec![
                Bzimage("boot/vmlinuz-6.1.0-50-amd64", "6.1.0-50-amd64"),
                Text("lib/modules/6.1.0-50-amd64/updates/dkms/x.ko", ""),
                Bzimage("boot/vmlinuz-6.1.0-49-amd64", "6.1.0-49-amd64"),
                Modules("lib/modules/6.1.0-49-amd64"),
            ],
            (
                "6.1.0-49-amd64",
                "/boot/vmlinuz-6.1.0-49-amd64",
                Some("/lib/modules/6.1.0-49-amd64"),
            ),
        ),
        (
            "the modules are below /usr, and something else below /lib",
            vec![
                Bzimage("boot/vmlinuz-6.1.0-50-amd64", "6.1.0-50-amd64"),
                Text("lib/modules/6.1.0-50-amd64/extra/x.ko", ""),
                Modules("usr/lib/modules/6.1.0-50-amd64"),
            ],
            (
                "6.1.0-50-amd64",
                "/boot/vmlinuz-6.1.0-50-amd64",
                Some("/usr/lib/modules/6.1.0-50-amd64"),
            ),
        ),
        (
            "a package is being installed",
            vec![
                Bzimage("boot/vmlinuz-6.1.0-50-amd64.dpkg-new", "6.1.0-50-amd64"),
                Modules("lib/modules/6.1.0-50-amd64"),
                Bzimage("boot/vmlinuz-6.1.0-49-amd64", "6.1.0-49-amd64"),
                Modules("lib/modules/6.1.0-49-amd64"),
            ],
            (
                "6.1.0-49-amd64",
                "/boot/vmlinuz-6.1.0-49-amd64",
                Some("/lib/modules/6.1.0-49-amd64"),
            ),
        ),
    ]);
}

#[test]
fn arm64_kernels_tell_their_version_in_their_text() {
    let others = || {
        [
            Modules("usr/lib/modules/6.1.21-v8+"),
            Modules("usr/lib/modules/6.1.21-v7l+"),
            Modules("usr/lib/modules/6.6.51+rpt-rpi-2712"),
        ]
    };
    let with = |path: &'static str, bytes: Vec<u8>| {
        let mut content = Vec::from(others());
        content.push(Bytes(path, bytes));
        content
    };
    let pi = Some("/usr/lib/modules/6.1.21-v8+");
    assert_chosen(vec![
        (
            "Raspberry Pi OS 11",
            with("boot/kernel8.img", gzip(&image("6.1.21-v8+"))),
            ("6.1.21-v8+", "/boot/kernel8.img", pi),
        ),
        (
            "its firmware's folder alone",
            with("boot/firmware/kernel8.img", image("6.1.21-v8+")),
            ("6.1.21-v8+", "/boot/firmware/kernel8.img", pi),
        ),
        (
            "Armbian's link",
            with("boot/Image", image("6.1.21-v8+")),
            ("6.1.21-v8+", "/boot/Image", pi),
        ),
        (
            "zboot, gzip",
            with("boot/vmlinuz", zboot("gzip", "6.1.21-v8+")),
            ("6.1.21-v8+", "/boot/vmlinuz", pi),
        ),
        (
            "zboot, zstd",
            with("boot/vmlinuz.efi", zboot("zstd22", "6.1.21-v8+")),
            ("6.1.21-v8+", "/boot/vmlinuz.efi", pi),
        ),
        (
            "zboot, xz",
            with("boot/vmlinuz-custom", zboot("xzkern", "6.1.21-v8+")),
            ("6.1.21-v8+", "/boot/vmlinuz-custom", pi),
        ),
        (
            "a unified kernel image without .uname",
            with(
                "efi/EFI/Linux/a.efi",
                for_arm64(efi_program(&[
                    (".linux", &zboot("gzip", "6.1.21-v8+")),
                    (".initrd", b"i"),
                ])),
            ),
            ("6.1.21-v8+", "/efi/EFI/Linux/a.efi", pi),
        ),
        (
            "a name with the version is believed",
            with("boot/vmlinuz-6.1.21-v8+", arm64()),
            ("6.1.21-v8+", "/boot/vmlinuz-6.1.21-v8+", pi),
        ),
        (
            "NixOS with two generations",
            vec![
                Bytes("nix/store/a-linux-6.6.62/Image", arm64()),
                Modules("nix/store/a-modules/lib/modules/6.6.62"),
                Link(
                    "nix/store/s1-nixos-system-h/kernel",
                    "/nix/store/a-linux-6.6.62/Image",
                ),
                Link(
                    "nix/store/s1-nixos-system-h/kernel-modules",
                    "/nix/store/a-modules",
                ),
                Modules("nix/store/b-modules/lib/modules/6.12.1"),
                Link(
                    "nix/store/s2-nixos-system-h/kernel-modules",
                    "/nix/store/b-modules",
                ),
                Link("nix/var/nix/profiles/system", "system-1-link"),
                Link(
                    "nix/var/nix/profiles/system-1-link",
                    "/nix/store/s1-nixos-system-h",
                ),
                Link(
                    "nix/var/nix/profiles/system-2-link",
                    "/nix/store/s2-nixos-system-h",
                ),
            ],
            (
                "6.6.62",
                "/nix/var/nix/profiles/system-1-link/kernel",
                Some("/nix/var/nix/profiles/system-1-link/kernel-modules/lib/modules/6.6.62"),
            ),
        ),
        (
            "genkernel's name",
            vec![
                Bytes("boot/kernel-genkernel-arm64-6.6.62-gentoo", arm64()),
                Modules("lib/modules/6.6.62-gentoo"),
                Modules("lib/modules/6.6.61-gentoo"),
            ],
            (
                "6.6.62-gentoo",
                "/boot/kernel-genkernel-arm64-6.6.62-gentoo",
                Some("/lib/modules/6.6.62-gentoo"),
            ),
        ),
    ]);
}

#[test]
fn kernels_in_less_usual_places_are_found() {
    let version = "6.6.62";
    let modules = Some("/lib/modules/6.6.62");
    for (what, path) in [
        ("Slackware", "boot/vmlinuz-generic-6.6.62"),
        ("Gentoo's genkernel", "boot/kernel-genkernel-x86_64-6.6.62"),
        ("Tiny Core", "boot/vmlinuz64"),
        ("Clear Linux", "usr/lib/kernel/org.clearlinux.native.6.6.62"),
        ("Solus", "usr/lib/kernel/com.solus-project.current.6.6.62"),
        ("Flatcar", "usr/boot/vmlinuz"),
        ("rpm-ostree", "boot/ostree/fedora-0123abcd/vmlinuz-6.6.62"),
        (
            "older ostree",
            "usr/lib/ostree-boot/vmlinuz-6.6.62-0123abcd",
        ),
        ("a kernel with spaces", "boot/efi/my os/the kernel"),
        (
            "BLS without a version",
            "boot/0123456789abcdef/6.6.62/linux",
        ),
    ] {
        let entry: &'static str = format!(
            "title X\r\nlinux /{}\r\ninitrd /initrd\r\n",
            path.trim_start_matches("boot/").trim_start_matches("efi/")
        )
        .leak();
        let folder = if path.starts_with("boot/efi/") {
            "boot/efi/loader/entries/1.conf"
        } else {
            "boot/loader/entries/1.conf"
        };
        let has = vec![
            Bzimage(path, version),
            Modules("lib/modules/6.6.62"),
            Text(folder, entry),
        ];
        println!("{what}");
        let (_dir, root) = root_with(&has);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_kernel(&kernel, version, &format!("/{path}"), modules);
    }
    // Only the entry's folder tells what an arm64 kernel is.
    let (_dir, root) = root_with(&[
        Bytes("boot/machine/6.11.4-300.fc41.aarch64/kernel", arm64()),
        Text(
            "boot/loader/entries/1.conf",
            "linux /machine/6.11.4-300.fc41.aarch64/kernel\n",
        ),
    ]);
    let kernel = choose_kernel(&root, None).unwrap();
    assert_eq!(kernel.version, "6.11.4-300.fc41.aarch64");
    // Fedora's UKI in the module tree.
    let (_dir, root) = root_with(&[
        Bytes(
            "usr/lib/modules/6.6.62/6.6.62.efi",
            efi_program(&[(".linux", &bzimage(version))]),
        ),
        Modules("usr/lib/modules/6.6.62"),
    ]);
    assert!(choose_kernel(&root, None).unwrap().part.is_some());
}

#[test]
fn a_root_without_its_boot_partition_is_told_so() {
    let (dir, root) = root_with(&[
        Modules("usr/lib/modules/6.1.0-50-amd64"),
        Text("etc/os-release", "ID=debian\nNAME=\"Debian GNU/Linux\"\n"),
    ]);
    std::fs::create_dir(dir.path().join("boot")).unwrap();
    let text = choose_kernel(&root, None).unwrap_err().to_string();
    let says = format!(
        "; it has the modules of 6.1.0-50-amd64, and an empty {}/boot: if that is a partition of its own, mount it there",
        dir.path().display()
    );
    assert!(text.contains(&says), "{text}");
    // U-Boot's own format is not what anybody else starts.
    let mut old = vec![0x27, 0x05, 0x19, 0x56];
    old.resize(4096, 0);
    let (_dir, root) = root_with(&[Bytes("boot/uImage", old)]);
    let text = choose_kernel(&root, None).unwrap_err().to_string();
    assert!(
        text.contains("/boot/uImage: a uImage, which only U-Boot starts"),
        "{text}"
    );
}

#[test]
fn a_path_is_taken_as_people_write_it() {
    let (dir, root) = root_with(&[
        Bzimage("boot/my kernel/the one", "6.9.0-mine"),
        Modules("lib/modules/6.9.0-mine"),
    ]);
    let host = dir.path().join("boot/my kernel/the one");
    let here = tempfile::tempdir().unwrap();
    let link = here.path().join("link to the root");
    symlink(dir.path(), &link).unwrap();
    for wanted in [
        "/boot/my kernel/the one".to_owned(),
        "boot/my kernel/the one".to_owned(),
        "./boot//my kernel/./the one".to_owned(),
        host.display().to_string(),
        format!(
            "{}/../{}/boot/my kernel/the one",
            dir.path().display(),
            dir.path().file_name().unwrap().display()
        ),
        link.join("boot/my kernel/the one").display().to_string(),
    ] {
        let kernel = choose_kernel(&root, Some(&wanted)).unwrap();
        assert_eq!(kernel.version, "6.9.0-mine", "{wanted}");
        assert_eq!(kernel.path, "/boot/my kernel/the one", "{wanted}");
    }
    let outside = here.path().join("vmlinuz");
    std::fs::write(&outside, bzimage("6.9.0")).unwrap();
    let text = choose_kernel(&root, outside.to_str())
        .unwrap_err()
        .to_string();
    assert!(text.contains("it is not in the root"), "{text}");
}
