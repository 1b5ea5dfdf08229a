//! The helper for files: it has initrds built, opens those that are given, the other files of images and the boot loaders, and
//! reads the configuration.
//!
//! It keeps the user that the server was started as. No filter of system calls: the child that builds an initrd would
//! inherit it, and confines itself further. It looks at no root itself: which kernel an initrd is for, the child finds out
//! by the same rules as the server, which compares the root before and after.

use std::os::fd::OwnedFd;

use netroot_net::PciId;
use rustix::thread::CapabilitySet;

use super::answer::Answer;
use super::configurations::Configurations;
use super::request::{FileRequest, ImageNumber};
use crate::confinement;
use crate::confinement::identity::Identity;
use crate::serve::artifacts::{Content, loaders};
use crate::serve::initrd::{self, InitrdBuild, InitrdError, NewInitrd, Scope};
use crate::settings::{InitrdSource, RootSettings, Settings};

/// Reading any file; writing initrds to the cache of another user and giving that user a folder there; the child's
/// becoming that user, and its end.
const KEPT: CapabilitySet = CapabilitySet::DAC_READ_SEARCH
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::KILL);

/// What the helper for files has.
#[derive(Debug)]
pub(super) struct Files<'a> {
    settings: &'a Settings,
    configurations: Configurations<'a>,
    /// The user that initrds are built as.
    identity: Option<Identity>,
    /// Whether this process has given up what it does not need.
    is_limited: bool,
}

impl<'a> Files<'a> {
    /// In the new process.
    pub(super) fn prepare(settings: &'a Settings, identity: Option<Identity>) -> Self {
        let _ = rustix::thread::set_name(c"netroot-files");
        Self {
            settings,
            configurations: Configurations::new(settings),
            identity,
            is_limited: confinement::limit_helper(KEPT).is_ok(),
        }
    }

    /// Does what it is asked for.
    pub(super) fn answer(&mut self, request: FileRequest) -> Answer {
        if !self.is_limited {
            return Answer::impossible("the helper process could not give up its privileges");
        }
        match request {
            FileRequest::Initrd { image, fingerprint } => {
                let image = self.configurations.image(image);
                match image.as_ref().and_then(|image| image.source.root()) {
                    Some(root) => passed_on(self.build(root, fingerprint)),
                    None => Answer::failed("there is no such image"),
                }
            }
            FileRequest::NicInitrd {
                image,
                fingerprint,
                nic,
            } => {
                let image = self.configurations.image(image);
                match image.as_ref().and_then(|image| image.source.root()) {
                    Some(root) => self.nic_initrd(root, fingerprint, nic),
                    None => Answer::failed("there is no such image"),
                }
            }
            FileRequest::Loaders => self.loaders(),
            FileRequest::Configuration { served } => self.configuration(served),
            FileRequest::File { image, file } => self.file(image, file),
        }
    }

    fn configuration(&mut self, served: u64) -> Answer {
        match self.configurations.read(served) {
            Ok(snapshot) => match snapshot.to_file() {
                Ok(file) => Answer::done(vec![file]),
                Err(errno) => Answer::failed(format!("cannot pass the configuration on: {errno}")),
            },
            Err(why) => Answer::failed(why),
        }
    }

    fn file(&self, image: ImageNumber, file: u16) -> Answer {
        let files = self.configurations.image(image);
        let files = files.as_ref().map(|image| image.source.files());
        let files = files.unwrap_or_default();
        let Some(path) = files.get(usize::from(file)) else {
            return Answer::failed("there is no such file");
        };
        let opened = Content::open(path).and_then(|content| content.descriptor());
        match opened {
            Ok(file) => Answer::done(vec![file]),
            Err(error) => Answer::failed(format!("cannot open {}: {error}", path.display())),
        }
    }

    fn nic_initrd(&self, root: &RootSettings, fingerprint: u64, nic: PciId) -> Answer {
        let InitrdSource::Build { modules, init } = &root.initrd else {
            return Answer::failed("the image's initrd is given, and for every network card");
        };
        let Some(modules) = initrd::modules_for_nic(modules, nic) else {
            return Answer::failed("the image's initrd is not for every network card");
        };
        let new = NewInitrd {
            root: &root.directory,
            kernel: root.kernel.as_deref(),
            modules: &modules,
            init: init.as_deref(),
            fingerprint,
            scope: Scope::OneNic,
        };
        let build = initrd::build(&new, &self.settings.cache, self.identity);
        passed_on(build.and_then(InitrdBuild::finish_quietly))
    }

    fn build(
        &self,
        root: &RootSettings,
        fingerprint: u64,
    ) -> Result<(Content, Vec<String>), InitrdError> {
        let (modules, init) = match &root.initrd {
            InitrdSource::File(path) => return InitrdBuild::given(path)?.finish_quietly(),
            InitrdSource::Build { modules, init } => (modules, init),
        };
        let new = NewInitrd {
            root: &root.directory,
            kernel: root.kernel.as_deref(),
            modules,
            init: init.as_deref(),
            fingerprint,
            scope: Scope::EveryNic,
        };
        initrd::build(&new, &self.settings.cache, self.identity)?.finish_quietly()
    }

    fn loaders(&self) -> Answer {
        let found = loaders::open(self.settings.ipxe.as_deref());
        let opened = found.into_iter().filter_map(|(name, content)| {
            let file = content.descriptor().ok()?;
            Some((name, file))
        });
        let (names, files): (Vec<&str>, Vec<OwnedFd>) = opened.unzip();
        Answer {
            content: names.join("\n").into_bytes(),
            ..Answer::done(files)
        }
    }
}

/// An initrd, with what its builder noted, or why there is none.
fn passed_on(built: Result<(Content, Vec<String>), InitrdError>) -> Answer {
    match built {
        Ok((content, notes)) => match content.descriptor() {
            Ok(file) => Answer {
                content: notes.join("\n").into_bytes(),
                ..Answer::done(vec![file])
            },
            Err(error) => Answer::failed(error.to_string()),
        },
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            Answer::failed(format!("{error}{cause}"))
        }
    }
}
