//! The files of an image that is no root, which are served as they are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use netroot_proto::pxe::inputs::Loader;

use crate::catalog::{Image, ImageFile, ImageKind, KernelImage};
use crate::serve::artifacts::{BootFiles, Content};
use crate::settings::{ImageSettings, ImageSource};

/// How many files an image may have: a kernel and 64 initrds.
const MOST_FILES: usize = 65;
/// A disk's block, in bytes.
const BLOCK: u64 = 512;
/// Where the first volume descriptor of an ISO 9660 file system has its name, in bytes (ECMA-119 §8.1.2).
const ISO_9660: (u64, &[u8]) = (16 * 2048 + 1, b"CD001");
/// What every PE file starts with.
const PE: (u64, &[u8]) = (0, b"MZ");

/// A file of an image cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFilesError {
    /// It cannot be opened.
    #[error("cannot open {}: {error}", path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// It is something else.
    #[error("{} cannot be used: {why}", path.display())]
    NotThat {
        /// Its path.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// There are too many.
    #[error("{given} initrds are more than 64; write some of them into one file (cat)")]
    TooMany {
        /// How many.
        given: usize,
    },
}

/// What such an image is.
pub(crate) fn image(settings: &ImageSettings, loaders: Arc<[Loader]>) -> Image {
    let kind = match &settings.source {
        ImageSource::Kernel { kernel, initrds } => ImageKind::Kernel(KernelImage {
            kernel: kernel.clone(),
            initrds: initrds.clone(),
        }),
        ImageSource::Efi(program) => ImageKind::Efi(program.clone()),
        ImageSource::Disk(location) => ImageKind::Disk(location.clone()),
        ImageSource::Iso(location) => ImageKind::Iso(location.clone()),
        // A root is opened by itself.
        ImageSource::LocalDisk | ImageSource::Root(_) => ImageKind::LocalDisk,
    };
    Image {
        name: name(settings),
        title: settings.title.clone(),
        loaders,
        unified_loaders: None,
        kernel_shim: false,
        append: settings.append.clone(),
        tag: String::new(),
        kind,
        nic: None,
    }
}

/// Opens the files of such an image. An image without files of this machine has none.
///
/// # Errors
/// The first file that cannot be used.
pub(crate) fn open(settings: &ImageSettings) -> Result<BootFiles, OpenFilesError> {
    let paths = settings.source.files().into_iter();
    let opened = paths.map(|path| {
        Content::open(path).map_err(|error| OpenFilesError::Open {
            path: path.to_owned(),
            error,
        })
    });
    checked(settings, opened.collect::<Result<_, _>>()?)
}

/// The open files of such an image, in the order of [`ImageSource::files`], if they are what they are configured as.
///
/// # Errors
/// The first file that cannot be used.
pub(crate) fn checked(
    settings: &ImageSettings,
    opened: Vec<Content>,
) -> Result<BootFiles, OpenFilesError> {
    let image = image(settings, Arc::from([]));
    let names = image.files();
    if names.len() > MOST_FILES {
        return Err(OpenFilesError::TooMany {
            given: names.len() - 1,
        });
    }
    for ((file, content), path) in names.iter().zip(&opened).zip(settings.source.files()) {
        if let Some(why) = objection(*file, content) {
            return Err(OpenFilesError::NotThat {
                path: path.to_owned(),
                why,
            });
        }
    }
    Ok(BootFiles::new(names.into_iter().zip(opened).collect()))
}

/// Why a file cannot be what it is configured as.
fn objection(file: ImageFile, content: &Content) -> Option<&'static str> {
    if content.length() == 0 {
        return Some("it is empty");
    }
    match file {
        ImageFile::Kernel
        | ImageFile::Initrd(_)
        | ImageFile::Shim(_)
        | ImageFile::KernelShim
        | ImageFile::SignedGrub(_)
        | ImageFile::BesideShim(_) => None,
        ImageFile::Program => {
            (!has(content, PE)).then_some("it is no EFI program, which starts with MZ")
        }
        ImageFile::Disk => (!content.length().is_multiple_of(BLOCK)).then_some(
            "a disk's image is a number of whole blocks of 512 bytes; convert it to a raw one (qemu-img convert -O raw)",
        ),
        ImageFile::Iso => (!has(content, ISO_9660)).then_some("it has no ISO 9660 file system"),
    }
}

fn name(settings: &ImageSettings) -> String {
    settings.name.clone().unwrap_or_default()
}

/// Whether these bytes are there.
fn has(content: &Content, (offset, bytes): (u64, &[u8])) -> bool {
    let mut read = vec![0; bytes.len()];
    let length = content.read_at(offset, &mut read);
    length.is_ok_and(|length| length == bytes.len()) && read == bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Location, Origin};

    fn settings(source: ImageSource) -> ImageSettings {
        ImageSettings {
            name: Some("one".to_owned()),
            title: None,
            source,
            append: None,
            origin: Origin::CommandLine,
        }
    }

    #[test]
    fn each_kind_has_its_files_and_what_they_are_not_is_refused_with_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let (text, empty) = (write("text", b"text"), write("empty", b""));
        let program = write("a.efi", b"MZ rest");
        let disk = write("a.img", &[0; 1024]);
        let mut disc = vec![0; 17 * 2048];
        disc[16 * 2048 + 1..][..5].copy_from_slice(b"CD001");
        let disc = write("a.iso", &disc);
        let absent = folder.path().join("absent");
        let kernel = |kernel: &PathBuf, initrds: &[&PathBuf]| ImageSource::Kernel {
            kernel: kernel.clone(),
            initrds: initrds.iter().map(|path| (*path).clone()).collect(),
        };
        let file = |path: &PathBuf| Location::File(path.clone());
        let url = || Location::Url("http://192.0.2.1/x".to_owned());
        for source in [
            kernel(&text, &[&text, &disk]),
            kernel(&text, &[]),
            ImageSource::Efi(program),
            ImageSource::Disk(file(&disk)),
            ImageSource::Disk(url()),
            ImageSource::Iso(file(&disc)),
            ImageSource::Iso(url()),
            ImageSource::LocalDisk,
        ] {
            let settings = settings(source);
            let image = image(&settings, Arc::from([]));
            let files = open(&settings).unwrap();
            assert_eq!(files.names(), image.files(), "{image:?}");
        }
        for (source, why) in [
            (
                ImageSource::Efi(text.clone()),
                "text cannot be used: it is no EFI program",
            ),
            (ImageSource::Disk(file(&text)), "qemu-img convert -O raw"),
            (
                ImageSource::Iso(file(&disk)),
                "it has no ISO 9660 file system",
            ),
            (kernel(&empty, &[]), "empty cannot be used: it is empty"),
            (kernel(&text, &[&absent]), "absent: No such file"),
            (kernel(&text, &[&text; 65]), "65 initrds are more than 64"),
            (
                ImageSource::Iso(file(&folder.path().into())),
                "cannot open ",
            ),
        ] {
            let error = open(&settings(source)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
