//! The initrd that machines are given: made by ourselves, in another process, and kept.
//!
//! Packing an image takes tens of megabytes for a few seconds. A child process (`netroot initrd …`) pays for that
//! and gives it all back at its end; the server only ever holds the open file. The image is kept in the cache
//! folder under a fingerprint of what it was made from, so that a restart makes nothing anew.

mod fingerprint;
mod request;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::serve::artifacts::Content;
use crate::serve::events::Event;
use fingerprint::fingerprint;
pub(crate) use request::InitrdRequest;

/// How many images are kept: some kernels and module lists in turn.
const KEPT: usize = 8;
/// The image's name while it is made.
const WRITTEN: &str = "initrd.img";
/// When an image that is not finished is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);
/// zstd's. Packed as small as it goes (19), Debian's drivers take a minute of somebody's waiting for a tenth less to
/// send; `netroot initrd` does that when it is asked for a file to keep.
const LEVEL: &str = "12";

/// Why there is no initrd.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitrdError {
    /// No folder for it.
    #[error("no folder to make the initrd in")]
    Folder(#[source] io::Error),
    /// The child could not be started.
    #[error("`netroot initrd` could not be started")]
    Start(#[source] io::Error),
    /// The child could not be waited for.
    #[error("`netroot initrd` was lost")]
    Wait(#[source] io::Error),
    /// The child failed; its own words say why.
    #[error("the initrd could not be made: {}", said.trim().trim_start_matches("netroot: "))]
    Failed {
        /// What it wrote.
        said: String,
    },
    /// The image cannot be read back.
    #[error("the initrd {} could not be opened", path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// An image that is there, or on its way.
#[derive(Debug)]
pub(crate) enum InitrdBuild {
    /// `--initrd` names it.
    Given(Content),
    /// It was made before.
    Kept(Content),
    /// A child is at it.
    Running {
        /// The child.
        child: Worker,
        /// The folder that it writes in; removed with all that is still in it.
        workshop: tempfile::TempDir,
        /// Where the image is kept, if anywhere.
        keep: Option<PathBuf>,
        /// Since when.
        began: Instant,
    },
}

/// A child that does not outlive its order: a server that is refused a port leaves nobody packing.
#[derive(Debug)]
pub(crate) struct Worker(Option<Child>);

impl Worker {
    fn finish(mut self) -> io::Result<Output> {
        match self.0.take() {
            Some(child) => child.wait_with_output(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Finds the image in `cache`, or starts to make it.
pub(crate) fn start(order: &InitrdRequest<'_>, cache: &Path) -> Result<InitrdBuild, InitrdError> {
    let usable = fs::create_dir_all(cache).is_ok();
    let keep = usable.then(|| cache.join(format!("initrd-{:016x}.img", fingerprint(order))));
    if let Some(kept) = &keep
        && let Ok(content) = Content::open(kept)
    {
        return Ok(InitrdBuild::Kept(content));
    }
    let mut name = tempfile::Builder::new();
    name.prefix("initrd-").suffix(".part");
    let workshop = match &keep {
        Some(_) => name.tempdir_in(cache).or_else(|_| name.tempdir()),
        None => name.tempdir(),
    };
    let workshop = workshop.map_err(InitrdError::Folder)?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("initrd")
        .arg("--root")
        .arg(order.root.path())
        .args([
            "--kernel",
            &order.kernel.version,
            "--modules",
            order.modules,
            "--level",
            LEVEL,
        ])
        .arg("-o")
        .arg(workshop.path().join(WRITTEN));
    if let Some(init) = order.init {
        command.arg("--init").arg(init);
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(InitrdError::Start)?;
    Ok(InitrdBuild::Running {
        child: Worker(Some(child)),
        workshop,
        keep,
        began: Instant::now(),
    })
}

impl InitrdBuild {
    /// The image that `--initrd` names.
    pub(crate) fn given(path: &Path) -> Result<Self, InitrdError> {
        let content = Content::open(path).map_err(|source| InitrdError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::Given(content))
    }

    /// Waits for the image, and logs what became of it.
    pub(crate) fn finish(self, log: impl Fn(Event)) -> Result<Content, InitrdError> {
        let (child, workshop, keep, began) = match self {
            Self::Given(content) => return Ok(content),
            Self::Kept(content) => {
                log(Event::InitrdCached {
                    bytes: content.length(),
                });
                return Ok(content);
            }
            Self::Running {
                child,
                workshop,
                keep,
                began,
            } => (child, workshop, keep, began),
        };
        let output = child.finish().map_err(InitrdError::Wait)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(InitrdError::Failed { said });
        }
        let written = workshop.path().join(WRITTEN);
        let content = Content::open(&written).map_err(|source| InitrdError::Open {
            path: written.clone(),
            source,
        })?;
        // Only a whole image gets the name that the next start looks for; without a folder to keep it in, the
        // file loses its only name here and lives as long as we hold it open.
        if let Some(keep) = keep
            && fs::rename(&written, &keep).is_ok()
        {
            forget_oldest(&keep);
        }
        // The child names the file that it wrote, whose name is gone by now.
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

/// Keeps the newest images of the folder that `newest` is in, and nothing that a killed child left half done.
fn forget_oldest(newest: &Path) {
    let Some(folder) = newest.parent() else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let (mut images, mut parts) = (Vec::new(), Vec::new());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else {
            continue;
        };
        match name
            .strip_prefix("initrd-")
            .and_then(|rest| rest.rsplit_once('.'))
        {
            Some((_, "img")) => images.push((modified, entry.path())),
            Some((_, "part")) => parts.push((modified, entry.path())),
            _ => {}
        }
    }
    for (modified, path) in parts {
        // A younger one may be another server's, at work.
        if modified.elapsed().is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_dir_all(path);
        }
    }
    images.sort();
    let surplus = images.len().saturating_sub(KEPT);
    for (_, path) in images
        .iter()
        .take(surplus)
        .filter(|(_, path)| path != newest)
    {
        // An image that cannot be removed costs disk, nothing else.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_the_newest_images_are_kept_and_nothing_else_is_removed() {
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
