//! Alpine: `/bin`, `/sbin` and `/lib` of their own, BusyBox's init, OpenRC, ifupdown-ng with BusyBox's DHCP client. Its
//! libc is glibc here and not musl.

use anyhow::{Result, ensure};
use netroot_harness::ShapedRoot;

use super::{Booted, FACTS, TELL, small_root};

/// Alpine's, with one line more: what the test reads.
const INITTAB: &str = "\
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default
::once:/bin/sh /etc/tell
ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100
::ctrlaltdel:/sbin/reboot
::shutdown:/sbin/openrc shutdown
";

const INTERFACES: &str = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n";

/// What OpenRC's own service does: the root is remounted unless it is writable.
const ROOT: &str = r#"#!/sbin/openrc-run
start() {
    checkpath -W / && return 0
    ebegin "Remounting root filesystem read/write"
    mount -n -o remount,rw /
    eend $?
}
"#;

/// What ifupdown-ng's does: an interface that cannot be brought up is taken down. By their paths: Debian's BusyBox prefers
/// its own programs, Alpine's does not.
const NETWORKING: &str = r#"#!/sbin/openrc-run
depend() { provide net; need root; }
start() {
    ebegin "Starting networking"
    for interface in lo eth0; do
        /sbin/ifup "$interface" || /sbin/ifdown --force "$interface"
    done
    eend 0
}
"#;

/// BusyBox's `ifup` afterwards, which Alpine had before ifupdown-ng: it has the same file.
const OWN: &str = r#"
sed 's/^/state /' /run/ifstate | tell
/bin/busybox ifup eth0 2>&1 | sed 's/^/busybox /' | tell
echo "written $(touch /written && echo yes)" | tell
"#;

fn root() -> Result<ShapedRoot> {
    let root = small_root("alpine", "Alpine Linux")?;
    root.directories(&[
        "var/log",
        "etc/network/if-pre-up.d",
        "etc/network/if-up.d",
        "etc/runlevels/sysinit",
        "etc/runlevels/shutdown",
    ])?;
    let libraries = "usr/lib";
    root.programs(
        &[
            "usr/sbin/openrc",
            "usr/sbin/openrc-run",
            "usr/sbin/ifupdown-ng",
        ],
        "sbin",
        libraries,
    )?;
    root.take_tree("usr/lib/rc", "usr/lib/rc")?;
    root.libraries_of("usr/lib/rc/sbin/start-stop-daemon", libraries)?;
    root.take_tree("usr/libexec/ifupdown-ng", "usr/libexec/ifupdown-ng")?;
    for name in ["ifup", "ifdown", "ifquery"] {
        root.link(&format!("sbin/{name}"), "/sbin/ifupdown-ng")?;
    }
    root.busybox("bin/busybox")?;
    root.kernel("boot/vmlinuz-lts", "lib/modules")?;
    root.link("var/run", "../run")?;
    root.write("etc/inittab", INITTAB)?;
    // Debian's OpenRC also starts scripts of System V.
    root.write("etc/insserv.conf", "")?;
    root.write("etc/group", "root:x:0:\nuucp:x:14:\n")?;
    root.write("etc/fstab", "UUID=1234-abcd / ext4 rw,relatime 0 1\n")?;
    root.write("etc/network/interfaces", INTERFACES)?;
    root.script("etc/init.d/root", ROOT)?;
    root.script("etc/init.d/networking", NETWORKING)?;
    root.link("etc/runlevels/boot/root", "/etc/init.d/root")?;
    root.link("etc/runlevels/default/networking", "/etc/init.d/networking")?;
    root.write("etc/tell", &format!("{TELL}{OWN}{FACTS}"))?;
    Ok(root)
}

#[test]
fn alpine_with_busybox_openrc_and_ifupdown_ng() -> Result<()> {
    let root = root()?;
    let booted = Booted::boot("alpine", &root)?;
    ensure!(booted.told("init") == "init");
    let state = booted.told("state");
    ensure!(
        state.contains("eth0=eth0") && state.contains("lo=lo"),
        "{state}"
    );
    let busybox = booted.told("busybox");
    ensure!(busybox.contains("already configured"), "{busybox}");
    ensure!(!booted.told("process").contains("udhcpc"));
    let mounts = booted.told("mount");
    ensure!(mounts.contains("/ overlay rw"), "{mounts}");
    ensure!(booted.told("written") == "yes");
    ensure!(!root.path().join("written").exists());
    booted.assert_has_its_address_alone()?;
    booted
        .vm
        .wait_for(" login:", "the login prompt", crate::lan::TIMEOUT)?;
    Ok(())
}
