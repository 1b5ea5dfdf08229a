//! What a machine boots after its loader: the files of one image, made for one another.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use netroot_proto::pxe::arch::Platform;
use netroot_uki::Pcr;

use super::content::Content;
use super::nic_initrds::NicInitrds;
use super::signed_chain::{FoundChain, SignedChain};
use crate::catalog::ImageFile;
use crate::serve::root_facts::Stamp;

/// What a machine boots after its loader: made for one another.
#[derive(Debug, Clone)]
pub(crate) struct BootFiles {
    files: Vec<(ImageFile, Content)>,
    /// The initrds for one network card, for the same kernel.
    pub(super) nics: Arc<NicInitrds>,
    /// What starts that kernel on machines with Secure Boot, of a root.
    pub(super) signed: Option<FoundChain>,
    /// What UEFI firmware loads before any boot loader.
    pub(super) unified: Option<Unified>,
}

/// Kernel, initrd and command line as one EFI program.
#[derive(Debug, Clone)]
pub(crate) struct Unified {
    /// The platform whose firmware starts it.
    pub(crate) platform: Platform,
    /// Its bytes.
    pub(crate) content: Content,
    /// Its signature, which tells it from others without reading it.
    pub(crate) signature: Vec<u8>,
    /// The value of a TPM's PCR 11 once its stub has measured it, if that is known.
    pub(crate) pcr_11: Option<Pcr>,
}

impl BootFiles {
    /// A root's kernel, the initrd for it, and what starts them on machines with Secure Boot.
    pub(crate) fn of_root(kernel: Content, initrd: Content, signed: FoundChain) -> Self {
        Self {
            signed: Some(signed),
            ..Self::new(vec![
                (ImageFile::Kernel, kernel),
                (ImageFile::INITRD, initrd),
            ])
        }
    }

    /// The same as one EFI program, if it is to be one.
    pub(crate) fn with_unified(self, unified: Option<Unified>) -> Self {
        Self { unified, ..self }
    }

    /// An image's files, in the order of [`Image::files`].
    pub(crate) fn new(files: Vec<(ImageFile, Content)>) -> Self {
        Self {
            files,
            nics: Arc::default(),
            signed: None,
            unified: None,
        }
    }

    /// What they are.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<ImageFile> {
        self.files.iter().map(|(file, _)| *file).collect()
    }

    /// The root's own shim, GRUB and what is beside them, if they start its kernel.
    pub(super) fn chain(&self) -> Option<&SignedChain> {
        self.signed.as_ref()?.chain.as_deref()
    }

    /// The shim by which iPXE starts the kernel.
    pub(super) fn kernel_shim(&self) -> Option<&Content> {
        let kernel = &self.signed.as_ref()?.kernel;
        kernel.shim.as_ref().filter(|_| kernel.starts.is_ok())
    }

    pub(super) fn get(&self, file: ImageFile) -> Option<&Content> {
        if file == ImageFile::KernelShim {
            return self.kernel_shim();
        }
        if let (ImageFile::Program, Some(unified)) = (file, &self.unified) {
            return Some(&unified.content);
        }
        let signed = self.chain().into_iter().flat_map(|signed| &signed.files);
        let mut files = self.files.iter().chain(signed);
        files.find_map(|(name, content)| (*name == file).then_some(content))
    }

    /// The value of a TPM's PCR 11 after it has started as one EFI program, if that is known.
    pub(super) fn pcr_11(&self) -> Option<Pcr> {
        self.unified.as_ref()?.pcr_11
    }

    /// What each file was when it was opened, in their order.
    pub(crate) fn stamps(&self) -> Vec<Option<Stamp>> {
        let contents = self.files.iter().map(|(_, content)| content);
        contents.map(Content::stamp).collect()
    }

    /// A tag for names: the same for the same files, also after a restart.
    pub(crate) fn tag(&self) -> String {
        let mut hash = DefaultHasher::new();
        let signed = self.chain().into_iter().flat_map(|signed| &signed.files);
        let files = self.files.iter().chain(signed).map(|(_, content)| content);
        for content in files.chain(self.kernel_shim()) {
            content.identify(&mut hash);
        }
        // Its file is another one after each start.
        if let Some(unified) = &self.unified {
            hash.write(&unified.signature);
        }
        if self.files.is_empty() {
            return String::new();
        }
        let [a, b, c, d, ..] = hash.finish().to_be_bytes();
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}
