//! What has to be given back, on disk: for the case that nobody is left to do it.
//!
//! A file for each server, named after its first isolated interface, and locked as long as somebody will give back what
//! is in it. Empty means nothing. Only root can write below `/run`, so that a server that was taken over cannot have its
//! successor undo what others configured; a server that was never root keeps it among its state.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};

const OF_ROOT: &str = "/run/netroot-isolated";
const IN_STATE: &str = "isolated";
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
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
    #[error("cannot write {}, where what has to be undone is noted: {source}", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Somebody has the lock.
    #[error("{interface} is served as an isolated network by another netroot; stop that one first")]
    Busy {
        /// Which interface.
        interface: String,
    },
}

/// The start that this machine runs since.
pub(super) fn this_boot() -> String {
    let id = fs::read_to_string(BOOT).unwrap_or_default();
    id.trim().to_owned()
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
    let file = folder.join(interface);
    let failed = |source| NoteError::File {
        file: file.clone(),
        source,
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

/// Those of other servers that nobody has any more.
pub(super) fn open_abandoned(folder: &Path) -> Vec<NoteFile> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let opened = files.filter_map(|entry| open(&entry.path(), false).ok());
    let free = opened.filter(|file| lock(file).unwrap_or(false));
    free.map(NoteFile).collect()
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
        assert!(open_abandoned(folder.path()).is_empty(), "it is locked");
        drop(own);
        let mut abandoned = open_abandoned(folder.path());
        assert_eq!(abandoned[0].read(&this_boot()), Some(note));
        abandoned[0].clear().unwrap();
        assert_eq!(abandoned[0].read(&this_boot()), None);
    }
}
