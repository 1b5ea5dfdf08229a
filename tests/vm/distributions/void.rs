//! Void: one directory for all programs, runit as process 1, dhcpcd.

use anyhow::{Result, ensure};
use netroot_harness::ShapedRoot;

use super::{Booted, FACTS, ONE_DIRECTORY, TELL, small_root};

/// What Void's first stage does to the root, in its order: mounts that are there stay, `/` is made read-only and
/// writable again, runit is given a second name.
const STAGE_1: &str = r#"#!/bin/sh
PATH=/usr/bin:/usr/sbin
for place in /proc /sys /run /dev; do
    mountpoint -q "$place" || echo "told: missing $place" > /dev/kmsg
done
mkdir -p -m0755 /run/runit /run/lock /dev/pts /dev/shm
mountpoint -q /dev/pts || mount -o mode=0620,gid=5,nosuid,noexec -n -t devpts devpts /dev/pts
emergency() { echo "<1>told: emergency $*" > /dev/kmsg; }
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,ro / || emergency read-only
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,rw / || emergency read-write
mount -a -t "nosysfs,nonfs,nonfs4,nosmbfs,nocifs" -O no_netdev || emergency fstab
ln -f /bin/runit /bin/.runit.booted
install -m000 /dev/null /run/runit/stopit
install -m000 /dev/null /run/runit/reboot
ip link set up dev lo
"#;

const STAGE_2: &str =
    "#!/bin/sh\nexec env - PATH=/usr/bin:/usr/sbin runsvdir -P /etc/runit/runsvdir/default\n";

const GETTY: &str = "#!/bin/sh\nexec getty -L ttyS0 115200 vt100\n";
const DHCPCD: &str = "#!/bin/sh\nexec 2>&1\nexec dhcpcd -B -d > /dev/kmsg\n";
/// dhcpcd has looked at all interfaces once it has its socket; a NIC that it manages it would ask for at once.
const WATCH: &str = "#!/bin/sh
until [ -S /run/dhcpcd/sock ]; do sleep 1; done
sleep 10
sh /etc/tell
exec sleep 100000
";

fn root() -> Result<ShapedRoot> {
    let root = small_root("void", "Void")?;
    root.directories(&["usr/bin", "usr/lib", "var/lib/dhcpcd"])?;
    for (link, target) in ONE_DIRECTORY {
        root.link(link, target)?;
    }
    root.programs(
        &[
            "usr/sbin/runit",
            "usr/sbin/runit-init",
            "usr/bin/runsvdir",
            "usr/bin/runsv",
            "usr/bin/mount",
            "usr/bin/mountpoint",
            "usr/sbin/dhcpcd",
        ],
        "usr/bin",
        "usr/lib",
    )?;
    root.libraries_of("usr/lib/x86_64-linux-gnu/libudev.so.1", "usr/lib")?;
    root.link("usr/bin/init", "runit-init")?;
    root.take_tree("usr/lib/dhcpcd", "usr/lib/dhcpcd")?;
    root.take("etc/dhcpcd.conf", "etc/dhcpcd.conf")?;
    root.busybox("usr/bin/busybox")?;
    root.kernel("boot/vmlinuz-6.1.1_1", "usr/lib/modules")?;
    root.write("etc/group", "root:x:0:\n")?;
    root.write("etc/fstab", "tmpfs /tmp tmpfs defaults,nosuid,nodev 0 0\n")?;
    root.script("etc/runit/1", STAGE_1)?;
    root.script("etc/runit/2", STAGE_2)?;
    root.script("etc/runit/3", "#!/bin/sh\n")?;
    for (name, run) in [("getty", GETTY), ("dhcpcd", DHCPCD), ("watch", WATCH)] {
        root.script(&format!("etc/sv/{name}/run"), run)?;
        // Void's services keep their state in /run.
        root.link(
            &format!("etc/sv/{name}/supervise"),
            &format!("/run/runit/supervise.{name}"),
        )?;
        root.link(
            &format!("etc/runit/runsvdir/default/{name}"),
            &format!("/etc/sv/{name}"),
        )?;
    }
    root.write("etc/tell", &format!("{TELL}{FACTS}"))?;
    Ok(root)
}

#[test]
fn void_with_runit_and_dhcpcd() -> Result<()> {
    let root = root()?;
    let config = std::fs::read(root.path().join("etc/dhcpcd.conf"))?;
    let booted = Booted::boot("void", &root)?;
    ensure!(booted.told("init") == "runit");
    ensure!(
        booted.told("emergency").is_empty(),
        "{}",
        booted.told("emergency")
    );
    ensure!(
        booted.told("missing").is_empty(),
        "{}",
        booted.told("missing")
    );
    let mounts = booted.told("mount");
    ensure!(mounts.contains("/ overlay rw"), "{mounts}");
    let processes = booted.told("process");
    ensure!(processes.contains("dhcpcd"), "{processes}");
    booted.assert_has_its_address_alone()?;
    ensure!(
        std::fs::read(root.path().join("etc/dhcpcd.conf"))? == config,
        "the export changed"
    );
    booted
        .vm
        .wait_for(" login:", "the login prompt", crate::lan::TIMEOUT)?;
    Ok(())
}
