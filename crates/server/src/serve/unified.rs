//! The unified kernel images that machines are given before any boot loader, signed with the administrator's key.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_initramfs::{Architecture, Kernel, RootTree};
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::arch::Platform;

use super::artifacts::{Content, Unified};
use super::events::Warning;
use super::privileged_helper::Signer;
use crate::error_chain::with_causes;
use crate::settings::{RootSettings, Settings};
use crate::signing_files::SigningFilesError;
use crate::unified_image::{self, Ingredients, UnifiedImageError};

/// How much is written at a time, in bytes.
const BUFFER: usize = 128 << 10;

/// Why an image has no unified kernel image.
#[derive(Debug, thiserror::Error)]
enum UnifiedError {
    /// There is no place for it.
    #[error("cannot write the unified kernel image in {} (--cache)", folder.display())]
    Folder {
        /// Where it was to be.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It cannot be made.
    #[error(transparent)]
    Image(#[from] UnifiedImageError),
    /// The server was started without a key.
    #[error(
        "nothing signs it: uki-key and uki-cert are read at the start alone, restart netroot serve"
    )]
    NoKey,
}

/// Makes them. Another process has the key. The images are in files without a name in the cache, which are gone once nobody
/// reads them any more.
#[derive(Debug, Clone)]
pub(crate) struct UnifiedImages {
    signer: Option<Arc<Signer>>,
    cache: PathBuf,
}

/// Whether the key is where no machine reads it.
///
/// # Errors
/// [`SigningFilesError::Served`].
pub(crate) fn check_key_place(settings: &Settings) -> Result<(), SigningFilesError> {
    let key = settings.uki.as_ref().map(|files| &files.key);
    let served = key.and_then(|key| Some((key, served_with(settings, key)?)));
    match served {
        None => Ok(()),
        Some((key, folder)) => Err(SigningFilesError::Served {
            key: key.clone(),
            folder: folder.to_owned(),
        }),
    }
}

impl UnifiedImages {
    /// Those that this helper signs, if there is a key.
    pub(crate) fn new(signer: Option<Arc<Signer>>, cache: &Path) -> Self {
        let cache = cache.to_owned();
        Self { signer, cache }
    }

    /// The one of this image, if it is to have one and it can be made. It reads the root and writes to
    /// the disk, which takes some tenths of a second.
    pub(crate) fn of_root(&self, of: &UnifiedRequest<'_>) -> Made {
        if !of.settings.uki {
            return Made::default();
        }
        let image = of.name.to_owned();
        match self.sign(of) {
            Ok((unified, left_out)) => Made {
                unified: Some(unified),
                warning: (!left_out.is_empty())
                    .then_some(Warning::UnifiedLeavesOut { image, left_out }),
            },
            Err(error) => Made::failed(image, with_causes(&error)),
        }
    }

    /// The image, and the appended parameters that are not in it.
    fn sign(&self, of: &UnifiedRequest<'_>) -> Result<(Unified, Vec<String>), UnifiedError> {
        let signer = self.signer.as_deref().ok_or(UnifiedError::NoKey)?;
        // Which root it is comes by DHCP, so that the image is the same on every interface.
        let line =
            unified_image::command_line(of.name, of.kernel, None, of.settings.overlay, of.append);
        let unwritten = |source| UnifiedError::Folder {
            folder: self.cache.clone(),
            source,
        };
        // Before the server is confined, another folder does where that one cannot be written to, as for the initrd.
        let file = tempfile::tempfile_in(&self.cache)
            .or_else(|error| tempfile::tempfile().map_err(|_| error))
            .map_err(unwritten)?;
        let mut buffered = BufWriter::with_capacity(BUFFER, &file);
        let ingredients = Ingredients {
            root: of.root,
            hidden: &of.settings.hidden,
            kernel: of.kernel,
            initrd_length: of.initrd.length(),
            stub: None,
            command_line: &line.line,
            signer: Some(signer),
        };
        let initrd = &mut of.initrd.reader();
        let written = unified_image::write(&ingredients, initrd, &mut buffered)?;
        buffered.flush().map_err(unwritten)?;
        drop(buffered);
        let unified = Unified {
            platform: match of.kernel.architecture {
                Architecture::X86_64 => Platform::EfiX64,
                Architecture::Aarch64 => Platform::EfiArm64,
            },
            content: Content::from_regular(file).map_err(unwritten)?,
            signature: written.signature,
            pcr_11: written.pcr_11,
        };
        Ok((unified, line.left_out))
    }

    /// The same beside other work.
    pub(crate) async fn make(&self, of: UnifiedOwned) -> Made {
        let (own, image) = (self.clone(), of.name.clone());
        let made = tokio::task::spawn_blocking(move || {
            own.of_root(&UnifiedRequest {
                name: &of.name,
                root: &of.root,
                settings: &of.settings,
                kernel: &of.kernel,
                initrd: &of.initrd,
                append: of.append.as_deref(),
            })
        });
        let made = made.await;
        made.unwrap_or_else(|error| Made::failed(image, error.to_string()))
    }
}

/// The folder that machines read and this key is in, if there is one and it does not hide it.
fn served_with<'a>(settings: &'a Settings, key: &Path) -> Option<&'a Path> {
    // One that is not there is told when it is read.
    let key = key.canonicalize().ok()?;
    let inside = |folder: &Path| {
        let folder = folder.canonicalize().ok()?;
        key.strip_prefix(folder).ok().map(Path::to_owned)
    };
    let nothing = HiddenPaths::default();
    let roots = settings.catalog.roots().map(|(_, root)| root);
    let roots = roots.flat_map(|root| {
        let swapped = root.swapped.iter();
        let earlier = swapped.flat_map(|swapped| {
            let before = swapped.before.iter().map(|(_, tree)| tree);
            before.chain([&swapped.configured])
        });
        let exported = [&root.directory].into_iter().chain(earlier);
        let exported = exported.filter(|_| root.nfsroot.is_none());
        let exported = exported.map(|folder| (folder, &root.hidden));
        let signed = root.secure_boot_files.iter();
        exported.chain(signed.map(|folder| (folder, &root.hidden)))
    });
    let others = settings.tftp_dir.iter().chain(&settings.roots);
    let mut all = roots.chain(others.map(|folder| (folder, &nothing)));
    let found = all.find(|(folder, hidden)| {
        let inside = inside(folder);
        inside.is_some_and(|path| !hidden.hide(&format!("/{}", path.display())))
    });
    found.map(|(folder, _)| folder.as_path())
}

/// What came of it: an image is served without it where it cannot be made, as machines that load something else need it.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The unified kernel image.
    pub(crate) unified: Option<Unified>,
    /// What an administrator should know of it.
    pub(crate) warning: Option<Warning>,
}

impl Made {
    fn failed(image: String, error: String) -> Self {
        Self {
            unified: None,
            warning: Some(Warning::NoUnified { image, error }),
        }
    }
}

/// [`UnifiedRequest`] for another thread.
#[derive(Debug)]
pub(crate) struct UnifiedOwned {
    pub(crate) name: String,
    pub(crate) root: Arc<RootTree>,
    pub(crate) settings: RootSettings,
    pub(crate) kernel: Kernel,
    pub(crate) initrd: Content,
    pub(crate) append: Option<String>,
}

/// What an image is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnifiedRequest<'a> {
    /// The image's name.
    pub(crate) name: &'a str,
    /// Its root.
    pub(crate) root: &'a RootTree,
    /// How that is configured.
    pub(crate) settings: &'a RootSettings,
    /// Its kernel.
    pub(crate) kernel: &'a Kernel,
    /// Its initrd.
    pub(crate) initrd: &'a Content,
    /// What is appended to its command line.
    pub(crate) append: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::settings::UkiSettings;

    fn settings(words: &[&str]) -> Settings {
        Settings::from(crate::cli::tests::serve(words).unwrap())
    }

    #[test]
    fn a_key_that_machines_could_read_signs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("uki.key");
        fs::write(&key, "").unwrap();
        let root = folder.path().to_str().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let elsewhere = elsewhere.path().to_str().unwrap();
        for (words, is_served) in [
            (&[root][..], true),
            (&[elsewhere, "--tftp-dir", root], true),
            (&[root, "--hide", "/uki.key"], false),
            (&[elsewhere], false),
        ] {
            let mut settings = settings(words);
            settings.uki = Some(UkiSettings {
                key: key.clone(),
                certificate: key.clone(),
            });
            let refused = check_key_place(&settings);
            assert_eq!(refused.is_err(), is_served, "{words:?}: {refused:?}");
        }
    }

    #[test]
    fn an_image_that_nothing_signs_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&[folder.path().to_str().unwrap()]);
        let root = RootTree::open(folder.path()).unwrap();
        let kernel = Kernel {
            version: "6.1".to_owned(),
            path: "/vmlinuz".to_owned(),
            part: None,
            architecture: Architecture::X86_64,
            modules: None,
            firmware: None,
            start: None,
        };
        let images = UnifiedImages::new(None, folder.path());
        let mut of_root = |uki| {
            for image in &mut settings.catalog.images {
                if let crate::settings::ImageSource::Root(root) = &mut image.source {
                    root.uki = uki;
                }
            }
            let (_, of) = settings.catalog.roots().next().unwrap();
            images.of_root(&UnifiedRequest {
                name: "debian",
                root: &root,
                settings: of,
                kernel: &kernel,
                initrd: &Content::Memory(hyper::body::Bytes::new()),
                append: None,
            })
        };
        assert!(of_root(false).warning.is_none());
        let made = of_root(true);
        assert!(made.unified.is_none());
        let warning = made.warning.unwrap().to_string();
        assert!(warning.contains("restart netroot serve"), "{warning}");
    }
}
