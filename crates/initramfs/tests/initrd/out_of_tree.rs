//! Drivers that did not come with the kernel: DKMS, OFED, weak-updates.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;

use netroot_initramfs::{BuildSummary, WhyLeftOut};

use crate::archive::{names_below, read_initrd, text};
use crate::fake_root::{FakeRoot, VERSION, sentence};
use crate::fixture;

const NIC: [&str; 2] = ["alloc_etherdev_mqs", "register_netdev"];

impl FakeRoot {
    /// The module tree of the kernel, or of another version.
    fn tree(&self, version: &str) -> std::path::PathBuf {
        self.path(&format!("usr/lib/modules/{version}"))
    }

    /// A driver in the tree of a version, built for it, that uses these symbols.
    fn driver(&self, version: &str, path: &str, uses: &[&str]) {
        let info = format!("vermagic={version} SMP preempt mod_unload \0");
        let inside = format!("usr/lib/modules/{version}/{path}");
        self.file(&inside, &fixture::driver(62, &info, uses));
    }

    /// What depmod adds for modules, each for a PCI device of its own.
    fn list(&self, paths: &[&str]) {
        let (mut dep, mut alias) = (String::new(), String::new());
        for path in paths {
            let name = path.rsplit('/').next().unwrap().trim_end_matches(".ko");
            writeln!(dep, "{path}: kernel/crypto/sum_generic.ko.zst").unwrap();
            let name = name.replace('-', "_");
            writeln!(alias, "alias pci:v00001234d0000{name}sv*sd*bc*sc*i* {name}").unwrap();
        }
        for (file, more) in [("modules.dep", dep), ("modules.alias", alias)] {
            let path = self.tree(VERSION).join(file);
            let before = fs::read_to_string(&path).unwrap();
            fs::write(path, before + &more).unwrap();
        }
    }
}

fn has(summary: &BuildSummary, name: &str) -> bool {
    summary.modules.iter().any(|module| module == name)
}

#[test]
fn a_nic_driver_is_included_wherever_it_lies() {
    let root = FakeRoot::new();
    let paths = [
        "updates/dkms/e1000e.ko",
        "extra/mlnx-ofa_kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko",
        "misc/usb-nic.ko",
        "kernel/drivers/staging/qlge/qlge.ko",
        "extra/xhci-other.ko",
    ];
    root.driver(VERSION, paths[0], &NIC);
    root.driver(VERSION, paths[1], &NIC);
    root.driver(VERSION, paths[2], &["usbnet_probe"]);
    root.driver(VERSION, paths[3], &NIC);
    root.driver(VERSION, paths[4], &["usb_add_hcd"]);
    root.list(&paths);
    let (summary, initrd) = root.build("netboot").unwrap();
    for name in [
        "e1000e",
        "mlx5_core",
        "usb_nic",
        "qlge",
        "xhci_other",
        "sum_generic",
    ] {
        assert!(has(&summary, name), "{name}: {summary:?}");
    }
    assert_eq!(summary.left_out, []);
    assert_eq!(summary.refused, []);
    let entries = read_initrd(&initrd);
    let added = names_below(&entries, &format!("lib/modules/{VERSION}/updates/"));
    assert_eq!(added, ["dkms/e1000e.ko"]);
    // Those that somebody installed come before the kernel's own.
    let alias = text(&entries, "modules.alias");
    assert!(
        alias.find(" e1000e\n") < alias.find(" fast_nic\n"),
        "{alias}"
    );
    // Only a set asks for drivers.
    assert!(!has(&root.build("overlay").unwrap().0, "e1000e"));
}

#[test]
fn what_is_no_wired_nic_is_left_out_and_named() {
    let root = FakeRoot::new();
    let paths = [
        "updates/dkms/8821cu.ko",
        "extra/qmi_wwan_q.ko",
        "extra/nvidia.ko",
        "extra/drivers/net/ethernet/netronome/nfp/nfp.ko",
        "updates/old_nic.ko",
        "updates/damaged.ko",
    ];
    root.driver(
        VERSION,
        paths[0],
        &["register_netdev", "cfg80211_scan_done"],
    );
    root.driver(VERSION, paths[1], &["usbnet_probe", "usb_cdc_wdm_register"]);
    root.driver(VERSION, paths[2], &["drm_dev_register"]);
    root.driver(VERSION, paths[3], &NIC);
    let old = fixture::driver(62, "vermagic=6.1.0-49-amd64 SMP \0", &NIC);
    root.file(&format!("usr/lib/modules/{VERSION}/{}", paths[4]), &old);
    root.file(
        &format!("usr/lib/modules/{VERSION}/{}", paths[5]),
        b"\x1f\x8b no gzip",
    );
    root.list(&paths);
    let (summary, _) = root.build("netboot").unwrap();
    let left_out: Vec<String> = summary
        .left_out
        .iter()
        .map(|(path, why)| format!("{path}: {why}"))
        .collect();
    assert_eq!(
        left_out,
        [
            "extra/drivers/net/ethernet/netronome/nfp/nfp.ko: no machine boots from it",
            "extra/qmi_wwan_q.ko: a modem's",
            "updates/damaged.ko: cannot decompress its gzip data",
            "updates/dkms/8821cu.ko: wireless",
            "updates/old_nic.ko: built for kernel 6.1.0-49-amd64",
        ]
    );
    // By its name it is included, and what the kernel will say is said.
    let (summary, _) = root.build("old_nic").unwrap();
    assert!(has(&summary, "old_nic"));
    let refused = ("old_nic".to_owned(), "6.1.0-49-amd64".to_owned());
    assert_eq!(summary.refused, [refused]);
}

#[test]
fn links_into_another_kernels_tree_are_followed_and_those_that_lead_nowhere_named() {
    let root = FakeRoot::new();
    let other = "6.1.0-49-amd64";
    let versions = "vermagic=6.1.0-49-amd64 SMP modversions \0";
    // With the versions of its symbols, another kernel takes it.
    let igb = fixture::driver_with_versions(62, versions, &NIC);
    root.file(&format!("usr/lib/modules/{other}/extra/igb/igb.ko"), &igb);
    let weak = root.tree(VERSION).join("weak-updates/kmod-igb");
    fs::create_dir_all(&weak).unwrap();
    // Absolute, as weak-modules makes them: it leads into the root, not into this machine.
    let target = format!("/lib/modules/{other}/extra/igb/igb.ko");
    symlink(&target, weak.join("igb.ko")).unwrap();
    symlink("/lib/modules/gone/extra/ixgbe.ko", weak.join("ixgbe.ko")).unwrap();
    root.driver(VERSION, "extra/unlisted.ko", &NIC);
    // A circle of folders.
    symlink("..", root.tree(VERSION).join("extra/up")).unwrap();
    root.list(&["weak-updates/kmod-igb/igb.ko"]);
    for modules in ["netboot", "netboot,igb"] {
        let (summary, initrd) = root.build(modules).unwrap();
        assert!(has(&summary, "igb"), "{summary:?}");
        assert_eq!(summary.refused, []);
        let ixgbe = summary
            .left_out
            .iter()
            .find(|(path, _)| path.ends_with("ixgbe.ko"));
        assert_eq!(
            ixgbe.map(|(_, why)| why),
            Some(&WhyLeftOut::NoFile),
            "{summary:?}"
        );
        let unlisted = ("extra/unlisted.ko".to_owned(), WhyLeftOut::NotListed);
        assert!(summary.left_out.contains(&unlisted), "{summary:?}");
        let entries = read_initrd(&initrd);
        let place = format!("lib/modules/{VERSION}/weak-updates/kmod-igb/igb.ko");
        assert_eq!(entries[&place].1, igb);
    }

    // The other kernel is removed.
    fs::remove_dir_all(root.tree(other)).unwrap();
    let (summary, _) = root.build("netboot").unwrap();
    let gone = (
        "weak-updates/kmod-igb/igb.ko".to_owned(),
        WhyLeftOut::NoFile,
    );
    assert!(
        summary.left_out.contains(&gone) && !has(&summary, "igb"),
        "{summary:?}"
    );
    let text = sentence(root.build("igb"));
    assert!(
        text.starts_with("cannot open ") && text.contains("a link that leads nowhere in the root"),
        "{text}"
    );
}

#[test]
fn a_kernel_without_modules_gets_an_initrd_without_modules() {
    let root = FakeRoot::new();
    let tree = root.tree(VERSION);
    // Neither a configuration nor a module tree.
    fs::rename(&tree, root.path("away")).unwrap();
    let (summary, initrd) = root.build("virtio_net").unwrap();
    assert!(summary.without_modules && summary.modules.is_empty());
    assert!(
        !read_initrd(&initrd)
            .keys()
            .any(|name| name.starts_with("lib/modules/"))
    );

    // The configuration says so, whatever lies in the tree.
    fs::rename(root.path("away"), &tree).unwrap();
    let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n# CONFIG_MODULES is not set\n";
    root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
    assert!(root.build("virtio_net").unwrap().0.without_modules);

    // A modular kernel without its modules is a mistake.
    fs::remove_dir_all(&tree).unwrap();
    let config = format!("{config}CONFIG_MODULES=y\n");
    root.file(&format!("boot/config-{VERSION}"), config.as_bytes());
    let text = sentence(root.build("virtio_net"));
    assert!(
        text.contains("the root has no modules for its kernel"),
        "{text}"
    );
}
