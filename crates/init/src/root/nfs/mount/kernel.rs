//! One mount by the kernel's NFS client, with its parameters passed one by one.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
use crate::root::programs;
use crate::threads;

/// The longest message of the kernel about a mount (`fs/fs_context.c` formats into a page).
const KERNEL_MESSAGE: usize = 4096;
/// The stack of the thread that mounts, in bytes.
const STACK: usize = 256 << 10;
/// How much of a program is read, in bytes, to check that it is readable.
const READ_SIZE: usize = 64 << 10;

/// A mount to make.
pub(super) struct Order {
    /// The parameters for the kernel.
    pub(super) request: MountRequest,
    /// The version of NFS.
    pub(super) version: Version,
    /// Where it is mounted.
    pub(super) target: String,
    /// One of these is run later.
    pub(super) programs: Vec<String>,
    /// The mount fails unless one of them is there.
    pub(super) is_trial: bool,
}

/// Whether a mount that is abandoned stays invisible: before Linux 5.2, mount(2) attaches it by itself, however late.
pub(crate) fn can_be_abandoned() -> bool {
    !matches!(
        fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC),
        Err(Errno::NOSYS)
    )
}

/// Runs the mount in a thread, and abandons it after a timeout. An abandoned mount never becomes visible if it
/// [can be](can_be_abandoned): this thread attaches the mount, and only if it is ready in time.
pub(super) fn mount_with_timeout(order: Order, timeout: Duration) -> Result<(), MountError> {
    let (sender, receiver) = channel();
    let source = order.request.source.clone();
    let (version, target) = (order.version, order.target.clone());
    let work = move || {
        sender.send(
            create(&order.request, version, &order.target)
                .and_then(|tree| order.verify_readable(tree)),
        );
    };
    threads::start_named(c"mount", STACK, work).map_err(MountError::Thread)?;
    let stalled = || MountError::Stalled { version, timeout };
    let deadline = Moment::now().after(timeout);
    let mut wait = Wait::start();
    loop {
        let next = wait
            .log_if_due(|| format!("the kernel to mount {source}"))
            .min(deadline);
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
    /// Checks that the program to run can be read, since a mount may succeed and still be useless: Linux from 6.6 on reads
    /// with READ_PLUS (RFC 7862 §15.10) in version 4.2, which NFS-Ganesha before 6.2 answers wrongly: EIO for every file.
    /// It cannot be disabled, but older versions do not use it.
    fn verify_readable(&self, tree: Option<OwnedFd>) -> Result<Option<OwnedFd>, MountError> {
        let attached = match &tree {
            Some(_) => None,
            None => in_root::directory(&self.target).ok(),
        };
        let root = tree.as_ref().or(attached.as_ref());
        let Some(error) = root.and_then(|root| self.error_within(root.as_fd())) else {
            return Ok(tree);
        };
        if tree.is_none() {
            drop(attached);
            let _ = rustix::mount::unmount(self.target.as_str(), UnmountFlags::DETACH);
        }
        Err(error)
    }

    /// What is wrong with the mounted root.
    fn error_within(&self, root: BorrowedFd<'_>) -> Option<MountError> {
        if self.is_trial && programs::first_in(root, &self.programs).is_none() {
            return Some(MountError::NoProgram {
                programs: self.programs.clone(),
            });
        }
        let (program, errno) = unreadable(root, &self.programs)?;
        Some(MountError::Unreadable {
            version: self.version,
            program,
            errno,
        })
    }
}

/// The first program that fails with an I/O error, if none before it can be read. Other problems of a program are
/// reported later.
fn unreadable(root: BorrowedFd<'_>, programs: &[String]) -> Option<(String, Errno)> {
    for program in programs {
        match read_start(root, program) {
            Ok(_) => return None,
            Err(errno @ (Errno::IO | Errno::REMOTEIO)) => return Some((program.clone(), errno)),
            Err(_) => {}
        }
    }
    None
}

/// Reads the start of a file. Returns the number of bytes.
fn read_start(root: BorrowedFd<'_>, path: &str) -> rustix::io::Result<usize> {
    let file = in_root::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    rustix::io::read(&file, &mut vec![0; READ_SIZE][..])
}

/// Creates the mount: a tree that is not attached yet, or `None` if mount(2) attached it at once.
fn create(
    request: &MountRequest,
    version: Version,
    target: &str,
) -> Result<Option<OwnedFd>, MountError> {
    debug!("mounting {} with {}", request.source, request.written());
    let context = match fsopen(request.fstype, FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(context) => context,
        Err(Errno::NODEV) => return Err(MountError::NoClient { version }),
        Err(Errno::NOSYS) => return create_with_mount2(request, version, target),
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
        let kernel_messages = messages(&context);
        let Err(errno) = result else {
            kernel_messages
                .iter()
                .for_each(|text| debug!("the kernel says: {text}"));
            continue;
        };
        let written = parameter.to_string();
        let text = error_text(&kernel_messages, errno);
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

/// The same with mount(2). An unknown option fails the whole call, before the server is contacted, and the kernel does
/// not say which one: so the optional ones are left out one by one, and finally all of them.
fn create_with_mount2(
    request: &MountRequest,
    version: Version,
    target: &str,
) -> Result<Option<OwnedFd>, MountError> {
    let mut flags = mount2_flags(request.flags);
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

/// What the kernel says of a version that it was built without, whatever the server has (`fs/nfs/fs_context.c`).
const NOT_IN_THE_KERNEL: [&str; 2] = ["Version unavailable", "is not compiled into kernel"];

fn refused(version: Version, kernel_messages: &[String], errno: Errno) -> MountError {
    let is_missing = |message: &String| {
        NOT_IN_THE_KERNEL
            .iter()
            .any(|words| message.contains(words))
    };
    if errno == Errno::PROTONOSUPPORT && kernel_messages.iter().any(is_missing) {
        return MountError::NoClient { version };
    }
    MountError::Refused {
        version,
        text: error_text(kernel_messages, errno),
        errno,
    }
}

/// The kernel's messages and the error.
fn error_text(kernel_messages: &[String], errno: Errno) -> String {
    let error = io::Error::from(errno);
    if kernel_messages.is_empty() {
        error.to_string()
    } else {
        format!("{} ({error})", kernel_messages.join("; "))
    }
}

/// The kernel's messages about a mount under construction: lines that start with `e `, `w ` or `i `.
fn messages(context: &OwnedFd) -> Vec<String> {
    let mut kernel_messages = Vec::new();
    let mut buffer = vec![0; KERNEL_MESSAGE];
    // The kernel keeps eight at most.
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
        kernel_messages.push(text.to_owned());
    }
    kernel_messages
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

fn mount2_flags(flags: NfsFlags) -> MountFlags {
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
    fn a_version_that_the_kernel_lacks_is_not_the_servers_affair() {
        let error = |words: &str| refused(Version::V3, &[words.to_owned()], Errno::PROTONOSUPPORT);
        let lacks = error("NFS: Version unavailable");
        assert!(lacks.advice().contains("CONFIG_NFS_V3"), "{lacks}");
        let other = error("NFS: mount program is not registered");
        assert!(other.advice().contains("let the server"), "{other}");
    }

    #[test]
    fn an_unreadable_program_is_found_unless_an_earlier_one_is_readable() {
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
