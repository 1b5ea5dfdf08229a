//! One mount by the kernel's NFS client, told parameter by parameter.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use netroot_proto::mount::{Access, MountFlags as NfsFlags, MountParameter, MountRequest, Version};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};

use super::MountError;
use crate::channel::{RecvTimeoutError, channel};
use crate::clock::{Moment, Wait};
use crate::console::{debug, warn};
use crate::root::in_root;

/// One message of the kernel about a mount, at most (`fs/fs_context.c` formats into a page).
const KERNEL_MESSAGE: usize = 4096;
/// How much of a program is read to see whether it can be.
const TRIED: usize = 64 << 10;

/// What is mounted where.
pub(super) struct Order {
    /// What the kernel is told.
    pub(super) request: MountRequest,
    /// The version that this is.
    pub(super) version: Version,
    /// Where it is mounted.
    pub(super) target: String,
    /// What is run in the end is one of these.
    pub(super) programs: Vec<String>,
}

/// Runs the mount in a thread, and gives it up when it takes too long. What is given up never shows: the mount is
/// attached by this side, and only when it is there in time.
pub(super) fn in_time(order: Order, patience: Duration) -> Result<(), MountError> {
    let (sender, receiver) = channel();
    let what = format!("the kernel to mount {}", order.request.source);
    let (version, target) = (order.version, order.target.clone());
    let work = move || {
        sender
            .send(make(&order.request, version, &order.target).and_then(|tree| order.tried(tree)));
    };
    thread::Builder::new()
        .name("mount".to_owned())
        .spawn(work)
        .map_err(MountError::Thread)?;
    let stalled = || MountError::Stalled { version, patience };
    let deadline = Moment::now().after(patience);
    let mut wait = Wait::start();
    loop {
        let next = wait.log_if_due(&what).min(deadline);
        match receiver.recv_timeout(next.remaining()) {
            Ok(Ok(Some(tree))) => {
                let refused = |errno| MountError::Refused {
                    version,
                    text: format!("move_mount: {errno}"),
                    errno,
                };
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                return move_mount(tree.as_fd(), "", rustix::fs::CWD, target.as_str(), flags)
                    .map_err(refused);
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(e)) => return Err(e),
            Err(RecvTimeoutError::Disconnected) => return Err(stalled()),
            Err(RecvTimeoutError::Timeout) if deadline.remaining().is_zero() => {
                return Err(stalled());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

impl Order {
    /// The mount, if what is run in the end can be read there, for one that succeeded may yet be of no use: Linux from
    /// 6.6 on reads by READ_PLUS (RFC 7862 §15.10) in version 4.2, which NFS-Ganesha before 6.2 answers wrongly: EIO
    /// for every file. Nothing turns that off, but an older version does without it.
    fn tried(&self, tree: Option<OwnedFd>) -> Result<Option<OwnedFd>, MountError> {
        let attached = match &tree {
            Some(_) => None,
            None => in_root::directory(&self.target).ok(),
        };
        let root = tree.as_ref().or(attached.as_ref());
        let Some((program, errno)) = root.and_then(|root| unreadable(root.as_fd(), &self.programs))
        else {
            return Ok(tree);
        };
        if tree.is_none() {
            drop(attached);
            let _ = rustix::mount::unmount(self.target.as_str(), UnmountFlags::DETACH);
        }
        Err(MountError::Unreadable {
            version: self.version,
            program,
            errno,
        })
    }
}

/// The program that the server, or the kernel's client, fails to give, if none before it can be read. What else is
/// wrong with a program is told later.
fn unreadable(root: BorrowedFd<'_>, programs: &[String]) -> Option<(String, Errno)> {
    for program in programs {
        match begin(root, program) {
            Ok(_) => return None,
            Err(errno @ (Errno::IO | Errno::REMOTEIO)) => return Some((program.clone(), errno)),
            Err(_) => {}
        }
    }
    None
}

/// Reads the beginning of a file; its length.
fn begin(root: BorrowedFd<'_>, path: &str) -> rustix::io::Result<usize> {
    let file = in_root::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    rustix::io::read(&file, &mut vec![0; TRIED][..])
}

/// Makes the mount: a tree that is not attached yet, or `None` where mount(2) attached it at once.
fn make(
    request: &MountRequest,
    version: Version,
    target: &str,
) -> Result<Option<OwnedFd>, MountError> {
    debug!("mounting {} with {}", request.source, request.written());
    let context = match fsopen(request.fstype, FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(context) => context,
        Err(Errno::NODEV) => return Err(MountError::NoClient { version }),
        Err(Errno::NOSYS) => return make_old(request, version, target),
        Err(errno) => return Err(refused(version, &[], errno)),
    };
    fsconfig_set_string(&context, "source", request.source.as_str())
        .and_then(|()| fsconfig_set_flag(&context, request.access.name()))
        .map_err(|errno| refused(version, &messages(&context), errno))?;
    for parameter in &request.parameters {
        let result = match &parameter.value {
            Some(value) => fsconfig_set_string(&context, parameter.key.as_str(), value.as_str()),
            None => fsconfig_set_flag(&context, parameter.key.as_str()),
        };
        let said = messages(&context);
        let Err(errno) = result else {
            said.iter()
                .for_each(|text| debug!("the kernel says: {text}"));
            continue;
        };
        let written = parameter.to_string();
        let text = told(&said, errno);
        if parameter.essential {
            return Err(MountError::Parameter {
                parameter: written,
                text,
            });
        }
        warn!("the mount option {written} is left out: {text}");
    }
    if let Err(errno) = fsconfig_create(&context) {
        return Err(refused(version, &messages(&context), errno));
    }
    messages(&context)
        .iter()
        .for_each(|text| debug!("the kernel says: {text}"));
    let tree = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes(request.flags),
    );
    tree.map(Some)
        .map_err(|errno| refused(version, &messages(&context), errno))
}

/// The same by mount(2). An unknown option fails it as a whole, before anybody is asked, and nothing says which one
/// it was: so each that can be left out is, one after the other, and at last all of them.
fn make_old(
    request: &MountRequest,
    version: Version,
    target: &str,
) -> Result<Option<OwnedFd>, MountError> {
    let mut flags = old_flags(request.flags);
    flags.set(MountFlags::RDONLY, request.access == Access::ReadOnly);
    let attempt = |wanted: &dyn Fn(&MountParameter) -> bool| {
        let data = CString::new(request.data(wanted)).map_err(|_| Errno::INVAL)?;
        mount(
            request.source.as_str(),
            target,
            request.fstype,
            flags,
            data.as_c_str(),
        )
    };
    let optional = || request.parameters.iter().filter(|p| !p.essential);
    let mut result = attempt(&|_| true);
    for unwanted in optional() {
        if result != Err(Errno::INVAL) {
            break;
        }
        result = attempt(&|p| !std::ptr::eq(p, unwanted));
        if result != Err(Errno::INVAL) {
            warn!("the mount option {unwanted} is left out: the kernel does not know it");
        }
    }
    if result == Err(Errno::INVAL) && optional().count() > 1 {
        warn!("the kernel refuses several mount options; trying without all that can be left out");
        result = attempt(&|p| p.essential);
    }
    match result {
        Ok(()) => Ok(None),
        Err(Errno::NODEV) => Err(MountError::NoClient { version }),
        Err(errno) => Err(refused(version, &[], errno)),
    }
}

fn refused(version: Version, said: &[String], errno: Errno) -> MountError {
    MountError::Refused {
        version,
        text: told(said, errno),
        errno,
    }
}

/// The kernel's words, and the error's.
fn told(said: &[String], errno: Errno) -> String {
    let error = io::Error::from(errno);
    if said.is_empty() {
        error.to_string()
    } else {
        format!("{} ({error})", said.join("; "))
    }
}

/// What the kernel said about a mount under construction: lines that start `e `, `w ` or `i `.
fn messages(context: &OwnedFd) -> Vec<String> {
    let mut said = Vec::new();
    let mut buffer = vec![0; KERNEL_MESSAGE];
    // Eight is all that the kernel keeps.
    for _ in 0..8 {
        let Ok(length) = rustix::io::read(context, &mut buffer[..]) else {
            break;
        };
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        let text = text.trim();
        let text = text
            .strip_prefix("e ")
            .or_else(|| text.strip_prefix("w "))
            .unwrap_or(text);
        said.push(text.to_owned());
    }
    said
}

fn attributes(flags: NfsFlags) -> MountAttrFlags {
    let mut attributes = MountAttrFlags::empty();
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOATIME, flags.no_atime);
    attributes.set(
        MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        flags.strict_atime && !flags.no_atime,
    );
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODIRATIME, flags.no_dir_atime);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOSUID, flags.no_suid);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, flags.no_dev);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, flags.no_exec);
    attributes
}

fn old_flags(flags: NfsFlags) -> MountFlags {
    let mut old = MountFlags::empty();
    old.set(MountFlags::NOATIME, flags.no_atime);
    old.set(MountFlags::STRICTATIME, flags.strict_atime);
    old.set(MountFlags::NODIRATIME, flags.no_dir_atime);
    old.set(MountFlags::NOSUID, flags.no_suid);
    old.set(MountFlags::NODEV, flags.no_dev);
    old.set(MountFlags::NOEXEC, flags.no_exec);
    old
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_to_be_read_is_found_unless_one_before_it_can_be() {
        // Nothing is at a process's address 0, and reading there is an I/O error.
        let proc = in_root::directory("/proc").unwrap();
        let unreadable = |programs: &[&str]| {
            let programs: Vec<String> = programs.iter().map(|&p| p.to_owned()).collect();
            unreadable(proc.as_fd(), &programs)
        };
        let memory = Some(("/self/mem".to_owned(), Errno::IO));
        assert_eq!(unreadable(&["/absent", "/self", "/self/mem"]), memory);
        assert_eq!(unreadable(&["/self/status", "/self/mem"]), None);
        assert_eq!(unreadable(&["/absent"]), None);
    }
}
