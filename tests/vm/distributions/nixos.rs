//! NixOS: everything in a store, and an init that makes `/bin`, `/etc` and `/run/current-system` anew at each boot.

use anyhow::{Result, ensure};
use netroot_harness::ShapedRoot;

use super::{Booted, FACTS, TELL};

/// The store's items. Real names begin with such a hash of what an item is made from.
const BUSYBOX: &str = "/nix/store/0d7q5x2mz9v1kny8c4bwsplg6rfahij3-busybox-1.37.0";
const LINUX: &str = "/nix/store/4kq1v9m2zx8c7bnyd5wsplg3rfahij60-linux-6.1";
const MODULES: &str = "/nix/store/9vx2k1q8m4zc7bnyd5wsplg3rfahij60-linux-6.1-modules";
const SYSTEM: &str = "/nix/store/7zc4m1q8kvx29bnyd5wsplg3rfahij60-nixos-system-nixos-25.05";

/// What the second stage of NixOS does to the root, in its order, before it starts systemd.
const INIT: &str = r#"#!@BUSYBOX@/bin/sh
export PATH=@BUSYBOX@/bin
systemConfig=@SYSTEM@
mount -n -o remount,rw,relatime none / || echo "<1>told: failed remount" > /dev/kmsg
chown -f 0:30000 /nix/store
chmod -f 1775 /nix/store
mount --bind /nix/store /nix/store
mount -o remount,ro,bind /nix/store
[ -e /etc ] || mkdir -m 0755 /etc
mkdir -p -m 1777 /tmp
mkdir -p -m 0755 /var /home /bin /usr/bin /root
ln -sfn @BUSYBOX@/bin/sh /bin/sh
ln -sfn @BUSYBOX@/bin/env /usr/bin/env
ln -sfn "$systemConfig" /run/current-system
ln -sfn "$systemConfig" /run/booted-system
hostname nixos
@BUSYBOX@/bin/sh $systemConfig/tell
exec getty -L ttyS0 115200 vt100
"#;

fn root() -> Result<ShapedRoot> {
    let root = ShapedRoot::new()?;
    root.write("etc/NIXOS", "")?;
    root.take("usr/bin/busybox", &format!("{BUSYBOX}/bin/busybox"))?;
    for program in [
        "sh", "mount", "chown", "chmod", "mkdir", "ln", "hostname", "getty", "env", "sed", "ip",
        "cat", "readlink",
    ] {
        root.link(&format!("{BUSYBOX}/bin/{program}"), "busybox")?;
    }
    let version = root.kernel(
        &format!("{LINUX}/bzImage"),
        &format!("{MODULES}/lib/modules"),
    )?;
    root.link(&format!("{SYSTEM}/kernel"), &format!("{LINUX}/bzImage"))?;
    root.link(&format!("{SYSTEM}/kernel-modules"), MODULES)?;
    let fill = |text: &str| {
        text.replace("@BUSYBOX@", BUSYBOX)
            .replace("@SYSTEM@", SYSTEM)
    };
    root.script(&format!("{SYSTEM}/init"), &fill(INIT))?;
    let own = "echo \"system $(readlink /run/current-system)\" | tell\necho \"sh $(readlink /bin/sh)\" | tell\n";
    root.write(&format!("{SYSTEM}/tell"), &format!("{TELL}{own}{FACTS}"))?;
    root.write(&format!("{SYSTEM}/nixos-version"), &version)?;
    root.link("nix/var/nix/profiles/system", "system-1-link")?;
    root.link("nix/var/nix/profiles/system-1-link", SYSTEM)?;
    Ok(root)
}

#[test]
fn nixos_from_its_store_alone() -> Result<()> {
    let root = root()?;
    let booted = Booted::boot("nixos", &root)?;
    let switch = "netroot: switch_root to /nix/var/nix/profiles/system-1-link/init, ";
    ensure!(booted.vm.console().text().contains(switch));
    ensure!(
        booted.told("failed").is_empty(),
        "{}",
        booted.told("failed")
    );
    ensure!(booted.told("system") == SYSTEM);
    ensure!(booted.told("sh") == format!("{BUSYBOX}/bin/sh"));
    let mounts = booted.told("mount");
    ensure!(mounts.contains("/ overlay rw"), "{mounts}");
    ensure!(mounts.contains("/nix/store overlay ro"), "{mounts}");
    ensure!(
        !root.path().join("bin").exists(),
        "the export was written to"
    );
    booted.assert_has_its_address_alone()?;
    booted
        .vm
        .wait_for("nixos login:", "the login prompt", crate::lan::TIMEOUT)?;
    Ok(())
}
