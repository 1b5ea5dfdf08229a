//! The init's cases. What `netroot explain` says of a command line is asked here; what takes a machine names its test.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;

use super::row::Row;

/// A command line, and a line of what `netroot explain` says of it.
struct Explained {
    case: (&'static str, &'static str),
    command_line: &'static str,
    expected: &'static str,
}

const FIRST_MAC: &str = "root=/dev/nfs nfsroot=10.77.0.1:/root ro ip=10.77.0.50::10.77.0.1:255.255.255.0:nfs-cl:52-54-00-77-00-02:none";

const EXPLAINED: [Explained; 14] = [
    Explained {
        case: C01,
        command_line: FIRST_MAC,
        expected: "52:54:00:77:00:02 has the address 10.77.0.50/24; no server is asked, router 10.77.0.1, host name nfs-cl (ip=...)",
    },
    Explained {
        case: C01,
        command_line: "root=/dev/nfs ip=52:54:00:77:00:02:dhcp",
        expected: "52:54:00:77:00:02 asks a DHCP server (ip=52:54:00:77:00:02:dhcp)",
    },
    Explained {
        case: C03,
        command_line: "root=nfs4:10.100.10.0:/rootfs/q:rdma bootdev=ib0",
        expected: "path /rootfs/q (root=nfs4:10.100.10.0:/rootfs/q:rdma)",
    },
    Explained {
        case: C03,
        command_line: "root=nfs4:10.100.10.0:/rootfs/q:rdma bootdev=ib0",
        expected: "root=nfs4:10.100.10.0:/rootfs/q:rdma: at position 27: expected tcp, found \"rdma\"; TCP is used: this init does not load what NFS over RDMA needs (xprtrdma and the card's drivers); a port of 20049 is left out",
    },
    Explained {
        case: C14,
        command_line: "root=/dev/nfs ip=enp4s0:dhcp",
        expected: "enp4s0 asks a DHCP server (ip=enp4s0:dhcp)",
    },
    Explained {
        case: C14,
        command_line: "root=/dev/nfs ip=:::::ens192:",
        expected: "ens192 asks a DHCP server, and a BOOTP server as well after 7 s of silence (ip=:::::ens192:)",
    },
    Explained {
        case: C15,
        command_line: "root=/dev/nfs ifname=eno1: netdev=eno1 BOOTIF=01-52-54-00-12-34-56",
        expected: "eno1 is the new name of 52:54:00:12:34:56 (ifname=eno1:)",
    },
    Explained {
        case: C16,
        command_line: "root=/dev/nfs ip=192.0.2.10/24:192.0.2.254",
        expected: "ip=192.0.2.10/24:192.0.2.254: at position 0: expected 192.0.2.10::192.0.2.254:255.255.255.0, as in <address>:<server>:<router>:<netmask>:<host name>:<device>:<method>, found \"192.0.2.10/24\"; taken as that",
    },
    Explained {
        case: C30,
        command_line: "boot=casper netboot=nfs nfsroot=10.0.0.1:/srv/iso",
        expected: "boot=casper: it starts casper, whose root is an image in the export (casper/filesystem.squashfs), and this init mounts the export itself as the root: export that image unpacked, or boot with casper's own initrd",
    },
    Explained {
        case: C31,
        command_line: "boot=NFS=192.0.2.145:/srv/nfs/x disk=NFS=192.0.2.145:/srv/nfs/s",
        expected: "boot=NFS=192.0.2.145:/srv/nfs/x: it is LibreELEC's, which this init does not follow; root=nfs:192.0.2.145:/srv/nfs/x names an NFS root",
    },
    Explained {
        case: C31,
        command_line: "boot=NFS=192.0.2.145:/srv/nfs/x disk=NFS=192.0.2.145:/srv/nfs/s",
        expected: "disk=NFS=192.0.2.145:/srv/nfs/s: it is LibreELEC's, which this init does not follow: one export is the whole root here",
    },
    Explained {
        case: C34,
        command_line: "root=/dev/nfs ip=BOOTIF:dhcp BOOTIF=01-52-54-00-12-34-56",
        expected: "52:54:00:12:34:56 asks a DHCP server (ip=BOOTIF:dhcp)",
    },
    Explained {
        case: GUIX,
        command_line: "root=:/export rootfstype=nfs rootflags=addr=10.0.0.1 gnu.system=/s gnu.load=/s/boot",
        expected: "init Guix System's /s/boot, run by /s/profile/bin/guile, else by the interpreter of /s/activate (gnu.load=/s/boot)",
    },
    Explained {
        case: GUIX,
        command_line: "root=:/export rootfstype=nfs rootflags=addr=10.0.0.1 gnu.system=/s gnu.load=/s/boot",
        expected: "server 10.0.0.1 (root=:/export rootflags=addr=10.0.0.1)",
    },
];

const C01: (&str, &str) = ("C01", "anaconda#3264, dracut-ng#1743, dracut#2337");
const C03: (&str, &str) = ("C03", "dracut#1334");
const C14: (&str, &str) = ("C14", "dracut#701");
const C15: (&str, &str) = ("C15", "xcat-core#1502");
const C16: (&str, &str) = ("C16", "fedora-coreos-tracker#376");
const C30: (&str, &str) = ("C30", "netboot.xyz#1513, rescatux#130");
const C31: (&str, &str) = ("C31", "LibreELEC#9951");
const C34: (&str, &str) = ("C34", "systemd#41028");
const GUIX: (&str, &str) = ("Guix", "Guix's own test of an NFS root");

/// A case that takes a machine: what it shows, and its test.
struct Shown {
    case: (&'static str, &'static str),
    expected: &'static str,
    test: &'static str,
}

const SHOWN: [Shown; 18] = [
    Shown {
        case: C01,
        expected: "a fixed address for a NIC named by its MAC goes to that NIC",
        test: "tests/vm/udev_names.rs a_fixed_address_for_a_card_named_by_its_address_goes_to_that_card",
    },
    Shown {
        case: C14,
        expected: "the NIC that udev calls so is used, and has that name in the root",
        test: "tests/vm/udev_names.rs a_nic_by_its_path_name_is_used_and_has_the_name_in_the_root",
    },
    Shown {
        case: C14,
        expected: "a NIC is known by each of udev's names",
        test: "tests/vm/udev_names.rs a_nic_may_be_called_by_several_of_its_names",
    },
    Shown {
        case: C16,
        expected: "an address that cannot be read fails the boot, and does not become DHCP's",
        test: "tests/vm/init_alone.rs an_invalid_fixed_address_is_reported_with_its_position_and_never_becomes_dhcp",
    },
    Shown {
        case: C34,
        expected: "the NIC of BOOTIF",
        test: "tests/vm/udev_names.rs bootif_as_a_device_is_the_card_of_that_address",
    },
    Shown {
        case: ("C26", "LTSP's and FOG's habit"),
        expected: "a fstab of a disk: its lines are masked, and the machine is not in emergency mode",
        test: "tests/vm/unfit_roots.rs lines_for_disks_are_masked_in_the_overlay_and_warned_of_without_one",
    },
    Shown {
        case: ("C26", "LTSP's and FOG's habit"),
        expected: "a Debian root copied from a disk reaches its login",
        test: "tests/vm/unfit_roots.rs a_debian_root_copied_from_a_disk_reaches_its_login",
    },
    Shown {
        case: ("C27", "openmediavault#569"),
        expected: "an export for Kerberos alone is told with its cure",
        test: "tests/vm/unfit_roots.rs an_export_for_kerberos_alone_is_told_in_both_versions",
    },
    Shown {
        case: ("C28", "ltsp#141, openzfs/zfs#5351"),
        expected: "nested exports are seen through an overlay",
        test: "tests/vm/unfit_roots.rs file_systems_of_the_server_below_the_root_are_seen_through_the_overlay",
    },
    Shown {
        case: ("C29", "dracut#2508, dracut#1010"),
        expected: "a root without /dev, /proc, /sys, /run: told before the switch",
        test: "tests/vm/unfit_roots.rs each_fault_of_a_root_is_told_until_the_last_is_mended",
    },
    Shown {
        case: ("C29", "dracut#2508, dracut#1010"),
        expected: "the same under an overlay: they are made",
        test: "tests/vm/unfit_roots.rs directories_that_a_root_lacks_are_made_in_the_overlay",
    },
    Shown {
        case: C30,
        expected: "a live image's folder is told with its cure",
        test: "tests/vm/unfit_roots.rs each_fault_of_a_root_is_told_until_the_last_is_mended",
    },
    Shown {
        case: ("C32", "xcat-core#6805, realtek-r8125-dkms#51"),
        expected: "NIC drivers are included wherever they lie",
        test: "crates/initramfs/tests/initrd/out_of_tree.rs a_nic_driver_is_included_wherever_it_lies",
    },
    Shown {
        case: ("C33", "ltsp#141, rear#158"),
        expected: "an export that squashes root is warned of with the cure",
        test: "tests/vm/unfit_roots.rs a_root_that_squashes_root_is_told_with_the_cure",
    },
    Shown {
        case: ("C35", "nixpkgs#445803"),
        expected: "a kernel without modules gets an image without modules",
        test: "crates/initramfs/tests/initrd/kernels.rs a_kernel_without_module_support_needs_no_modules",
    },
    Shown {
        case: ("C36", "rescatux#130"),
        expected: "a parameter that was passed over and explains the failure is part of its sentence",
        test: "crates/init/src/failure.rs what_the_init_passed_over_is_part_of_the_sentence",
    },
    Shown {
        case: GUIX,
        expected: "a Guix-shaped root boots from netroot serve to the line that its boot script prints, over an overlay",
        test: "tests/vm/guix.rs guix_boots_the_current_generation_from_our_server_over_an_overlay",
    },
    Shown {
        case: GUIX,
        expected: "without guile in its profile it is started by the interpreter of activate",
        test: "tests/vm/guix.rs guix_without_guile_among_its_packages_boots_as_guix_itself_spells_the_parameters",
    },
];

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for explained in &EXPLAINED {
        let observed = explain(explained.command_line, explained.expected);
        let what = format!("explain '{}'", explained.command_line);
        rows.push(Row::new(
            explained.case,
            &what,
            explained.expected,
            observed,
        ));
    }
    for shown in &SHOWN {
        rows.push(Row::shown_by(
            shown.case,
            "in a test of its own",
            shown.expected,
            shown.test,
        ));
    }
    Ok(rows)
}

/// The line of the explanation that begins as the expected one does, with single spaces; or everything.
fn explain(command_line: &str, expected: &str) -> Result<String> {
    let output = Command::new(paths::netroot()?)
        .args(["explain", command_line])
        .output()
        .context("start netroot explain")?;
    // 1 is the status for a command line with a mistake in it.
    let is_explained = matches!(output.status.code(), Some(0 | 1)) && !output.stdout.is_empty();
    ensure!(is_explained, "it failed: {output:?}");
    let text = String::from_utf8(output.stdout)?;
    let first = expected.split(' ').next().unwrap_or_default();
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let same = lines.iter().find(|line| *line == expected);
    let similar = lines.iter().find(|line| line.starts_with(first));
    Ok(same.or(similar).cloned().unwrap_or(text))
}
