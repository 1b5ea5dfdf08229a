//! The helper for roots: it opens an image's directory anew, and has initrds built.
//!
//! It keeps the user that the server was started as, and what these two take. No filter of system calls: the child that
//! builds an initrd would inherit it, and confines itself further.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::answer::Answer;
use super::mount_area::MountArea;
use super::request::RootRequest;
use crate::confinement;
use crate::confinement::identity::Identity;
use crate::settings::{ImageSettings, Settings};

/// Reading any file, as the server does; writing initrds to the cache of another user and giving that user a folder
/// there; the child's becoming that user, and its end; mounts.
const KEPT: CapabilitySet = CapabilitySet::DAC_READ_SEARCH
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_CHROOT);

/// What the helper for roots has.
#[derive(Debug)]
pub(super) struct Roots<'a> {
    settings: &'a Settings,
    /// The user that initrds are built as.
    #[expect(dead_code, reason = "initrds are not built here yet")]
    identity: Option<Identity>,
    /// Where roots are attached, or why nowhere.
    area: Result<MountArea, Errno>,
}

impl<'a> Roots<'a> {
    /// In the new process.
    pub(super) fn prepare(settings: &'a Settings, identity: Option<Identity>) -> Self {
        let _ = rustix::thread::set_name(c"netroot-roots");
        let limited = confinement::limit_helper(KEPT);
        Self {
            settings,
            identity,
            area: limited.and_then(|()| MountArea::new()),
        }
    }

    /// The folder that the server has to be allowed to read.
    pub(super) fn area(&self) -> Option<BorrowedFd<'_>> {
        self.area.as_ref().ok().map(MountArea::folder)
    }

    /// Does what it is asked for.
    pub(super) fn answer(&mut self, request: RootRequest) -> Answer {
        let (RootRequest::Root { image } | RootRequest::Initrd { image }) = request;
        let Some(image) = self.settings.images.get(usize::from(image)) else {
            return Answer::failed("there is no such image");
        };
        match request {
            RootRequest::Root { .. } => root(&mut self.area, image),
            RootRequest::Initrd { .. } => Answer::failed("the initrd is built at the next start"),
        }
    }
}

fn root(area: &mut Result<MountArea, Errno>, image: &ImageSettings) -> Answer {
    let area = match area {
        Ok(area) => area,
        Err(errno) => {
            return Answer::impossible(format!(
                "what takes a root's place can only be read after a new start (cannot attach a mount: {errno})"
            ));
        }
    };
    match area.attach(&image.directory) {
        Ok(root) => Answer::done(vec![root]),
        Err(errno) => Answer::failed(format!(
            "cannot open {} anew: {errno}",
            image.directory.display()
        )),
    }
}
