//! Roots that are not what their machines need: what can stop the root's init is told before the switch, with its cure, and
//! what a writable layer allows to mend is mended.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{Clients, Ganesha, TinyRoot, paths};

use crate::failures::assert_fails_with;
use crate::lan::{Facts, Lan, SERVER, STATIC, TIMEOUT, own_export, write};

/// What Debian's installer writes to a disk, with a line of the network.
const FSTAB: &str = "\
# / was on /dev/sda2 during installation
UUID=3f0c2c1e-5b5e-4c6f-9c7e-0c1d2e3f4a5b /               ext4    errors=remount-ro 0       1
UUID=A1B2-C3D4  /boot/efi       vfat    umask=0077      0       1
UUID=9a8b7c6d-1111-2222-3333-444455556666 none            swap    sw              0       0
tmpfs           /tmp            tmpfs   nosuid          0       0
";
const CRYPTTAB: &str = "sda3_crypt UUID=9a8b7c6d-1111-2222-3333-444455556666 none luks\n";

/// The masked lines, as the console names them.
const MASKED: &str = "/ (UUID=3f0c2c1e-5b5e-4c6f-9c7e-0c1d2e3f4a5b), /boot/efi (UUID=A1B2-C3D4), swap (UUID=9a8b7c6d-1111-2222-3333-444455556666)";

/// The tiny root at `/srv/root` of NFS-Ganesha.
fn nfsroot(options: &str) -> String {
    format!("root=/dev/nfs nfsroot={SERVER}:/srv/root{options} {STATIC}")
}

#[test]
fn each_fault_of_a_root_is_told_until_the_last_is_mended() -> Result<()> {
    let lan = Lan::new("unfit-root")?;
    let root = TinyRoot::without_init()?;
    let (path, init) = (root.path(), root.path().join("sbin/init"));
    let _server = lan.serve_beside(path)?;

    // A live image's folder.
    write(&path.join("casper/filesystem.squashfs"), "hsqs")?;
    let mut vm = lan.boot(&format!("{} {STATIC} ro", own_export(path)?))?;
    assert_fails_with(
        &mut vm,
        "it is the folder of a live image (Ubuntu): casper/filesystem.squashfs is the root; unpack it (unsquashfs",
    )?;

    symlink("/gnu/store/system/init", &init)?;
    assert_fails_with(
        &mut vm,
        "its /sbin/init is a link to /gnu/store/system/init, which is not there; complete the root",
    )?;

    // A merged /usr without the links at the top.
    std::fs::remove_file(&init)?;
    std::fs::copy(paths::debian_root().join("usr/bin/true"), &init).context("copy an init")?;
    let loader = path.join("usr/lib64/ld-linux-x86-64.so.2");
    write(&loader, "")?;
    std::fs::set_permissions(&loader, PermissionsExt::from_mode(0o755))?;
    assert_fails_with(
        &mut vm,
        "make the link lib64 in the exported directory (ln -s usr/lib64 lib64)",
    )?;

    std::fs::remove_file(&init)?;
    std::fs::copy(paths::facts()?, &init).context("copy the init")?;
    for name in ["dev", "proc", "run", "sys"] {
        std::fs::remove_dir(path.join(name))?;
    }
    write(&path.join("usr/lib/systemd/systemd"), "")?;
    assert_fails_with(
        &mut vm,
        "it has no /dev, /sys, /run, /proc to mount on, and none can be made: Read-only file system",
    )?;
    assert!(
        vm.console()
            .contains("(mkdir dev sys run proc), or boot with rd.overlay")
    );

    for name in ["dev", "proc", "run", "sys"] {
        std::fs::create_dir(path.join(name))?;
    }
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn what_version_4_mounts_is_looked_at_as_well() -> Result<()> {
    let lan = Lan::new("unfit-live-4")?;
    let root = TinyRoot::without_init()?;
    write(&root.path().join("LiveOS/squashfs.img"), "hsqs")?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let mut vm = lan.boot(&format!("{} ro", nfsroot(",vers=4.2")))?;
    let sentence =
        "it is the folder of a live image (Fedora): LiveOS/squashfs.img is the root; unpack it";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn directories_that_a_root_lacks_are_made_in_the_overlay() -> Result<()> {
    let lan = Lan::new("unfit-directories")?;
    let root = TinyRoot::make()?;
    let path = root.path();
    for name in ["dev", "proc", "run", "sys"] {
        std::fs::remove_dir(path.join(name))?;
    }
    // What tar or a container's layer leaves in the place of one.
    std::fs::write(path.join("proc"), "")?;
    symlink("/nowhere", path.join("sys"))?;
    symlink("var/run", path.join("run"))?;
    std::fs::create_dir(path.join("var/run"))?;
    let _server = lan.serve_beside(path)?;
    let vm = lan.boot(&format!("{} {STATIC} rd.overlay", own_export(path)?))?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    assert!(
        vm.console()
            .contains("netroot: made /dev, /sys, /proc in the writable layer")
    );
    assert!(
        facts.mount("/var/run").contains(" tmpfs "),
        "{}",
        facts.all("mount")
    );
    assert!(facts.report()?.is_object());
    assert!(!path.join("dev").exists() && path.join("proc").is_file());
    Ok(())
}

#[test]
fn directories_that_a_root_lacks_are_made_on_a_server_that_may_be_written_to() -> Result<()> {
    let lan = Lan::new("unfit-writable")?;
    let root = TinyRoot::make()?;
    let path = root.path();
    for name in ["dev", "proc", "run", "sys"] {
        std::fs::remove_dir(path.join(name))?;
    }
    let _ganesha = Ganesha::start_changed(&lan.net, path, "/srv/root", |text| {
        text.replace("Access_Type = RO", "Access_Type = RW")
    })?;
    let vm = lan.boot(&format!("{} rw", nfsroot("")))?;
    assert_eq!(Facts::of(&vm)?.all("write"), "succeeded: by the machine");
    let console = vm.console().text();
    assert!(
        console.contains("netroot: made /dev, /sys, /run, /proc on the server"),
        "{console}"
    );
    assert!(!console.contains("squash"), "{console}");
    assert!(path.join("dev").is_dir() && path.join("run").is_dir());
    Ok(())
}

#[test]
fn a_root_that_is_mounted_noexec_is_told_before_the_switch() -> Result<()> {
    let lan = Lan::new("unfit-noexec")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let mut vm = lan.boot(&format!("{},noexec {STATIC} ro", own_export(root.path())?))?;
    assert_fails_with(
        &mut vm,
        "it is mounted noexec, so that nothing in it can be run; take noexec out",
    )
}

/// A further export of NFS-Ganesha: a file system of its own.
fn export(id: u32, directory: &Path, pseudo: &str) -> String {
    format!(
        "EXPORT {{ Export_Id = {id}; Filesystem_Id = 55.{id}; Path = {}; Pseudo = {pseudo}; Tag = tag{id};
  Protocols = 3, 4; Transports = TCP; SecType = sys; Squash = No_Root_Squash; Access_Type = RO; FSAL {{ Name = VFS; }} }}\n",
        directory.display()
    )
}

/// The tiny root with everything but the mount points on three file systems of the server: the root, `/usr` with the
/// init in it, and `/usr/local`.
#[test]
fn file_systems_of_the_server_below_the_root_are_seen_through_the_overlay() -> Result<()> {
    let lan = Lan::new("unfit-nested")?;
    let (root, usr, local) = (
        TinyRoot::without_init()?,
        TinyRoot::make()?,
        TinyRoot::without_init()?,
    );
    let path = root.path();
    std::fs::remove_dir(path.join("sbin"))?;
    std::fs::remove_file(path.join("lib"))?;
    std::fs::remove_dir_all(path.join("usr"))?;
    std::fs::create_dir(path.join("usr"))?;
    symlink("usr/sbin", path.join("sbin"))?;
    std::fs::create_dir(usr.path().join("local"))?;
    std::fs::set_permissions(local.path(), PermissionsExt::from_mode(0o1777))?;
    let more = [
        export(51, usr.path(), "/srv/root/usr"),
        export(52, local.path(), "/srv/root/usr/local"),
    ]
    .concat();
    let _ganesha = Ganesha::start_changed(&lan.net, path, "/srv/root", |text| text + &more)?;

    // Version 3 shows an empty /usr, and says what else is exported.
    let vm = lan.boot(&format!("{} rd.overlay", nfsroot("")))?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    for place in ["/usr", "/usr/local"] {
        let mount = facts.mount(place);
        assert!(
            mount.contains(" overlay rw,"),
            "{place}: {}",
            facts.all("mount")
        );
    }
    let console = vm.console().text();
    assert!(
        console.contains("does not show what the server exports on its own below it"),
        "{console}"
    );
    assert!(
        console.contains("for other file systems of the server below the root: /usr, /usr/local"),
        "{console}"
    );
    drop(vm);

    // Where version 4 may not be used, it is the cure.
    let mut vm = lan.boot(&format!("{} rd.overlay", nfsroot(",vers=3")))?;
    assert_fails_with(
        &mut vm,
        "on its own below it (/srv/root/usr); mount by version 4 (vers=4.2)",
    )
}

#[test]
fn a_root_that_squashes_root_is_told_with_the_cure() -> Result<()> {
    let lan = Lan::new("unfit-squash")?;
    let root = TinyRoot::make()?;
    let shadow = root.path().join("etc/shadow");
    write(&shadow, "root:*:1::::::\n")?;
    std::fs::set_permissions(&shadow, PermissionsExt::from_mode(0o640))?;
    let _ganesha = Ganesha::start_changed(&lan.net, root.path(), "/srv/root", |text| {
        text.replace("Squash = No_Root_Squash", "Squash = Root_Squash")
    })?;
    let init = root.path().join("sbin/init");
    let of = |mode| std::fs::set_permissions(&init, PermissionsExt::from_mode(mode));
    of(0o700)?;
    let mut vm = lan.boot(&format!("{} ro", nfsroot("")))?;
    assert_fails_with(
        &mut vm,
        "/sbin/init of the root 10.77.0.1:/srv/root may not be executed by root, says the server",
    )?;
    drop(vm);
    of(0o755)?;
    let vm = lan.boot(&format!("{} ro", nfsroot("")))?;
    Facts::of(&vm)?.assert_read_only_nfs();
    let console = vm.console().text();
    assert!(
        console.contains("netroot: warning: the root 10.77.0.1:/srv/root: its server does not let root read /etc/shadow: it maps uid 0 to nobody; export this root with no_root_squash"),
        "{console}"
    );
    Ok(())
}

#[test]
fn an_export_for_kerberos_alone_is_told_in_both_versions() -> Result<()> {
    let lan = Lan::new("unfit-kerberos")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start_changed(&lan.net, root.path(), "/srv/root", |text| {
        text.replace("SecType = sys", "SecType = krb5")
    })?;
    let sentence =
        "10.77.0.1 exports /srv/root to clients with Kerberos (sec=krb5) only; allow sec=sys";
    for options in ["", ",vers=4.1"] {
        let mut vm = lan.boot(&format!("{} ro", nfsroot(options)))?;
        assert_fails_with(&mut vm, sentence)?;
    }
    Ok(())
}

#[test]
fn lines_for_disks_are_masked_in_the_overlay_and_warned_of_without_one() -> Result<()> {
    let lan = Lan::new("unfit-fstab")?;
    let root = TinyRoot::make()?;
    let fstab = root.path().join("etc/fstab");
    write(&fstab, FSTAB)?;
    write(&root.path().join("etc/crypttab"), CRYPTTAB)?;
    let _server = lan.serve_beside(root.path())?;
    let export = own_export(root.path())?;

    let vm = lan.boot(&format!("{export} {STATIC} rd.overlay"))?;
    let lines = Facts::of(&vm)?.all("fstab");
    assert_eq!(
        lines
            .lines()
            .filter(|line| line.starts_with("#netroot: UUID="))
            .count(),
        3,
        "{lines}"
    );
    assert!(lines.contains("\ntmpfs           /tmp"), "{lines}");
    let console = vm.console().text();
    assert!(console.contains(&format!("netroot: masked in /etc/fstab, since they are for disks or another root: {MASKED} (netroot.fstab=keep")), "{console}");
    assert!(
        console.contains("netroot: masked in /etc/crypttab"),
        "{console}"
    );
    assert_eq!(std::fs::read_to_string(&fstab)?, FSTAB);
    drop(vm);

    let vm = lan.boot(&format!("{export} {STATIC} rd.overlay netroot.fstab=keep"))?;
    let lines = Facts::of(&vm)?.all("fstab");
    assert!(
        lines.contains("\nUUID=A1B2-C3D4") && !vm.console().contains("netroot: masked"),
        "{lines}"
    );
    drop(vm);

    let vm = lan.boot(&format!("{export} {STATIC} ro"))?;
    Facts::of(&vm)?.assert_read_only_nfs();
    let console = vm.console().text();
    assert!(console.contains("netroot: warning: /etc/fstab of the root names disks, which its init may wait for and then stop: "), "{console}");
    assert!(
        console.contains(&format!(
            "{MASKED}; remove these lines or add nofail, or boot with rd.overlay"
        )),
        "{console}"
    );
    Ok(())
}

#[test]
fn a_debian_root_copied_from_a_disk_reaches_its_login() -> Result<()> {
    let lan = Lan::new("unfit-debian")?;
    let layer = lan.net.logs().join("layer");
    write(&layer.join("etc/fstab"), FSTAB)?;
    write(&layer.join("etc/crypttab"), CRYPTTAB)?;
    let root = lan.layers(&[&layer, &paths::debian_root()])?;
    let _server = lan.serve_beside(&root)?;
    let vm = lan.boot(&format!("{} {STATIC} rd.overlay", own_export(&root)?))?;
    vm.wait_for(" login: ", "the root's login prompt", TIMEOUT)?;
    let console = vm.console().text();
    for failed in [
        "emergency",
        "Timed out waiting for device",
        "DEPEND",
        "Failed to start systemd-remount-fs",
    ] {
        assert!(!console.contains(failed), "{failed}: {console}");
    }
    Ok(())
}
