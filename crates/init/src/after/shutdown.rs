//! A clean shutdown: `/run/initramfs/shutdown`.
//!
//! At shutdown systemd switches the root to `/run/initramfs` if a program `shutdown` is there, and executes it as
//! process 1 with the action (`poweroff`, `reboot`, `halt`, `kexec`). The old root is then a mount like any other, from
//! which nothing runs: it can be unmounted, or left mounted if its server or the network is gone. Without this program,
//! systemd's own last program would wait for a page of itself for ever. (If it does so before it gets here, the renewer
//! shuts the machine down: `renewer/shutdown_watchdog.rs`.)
//!
//! The program is a copy of this one in a tmpfs, under a megabyte. That costs little, since the
//! [`crate::after::renewer`] runs from the same copy and would need one anyway. So no parameter turns it off.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::reboot::RebootMode;
use rustix::mount::{UnmountFlags, unmount};

use crate::channel::channel;
use crate::console::{self, info, warn};
use crate::directory;
use crate::policy;
use crate::root::nfs::{self, MountEntry};
use crate::threads;

/// Where systemd looks for it.
pub(crate) const PROGRAM: &str = "/run/initramfs/shutdown";
/// The mounts as they were when the root was entered. `/proc/self/mounts` is not enough at shutdown: systemd has unmounted
/// the layer below an overlay by then, and the overlay keeps a mount of its own that has no path.
const MOUNTS: &str = "/run/initramfs/mounts";
/// The same file when `/run/initramfs` is the root.
const MOUNTS_AFTER_SWITCH: &str = "/mounts";
/// The name that systemd executes it under.
pub(crate) const NAME: &str = "/shutdown";
/// Directories that systemd moves mounts to; the old root goes to `oldroot`.
const MOUNT_POINTS: [&str; 5] = ["oldroot", "proc", "sys", "dev", "run"];
const OLD_ROOT: &str = "/oldroot";
/// How long unmounting may take while the root's server does not answer.
const UNMOUNT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long notifying the server of the unmount may take.
const UMNT_TIMEOUT: Duration = Duration::from_secs(1);
/// The stack of the thread that unmounts, in bytes.
const STACK: usize = 128 << 10;

/// Installs the program. Returns the path of this copy, which outlives the initrd.
pub(crate) fn install() -> io::Result<&'static str> {
    for place in MOUNT_POINTS {
        directory::make(&format!("/run/initramfs/{place}"))?;
    }
    // Not by `fs::copy`: sendfile(2), which nothing else here uses, costs a machine without KVM more than to hold the program
    // in memory once.
    fs::write(PROGRAM, fs::read("/proc/self/exe")?)?;
    fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755))?;
    fs::write(MOUNTS, fs::read_to_string("/proc/self/mounts")?)?;
    Ok(PROGRAM)
}

/// Shuts the machine down, as process 1 in `/run/initramfs`.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ! {
    console::open();
    let verbs: Vec<String> = arguments
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let mode = mode(&verbs);
    // Nothing may still use the root: systemd has asked all processes to exit before.
    let every_process = nix::unistd::Pid::from_raw(-1);
    let _ = nix::sys::signal::kill(every_process, nix::sys::signal::Signal::SIGKILL);
    let (sender, steps) = channel();
    let work = move || {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        rustix::fs::sync();
        unmount_all(&mounts);
        sender.send(());
        let before = fs::read_to_string(MOUNTS_AFTER_SWITCH).unwrap_or_default();
        exports(&before).iter().for_each(nfs::tell_unmounted);
        sender.send(());
    };
    // In a thread: if the server is gone, it may hang for ever.
    let started = threads::start(STACK, work);
    match started.map(|_| steps.recv_timeout(UNMOUNT_TIMEOUT)) {
        Ok(Ok(())) => {
            info!("the root is unmounted");
            // A courtesy to the server, which must not delay the shutdown for long.
            let _ = steps.recv_timeout(UMNT_TIMEOUT);
        }
        Ok(Err(_)) => warn!(
            "cannot unmount the root: its server does not answer within {} s; it is left mounted",
            UNMOUNT_TIMEOUT.as_secs()
        ),
        Err(e) => warn!("cannot unmount the root: no thread can be started: {e}"),
    }
    let Err(errno) = nix::sys::reboot::reboot(mode);
    warn!("the kernel refuses {mode:?}: {errno}; rebooting instead");
    policy::reboot()
}

/// Unmounts everything under the old root, and the layer below an overlay.
fn unmount_all(mounts: &str) {
    for place in to_unmount(mounts) {
        if let Err(e) = unmount(place, UnmountFlags::NOFOLLOW) {
            warn!("cannot unmount {place}: {e}; it is detached");
            let _ = unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
    }
}

/// The mounts to unmount, in this order. Paths with spaces are escaped in the list and fail; such mounts are detached
/// with the root.
///
/// First come the mounts under the old root, the deepest first. The order of the list will not do, since systemd moved
/// the root after the mounts within it, so that it may come last. Then other NFS mounts: the layer below an overlay,
/// which was moved with `/run`.
fn to_unmount(mounts: &str) -> Vec<&str> {
    let is_old = |place: &&str| {
        let rest = place.strip_prefix(OLD_ROOT);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut found: Vec<&str> = places.filter(is_old).collect();
    found.sort_by_key(|place| std::cmp::Reverse(place.matches('/').count()));
    let nfs = mounts.lines().filter_map(nfs_mount).map(|mount| mount.1);
    let mut layers: Vec<&str> = nfs.filter(|place| !is_old(place)).collect();
    layers.sort_by_key(|place| std::cmp::Reverse(place.matches('/').count()));
    found.extend(layers);
    found
}

/// The source, mount point and options of a line of `/proc/self/mounts`, if it is an NFS mount.
fn nfs_mount(line: &str) -> Option<(&str, &str, &str)> {
    let mut fields = line.split(' ');
    let (source, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
    matches!(kind, "nfs" | "nfs4").then_some(())?;
    Some((source, place, fields.next()?))
}

/// The mounts that an NFSv3 server keeps in its list, and where to notify it of their end. NFSv4 has no such list.
fn exports(mounts: &str) -> Vec<MountEntry> {
    let export = |line| {
        let (source, _, options) = nfs_mount(line)?;
        let option = |name: &str| {
            let mut values = options.split(',').filter_map(|o| o.split_once('='));
            values.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        Some(MountEntry {
            path: source
                .split_once(":/")
                .map(|(_, path)| format!("/{path}"))?,
            address: option("mountaddr")?.parse().ok()?,
            port: option("mountport")?
                .parse()
                .ok()
                .filter(|port| *port != 0)?,
        })
    };
    mounts.lines().filter_map(export).collect()
}

/// The action that systemd requests: the first argument that is not an option.
pub(crate) fn mode(arguments: &[String]) -> RebootMode {
    let verb = arguments.iter().find(|a| !a.starts_with('-'));
    match verb.map(String::as_str) {
        Some("poweroff") => RebootMode::RB_POWER_OFF,
        Some("halt") => RebootMode::RB_HALT_SYSTEM,
        Some("kexec") => RebootMode::RB_KEXEC,
        _ => RebootMode::RB_AUTOBOOT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_root_is_unmounted_last_and_nothing_else_is() {
        let mounts = "tmpfs / tmpfs rw 0 0\n\
            tmpfs /oldroot/run tmpfs rw 0 0\n\
            tmpfs /oldroot/run/user tmpfs rw 0 0\n\
            tmpfs /oldrootish tmpfs rw 0 0\n\
            proc /proc proc rw 0 0\n\
            10.0.0.1:/root /oldroot nfs ro 0 0\n";
        let order = ["/oldroot/run/user", "/oldroot/run", "/oldroot"];
        assert_eq!(to_unmount(mounts), order);
    }

    #[test]
    fn the_layer_below_an_overlay_is_unmounted_after_it_and_its_server_notified() {
        let mounts = "nas:/srv/a/b /run/netroot/lower nfs ro,vers=3,mountaddr=10.0.0.1,mountport=20048,addr=10.0.0.2 0 0\n\
            nas:/srv/a/b/usr /run/netroot/lower/usr nfs4 ro,vers=4.2,addr=10.0.0.2 0 0\n\
            netroot /run/netroot/overlay tmpfs rw 0 0\n\
            netroot /oldroot overlay rw,lowerdir=/run/netroot/lower 0 0\n\
            10.0.0.3:/home /oldroot/home nfs4 rw,vers=4.2,clientaddr=10.0.0.9,addr=10.0.0.3 0 0\n";
        let order = [
            "/oldroot/home",
            "/oldroot",
            "/run/netroot/lower/usr",
            "/run/netroot/lower",
        ];
        assert_eq!(to_unmount(mounts), order);
        let expected = MountEntry {
            path: "/srv/a/b".to_owned(),
            address: [10, 0, 0, 1].into(),
            port: 20048,
        };
        assert_eq!(exports(mounts), [expected]);
    }

    #[test]
    fn systemds_actions_are_recognised_and_anything_else_reboots() {
        let mode = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            super::mode(&words)
        };
        assert_eq!(mode("poweroff --log-level 6"), RebootMode::RB_POWER_OFF);
        assert_eq!(mode("--x halt"), RebootMode::RB_HALT_SYSTEM);
        assert_eq!(mode("kexec"), RebootMode::RB_KEXEC);
        assert_eq!(mode("reboot"), RebootMode::RB_AUTOBOOT);
        assert_eq!(mode(""), RebootMode::RB_AUTOBOOT);
    }
}
