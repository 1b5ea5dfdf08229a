//! The initrd for one network card, by the numbers that a boot loader knows it by.

use std::fs;

use netroot_initramfs::{
    BuildSummary, Contents, ModuleSelection, NicDrivers, RootTree, choose_kernel,
};
use netroot_net::PciId;

use crate::archive::{read_initrd, text};
use crate::fake_root::{FakeRoot, VERSION, sentence};
use crate::fixture;

/// More modules, each with what depmod lists of it: its dependencies, and its alias.
fn add(root: &FakeRoot, modules: &[(&str, &[&str], &str, &str)]) {
    let tree = root.path(&format!("usr/lib/modules/{VERSION}"));
    for (path, uses, needs, alias) in modules {
        let info = format!("vermagic={VERSION} SMP preempt mod_unload \0");
        let file = format!("usr/lib/modules/{VERSION}/{path}");
        root.file(&file, &fixture::driver(62, &info, uses));
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".ko");
        let (dep, aliases) = (tree.join("modules.dep"), tree.join("modules.alias"));
        let before = fs::read_to_string(&dep).unwrap();
        fs::write(dep, format!("{before}{path}: {needs}\n")).unwrap();
        if !alias.is_empty() {
            let before = fs::read_to_string(&aliases).unwrap();
            fs::write(aliases, format!("{before}alias {alias} {name}\n")).unwrap();
        }
    }
}

/// A root with drivers of several kinds.
fn root() -> FakeRoot {
    let root = FakeRoot::new();
    let ethernet = |name| format!("kernel/drivers/net/ethernet/{name}.ko");
    let libphy = "kernel/drivers/net/phy/libphy.ko";
    add(
        &root,
        &[
            (libphy, &[], "", ""),
            ("kernel/drivers/net/phy/other_phy.ko", &[], libphy, ""),
            (
                &ethernet("with_phy"),
                &[],
                libphy,
                "pci:v00001234d00000001sv*sd*bc*sc*i*",
            ),
            (
                &ethernet("r8169"),
                &[],
                libphy,
                "pci:v000010ECd00008168sv*sd*bc*sc*i*",
            ),
            ("kernel/drivers/net/phy/realtek.ko", &[], libphy, ""),
            (
                &ethernet("8139too"),
                &[],
                "",
                "pci:v*d00008139sv000010ECsd00008139bc*sc*i*",
            ),
            (
                &ethernet("8139cp"),
                &[],
                "",
                "pci:v000010ECd00008139sv*sd*bc*sc*i*",
            ),
            (
                "kernel/drivers/virtio/virtio_pci.ko",
                &[],
                "",
                "pci:v00001AF4d*sv*sd*bc*sc*i*",
            ),
            (
                "kernel/drivers/net/virtio_net.ko",
                &[],
                "",
                "virtio:d00000001v*",
            ),
            (
                "kernel/drivers/ata/disk.ko",
                &[],
                "",
                "pci:v00001234d*sv*sd*bc01sc06i01*",
            ),
            (
                "updates/dkms/added.ko",
                &["alloc_etherdev_mqs"],
                "",
                "pci:v00001234d00005678sv*sd*bc*sc*i*",
            ),
            (
                "extra/gpu.ko",
                &["drm_dev_register"],
                "",
                "pci:v00001234d00000002sv*sd*bc*sc*i*",
            ),
        ],
    );
    root
}

fn id(text: &str) -> PciId {
    text.parse().unwrap()
}

fn drivers(root: &FakeRoot) -> NicDrivers {
    let tree = RootTree::open(root.dir.path()).unwrap();
    let kernel = choose_kernel(&tree, None).unwrap();
    NicDrivers::read(&tree, &kernel, &Contents::built_in().unwrap()).unwrap()
}

/// The modules beside those that every initrd has.
fn own(summary: &BuildSummary) -> Vec<&str> {
    let always = ["nfs", "nfsv3", "overlay", "sunrpc"];
    let names = summary.modules.iter().map(String::as_str);
    names.filter(|name| !always.contains(name)).collect()
}

#[test]
fn an_initrd_for_a_card_has_its_drivers_their_phys_and_nothing_else() {
    let root = root();
    let of_all = root.build("netboot").unwrap().0;
    for (nic, modules) in [
        // The kernel's own and one of DKMS, with a soft dependency on a sum and a PHY.
        (
            "1234:5678",
            &["added", "fast_nic", "fast_phy", "sum_generic"][..],
        ),
        // Any PHY that the kernel has a driver for.
        (
            "1234:0001",
            &["fast_phy", "libphy", "other_phy", "realtek", "with_phy"],
        ),
        // The only one that there is.
        ("10ec:8168", &["libphy", "r8169", "realtek"]),
        // Which of them it is depends on its revision.
        ("10ec:8139", &["8139cp", "8139too"]),
        ("1af4:1000", &["virtio_net", "virtio_pci"]),
        ("1af4:1041", &["virtio_net", "virtio_pci"]),
    ] {
        let (summary, initrd) = root.build(&format!("pci:{nic}")).unwrap();
        assert_eq!(own(&summary), modules, "{nic}");
        for module in &summary.modules {
            assert!(of_all.modules.contains(module), "{module}: {of_all:?}");
        }
        let listed = text(&read_initrd(&initrd), "modules.dep");
        assert_eq!(listed.lines().count(), summary.modules.len(), "{listed}");
    }
    // The firmware that a driver names.
    let (summary, _) = root.build("pci:1234:5678").unwrap();
    assert_eq!(summary.firmware, ["nic/one.bin", "nic/two.bin"]);
}

#[test]
fn without_a_driver_there_is_no_initrd_for_a_card() {
    let root = root();
    // Nobody's, a wireless card's, a driver that turns out to be for something else, and a disk's.
    for nic in ["8086:10d3", "1234:9999", "1234:0002", "1234:0003"] {
        let text = sentence(root.build(&format!("pci:{nic}")));
        assert_eq!(
            text,
            format!(
                "kernel {VERSION} has no driver for the network card {nic} among the modules of `netboot`; give it all \
                 of them (--modules netboot), or name its driver"
            )
        );
    }
}

#[test]
fn a_phylib_that_is_built_in_is_found_by_what_a_driver_uses_of_it() {
    let root = FakeRoot::new();
    let alias = |device| format!("pci:v00001234d0000{device}sv*sd*bc*sc*i*");
    add(
        &root,
        &[
            (
                "kernel/drivers/net/ethernet/a.ko",
                &["phy_connect_direct"],
                "",
                &alias("0001"),
            ),
            (
                "kernel/drivers/net/ethernet/b.ko",
                &["phy_power_on"],
                "",
                &alias("0002"),
            ),
        ],
    );
    let (summary, _) = root.build("pci:1234:0001").unwrap();
    assert_eq!(own(&summary), ["a", "fast_phy"]);
    let (summary, _) = root.build("pci:1234:0002").unwrap();
    assert_eq!(own(&summary), ["b"]);
}

#[test]
fn a_card_is_known_by_the_drivers_that_it_may_have() {
    let drivers = drivers(&root());
    for (nic, driver) in [
        ("1234:5678", Some("added-fast_nic")),
        ("10ec:8168", Some("r8169")),
        // One of its drivers is for a board of any vendor.
        ("10ec:8139", Some("8139cp-8139too")),
        ("1113:8139", Some("8139too")),
        ("1af4:1000", Some("virtio_net-virtio_pci")),
        // Only who reads its driver sees that it is none.
        ("1234:0002", Some("gpu")),
        ("1234:9999", None),
        ("1234:0003", None),
        ("8086:10d3", None),
    ] {
        let of = drivers.of(id(nic));
        assert_eq!(of.as_ref().map(|one| one.as_str()), driver, "{nic}");
    }
    assert_eq!(NicDrivers::default().of(id("10ec:8168")), None);
}

#[test]
fn one_card_takes_the_place_of_every_card_in_a_selection_and_of_nothing_else() {
    let nic = id("8086:10d3");
    let of = |text: &str| {
        let selection: ModuleSelection = text.parse().unwrap();
        selection.for_nic(nic).map(|one| one.to_string())
    };
    assert_eq!(of("netboot").as_deref(), Some("pci:8086:10d3"));
    assert_eq!(of("btrfs, netboot").as_deref(), Some("btrfs,pci:8086:10d3"));
    for text in ["", "virtio_net", "this-machine"] {
        assert_eq!(of(text), None, "{text}");
    }
}
