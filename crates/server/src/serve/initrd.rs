//! The initrd that machines boot: built by a child process, and cached.
//!
//! Building an initrd takes tens of megabytes of memory for a few seconds. A child process (`netroot initrd …`) takes
//! them and returns them when it ends; the server holds only the open file. The child reads a root that strangers may
//! have written: it confines itself first ([`crate::confinement`]), and nothing that it writes is trusted. The initrd is kept in the cache folder under
//! a fingerprint of what it was built from, so that a restart builds nothing again.

mod child;
mod fingerprint;
mod request;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use netroot_initramfs::ModuleSelection;
use netroot_net::PciId;
use rustix::fs::{Mode, OFlags};

use crate::confinement::folders;
use crate::confinement::identity::Identity;
use crate::serve::artifacts::Content;
use crate::serve::events::Event;
use child::Child;
pub(crate) use fingerprint::{fingerprint, of_drivers};
pub(crate) use request::InitrdRequest;

/// How many initrds for every network card are kept: those of several kernels and module lists.
const KEPT: usize = 8;
/// How many for one network card are kept, and how many bytes of them: few sites have cards with more different drivers. Most
/// have 1.5 MiB, those with much firmware twenty times as much.
const KEPT_OF_NICS: usize = 64;
const KEPT_OF_NICS_BYTES: u64 = 256 << 20;
/// The initrd's name while it is built.
const WRITTEN: &str = "initrd.img";
/// The age at which an unfinished initrd counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(3600);
/// How long a build may take: a debug build takes two minutes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// The level of zstd. At 19, Debian's drivers take a minute to compress for a tenth less to send; that is the default of
/// `netroot initrd`, which writes a file to keep.
const LEVEL: &str = "12";

/// Why no initrd is available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitrdError {
    /// No folder to build it in.
    #[error("cannot create a folder to build the initrd in")]
    Folder(#[source] io::Error),
    /// The child could not be started.
    #[error("cannot start `netroot initrd`")]
    Start(#[source] io::Error),
    /// The child could not be waited for.
    #[error("cannot wait for `netroot initrd`")]
    Wait(#[source] io::Error),
    /// The child failed; its output says why.
    #[error("cannot build the initrd: {}", said.trim().trim_start_matches("netroot: "))]
    Failed {
        /// What it wrote.
        said: String,
    },
    /// The initrd cannot be opened.
    #[error("cannot open the initrd {}", path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// An initrd that exists, or that is being built.
#[derive(Debug)]
pub(crate) enum InitrdBuild {
    /// `--initrd` names it.
    Given(Content),
    /// It was built at an earlier start.
    Kept(Content),
    /// A child process is building it.
    Running {
        /// The child.
        child: Child,
        /// The folder that it writes to; removed with its contents when dropped.
        scratch: tempfile::TempDir,
        /// Where the initrd is kept, if anywhere.
        keep: Option<PathBuf>,
        /// When it started.
        began: Instant,
    },
}

/// Which network cards an initrd is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All that the image's modules are for.
    EveryNic,
    /// One.
    OneNic,
}

impl Scope {
    /// What the files that are kept are called: this, the fingerprint, and `.img`.
    const fn prefix(self) -> &'static str {
        match self {
            Self::EveryNic => "initrd-",
            Self::OneNic => "nic-",
        }
    }
}

/// An initrd to be built.
#[derive(Debug)]
pub(crate) struct NewInitrd<'a> {
    /// The root's directory.
    pub(crate) root: &'a Path,
    /// The kernel, as `--kernel` names it; `None` for the one that the child finds.
    pub(crate) kernel: Option<&'a str>,
    /// `--modules`.
    pub(crate) modules: &'a str,
    /// `--init`.
    pub(crate) init: Option<&'a Path>,
    /// The fingerprint under which it is kept.
    pub(crate) fingerprint: u64,
    /// Which network cards it is for.
    pub(crate) scope: Scope,
}

/// `--modules` for one network card, if it was for every one.
pub(crate) fn modules_for_nic(modules: &str, nic: PciId) -> Option<String> {
    let all: ModuleSelection = modules.parse().ok()?;
    all.for_nic(nic).map(|one| one.to_string())
}

/// Finds the initrd in `cache`, or starts to build it, as `identity` if this process is root.
pub(crate) fn start(
    request: &InitrdRequest<'_>,
    cache: &Path,
    identity: Option<Identity>,
) -> Result<InitrdBuild, InitrdError> {
    let fingerprint = fingerprint(request);
    if let Some(content) = kept(cache, Scope::EveryNic, fingerprint) {
        return Ok(InitrdBuild::Kept(content));
    }
    let new = NewInitrd {
        root: request.root.path(),
        // The version alone may be that of several files.
        kernel: Some(&request.kernel.path),
        modules: request.modules,
        init: request.init,
        fingerprint,
        scope: Scope::EveryNic,
    };
    build(&new, cache, identity)
}

/// The initrd with this fingerprint, if it was built already.
pub(crate) fn kept(cache: &Path, scope: Scope, fingerprint: u64) -> Option<Content> {
    open_built(&name_in(cache, scope, fingerprint)).ok()
}

fn name_in(cache: &Path, scope: Scope, fingerprint: u64) -> PathBuf {
    let prefix = scope.prefix();
    cache.join(format!("{prefix}{fingerprint:016x}.img"))
}

/// Has a child look whether an initrd can be built, which takes no time to speak of.
///
/// # Errors
/// Why not.
pub(crate) fn check(
    request: &InitrdRequest<'_>,
    identity: Option<Identity>,
) -> Result<(), InitrdError> {
    let mut command = child_for(request.root.path(), request.modules, request.init, identity);
    command.arg("--kernel").arg(&request.kernel.path);
    command.args(["--only-check", "-o", "/dev/null"]);
    let child = command.spawn().map_err(InitrdError::Start)?;
    let finished = Child::new(child).finish(Instant::now() + DEADLINE);
    let (status, said) = finished.map_err(InitrdError::Wait)?;
    succeeded(status, &said)
}

/// `netroot initrd`, as `identity` if this process is root.
fn child_for(
    root: &Path,
    modules: &str,
    init: Option<&Path>,
    identity: Option<Identity>,
) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("initrd").arg("--root").arg(root);
    command.args(["--modules", modules, "--level", LEVEL]);
    if let Some(init) = init {
        command.arg("--init").arg(init);
    }
    if let Some(identity) = identity {
        command.arg("--as").arg(identity.to_string());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn succeeded(status: ExitStatus, said: &str) -> Result<(), InitrdError> {
    if status.success() {
        return Ok(());
    }
    // A child that a limit ends says nothing.
    let said = match said.trim() {
        "" => format!("`netroot initrd` ended with {status}"),
        said => said.to_owned(),
    };
    Err(InitrdError::Failed { said })
}

/// Starts to build an initrd, as `identity` if this process is root.
pub(crate) fn build(
    request: &NewInitrd<'_>,
    cache: &Path,
    identity: Option<Identity>,
) -> Result<InitrdBuild, InitrdError> {
    let usable = fs::create_dir_all(cache).is_ok();
    let keep = usable.then(|| name_in(cache, request.scope, request.fingerprint));
    let mut name = tempfile::Builder::new();
    name.prefix("initrd-").suffix(".part");
    let scratch = match &keep {
        Some(_) => name.tempdir_in(cache).or_else(|_| name.tempdir()),
        None => name.tempdir(),
    };
    let scratch = scratch.map_err(InitrdError::Folder)?;
    folders::give(scratch.path(), identity).map_err(InitrdError::Folder)?;
    let mut command = child_for(request.root, request.modules, request.init, identity);
    command.arg("-o").arg(scratch.path().join(WRITTEN));
    if let Some(kernel) = request.kernel {
        command.arg("--kernel").arg(kernel);
    }
    let child = command.spawn().map_err(InitrdError::Start)?;
    Ok(InitrdBuild::Running {
        child: Child::new(child),
        scratch,
        keep,
        began: Instant::now(),
    })
}

impl InitrdBuild {
    /// The initrd that `--initrd` names.
    pub(crate) fn given(path: &Path) -> Result<Self, InitrdError> {
        let content = Content::open(path).map_err(|source| InitrdError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::Given(content))
    }

    /// Waits for the initrd. Returns what its builder noted with it.
    pub(crate) fn finish_quietly(self) -> Result<(Content, Vec<String>), InitrdError> {
        let notes = RefCell::new(Vec::new());
        let content = self.finish(|event| {
            if let Event::InitrdNote { note } = event {
                notes.borrow_mut().push(note);
            }
        })?;
        Ok((content, notes.into_inner()))
    }

    /// Waits for the initrd, and logs the result.
    pub(crate) fn finish(self, log: impl Fn(Event)) -> Result<Content, InitrdError> {
        let (child, scratch, keep, began) = match self {
            Self::Given(content) => return Ok(content),
            Self::Kept(content) => {
                log(Event::InitrdCached {
                    bytes: content.length(),
                });
                return Ok(content);
            }
            Self::Running {
                child,
                scratch,
                keep,
                began,
            } => (child, scratch, keep, began),
        };
        let (status, said) = child.finish(began + DEADLINE).map_err(InitrdError::Wait)?;
        succeeded(status, &said)?;
        let written = scratch.path().join(WRITTEN);
        let content = open_built(&written).map_err(|source| InitrdError::Open {
            path: written.clone(),
            source,
        })?;
        // Only a complete initrd gets the name that the next start looks for; without a folder to keep it in, the
        // file loses its only name here and exists as long as it is open.
        if let Some(keep) = keep
            && fs::rename(&written, &keep).is_ok()
        {
            forget_oldest(&keep);
        }
        // The child prints the name of the file that it wrote, which has another name by now.
        let file = format!("{}: ", written.display());
        for line in said.lines() {
            let note = line.strip_prefix(&file).unwrap_or(line).to_owned();
            log(Event::InitrdNote { note });
        }
        log(Event::InitrdBuilt {
            bytes: content.length(),
            took: began.elapsed(),
        });
        Ok(content)
    }
}

/// Opens what an unprivileged child wrote, perhaps one that was taken over: a link would lead to any file, which every
/// machine could then fetch.
fn open_built(path: &Path) -> io::Result<Content> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    if rustix::fs::fstat(&file)?.st_nlink != 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it has a second name",
        ));
    }
    Content::from_regular(file.into())
}

/// Keeps the newest initrds of the folder that `newest` is in, and removes what killed children left unfinished.
fn forget_oldest(newest: &Path) {
    let Some(folder) = newest.parent() else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let (mut initrds, mut of_nics, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let Ok(modified) = metadata.modified() else {
            continue;
        };
        let (list, end) = match name.rsplit_once('.') {
            Some((name, end)) if name.starts_with(Scope::OneNic.prefix()) => (&mut of_nics, end),
            Some((name, end)) if name.starts_with(Scope::EveryNic.prefix()) => (&mut initrds, end),
            _ => continue,
        };
        match end {
            "img" => list.push((modified, metadata.len(), entry.path())),
            "part" => parts.push((modified, entry.path())),
            _ => {}
        }
    }
    for (modified, path) in parts {
        // A newer one may be in use by another server.
        if modified.elapsed().is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_dir_all(path);
        }
    }
    let surplus =
        surplus(initrds, KEPT, u64::MAX).chain(surplus(of_nics, KEPT_OF_NICS, KEPT_OF_NICS_BYTES));
    for path in surplus.filter(|path| path != newest) {
        // An initrd that cannot be removed only costs disk space.
        let _ = fs::remove_file(path);
    }
}

/// The oldest of these files (with their times and sizes), so that at most `most` with as many `bytes` are left.
fn surplus(
    mut files: Vec<(SystemTime, u64, PathBuf)>,
    most: usize,
    bytes: u64,
) -> impl Iterator<Item = PathBuf> {
    files.sort();
    let (mut number, mut total) = (0, 0_u64);
    let newest_first = files.into_iter().rev();
    newest_first.filter_map(move |(_, size, path)| {
        number += 1;
        total = total.saturating_add(size);
        (number > most || total > bytes).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_a_child_wrote_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, second] = ["file", "link", "second"].map(|name| folder.path().join(name));
        fs::write(&file, "initrd").unwrap();
        assert_eq!(open_built(&file).unwrap().length(), 6);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        open_built(&link).unwrap_err();
        fs::hard_link(&file, &second).unwrap();
        open_built(&second).unwrap_err();
    }

    #[test]
    fn only_the_newest_initrds_are_kept_and_nothing_else_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..12 {
            let path = folder.path().join(format!("initrd-{number:016x}.img"));
            let file = File::create(&path).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number);
            file.set_modified(time).unwrap();
        }
        fs::write(folder.path().join("notes"), "mine").unwrap();
        fs::create_dir(folder.path().join("initrd-young.part")).unwrap();
        fs::create_dir(folder.path().join("initrd-old.part")).unwrap();
        fs::write(folder.path().join("initrd-old.part/half"), "half").unwrap();
        let old = File::open(folder.path().join("initrd-old.part")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        forget_oldest(&folder.path().join(format!("initrd-{:016x}.img", 11)));
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, KEPT + 2);
        assert!(
            !folder
                .path()
                .join(format!("initrd-{:016x}.img", 0))
                .exists()
        );
        assert!(
            folder
                .path()
                .join(format!("initrd-{:016x}.img", 11))
                .exists()
        );
    }
}
