//! Kernels where each distribution has them. Every root is a folder with the names, links and headers of the
//! distribution; the sources of the layouts are in the table of `kernel/places.rs`.

use std::fs;
use std::os::unix::fs::symlink;

use netroot_initramfs::{choose_kernel, find_kernels};

use crate::fixture::{bzimage, efi_program};
use crate::laid_out::Has::{Bytes, Kernel as Bzimage, Link, Modules, Text};
use crate::laid_out::{arm64, assert_kernel, chosen, root_with};

const FEDORA: &str = "6.11.4-300.fc41.x86_64";
const FEDORA_MODULES: &str = "usr/lib/modules/6.11.4-300.fc41.x86_64";
const MACHINE: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn fedoras_kernels_are_found_wherever_kernel_install_put_them() {
    let modules = Some("/usr/lib/modules/6.11.4-300.fc41.x86_64");
    let kernel = chosen(&[
        Bzimage("usr/lib/modules/6.11.4-300.fc41.x86_64/vmlinuz", FEDORA),
        Modules(FEDORA_MODULES),
    ]);
    let path = "/usr/lib/modules/6.11.4-300.fc41.x86_64/vmlinuz";
    assert_kernel(&kernel, FEDORA, path, modules);
    let laid_out = "boot/0123456789abcdef0123456789abcdef/6.11.4-300.fc41.x86_64/linux";
    let kernel = chosen(&[Bzimage(laid_out, FEDORA), Modules(FEDORA_MODULES)]);
    assert_kernel(&kernel, FEDORA, &format!("/{laid_out}"), modules);
    // The paths of entries start at the partition, which is /boot or the root.
    for (entry, file) in [
        ("linux /fedora/stable.img", "boot/fedora/stable.img"),
        ("linux /boot/images/stable", "boot/images/stable"),
        ("linux\t../../../../odd/stable", "odd/stable"),
    ] {
        let text: &'static str = format!("title Fedora\nversion {FEDORA}\n{entry}\n").leak();
        let kernel = chosen(&[
            Text("boot/loader/entries/fedora.conf", text),
            Bzimage(file, FEDORA),
            Modules(FEDORA_MODULES),
        ]);
        assert_eq!(
            (kernel.version.as_str(), kernel.modules.as_deref()),
            (FEDORA, modules),
            "{entry}"
        );
    }
}

#[test]
fn the_rescue_kernel_is_not_preferred_to_the_installed_one() {
    let kernel = chosen(&[
        Bzimage(
            "boot/vmlinuz-0-rescue-0123456789abcdef0123456789abcdef",
            FEDORA,
        ),
        Bzimage("boot/vmlinuz-6.11.4-300.fc41.x86_64", FEDORA),
        Modules(FEDORA_MODULES),
    ]);
    assert_eq!(kernel.path, format!("/boot/vmlinuz-{FEDORA}"));
}

#[test]
fn the_kernel_of_a_unified_image_is_the_part_that_is_served() {
    let kernel = bzimage(FEDORA);
    let image = efi_program(&[
        (".osrel", b"ID=fedora"),
        (".linux", &kernel),
        (".initrd", b"initrd"),
    ]);
    for place in ["boot", "efi", "boot/efi"] {
        let path: &'static str = format!("{place}/EFI/Linux/{MACHINE}.efi").leak();
        let (dir, root) = root_with(&[Bytes(path, image.clone()), Modules(FEDORA_MODULES)]);
        let found = choose_kernel(&root, None).unwrap();
        assert_eq!(found.version, FEDORA);
        assert!(found.modules.is_some());
        let part = found.part.unwrap();
        let file = fs::read(dir.path().join(path)).unwrap();
        let start = usize::try_from(part.offset).unwrap();
        let end = start + usize::try_from(part.length).unwrap();
        assert_eq!(&file[start..end], kernel);
    }
    // An arm64 kernel says nothing of its version: `.uname` does.
    let sections: [(&str, &[u8]); 2] =
        [(".linux", &arm64()), (".uname", b"6.11.4-300.fc41.aarch64")];
    let found = chosen(&[Bytes("boot/EFI/Linux/a.efi", efi_program(&sections))]);
    assert_eq!(found.version, "6.11.4-300.fc41.aarch64");
    // Half of it was copied.
    let (_dir, root) = root_with(&[Bytes("boot/EFI/Linux/a.efi", image[..0x680].to_vec())]);
    let text = choose_kernel(&root, None).unwrap_err().to_string();
    assert!(
        text.contains("/boot/EFI/Linux/a.efi: a unified kernel image that is shorter"),
        "{text}"
    );
}

#[test]
fn arch_opensuse_and_alpine_are_known_by_what_their_headers_or_packages_say() {
    let kernel = chosen(&[
        Bzimage("boot/vmlinuz-linux", "6.12.1-arch1-1"),
        Bzimage("boot/vmlinuz-linux-lts", "6.6.62-1-lts"),
        Modules("usr/lib/modules/6.12.1-arch1-1"),
        Modules("usr/lib/modules/6.6.62-1-lts"),
        Link("lib", "usr/lib"),
    ]);
    assert_kernel(
        &kernel,
        "6.12.1-arch1-1",
        "/boot/vmlinuz-linux",
        Some("/lib/modules/6.12.1-arch1-1"),
    );
    // Arch Linux ARM.
    let kernel = chosen(&[
        Bytes("boot/vmlinuz-linux-aarch64", arm64()),
        Text(
            "usr/lib/modules/6.12.1-2-aarch64-ARCH/pkgbase",
            "linux-aarch64\n",
        ),
        Text("usr/lib/modules/6.6.1-1-rpi-ARCH/pkgbase", "linux-rpi\n"),
    ]);
    assert_eq!(kernel.version, "6.12.1-2-aarch64-ARCH");
    let kernel = chosen(&[
        Bzimage(
            "usr/lib/modules/6.4.0-150600.21-default/vmlinuz",
            "6.4.0-150600.21-default",
        ),
        Modules("usr/lib/modules/6.4.0-150600.21-default"),
        Link("boot/vmlinuz", "vmlinuz-6.4.0-150600.14-default"),
    ]);
    assert_eq!(kernel.version, "6.4.0-150600.21-default");
    let kernel = chosen(&[
        Bzimage("boot/vmlinuz-lts", "6.6.62-0-lts"),
        Modules("lib/modules/6.6.62-0-lts"),
    ]);
    assert_kernel(
        &kernel,
        "6.6.62-0-lts",
        "/boot/vmlinuz-lts",
        Some("/lib/modules/6.6.62-0-lts"),
    );
    let kernel = chosen(&[
        Bytes("boot/vmlinuz-lts", arm64()),
        Modules("lib/modules/6.6.62-0-lts"),
        Modules("lib/modules/6.6.62-0-virt"),
    ]);
    assert_eq!(kernel.version, "6.6.62-0-lts");
}

#[test]
fn nixos_boots_the_kernel_of_its_current_generation() {
    let older = [
        Bzimage("nix/store/aaa-linux-6.6.62/bzImage", "6.6.62"),
        Modules("nix/store/aaa-kernel-modules/lib/modules/6.6.62"),
        Link(
            "nix/store/bbb-nixos-system-host-24.05/kernel",
            "/nix/store/aaa-linux-6.6.62/bzImage",
        ),
        Link(
            "nix/store/bbb-nixos-system-host-24.05/kernel-modules",
            "/nix/store/aaa-kernel-modules",
        ),
        Bzimage("nix/store/ccc-linux-6.12.1/bzImage", "6.12.1"),
        Modules("nix/store/ccc-kernel-modules/lib/modules/6.12.1"),
        Link(
            "nix/store/ddd-nixos-system-host-24.11/kernel",
            "/nix/store/ccc-linux-6.12.1/bzImage",
        ),
        Link(
            "nix/store/ddd-nixos-system-host-24.11/kernel-modules",
            "/nix/store/ccc-kernel-modules",
        ),
    ];
    let (dir, root) = root_with(&older);
    // A store alone: the newest.
    let kernel = choose_kernel(&root, None).unwrap();
    assert_eq!(kernel.version, "6.12.1");
    assert!(kernel.modules.is_some());
    // The administrator went back a generation.
    let profiles = dir.path().join("nix/var/nix/profiles");
    fs::create_dir_all(&profiles).unwrap();
    for (name, target) in [
        ("system", "system-1-link"),
        ("system-1-link", "/nix/store/bbb-nixos-system-host-24.05"),
        ("system-2-link", "/nix/store/ddd-nixos-system-host-24.11"),
    ] {
        if let Some(system) = target.strip_prefix("/nix/store/") {
            fs::write(dir.path().join("nix/store").join(system).join("init"), "").unwrap();
        }
        symlink(target, profiles.join(name)).unwrap();
    }
    let kernel = choose_kernel(&root, None).unwrap();
    let modules = "/nix/var/nix/profiles/system-1-link/kernel-modules/lib/modules/6.6.62";
    assert_kernel(
        &kernel,
        "6.6.62",
        "/nix/var/nix/profiles/system-1-link/kernel",
        Some(modules),
    );
    let init = "init=/nix/var/nix/profiles/system-1-link/init";
    assert_eq!(kernel.start.as_deref(), Some(init));
    assert_eq!(kernel.firmware, None);
    let firmware = dir
        .path()
        .join("nix/store/bbb-nixos-system-host-24.05/firmware");
    fs::create_dir(firmware).unwrap();
    let kernel = choose_kernel(&root, None).unwrap();
    let firmware = "/nix/var/nix/profiles/system-1-link/firmware";
    assert_eq!(kernel.firmware.as_deref(), Some(firmware));
    let asked = choose_kernel(&root, Some("6.12.1")).unwrap();
    assert_eq!(asked.path, "/nix/var/nix/profiles/system-2-link/kernel");
    // GRUB's copy, which has no modules of its own.
    fs::create_dir_all(dir.path().join("boot/kernels")).unwrap();
    let copy = dir.path().join("boot/kernels/ccc-linux-6.12.1-bzImage");
    fs::write(copy, bzimage("6.12.1")).unwrap();
    let asked = choose_kernel(&root, Some("ccc-linux-6.12.1-bzImage")).unwrap();
    assert_eq!(asked.start.as_deref(), Some(init));
    assert!(asked.modules.unwrap().ends_with("/6.12.1"));
}

#[test]
fn a_guix_system_has_its_kernel_in_its_profile() {
    let (_dir, root) = root_with(&[
        Bzimage("gnu/store/kkk-linux-libre-6.12.1/bzImage", "6.12.1-gnu"),
        Modules("gnu/store/kkk-linux-libre-6.12.1/lib/modules/6.12.1-gnu"),
        Link(
            "gnu/store/aaa-system/kernel",
            "/gnu/store/kkk-linux-libre-6.12.1",
        ),
        Link("var/guix/profiles/system", "system-1-link"),
        Link("var/guix/profiles/system-1-link", "/gnu/store/aaa-system"),
        Text("gnu/store/aaa-system/boot", "(display)"),
        Text(
            "gnu/store/aaa-system/activate",
            "#!/gnu/store/ggg-guile/bin/guile",
        ),
        Text(
            "boot/grub/grub.cfg",
            "linux /gnu/store/kkk-linux-libre-6.12.1/bzImage\n",
        ),
    ]);
    let kernel = choose_kernel(&root, None).unwrap();
    let modules = "/var/guix/profiles/system-1-link/kernel/lib/modules/6.12.1-gnu";
    assert_kernel(
        &kernel,
        "6.12.1-gnu",
        "/var/guix/profiles/system-1-link/kernel/bzImage",
        Some(modules),
    );
    let start = "gnu.system=/var/guix/profiles/system-1-link gnu.load=/var/guix/profiles/system-1-link/boot";
    assert_eq!(kernel.start.as_deref(), Some(start));
    let stored = "/gnu/store/kkk-linux-libre-6.12.1/bzImage";
    let kernel = choose_kernel(&root, Some(stored)).unwrap();
    let modules = "/gnu/store/kkk-linux-libre-6.12.1/lib/modules/6.12.1-gnu";
    assert_kernel(&kernel, "6.12.1-gnu", stored, Some(modules));
}

#[test]
fn a_store_without_a_system_is_searched_only_where_nothing_else_can_start() {
    let (dir, root) = root_with(&[
        Bzimage("nix/store/aaa-linux-6.6.62/bzImage", "6.6.62"),
        Modules("nix/store/bbb-kernel-modules/lib/modules/6.6.62"),
    ]);
    let kernel = choose_kernel(&root, None).unwrap();
    let path = "/nix/store/aaa-linux-6.6.62/bzImage";
    let modules = "/nix/store/bbb-kernel-modules/lib/modules/6.6.62";
    assert_kernel(&kernel, "6.6.62", path, Some(modules));
    assert_eq!(kernel.start, None);
    fs::create_dir_all(dir.path().join("sbin")).unwrap();
    fs::write(dir.path().join("sbin/init"), "").unwrap();
    assert_eq!(find_kernels(&root).unwrap(), []);
    // Debian with Nix as a package manager.
    let kernel = chosen(&[
        Text("sbin/init", ""),
        Bzimage("boot/vmlinuz-6.1.0-50-amd64", "6.1.0-50-amd64"),
        Bzimage("nix/store/ccc-nixos-system-x-24.05/kernel", "6.12.1"),
    ]);
    assert_eq!(kernel.version, "6.1.0-50-amd64");
    assert_eq!(kernel.start, None);
}

#[test]
fn unpacked_live_images_have_theirs_beside_the_root() {
    for path in [
        "live/vmlinuz",
        "casper/vmlinuz",
        "images/pxeboot/vmlinuz",
        "boot/x86_64/loader/linux",
    ] {
        let kernel = chosen(&[
            Bzimage(path, "6.12.73+deb13-amd64"),
            Modules("usr/lib/modules/6.12.73+deb13-amd64"),
        ]);
        let modules = Some("/usr/lib/modules/6.12.73+deb13-amd64");
        assert_kernel(&kernel, "6.12.73+deb13-amd64", &format!("/{path}"), modules);
    }
}

#[test]
fn a_kernel_is_chosen_by_its_path_in_the_root_or_on_the_host() {
    let (dir, root) = root_with(&[
        Bzimage("boot/vmlinuz-6.1.0-50-amd64", "6.1.0-50-amd64"),
        Bzimage("opt/my/kernel.bin", "6.9.0-mine"),
        Bytes("opt/6.8.0-arm/linux", arm64()),
        Text("opt/readme", "text"),
        Link("opt/out", "/../../../../../../etc/passwd"),
        Modules("lib/modules/6.9.0-mine"),
    ]);
    let kernel = choose_kernel(&root, Some("/opt/my/kernel.bin")).unwrap();
    assert_kernel(
        &kernel,
        "6.9.0-mine",
        "/opt/my/kernel.bin",
        Some("/lib/modules/6.9.0-mine"),
    );
    let host = dir.path().join("opt/my/kernel.bin");
    assert_eq!(choose_kernel(&root, host.to_str()).unwrap(), kernel);
    assert_eq!(
        choose_kernel(&root, Some("boot/vmlinuz-6.1.0-50-amd64"))
            .unwrap()
            .modules,
        None
    );
    let arm = choose_kernel(&root, Some("/opt/6.8.0-arm/linux")).unwrap();
    assert_eq!(arm.version, "6.8.0-arm");
    let text = choose_kernel(&root, Some("/opt/readme"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("opt/readme as the kernel: not a kernel"),
        "{text}"
    );
    // Nothing outside the root is opened.
    for (outside, says) in [
        ("/opt/out", "cannot open "),
        ("/opt/absent", "cannot open "),
        (
            "/../../../../etc/passwd",
            "cannot use /../../../../etc/passwd as the kernel: it is not in the root",
        ),
    ] {
        let text = choose_kernel(&root, Some(outside)).unwrap_err().to_string();
        assert!(text.starts_with(says), "{text}");
    }
}

#[test]
fn links_and_entries_that_lead_nowhere_are_in_no_ones_way() {
    let (_dir, root) = root_with(&[
        Link("boot/EFI/Linux/loop.efi", "loop.efi"),
        Link("var/guix/profiles/system", "system-1-link"),
        Link("var/guix/profiles/system-1-link", "/gnu/store/gone"),
        Link("nix/var/nix/profiles/system-9-link", "/../../../../"),
        Text("boot/loader/entries/a.conf", "linux /\0/x\n"),
        Text("efi/loader/entries/b.conf", "no keys at all"),
        Bzimage("boot/vmlinuz-6.1.0-50-amd64", "6.1.0-50-amd64"),
    ]);
    let all = find_kernels(&root).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].path, "/boot/vmlinuz-6.1.0-50-amd64");
}

#[test]
fn without_a_kernel_the_advice_is_that_of_the_distribution() {
    for (os_release, command) in [
        (
            "NAME=\"Fedora Linux\"\nID=fedora\n",
            "(Fedora Linux: chroot into it and run `dnf install kernel`)",
        ),
        ("NAME=\"Alpine Linux\"\nID=alpine\n", "`apk add linux-lts`"),
        ("ID=arch", "`pacman -S linux`"),
        ("ID=guix", "`guix system init`"),
    ] {
        let (dir, root) = root_with(&[
            Text("usr/lib/os-release", os_release),
            Link("etc/os-release", "../usr/lib/os-release"),
        ]);
        let text = choose_kernel(&root, None).unwrap_err().to_string();
        assert!(text.contains(command), "{text}");
        assert!(!text.contains("apt"), "{text}");
        let boot = format!("{}/boot", dir.path().display());
        assert!(
            text.contains(&boot) && text.contains("with --kernel"),
            "{text}"
        );
    }
    let (_dir, root) = root_with(&[Text("gnu/store/a", "")]);
    let text = choose_kernel(&root, None).unwrap_err().to_string();
    assert!(text.contains("`guix system init`"), "{text}");
}

#[test]
fn selinux_is_switched_off_for_a_root_whose_init_would_load_a_policy() {
    let with = |config: &'static str, policy: &'static str| {
        let kernel = chosen(&[
            Bzimage("usr/lib/modules/6.11.4-300.fc41.x86_64/vmlinuz", FEDORA),
            Modules(FEDORA_MODULES),
            Text("etc/selinux/config", config),
            Text(policy, ""),
        ]);
        assert_eq!(kernel.is_without_selinux(), kernel.start.is_some());
        kernel.start
    };
    let policy = "etc/selinux/targeted/policy/policy.33";
    let off = Some("selinux=0".to_owned());
    let fedora = "# enforcing - SELinux security policy is enforced.\nSELINUX=enforcing\nSELINUXTYPE=targeted\n";
    assert_eq!(with(fedora, policy), off);
    assert_eq!(with("SELINUX=permissive\n", policy), off);
    for (config, policy) in [
        ("SELINUX=disabled\nSELINUXTYPE=targeted\n", policy),
        ("# SELINUX=enforcing\n", policy),
        (fedora, "etc/selinux/targeted/contexts/users/root"),
        (
            "SELINUX=enforcing\nSELINUXTYPE=mls\n",
            "etc/selinux/targeted/policy/policy.33",
        ),
    ] {
        assert_eq!(with(config, policy), None, "{config} {policy}");
    }
    // NixOS says how it is started, and has no such policy.
    let nixos = chosen(&[
        Bzimage("nix/store/a-linux-6.6.62/bzImage", "6.6.62"),
        Link(
            "nix/store/s-nixos-system-h/kernel",
            "/nix/store/a-linux-6.6.62/bzImage",
        ),
        Text("nix/store/s-nixos-system-h/init", ""),
        Text("etc/selinux/config", fedora),
        Text("etc/selinux/targeted/policy/policy.33", ""),
    ]);
    let init = "init=/nix/store/s-nixos-system-h/init";
    assert_eq!(nixos.start.as_deref(), Some(init));
    assert!(!nixos.is_without_selinux());
}

#[test]
fn void_and_ubuntu_name_their_kernels_by_the_whole_version() {
    let kernel = chosen(&[
        Bzimage("boot/vmlinuz-6.6.62_1", "6.6.62_1"),
        Bzimage("boot/vmlinuz-6.6.9_2", "6.6.9_2"),
        Modules("usr/lib/modules/6.6.62_1"),
        Modules("usr/lib/modules/6.6.9_2"),
        Link("lib", "usr/lib"),
    ]);
    assert_kernel(
        &kernel,
        "6.6.62_1",
        "/boot/vmlinuz-6.6.62_1",
        Some("/lib/modules/6.6.62_1"),
    );
    // Ubuntu's links, relative and of the package before.
    let kernel = chosen(&[
        Bzimage("boot/vmlinuz-6.8.0-45-generic", "6.8.0-45-generic"),
        Bzimage("boot/vmlinuz-6.8.0-41-generic", "6.8.0-41-generic"),
        Link("boot/vmlinuz", "vmlinuz-6.8.0-45-generic"),
        Link("boot/vmlinuz.old", "vmlinuz-6.8.0-41-generic"),
        Modules("usr/lib/modules/6.8.0-45-generic"),
        Modules("usr/lib/modules/6.8.0-41-generic"),
        Link("lib", "usr/lib"),
    ]);
    assert_kernel(
        &kernel,
        "6.8.0-45-generic",
        "/boot/vmlinuz-6.8.0-45-generic",
        Some("/lib/modules/6.8.0-45-generic"),
    );
}
