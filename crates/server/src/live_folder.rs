//! The folder of a live image, given in place of a root: it has a kernel, and neither modules nor a root beside it.

use std::path::{Path, PathBuf};

use netroot_initramfs::RootTree;
use netroot_proto::root::RootImage;

/// The directory is a live image's folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is not a root: {image}; {} and give that directory, or give --kernel and --initrd of the image",
    directory.display(), image.advice()
)]
pub(crate) struct LiveFolder {
    directory: PathBuf,
    image: RootImage,
}

/// Whether a directory is a root, and not a live image's folder.
///
/// # Errors
/// It is such a folder, with the root's image in it.
pub(crate) fn refuse(root: &RootTree, directory: &Path) -> Result<(), LiveFolder> {
    if root.has_directory("/usr") || root.has_directory("/lib") {
        return Ok(());
    }
    let has = |path: &str| root.has_directory(path) || root.open_file(path).is_ok();
    match RootImage::in_live_folder(has) {
        Some(image) => Err(LiveFolder {
            directory: directory.to_owned(),
            image,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_images_folder_is_refused_with_its_image_and_a_root_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("live")).unwrap();
        std::fs::write(path.join("live/filesystem.squashfs"), "hsqs").unwrap();
        let root = RootTree::open(path).unwrap();
        let said = refuse(&root, path).unwrap_err().to_string();
        assert!(
            said.contains("is not a root: it is the folder of a live image (Debian): live/filesystem.squashfs is the root; unpack it"),
            "{said}"
        );
        std::fs::create_dir(path.join("usr")).unwrap();
        assert!(refuse(&root, path).is_ok());
    }
}
