//! The unified kernel images that machines are given in place of a boot loader, signed with the administrator's key.

use std::io;
use std::sync::Arc;

use netroot_initramfs::{Architecture, Kernel, RootTree};
use netroot_proto::pxe::arch::Platform;
use netroot_secure_boot::SigningKey;

use super::artifacts::{Content, Unified};
use crate::error_chain::with_causes;
use crate::settings::{RootSettings, Settings};
use crate::uki_command::{SigningFilesError, signing_key};
use crate::unified_image::{self, Ingredients, UnifiedImageError};

/// More bytes than any initrd that is built has.
const LONGEST_INITRD: u64 = 1 << 30;

/// Why an image has no unified kernel image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnifiedError {
    /// The initrd cannot be read.
    #[error("cannot read the initrd for the unified kernel image")]
    Initrd(#[source] io::Error),
    /// It cannot be made.
    #[error("there is no unified kernel image")]
    Image(#[from] UnifiedImageError),
}

/// Makes them. It has the key in memory, which no file that is served has.
#[derive(Debug, Clone)]
pub(crate) struct UnifiedImages {
    key: Option<Arc<SigningKey>>,
}

impl UnifiedImages {
    /// Reads the key, if there is one.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub(crate) fn open(settings: &Settings) -> Result<Self, SigningFilesError> {
        let files = settings.uki.as_ref();
        let key = files.map(|files| signing_key(&files.key, &files.certificate));
        let key = key.transpose()?.map(Arc::new);
        Ok(Self { key })
    }

    /// The one of this image, if it is to have one. It reads the root, and takes some tenths of a second.
    ///
    /// # Errors
    /// See [`UnifiedError`].
    pub(crate) fn of_root(&self, of: &UnifiedRequest<'_>) -> Result<Option<Unified>, UnifiedError> {
        let Some(key) = self.key.as_ref().filter(|_| of.settings.uki) else {
            return Ok(None);
        };
        let initrd = of.initrd.all(LONGEST_INITRD);
        let initrd = initrd.map_err(UnifiedError::Initrd)?;
        // Which root it is comes by DHCP, so that the image is the same on every interface.
        let line =
            unified_image::command_line(of.name, of.kernel, None, of.settings.overlay, of.append);
        let image = unified_image::make(&Ingredients {
            root: of.root,
            hidden: &of.settings.hidden,
            kernel: of.kernel,
            initrd: &initrd,
            stub: None,
            command_line: &line.line,
            key: Some(key),
        })?;
        Ok(Some(Unified {
            platform: match of.kernel.architecture {
                Architecture::X86_64 => Platform::EfiX64,
                Architecture::Aarch64 => Platform::EfiArm64,
            },
            content: Content::Memory(image.into()),
        }))
    }

    /// The same beside other work.
    ///
    /// # Errors
    /// The same, as a sentence.
    pub(crate) async fn make(&self, of: UnifiedOwned) -> Result<Option<Unified>, String> {
        let own = self.clone();
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
        let made = made.await.map_err(|error| error.to_string())?;
        made.map_err(|error| with_causes(&error))
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
