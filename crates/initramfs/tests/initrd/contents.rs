//! What an initrd contains.

use std::fs;
use std::os::unix::fs::symlink;

use netroot_initramfs::Contents;

use crate::archive::{names_below, read_initrd, text};
use crate::fake_root::{FakeRoot, VERSION};
use crate::fixture;

#[test]
fn compressed_modules_are_packed_uncompressed_with_an_index_of_their_own() {
    let root = FakeRoot::new();
    let (summary, initrd) = root.build("fast-nic").unwrap();
    let entries = read_initrd(&initrd);
    let modules = [
        "kernel/crypto/sum_generic.ko",
        "kernel/drivers/net/ethernet/acme/fast-nic.ko",
        "kernel/drivers/net/phy/fast_phy.ko",
        "kernel/fs/nfs/nfs.ko",
        "kernel/fs/nfs/nfsv3.ko",
        "kernel/fs/overlayfs/overlay.ko",
        "kernel/net/sunrpc/sunrpc.ko",
    ];
    let mut expected: Vec<&str> = modules.to_vec();
    expected.extend([
        "modules.alias",
        "modules.builtin",
        "modules.dep",
        "modules.softdep",
    ]);
    assert_eq!(
        names_below(&entries, &format!("lib/modules/{VERSION}/")),
        expected
    );
    for path in modules {
        let module = &entries[&format!("lib/modules/{VERSION}/{path}")].1;
        assert_eq!(&module[..4], b"\x7fELF", "{path}");
        let own = format!("path={path}");
        assert!(
            module.windows(own.len()).any(|part| part == own.as_bytes()),
            "{path}"
        );
    }
    assert_eq!(
        text(&entries, "modules.dep"),
        "kernel/crypto/sum_generic.ko:\n\
         kernel/drivers/net/ethernet/acme/fast-nic.ko:\n\
         kernel/drivers/net/phy/fast_phy.ko:\n\
         kernel/fs/nfs/nfs.ko: kernel/net/sunrpc/sunrpc.ko\n\
         kernel/fs/nfs/nfsv3.ko: kernel/fs/nfs/nfs.ko kernel/net/sunrpc/sunrpc.ko\n\
         kernel/fs/overlayfs/overlay.ko:\n\
         kernel/net/sunrpc/sunrpc.ko:\n"
    );
    assert_eq!(
        text(&entries, "modules.alias"),
        "alias pci:v00001234d00005678sv*sd*bc*sc*i* fast_nic\nalias crypto-sum sum_generic\n"
    );
    assert_eq!(
        text(&entries, "modules.softdep"),
        "softdep fast_nic pre: sum_generic post: fast_phy\n"
    );
    assert_eq!(
        text(&entries, "modules.builtin"),
        "kernel/net/packet/af_packet.ko\n"
    );
    assert_eq!(summary.modules.len(), 7);
    assert_eq!(summary.built_in, ["af_packet"]);
    assert_eq!(summary.absent, ["efivarfs", "nfsv4"]);
}

#[test]
fn the_initrd_has_the_layout_that_the_init_expects() {
    let root = FakeRoot::new();
    let entries = read_initrd(&root.build("").unwrap().1);
    for directory in [
        "proc",
        "sys",
        "dev",
        "run",
        "newroot",
        "etc",
        "lib/firmware",
    ] {
        assert_eq!(entries[directory].0, 0o040_755, "{directory}");
    }
    assert_eq!(entries["dev/console"].0, 0o020_600);
    assert_eq!(entries["dev/null"].0, 0o020_666);
    assert_eq!(entries["init"], (0o100_755, fixture::module(62, "")));
}

#[test]
fn firmware_is_found_through_links_and_decompressed_and_missing_firmware_is_reported() {
    let root = FakeRoot::new();
    let (summary, initrd) = root.build("fast-nic").unwrap();
    let entries = read_initrd(&initrd);
    assert_eq!(
        names_below(&entries, "lib/firmware/"),
        ["nic/one.bin", "nic/two.bin"]
    );
    assert_eq!(entries["lib/firmware/nic/one.bin"].1, b"firmware one");
    assert_eq!(entries["lib/firmware/nic/two.bin"].1, b"firmware two");
    assert_eq!(summary.firmware, ["nic/one.bin", "nic/two.bin"]);
    let missing = ("nic/absent.bin".to_owned(), "fast_nic".to_owned());
    assert_eq!(summary.missing_firmware, [missing]);
}

#[test]
fn the_set_netboot_has_wired_nics_and_no_wireless_ones() {
    let root = FakeRoot::new();
    let (summary, _) = root.build("netboot").unwrap();
    assert!(summary.modules.iter().any(|name| name == "fast_nic"));
    assert!(summary.modules.iter().any(|name| name == "fast_phy"));
    assert!(!summary.modules.iter().any(|name| name == "wifi"));
}

#[test]
fn this_machine_means_the_drivers_of_its_nics() {
    let root = FakeRoot::new();
    let device = root.path("sys/devices/pci0000:00/0000:00:03.0");
    fs::create_dir_all(device.join("net/eth0")).unwrap();
    let modalias = "pci:v00001234d00005678sv00000000sd00000000bc02sc00i00\n";
    fs::write(device.join("modalias"), modalias).unwrap();
    symlink("../..", device.join("net/eth0/device")).unwrap();
    fs::create_dir_all(root.path("sys/class/net")).unwrap();
    symlink(device.join("net/eth0"), root.path("sys/class/net/eth0")).unwrap();
    let (summary, _) = root.build("this-machine").unwrap();
    assert!(summary.modules.iter().any(|name| name == "fast_nic"));

    fs::write(
        device.join("modalias"),
        "pci:v0000FFFFd0000FFFFsv0sd0bc02sc00i00",
    )
    .unwrap();
    let error = root.build("this-machine").unwrap_err().to_string();
    assert_eq!(
        error,
        "kernel 6.1.0-50-amd64 has no driver for this machine's eth0 \
         (pci:v0000FFFFd0000FFFFsv0sd0bc02sc00i00)"
    );
}

#[test]
fn contents_can_be_changed() {
    let root = FakeRoot::new();
    root.file("usr/bin/busybox", b"busybox");
    symlink("/usr/bin", root.path("bin")).unwrap();
    let text = "
        directories = ['/a/b']
        [[file]]
        path = '/rescue/sh'
        from = '/bin/busybox'
        mode = 0o755
        [[symlink]]
        path = '/bin/sh'
        target = '/rescue/sh'
        [set.mine]
        modules = ['overlay']
    ";
    let contents = Contents::parse("mine.toml", text).unwrap();
    let (summary, initrd) = root.build_with("mine", &contents, 1).unwrap();
    let entries = read_initrd(&initrd);
    assert_eq!(entries["rescue/sh"], (0o100_755, b"busybox".to_vec()));
    assert_eq!(entries["bin/sh"], (0o120_777, b"/rescue/sh".to_vec()));
    assert_eq!(entries["a/b"].0, 0o040_755);
    assert_eq!(summary.modules, ["overlay"]);
}
