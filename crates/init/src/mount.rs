//! Mounts the export, and a writable layer over it where one is asked for.
//!
//! The kernel is told parameter by parameter (`fsopen`, `fsconfig`, `fsmount`), so that one that it does not know
//! is named and left out, and its own words about a failure are heard. mount(2) is for kernels before 5.2.
//! It happens in a thread: a lost packet keeps the kernel's client for minutes, and a boot has better to do.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::Overlay;
use netroot_proto::mount::{
    Access, MountFlags as NfsFlags, MountRequest, NoRoot, Version, mount_request,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};

use crate::clock::{Moment, Wait};
use crate::configure::RUN;
use crate::console::{caution, detail, say};
use crate::export::Export;
use crate::failure::Failure;
use crate::mailbox::{NoAnswer, mailbox};
use crate::modules::{Loaded, Loader};
use crate::{identity, readahead};

/// Where the root is mounted, to become `/`.
pub(crate) const ROOT: &str = "/newroot";
/// How long a mount may take once the server answered every question before it.
const PATIENCE: Duration = Duration::from_secs(45);
/// The same where another server can be mounted from.
const IMPATIENCE: Duration = Duration::from_secs(15);
/// One message of the kernel about a mount, at most (`fs/fs_context.c` formats into a page).
const KERNEL_MESSAGE: usize = 4096;

/// Why the kernel did not mount.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountError {
    /// A directory for it could not be made.
    #[error("the directory {path} cannot be made: {source}")]
    Directory {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel has no NFS client.
    #[error("the kernel has no NFS client for version {version}")]
    NoClient {
        /// The version.
        version: Version,
    },
    /// A parameter without which the mount makes no sense.
    #[error("the kernel refuses {parameter}: {text}")]
    Parameter {
        /// The parameter as written.
        parameter: String,
        /// What the kernel said.
        text: String,
    },
    /// The mount itself.
    #[error("the kernel's NFS client (vers={version}) says: {text}")]
    Refused {
        /// The version tried.
        version: Version,
        /// What the kernel said.
        text: String,
        /// Its error number.
        errno: Errno,
    },
    /// It takes too long.
    #[error("the mount (vers={version}) is not done after {} s", patience.as_secs())]
    Stalled {
        /// The version tried.
        version: Version,
        /// How long was waited.
        patience: Duration,
    },
    /// No thread.
    #[error("no thread can be started: {0}")]
    Thread(#[source] io::Error),
    /// The writable layer.
    #[error("the writable layer over it cannot be made ({what}): {source}")]
    Overlay {
        /// The step.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl MountError {
    /// Whether another version of NFS may be mounted all the same: this one is not spoken, or the server shows other
    /// paths by it (the pseudo file system of version 4).
    fn leaves_other_versions(&self) -> bool {
        match self {
            Self::Refused { errno, .. } => {
                self.is_about_version() || matches!(*errno, Errno::INVAL | Errno::NOENT)
            }
            _ => self.is_about_version(),
        }
    }

    /// Whether one side does not have this version.
    fn is_about_version(&self) -> bool {
        match self {
            Self::NoClient { .. } => true,
            Self::Refused { errno, .. } => {
                matches!(*errno, Errno::PROTONOSUPPORT | Errno::OPNOTSUPP)
            }
            Self::Parameter { parameter, .. } => parameter.starts_with("vers="),
            _ => false,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::NoClient { version: Version::V3 } => {
                "put nfsv3 into the image (netroot initrd), or give the kernel CONFIG_NFS_V3".to_owned()
            }
            Self::NoClient { .. } => {
                "put nfsv4 into the image (netroot initrd --modules), or give the kernel CONFIG_NFS_V4".to_owned()
            }
            Self::Parameter { .. } => "correct the options of nfsroot=".to_owned(),
            Self::Refused { errno: Errno::ACCESS | Errno::PERM, .. } => {
                "check that the server's export allows this machine".to_owned()
            }
            Self::Refused { errno: Errno::NOENT, .. } => "check the path, as the server sees it".to_owned(),
            Self::Refused { errno: Errno::PROTONOSUPPORT, .. } => {
                "let the server offer this version, or give another with vers=".to_owned()
            }
            Self::Refused { .. } => "look into the NFS server's log, and at the options of nfsroot=".to_owned(),
            Self::Stalled { .. } => "check the network between this machine and the server for loss".to_owned(),
            Self::Overlay { what: "overlay", .. } => {
                "put the module overlay into the image, or boot without rd.overlay".to_owned()
            }
            Self::Overlay { .. } | Self::Directory { .. } | Self::Thread(_) => "give the machine more memory".to_owned(),
        }
    }
}

/// Mounts the first of the exports that can be, under a writable layer if one is asked for.
pub(crate) fn mount_root<'a>(
    exports: &'a [Export],
    overlay: &Overlay,
    loader: &Loader,
) -> Result<&'a Export, Failure> {
    let layered = *overlay != Overlay::Off;
    let target = if layered {
        format!("{RUN}/lower")
    } else {
        ROOT.to_owned()
    };
    let (export, version) = mount_first(exports, &target, loader)?;
    readahead::set(&target);
    if let Overlay::Tmpfs { size } = overlay {
        layer(&target, size.as_deref(), loader).map_err(|source| Failure::Mount {
            root: export.name(),
            source,
        })?;
    }
    let access = if export.choice.access == Access::ReadOnly {
        "ro"
    } else {
        "rw"
    };
    let over = if layered {
        " under a tmpfs overlay"
    } else {
        ""
    };
    say!(
        "mounted {} (nfs vers={version} over tcp, {access}){over}",
        export.name()
    );
    Ok(export)
}

/// Mounts an export: if the kernel cannot, the one of the next server. The failure told is the first one's.
fn mount_first<'a>(
    exports: &'a [Export],
    target: &str,
    loader: &Loader,
) -> Result<(&'a Export, Version), Failure> {
    let mut first = None;
    let mut left = exports.len();
    for export in exports {
        left -= 1;
        let patience = if left > 0 { IMPATIENCE } else { PATIENCE };
        match make_directory(target).and_then(|()| mount_nfs(export, target, loader, patience)) {
            Ok(version) => return Ok((export, version)),
            Err(source) => {
                let root = export.name();
                let failure = Failure::Mount { root, source };
                if left > 0 {
                    caution!("{failure}; trying the next server");
                }
                first.get_or_insert(failure);
            }
        }
    }
    // Without any export there is nothing that could have failed.
    Err(first.unwrap_or(Failure::NoRoot {
        reason: NoRoot::Unnamed,
    }))
}

fn mount_nfs(
    export: &Export,
    target: &str,
    loader: &Loader,
    patience: Duration,
) -> Result<Version, MountError> {
    identity::name_host(&export.machine);
    let mut told: Option<MountError> = None;
    for version in &export.versions {
        let attempt = load_client(loader, *version).and_then(|()| {
            if matches!(version, Version::V4(_)) {
                identity::identify_client(&export.machine);
            }
            let request = mount_request(&export.choice, *version, export.server, export.ports);
            in_time(request, *version, target, patience)
        });
        match attempt {
            Ok(()) => return Ok(*version),
            Err(e) if !e.leaves_other_versions() => return Err(e),
            Err(e) => {
                detail!("{e}");
                // A version that one side does not have says less than a path that is not there.
                if told.as_ref().is_none_or(MountError::is_about_version) {
                    told = Some(e);
                }
            }
        }
    }
    Err(told.unwrap_or(MountError::NoClient {
        version: Version::V3,
    }))
}

/// The kernel asks for these by modprobe; loading them first saves it the detour and names what is missing.
fn load_client(loader: &Loader, version: Version) -> Result<(), MountError> {
    let module = if version == Version::V3 {
        "nfsv3"
    } else {
        "nfsv4"
    };
    let known =
        || std::fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("\tnfs\n"));
    match loader.load(module) {
        Loaded::Yes => Ok(()),
        // Not in the image, and perhaps in the kernel: modules.builtin may be missing too.
        Loaded::Absent if known() => Ok(()),
        Loaded::Absent | Loaded::Refused => Err(MountError::NoClient { version }),
    }
}

/// Runs the mount in a thread, and gives it up when it takes too long. What is given up never shows: the mount is
/// attached by this side, and only when it is there in time.
fn in_time(
    request: MountRequest,
    version: Version,
    target: &str,
    patience: Duration,
) -> Result<(), MountError> {
    let (sender, receiver) = mailbox();
    let what = format!("the kernel to mount {}", request.source);
    let path = target.to_owned();
    let work = move || {
        sender.send(make(&request, version, &path));
    };
    thread::Builder::new()
        .name("mount".to_owned())
        .spawn(work)
        .map_err(MountError::Thread)?;
    let stalled = || MountError::Stalled { version, patience };
    let deadline = Moment::now().after(patience);
    let mut wait = Wait::start();
    loop {
        let next = wait.mention(&what).min(deadline);
        match receiver.receive(next.remaining()) {
            Ok(Ok(Some(tree))) => {
                let refused = |errno| MountError::Refused {
                    version,
                    text: format!("move_mount: {errno}"),
                    errno,
                };
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                return move_mount(tree.as_fd(), "", rustix::fs::CWD, target, flags)
                    .map_err(refused);
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(e)) => return Err(e),
            Err(NoAnswer::Never) => return Err(stalled()),
            Err(NoAnswer::Late) if deadline.remaining().is_zero() => {
                return Err(stalled());
            }
            Err(NoAnswer::Late) => {}
        }
    }
}

/// Makes the mount: a tree that is not attached yet, or `None` where mount(2) attached it at once.
fn make(
    request: &MountRequest,
    version: Version,
    target: &str,
) -> Result<Option<OwnedFd>, MountError> {
    let context = match fsopen(request.fstype, FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(context) => context,
        Err(Errno::NODEV) => return Err(MountError::NoClient { version }),
        Err(Errno::NOSYS) => return make_old(request, version, target),
        Err(errno) => return Err(refused(version, &[], errno)),
    };
    let source = fsconfig_set_string(&context, "source", request.source.as_str());
    source.map_err(|errno| refused(version, &messages(&context), errno))?;
    for parameter in &request.parameters {
        let result = match &parameter.value {
            Some(value) => fsconfig_set_string(&context, parameter.key.as_str(), value.as_str()),
            None => fsconfig_set_flag(&context, parameter.key.as_str()),
        };
        let said = messages(&context);
        let Err(errno) = result else {
            said.iter()
                .for_each(|text| detail!("the kernel says: {text}"));
            continue;
        };
        let written = match &parameter.value {
            Some(value) => format!("{}={value}", parameter.key),
            None => parameter.key.clone(),
        };
        let text = told(&said, errno);
        if parameter.essential {
            return Err(MountError::Parameter {
                parameter: written,
                text,
            });
        }
        caution!("the mount option {written} is left out: {text}");
    }
    if let Err(errno) = fsconfig_create(&context) {
        return Err(refused(version, &messages(&context), errno));
    }
    messages(&context)
        .iter()
        .for_each(|text| detail!("the kernel says: {text}"));
    let tree = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes(request.flags),
    );
    tree.map(Some)
        .map_err(|errno| refused(version, &messages(&context), errno))
}

/// The same by mount(2). An unknown option fails it as a whole, so a second try leaves out all that can be.
fn make_old(
    request: &MountRequest,
    version: Version,
    target: &str,
) -> Result<Option<OwnedFd>, MountError> {
    let mut flags = old_flags(request.flags);
    if request.read_only {
        flags |= MountFlags::RDONLY;
    }
    let attempt = |essential_only: bool| {
        let data = CString::new(request.data(essential_only)).map_err(|_| Errno::INVAL)?;
        mount(
            request.source.as_str(),
            target,
            request.fstype,
            flags,
            data.as_c_str(),
        )
    };
    let optional = request.parameters.iter().any(|p| !p.essential);
    let result = match attempt(false) {
        Err(Errno::INVAL) if optional => {
            caution!(
                "the kernel refuses one of the mount options; trying without those that can be left out"
            );
            attempt(true)
        }
        result => result,
    };
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

/// Lays a tmpfs over the root. Both layers are below `/run`, which moves along: the real root sees them.
fn layer(lower: &str, size: Option<&str>, loader: &Loader) -> Result<(), MountError> {
    let failed = |what: &'static str| {
        move |errno: Errno| MountError::Overlay {
            what,
            source: errno.into(),
        }
    };
    let memory = format!("{RUN}/overlay");
    make_directory(&memory)?;
    let data = match size {
        Some(size) => format!("mode=755,size={size}"),
        None => "mode=755".to_owned(),
    };
    let data = CString::new(data).map_err(|_| failed("its size")(Errno::INVAL))?;
    mount(
        "netroot",
        memory.as_str(),
        "tmpfs",
        MountFlags::empty(),
        data.as_c_str(),
    )
    .map_err(failed("tmpfs"))?;
    let (upper, work) = (format!("{memory}/upper"), format!("{memory}/work"));
    make_directory(&upper)?;
    make_directory(&work)?;
    make_directory(ROOT)?;
    // If it is absent, the kernel may have it all the same; the mount will tell.
    loader.load("overlay");
    let data = CString::new(format!("lowerdir={lower},upperdir={upper},workdir={work}"))
        .map_err(|_| failed("its layers")(Errno::INVAL))?;
    mount(
        "netroot",
        ROOT,
        "overlay",
        MountFlags::empty(),
        data.as_c_str(),
    )
    .map_err(failed("overlay"))
}

fn make_directory(path: &str) -> Result<(), MountError> {
    match std::fs::create_dir_all(Path::new(path)) {
        Ok(()) => Ok(()),
        Err(source) => Err(MountError::Directory {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Takes away what an attempt left mounted, so that the next one finds a clean place.
pub(crate) fn unmount_all() {
    for path in [
        ROOT.to_owned(),
        format!("{RUN}/overlay"),
        format!("{RUN}/lower"),
    ] {
        while rustix::mount::unmount(path.as_str(), rustix::mount::UnmountFlags::DETACH).is_ok() {
            detail!("unmounted {path}");
        }
    }
}
