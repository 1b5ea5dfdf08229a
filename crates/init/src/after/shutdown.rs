//! A clean end: `/run/initramfs/shutdown`.
//!
//! At shutdown systemd makes `/run/initramfs` the root if a program `shutdown` is there, and runs that as process 1
//! with what is to be done (`poweroff`, `reboot`, `halt`, `kexec`). The root is then a mount like any other and
//! nothing runs from it: it can be unmounted, and when its server or the network is gone, it can be left behind.
//! Without it, systemd's own last program waits for a page of itself that nobody will bring. (Where it does so before
//! it comes here, the renewer ends the machine: `renewer/shutdown_watchdog.rs`.)
//!
//! The program is a copy of this one in a tmpfs, under a megabyte. It costs little: the [`crate::after::renewer`] runs
//! from the same copy, and would need one anyway. So there is no parameter to turn it off.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use nix::sys::reboot::RebootMode;
use rustix::mount::{UnmountFlags, unmount};

use crate::channel::channel;
use crate::console::{self, info, warn};
use crate::policy;
use crate::root::nfs::{self, Mounted};

/// Where systemd looks for it.
pub(crate) const PROGRAM: &str = "/run/initramfs/shutdown";
/// What was mounted when the root was entered. The kernel's own list will not do: systemd unmounts the layer below an
/// overlay before it comes here, and the overlay goes on with a mount of its own that has no place.
const NOTE: &str = "/run/initramfs/mounts";
/// The same file when `/run/initramfs` is the root.
const NOTE_AFTERWARDS: &str = "/mounts";
/// What it is called when systemd runs it.
pub(crate) const NAME: &str = "/shutdown";
/// Where systemd moves things to, the root that was to the last.
const PLACES: [&str; 5] = ["oldroot", "proc", "sys", "dev", "run"];
const OLD_ROOT: &str = "/oldroot";
/// How long the root's server may take to answer its last question.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to hear that it was the last one.
const FAREWELL: Duration = Duration::from_secs(1);
/// The stack of the thread that asks, in bytes.
const STACK: usize = 128 << 10;

/// Leaves the program there. Returns where a copy of this program is that outlives the image.
pub(crate) fn install() -> io::Result<&'static str> {
    for place in PLACES {
        fs::create_dir_all(format!("/run/initramfs/{place}"))?;
    }
    fs::copy("/proc/self/exe", PROGRAM)?;
    fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755))?;
    fs::write(NOTE, fs::read_to_string("/proc/self/mounts")?)?;
    Ok(PROGRAM)
}

/// The end of the machine, as process 1 in `/run/initramfs`.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ! {
    console::open();
    let verbs: Vec<String> = arguments
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let mode = mode(&verbs);
    // Nobody else is left to use the root: systemd has asked them all to end before.
    let everybody = nix::unistd::Pid::from_raw(-1);
    let _ = nix::sys::signal::kill(everybody, nix::sys::signal::Signal::SIGKILL);
    let (sender, steps) = channel();
    let work = move || {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        rustix::fs::sync();
        unmount_all(&mounts);
        sender.send(());
        let before = fs::read_to_string(NOTE_AFTERWARDS).unwrap_or_default();
        exports(&before).iter().for_each(nfs::tell_unmounted);
        sender.send(());
    };
    // In a thread: a server that is gone may hold it for ever.
    let started = thread::Builder::new().stack_size(STACK).spawn(work);
    match started.map(|_| steps.recv_timeout(PATIENCE)) {
        Ok(Ok(())) => {
            info!("the root is unmounted");
            // Politeness, which is not worth waiting for.
            let _ = steps.recv_timeout(FAREWELL);
        }
        Ok(Err(_)) => warn!(
            "the root's server does not answer within {} s: the root is left as it is",
            PATIENCE.as_secs()
        ),
        Err(e) => warn!("cannot start a thread to unmount the root: {e}"),
    }
    let Err(errno) = nix::sys::reboot::reboot(mode);
    warn!("the kernel refuses {mode:?}: {errno}; rebooting instead");
    policy::reboot()
}

/// Everything under the old root, and what is below an overlay.
fn unmount_all(mounts: &str) {
    for place in to_unmount(mounts) {
        if let Err(e) = unmount(place, UnmountFlags::NOFOLLOW) {
            warn!("{place} is let go as it is: {e}");
            let _ = unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
    }
}

/// The mounts to take away, in this order. A name with spaces is escaped there; such a mount goes with the root.
///
/// First what is under the old root, the deepest first: not in the order of the list, since systemd moved the root
/// there after what is in it, so it may come last. Then what else is NFS: the layer that was below an overlay, which
/// came along within `/run`.
fn to_unmount(mounts: &str) -> Vec<&str> {
    let is_old = |place: &&str| {
        let rest = place.strip_prefix(OLD_ROOT);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut found: Vec<&str> = places.filter(is_old).collect();
    found.sort_by_key(|place| std::cmp::Reverse(place.matches('/').count()));
    let nfs = mounts.lines().filter_map(nfs_mount).map(|mount| mount.1);
    found.extend(nfs.filter(|place| !is_old(place)));
    found
}

/// What is mounted, where, and with which options, if a line of `/proc/self/mounts` is a mount of NFS.
fn nfs_mount(line: &str) -> Option<(&str, &str, &str)> {
    let mut fields = line.split(' ');
    let (source, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
    matches!(kind, "nfs" | "nfs4").then_some(())?;
    Some((source, place, fields.next()?))
}

/// The mounts that a server of version 3 remembers, and where it wants to hear of their end; version 4 has no such
/// list.
fn exports(mounts: &str) -> Vec<Mounted> {
    let export = |line| {
        let (source, _, options) = nfs_mount(line)?;
        let option = |name: &str| {
            let mut values = options.split(',').filter_map(|o| o.split_once('='));
            values.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        Some(Mounted {
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

/// What systemd wants: the first word that is no option.
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
    fn the_old_root_goes_last_and_nothing_else_goes() {
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
    fn what_was_below_an_overlay_goes_after_it_and_its_server_is_told() {
        let mounts = "nas:/srv/a/b /run/netroot/lower nfs ro,vers=3,mountaddr=10.0.0.1,mountport=20048,addr=10.0.0.2 0 0\n\
            netroot /run/netroot/overlay tmpfs rw 0 0\n\
            netroot /oldroot overlay rw,lowerdir=/run/netroot/lower 0 0\n\
            10.0.0.3:/home /oldroot/home nfs4 rw,vers=4.2,clientaddr=10.0.0.9,addr=10.0.0.3 0 0\n";
        let order = ["/oldroot/home", "/oldroot", "/run/netroot/lower"];
        assert_eq!(to_unmount(mounts), order);
        let told = Mounted {
            path: "/srv/a/b".to_owned(),
            address: [10, 0, 0, 1].into(),
            port: 20048,
        };
        assert_eq!(exports(mounts), [told]);
    }

    #[test]
    fn systemds_words_are_understood_and_anything_else_reboots() {
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
