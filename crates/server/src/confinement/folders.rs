//! The state and cache folders, made those of the user that serves.
//!
//! A server that is started as root finds folders that an administrator made, or that an earlier version filled as root.
//! A folder is handed over only if it is plainly netroot's: it belongs to root and holds nothing but netroot's files (or
//! is empty), or it is the user's already. `--state /var/lib` by mistake hands nothing over, and is said.
//!
//! The user may have been taken over by then, so nothing in the folder is trusted: links are not followed, and a file
//! with a second name may be somebody else's.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::identity::{self, Identity};

/// How the names of netroot's own files and folders begin: the export's key, leases, orders, what is known of machines'
/// Secure Boot, what boots read, initrds, what is being written, and the socket for commands.
const OURS: [&str; 8] = [
    "export.key",
    "leases",
    "orders",
    "secure-boot.json",
    "readahead.json",
    "initrd-",
    ".tmp",
    "control",
];

/// What became of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The user that serves.
    Ours,
    /// Somebody else, or root with files that are not netroot's. It stays so.
    Another,
}

/// Creates the folder with its parents if it does not exist, with `mode`, and makes it and netroot's files in it those
/// of `identity`. `inside` is a folder of netroot's that may be in it.
///
/// # Errors
/// The file system's.
pub(crate) fn prepare(
    folder: &Path,
    mode: u32,
    inside: Option<&Path>,
    identity: Option<Identity>,
) -> io::Result<Owner> {
    // The parents with the usual mode.
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let Some(identity) = identity else {
        // Whoever this process is, it stays so, and what it creates is its own.
        return Ok(Owner::Ours);
    };
    let inside = inside
        .filter(|inside| inside.parent() == Some(folder))
        .and_then(Path::file_name);
    let Some(open) = open_folder(folder)? else {
        return Ok(Owner::Another);
    };
    let owner = rustix::fs::fstat(&open)?.st_uid;
    let entries = entries(open.as_fd())?;
    let known = |name: &OsStr| is_ours(name) || Some(name) == inside;
    let ours = owner == identity.uid
        || identity::is_unused(owner)
        || (owner == 0 && entries.iter().all(|name| known(OsStr::from_bytes(name))));
    if !ours {
        return Ok(Owner::Another);
    }
    for name in entries {
        if is_ours(OsStr::from_bytes(&name)) {
            hand_over_entry(open.as_fd(), &name, identity)?;
        }
    }
    // Last: until then nobody else can change what is in it.
    hand_over(&open, identity)?;
    Ok(Owner::Ours)
}

/// Opens the folder, through a link only if that is root's: the user could put one of its own in the place of a cache
/// that is in its state folder, and an empty directory of root's at the other end would be handed over to it.
fn open_folder(folder: &Path) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::open(folder, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&place)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return rustix::fs::openat(&place, c".", flags, Mode::empty()).map(Some);
    }
    if stat.st_uid != 0 {
        return Ok(None);
    }
    rustix::fs::open(folder, flags, Mode::empty()).map(Some)
}

/// Makes a folder that this process has just created, and that is empty, that of `identity`.
///
/// # Errors
/// The file system's.
pub(crate) fn give(folder: &Path, identity: Option<Identity>) -> io::Result<()> {
    let Some(identity) = identity else {
        return Ok(());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = rustix::fs::open(folder, flags, Mode::empty())?;
    Ok(hand_over(&open, identity)?)
}

fn is_ours(name: &OsStr) -> bool {
    OURS.iter()
        .any(|start| name.as_bytes().starts_with(start.as_bytes()))
}

fn entries(folder: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// A file, or a folder in which an initrd was being built.
fn hand_over_entry(folder: BorrowedFd<'_>, name: &[u8], identity: Identity) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(entry) => entry,
        // Another server that shares the cache has just finished with it.
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let stat = rustix::fs::fstat(&entry)?;
    if is_left(&stat) {
        hand_over(&entry, identity)?;
    }
    Ok(())
}

/// Left by a run as root, or as the user of a time before there was a user `netroot`.
fn is_left(stat: &Stat) -> bool {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let one_name = kind == FileType::RegularFile && stat.st_nlink == 1;
    (stat.st_uid == 0 || identity::is_unused(stat.st_uid))
        && (one_name || kind == FileType::Directory)
}

fn hand_over(file: &OwnedFd, identity: Identity) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    rustix::fs::chownat(file, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    const USER: Identity = Identity {
        uid: 60706,
        gid: 60706,
    };

    fn owner(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    #[test]
    fn a_folder_of_netroots_is_handed_over_with_its_files_and_nothing_else() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/state");
        assert_eq!(
            prepare(&folder, 0o700, None, Some(USER)).unwrap(),
            Owner::Ours
        );
        assert_eq!(owner(&folder), USER.uid);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(owner(&parent.path().join("a")), 0);

        // What root wrote later is handed over at the next start; what only looks like it is not.
        let secret = parent.path().join("secret");
        fs::write(&secret, "root's").unwrap();
        fs::write(folder.join("export.key"), "key").unwrap();
        fs::write(folder.join("notes"), "somebody's").unwrap();
        fs::hard_link(&secret, folder.join("leases-linked")).unwrap();
        symlink(&secret, folder.join("leases-eth0")).unwrap();
        assert_eq!(
            prepare(&folder, 0o700, None, Some(USER)).unwrap(),
            Owner::Ours
        );
        assert_eq!(owner(&folder.join("export.key")), USER.uid);
        for kept in ["notes", "leases-linked", "leases-eth0"] {
            assert_eq!(owner(&folder.join(kept)), 0, "{kept}");
        }
        assert_eq!(owner(&secret), 0);
    }

    #[test]
    fn a_folder_with_other_files_stays_whose_it_is() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (state, cache) = (folder.path(), folder.path().join("cache"));
        fs::write(state.join("export.key"), "key").unwrap();
        fs::create_dir(&cache).unwrap();
        assert_eq!(
            prepare(state, 0o700, None, Some(USER)).unwrap(),
            Owner::Another
        );
        assert_eq!(owner(state), 0);
        assert_eq!(owner(&state.join("export.key")), 0);
        let inside = Some(cache.as_path());
        assert_eq!(
            prepare(state, 0o700, inside, Some(USER)).unwrap(),
            Owner::Ours
        );
        assert_eq!(owner(state), USER.uid);
    }

    #[test]
    fn a_link_that_the_user_has_made_hands_nothing_over() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let (roots, link) = (parent.path().join("rules.d"), parent.path().join("cache"));
        fs::create_dir(&roots).unwrap();
        symlink(&roots, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(USER.uid), Some(USER.gid)).unwrap();
        let prepared = prepare(&link, 0o755, None, Some(USER)).unwrap();
        assert_eq!(prepared, Owner::Another);
        assert_eq!(owner(&roots), 0);
        // An administrator's own link is meant.
        std::os::unix::fs::lchown(&link, Some(0), Some(0)).unwrap();
        let prepared = prepare(&link, 0o755, None, Some(USER)).unwrap();
        assert_eq!(prepared, Owner::Ours);
        assert_eq!(owner(&roots), USER.uid);
    }
}
