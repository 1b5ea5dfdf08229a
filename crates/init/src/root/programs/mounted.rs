//! Programs in the mounted root: whether they are there, and whether the kernel can run them.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use crate::diagnosis::{HEAD, Kind, NotExecutable, kind};
use crate::root::contents::Contents;
use crate::root::in_root;
use crate::root::mount_point::ROOT;
use crate::root::squash;

/// The longest chain of interpreters checked; the kernel allows five (`exec_binprm`).
const MAX_INTERPRETERS: usize = 5;

/// The first of `programs` that is a file which can be run in the mounted root, or `None`. Links are resolved
/// within the root.
pub(super) fn first_program(programs: &[String]) -> Option<String> {
    let root = in_root::directory(ROOT).ok()?;
    first_in(root.as_fd(), programs).cloned()
}

/// The same in a root that is mounted anywhere.
pub(crate) fn first_in<'a>(root: BorrowedFd<'_>, programs: &'a [String]) -> Option<&'a String> {
    programs.iter().find(|program| is_program(root, program))
}

/// Whether a path is a file in the mounted root.
pub(super) fn is_there(path: &str) -> bool {
    in_root::directory(ROOT).is_ok_and(|root| is_file(root.as_fd(), path, 0))
}

/// Whether the server does not let root look for one of `programs`.
pub(super) fn refused(programs: &[String]) -> bool {
    in_root::directory(ROOT).is_ok_and(|root| {
        let mut programs = programs.iter();
        programs.any(|program| {
            in_root::open(root.as_fd(), program, OFlags::PATH).err() == Some(Errno::ACCESS)
        })
    })
}

/// Why the kernel would refuse to run a program of the mounted root, if that is certain. Checked before the switch,
/// which cannot be undone.
pub(super) fn check_program(program: &str) -> Option<NotExecutable> {
    let root = in_root::directory(ROOT).ok()?;
    // The server's answer counts, whatever the file's permissions are.
    if let Ok(file) = in_root::open(root.as_fd(), program, OFlags::PATH)
        && squash::refuses(file.as_fd(), rustix::fs::Access::EXEC_OK)
    {
        return Some(NotExecutable::Refused);
    }
    let mut path = program.to_owned();
    // A script is run by an interpreter, which is run by its loader.
    for _ in 0..MAX_INTERPRETERS {
        match kind(&head(root.as_fd(), &path)?) {
            Kind::Executable => return None,
            Kind::NotExecutable(reason) => return Some(reason),
            Kind::InterpretedBy(next) if !is_program(root.as_fd(), &next) => {
                // A merged /usr without its links at the top.
                let in_usr = is_program(root.as_fd(), &format!("/usr{next}"));
                return Some(match in_usr {
                    true => NotExecutable::NoLink(next),
                    false => NotExecutable::NoInterpreter(next),
                });
            }
            Kind::InterpretedBy(next) => path = next,
        }
    }
    None
}

/// The program that runs a script of the mounted root, if it is a script.
pub(super) fn interpreter(script: &str) -> Option<String> {
    let root = in_root::directory(ROOT).ok()?;
    match kind(&head(root.as_fd(), script)?) {
        Kind::InterpretedBy(interpreter) => Some(interpreter),
        Kind::Executable | Kind::NotExecutable(_) => None,
    }
}

/// The beginning of a file in the mounted root, if it can be read.
fn head(root: BorrowedFd<'_>, path: &str) -> Option<Vec<u8>> {
    // Not to block on a FIFO.
    let file = in_root::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD).unwrap_or(u64::MAX);
    File::from(file).take(limit).read_to_end(&mut head).ok()?;
    Some(head)
}

fn is_program(root: BorrowedFd<'_>, program: &str) -> bool {
    is_file(root, program, 0o111)
}

/// Whether a path is a file, with one of these permissions if any are given.
fn is_file(root: BorrowedFd<'_>, path: &str, permissions: u32) -> bool {
    let status = in_root::open(root, path, OFlags::PATH).and_then(rustix::fs::fstat);
    status.is_ok_and(|s| {
        FileType::from_raw_mode(s.st_mode) == FileType::RegularFile
            && (permissions == 0 || s.st_mode & permissions != 0)
    })
}

/// What is in the mounted root, for a sentence about what it lacks.
pub(super) struct MountedContents;

impl Contents for MountedContents {
    fn names(&mut self) -> Option<Vec<String>> {
        let entries = std::fs::read_dir(ROOT).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Some(names.collect())
    }

    fn has(&mut self, path: &str) -> bool {
        in_root::directory(ROOT)
            .is_ok_and(|root| in_root::open(root.as_fd(), path, OFlags::PATH).is_ok())
    }

    fn link(&mut self, path: &str) -> Option<String> {
        let root = in_root::directory(ROOT).ok()?;
        let (above, name) = path.rsplit_once('/')?;
        let above = in_root::open(root.as_fd(), &format!("/{above}"), OFlags::PATH).ok()?;
        let target = rustix::fs::readlinkat(&above, name, Vec::new()).ok()?;
        Some(target.to_string_lossy().into_owned())
    }
}
