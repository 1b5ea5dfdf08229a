//! The helper for roots: it opens an image's directory anew.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::answer::Answer;
use super::configurations::Configurations;
use super::mount_area::MountArea;
use super::request::RootRequest;
use crate::confinement;
use crate::settings::Settings;

/// Reaching any directory, as the server does, and mounts.
const KEPT: CapabilitySet = CapabilitySet::DAC_READ_SEARCH
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_CHROOT);

/// What the helper for roots has.
#[derive(Debug)]
pub(super) struct Roots<'a> {
    configurations: Configurations<'a>,
    /// Where roots are attached, or why nowhere.
    area: Result<MountArea, Errno>,
}

impl<'a> Roots<'a> {
    /// In the new process.
    pub(super) fn prepare(settings: &'a Settings) -> Self {
        let _ = rustix::thread::set_name(c"netroot-roots");
        let limited = confinement::limit_helper(KEPT);
        Self {
            configurations: Configurations::new(settings),
            area: limited.and_then(|()| MountArea::new()),
        }
    }

    /// The folder that the server has to be allowed to read.
    pub(super) fn area(&self) -> Option<BorrowedFd<'_>> {
        self.area.as_ref().ok().map(MountArea::folder)
    }

    /// Does what it is asked for.
    pub(super) fn answer(&mut self, request: RootRequest) -> Answer {
        match request {
            RootRequest::Root { image } => {
                let image = self.configurations.image(image);
                let root = image.as_ref().and_then(|image| image.source.root());
                match root {
                    Some(root) => attach(&mut self.area, &root.directory, root.submounts),
                    None => Answer::failed("there is no such image"),
                }
            }
            RootRequest::Configuration { digest, served } => {
                match self.configurations.read(served) {
                    Ok(snapshot) if snapshot.digest() == digest => Answer::done(Vec::new()),
                    Ok(_) => Answer::failed("the configuration has changed again"),
                    Err(why) => Answer::failed(why),
                }
            }
        }
    }
}

fn attach(area: &mut Result<MountArea, Errno>, directory: &Path, submounts: bool) -> Answer {
    let area = match area {
        Ok(area) => area,
        Err(errno) => {
            return Answer::impossible(format!(
                "what takes a root's place can only be read after a new start (cannot attach a mount: {errno})"
            ));
        }
    };
    match area.attach(directory, submounts) {
        Ok(root) => Answer::done(vec![root]),
        Err(errno) => Answer::failed(format!("cannot open {}: {errno}", directory.display())),
    }
}
