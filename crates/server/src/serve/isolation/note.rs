//! What has to be given back, on disk: for the case that nobody is left to do it.
//!
//! A file for each server, named after its first isolated interface, and locked as long as somebody will give back what
//! is in it. Empty means nothing. Only root can write below `/run`, so that a server that was taken over cannot have its
//! successor undo what others configured; a server that was never root keeps it among its state.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};

const OF_ROOT: &str = "/run/netroot-isolated";
const IN_STATE: &str = "isolated";
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const NAMESPACE: &str = "/proc/self/ns/net";
/// How long a server that has just ended may take to give everything back.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// What was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Of which start of the machine this speaks: the next one knows nothing of it.
    pub(super) boot: String,
    /// The isolated interfaces.
    pub(super) networks: Vec<Noted>,
    /// Whether the host as a whole forwarded (`ip_forward`).
    pub(super) host_forwards: bool,
    /// The interfaces that forward because of this server.
    pub(super) forwarding: Vec<String>,
}

/// One isolated interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    /// Its name.
    pub(super) name: String,
    /// Whether it was down.
    pub(super) brought_up: bool,
}

/// The file, locked.
#[derive(Debug)]
pub(super) struct NoteFile(File);

/// Why there is no note.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoteError {
    /// The file system's.
    #[error("cannot write {}, where what has to be undone is noted: {error}", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Somebody has the lock.
    #[error("{interface} is served as an isolated network by another netroot; stop that one first")]
    Busy {
        /// Which interface.
        interface: String,
    },
}

/// The start that this machine runs since, and the network namespace: in another one, the same names are other interfaces.
pub(super) fn this_boot() -> String {
    let id = fs::read_to_string(BOOT).unwrap_or_default();
    format!("{} {}", id.trim(), namespace())
}

/// The number of the network namespace.
fn namespace() -> u64 {
    fs::metadata(NAMESPACE).map_or(0, |it| it.ino())
}

/// The name of a server's file, after its first isolated interface.
pub(super) fn file_name(interface: &str) -> String {
    format!("{interface}@{}", namespace())
}

/// The folder of all notes.
pub(super) fn folder(state: &Path) -> PathBuf {
    match rustix::process::geteuid().is_root() {
        true => PathBuf::from(OF_ROOT),
        false => state.join(IN_STATE),
    }
}

/// Opens this server's own, when nobody else has it any more.
pub(super) fn open_own(folder: &Path, interface: &str) -> Result<NoteFile, NoteError> {
    let file = folder.join(file_name(interface));
    let failed = |error| NoteError::File {
        file: file.clone(),
        error,
    };
    let mut made = DirBuilder::new();
    made.recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let opened = open(&file, true).map_err(failed)?;
    let end = Instant::now() + PATIENCE;
    while !lock(&opened).map_err(failed)? {
        if Instant::now() > end {
            let interface = interface.to_owned();
            return Err(NoteError::Busy { interface });
        }
        std::thread::sleep(PAUSE);
    }
    Ok(NoteFile(opened))
}

/// The notes of other servers.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Those that nobody has any more.
    pub(super) abandoned: Vec<NoteFile>,
    /// The interfaces of servers that run.
    busy: Vec<String>,
}

/// Finds those of other servers. One's own is to be open by then.
pub(super) fn others(folder: &Path, own: &str) -> Others {
    let boot = this_boot();
    let mut others = Others::default();
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in files.filter(|entry| entry.file_name() != own) {
        let Ok(file) = open(&entry.path(), false) else {
            continue;
        };
        let free = lock(&file).unwrap_or(false);
        let mut file = NoteFile(file);
        match free {
            true => others.abandoned.push(file),
            false => {
                let networks = file.read(&boot).map(|note| note.networks);
                let names = networks.into_iter().flatten().map(|one| one.name);
                others.busy.extend(names);
            }
        }
    }
    others
}

impl Others {
    /// Whether a server that runs has one of these interfaces.
    ///
    /// # Errors
    /// [`NoteError::Busy`].
    pub(super) fn check<'a>(
        &self,
        mut interfaces: impl Iterator<Item = &'a str>,
    ) -> Result<(), NoteError> {
        let taken = interfaces.find(|name| self.busy.iter().any(|busy| busy == name));
        match taken.map(str::to_owned) {
            Some(interface) => Err(NoteError::Busy { interface }),
            None => Ok(()),
        }
    }
}

fn open(file: &Path, create: bool) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).mode(0o600);
    options.custom_flags(flags.cast_signed()).open(file)
}

/// Whether it is locked now, by this process.
fn lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

impl NoteFile {
    /// What is noted of this start of the machine; `None` for nothing.
    pub(super) fn read(&mut self, boot: &str) -> Option<Note> {
        let mut text = String::new();
        self.0.seek(SeekFrom::Start(0)).ok()?;
        (&mut self.0)
            .take(64 << 10)
            .read_to_string(&mut text)
            .ok()?;
        let note: Note = serde_json::from_str(&text).ok()?;
        (note.boot == boot).then_some(note)
    }

    /// Notes this instead.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn write(&mut self, note: &Note) -> io::Result<()> {
        let text = serde_json::to_vec(note)?;
        self.clear()?;
        self.0.write_all(&text)
    }

    /// Nothing is to be given back.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_one_start_of_the_machine_and_of_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = open_own(folder.path(), "eth1").unwrap();
        let note = Note {
            boot: this_boot(),
            networks: vec![Noted {
                name: "eth1".to_owned(),
                brought_up: true,
            }],
            host_forwards: false,
            forwarding: vec!["eth0".to_owned()],
        };
        own.write(&Note::default()).unwrap();
        own.write(&note).unwrap();
        assert_eq!(own.read("another start"), None);
        // Another server's second interface is not to be taken from it either.
        let others_of = |own: &str| others(folder.path(), &file_name(own));
        let running = others_of("eth2");
        assert!(running.abandoned.is_empty(), "it is locked");
        let busy = running.check(["eth2", "eth1"].into_iter()).unwrap_err();
        assert!(busy.to_string().starts_with("eth1 is served"), "{busy}");
        running.check(["eth2"].into_iter()).unwrap();
        assert!(others_of("eth1").check(["eth1"].into_iter()).is_ok());
        drop(own);
        let mut abandoned = others_of("eth2").abandoned;
        assert_eq!(abandoned[0].read(&this_boot()), Some(note));
        abandoned[0].clear().unwrap();
        assert_eq!(abandoned[0].read(&this_boot()), None);
    }
}
