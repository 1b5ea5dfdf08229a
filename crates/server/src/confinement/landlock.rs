//! Landlock: which files this process may open, whatever its user and its capabilities would allow.
//!
//! `CAP_DAC_READ_SEARCH`, which serving a root needs, reads every file of this machine; Landlock leaves those below the
//! served folders. Two limits, both of the kernel (`security/landlock/fs.c`):
//!
//! - A file that is opened by its NFS handle and is not in the kernel's cache has no path, and so no folder that allows
//!   it. `nfs-export` then looks for its name and opens that (`tree/name_index.rs`). Where the export has a mount of its own
//!   (a server that was started as root), kernels that were mended in 2025 decide by that mount's root instead: they
//!   allow such a file even if it lies elsewhere on the root's file system.
//! - Attributes and links (`stat`, `readlink`) are not restricted, only the content of files and folders.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};

/// The newest version whose rights are understood here; an older kernel restricts what it can (best effort). Version 2
/// (Debian 12) knows files; 3 truncation, 4 TCP, 5 ioctls of devices, 6 signals and abstract sockets.
const NEWEST: ABI = ABI::V7;

/// What may be done with TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tcp {
    /// Neither ports nor connections.
    Neither,
    /// Ports.
    Listen,
    /// Connections to this port.
    Connect(u16),
}

/// To read a file or list a folder; not to execute it.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// To create, change, rename and remove regular files and folders; no devices, sockets, FIFOs or links.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});

/// Leaves this thread, and those that it starts, `read` and `write` (folders with all that is below them, or files), no
/// signal and no abstract socket of another process, and of TCP what `tcp` says. Paths that do not exist are skipped.
///
/// Returns whether the kernel has Landlock.
pub(super) fn restrict(
    read: &[impl AsRef<Path>],
    write: &[impl AsRef<Path>],
    tcp: Tcp,
) -> Result<bool, RulesetError> {
    let network = match tcp {
        Tcp::Listen => AccessNet::ConnectTcp.into(),
        Tcp::Neither | Tcp::Connect(_) => AccessNet::BindTcp | AccessNet::ConnectTcp,
    };
    let port = match tcp {
        Tcp::Connect(port) => Some(port),
        Tcp::Neither | Tcp::Listen => None,
    };
    let port = port.map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(network)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(read, READ))?
        .add_rules(path_beneath_rules(write, WRITE))?
        .add_rules(port)?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_read_and_written_only_where_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let [read, write, other] = ["read", "write", "other"].map(|name| folder.path().join(name));
        for folder in [&read, &write, &other] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), "text").unwrap();
        }
        std::thread::spawn(move || {
            if !restrict(&[&read, Path::new("/nonexistent")], &[&write], Tcp::Neither).unwrap() {
                return;
            }
            fs::read(read.join("file")).unwrap();
            fs::write(read.join("file"), "changed").unwrap_err();
            fs::write(write.join("new"), "text").unwrap();
            fs::rename(write.join("new"), write.join("file")).unwrap();
            fs::remove_file(write.join("file")).unwrap();
            fs::rename(read.join("file"), write.join("file")).unwrap_err();
            fs::read(other.join("file")).unwrap_err();
            fs::read_dir(&other).unwrap_err();
            std::process::Command::new("/bin/true").spawn().unwrap_err();
        })
        .join()
        .unwrap();
    }
}
