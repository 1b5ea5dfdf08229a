//! An image that is followed, and what is told of its kernel.

use netroot_initramfs::compare_versions;

use super::followed::FollowedImage;
use super::settling::Settling;
use crate::serve::artifacts::Content;
use crate::serve::events::{Age, Change, Event, Warning};
use crate::serve::root_facts::Facts;
use crate::settings::InitrdSource;

/// An image that is followed.
#[derive(Debug)]
pub(super) struct Image {
    /// Tells it from all others, and from what has had its name.
    pub(super) id: u64,
    pub(super) followed: FollowedImage,
    pub(super) settling: Settling,
    /// The modules of the kernel that is served are no longer in the root.
    pub(super) modules_gone: bool,
    /// Why no kernel can be chosen in the root, if that is so.
    pub(super) no_kernel: Option<String>,
    /// What an initrd is being built for.
    pub(super) building: Option<Facts>,
}

impl Image {
    /// One that is served as it was found.
    pub(super) fn new(id: u64, followed: FollowedImage) -> Self {
        Self {
            id,
            followed,
            settling: Settling::default(),
            modules_gone: false,
            no_kernel: None,
            building: None,
        }
    }
}

/// The end of a build.
#[derive(Debug)]
pub(super) struct Built {
    /// The image's id.
    pub(super) image: u64,
    pub(super) facts: Facts,
    pub(super) initrd: Result<(Content, Vec<String>), String>,
}

/// That the kernel that is served stays.
pub(super) fn kept(image: &Image, error: String) -> Event {
    Event::Warning(Warning::KernelKept {
        image: image.followed.name.clone(),
        linux: served_version(image),
        modules_gone: image.modules_gone,
        error,
    })
}

fn served_version(image: &Image) -> String {
    let served = image.followed.served.kernel.as_ref();
    served.map_or_else(|_| String::new(), |found| found.kernel.version.clone())
}

/// The line about a kernel for which an initrd is built; nothing is built where it is given.
pub(super) fn found(image: &Image, facts: &Facts) -> Option<Change> {
    if matches!(image.followed.settings.initrd, InitrdSource::File(_)) {
        return None;
    }
    let linux = facts.kernel.as_ref().ok()?.kernel.version.clone();
    let served = served_version(image);
    let age = match compare_versions(&linux, &served) {
        std::cmp::Ordering::Greater => Age::Newer,
        std::cmp::Ordering::Less => Age::Older,
        std::cmp::Ordering::Equal => Age::Same,
    };
    Some(Change::KernelFound {
        image: image.followed.name.clone(),
        linux,
        served,
        age,
        modules_gone: image.modules_gone,
    })
}
