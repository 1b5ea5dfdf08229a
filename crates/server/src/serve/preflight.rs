//! What on this machine keeps a configuration from being served, found without changing anything: directories, files and
//! interfaces that are not what it says. `netroot serve` refuses what is found here before it does anything, and
//! `netroot check-config` tells all of it.

mod given;
mod networks;

pub(crate) use self::given::{Given, Host, chosen, given_on};

use std::sync::Arc;

use netroot_initramfs::RootTree;

use crate::advice::Advice;
use crate::catalog::Image;
use crate::config::{Mistake, Places};
use crate::confinement::identity::Identity;
use crate::error_chain::with_causes;
use crate::serve::api::tcp::TcpApi;
use crate::serve::artifacts::Folder;
use crate::serve::opened::Opened;
use crate::serve::privileged_helper::reach_hook;
use crate::serve::unified;
use crate::settings::{
    Generations, ImageSettings, ImageSource, InitrdSource, Origin, Settings, UkiSettings,
};
use crate::signing_files::{self, SigningFiles, SigningFilesError};
use crate::unified_image::WITHOUT_UNIFIED;

/// What follows after it was looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing: everything is looked at.
    Tell,
    /// This process serves. What it does itself is left out: images whose roots were swapped (`netroot image swap`), for
    /// which it has earlier roots to fall back on, and the private key, which must not come into its memory.
    Serve,
}

/// A configuration that is looked at.
#[derive(Debug)]
pub(crate) struct Preflight<'a> {
    settings: &'a Settings,
    places: &'a Places,
    /// What cannot be served.
    pub(crate) mistakes: Vec<Mistake>,
    /// What is served, and does not do what it seems to be for.
    pub(crate) doubts: Vec<Mistake>,
}

impl<'a> Preflight<'a> {
    /// Nothing is looked at yet.
    pub(crate) fn new(settings: &'a Settings, places: &'a Places) -> Self {
        Self {
            settings,
            places,
            mistakes: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// Everything that has to be there: the images' files and directories, and those of the other tables.
    pub(crate) fn files(&mut self, then: Then) -> Vec<(Opened<'a>, Image)> {
        self.tables(then);
        let mut opened = Vec::new();
        for image in &self.settings.catalog.images {
            let is_swapped = (image.source.root()).is_some_and(|root| root.swapped.is_some());
            if is_swapped && then == Then::Serve {
                continue;
            }
            match Opened::open(image) {
                Ok(open) => {
                    let found = open.image(image, self.settings.nfs_port, Arc::from([]));
                    opened.push((open, found));
                }
                Err(error) => {
                    self.mistake_of_image(image, image.source.kind().key(), with_causes(&error));
                }
            }
        }
        opened
    }

    /// Whether what the tables name is there, but for the images' own files.
    pub(crate) fn tables(&mut self, then: Then) {
        self.folders();
        self.api();
        self.signing_key(then);
        for image in &self.settings.catalog.images {
            self.generations(image);
        }
    }

    /// Whether the initrds can be built, as `identity` if this process is root.
    pub(crate) fn initrds(&mut self, opened: &[(Opened<'a>, Image)], identity: Option<Identity>) {
        for (open, _) in opened {
            let Opened::Root(root) = open else {
                continue;
            };
            // Machines that load something else are served without it.
            if let Err(error) = root.check_unified() {
                let image = root.image_settings();
                let place = self.places.key(&image.origin, "uki");
                let about = format!("image.{}.uki", name(image));
                let text = format!("{WITHOUT_UNIFIED}: {}", with_causes(&error));
                let text = Advice::Keys.told(text);
                self.doubts.extend(Mistake::at(&place, about, text));
            }
            if let Err(error) = root.check_initrd(identity) {
                let image = root.image_settings();
                let key = match &root.settings().initrd {
                    InitrdSource::File(_) => "initrd",
                    InitrdSource::Build { init: Some(_), .. }
                        if with_causes(&error).contains("init ") =>
                    {
                        "init"
                    }
                    InitrdSource::Build { .. } => "modules",
                };
                self.mistake_of_image(image, key, with_causes(&error));
            }
        }
    }

    /// Whether the hook can be asked.
    pub(crate) fn hook(&mut self) {
        if let Some(hook) = &self.settings.api.hook
            && let Err(error) = reach_hook(hook)
        {
            let key = match hook.ca {
                Some(_) => "ca",
                None => "url",
            };
            self.mistake_of_main(&["hook", key], with_causes(&error));
        }
    }

    fn folders(&mut self) {
        if let Some(folder) = &self.settings.tftp_dir
            && let Err(error) = Folder::open_path(folder)
        {
            self.mistake_of_main(&["server", "tftp-dir"], with_causes(&error));
        }
        let ipxe = self.settings.ipxe.iter().map(|folder| ("ipxe", folder));
        let roots = self.settings.roots.iter().map(|folder| ("roots", folder));
        for (key, folder) in ipxe.chain(roots).filter(|(_, folder)| !folder.is_dir()) {
            let place = self.places.of_main(&["server", key]);
            let text = format!("there is no folder {}", folder.display());
            let doubt = Mistake::at(&place, format!("server.{key}"), text);
            self.doubts.extend(doubt);
        }
    }

    fn signing_key(&mut self, then: Then) {
        let Some(UkiSettings { key, certificate }) = &self.settings.uki else {
            return;
        };
        let looked = unified::check_key_place(self.settings).and_then(|()| match then {
            Then::Tell => SigningFiles::read(key, certificate)?.key().map(drop),
            Then::Serve => signing_files::open_both(key, certificate),
        });
        let Err(error) = looked else {
            return;
        };
        let is_certificate =
            matches!(&error, SigningFilesError::Read { path, .. } if path == certificate);
        let key = if is_certificate {
            "uki-cert"
        } else {
            "uki-key"
        };
        self.mistake_of_main(&["server", key], with_causes(&error));
    }

    fn api(&mut self) {
        let tcp = self.settings.api.tcp.iter();
        for (key, error) in tcp.flat_map(TcpApi::wrong_files) {
            self.mistake_of_main(&["api", key], with_causes(&error));
        }
    }

    /// Those of a root that has none.
    fn generations(&mut self, image: &ImageSettings) {
        let ImageSource::Root(root) = &image.source else {
            return;
        };
        if !matches!(root.generations, Generations::Newest(_)) {
            return;
        }
        let text = if root.kernel.is_some() {
            "a kernel is named, so no generation is an image of its own; leave one of the two out"
                .to_owned()
        } else {
            let Ok(tree) = RootTree::open(&root.directory) else {
                return;
            };
            if !netroot_initramfs::generations(&tree).is_empty() {
                return;
            }
            let directory = root.directory.display();
            format!(
                "{directory} has no generations, as the roots of Guix System and NixOS have them (system-1-link and the like in /var/guix/profiles or /nix/var/nix/profiles)"
            )
        };
        let place = self.places.key(&image.origin, "generations");
        let about = format!("image.{}.generations", name(image));
        self.doubts.extend(Mistake::at(&place, about, text));
    }

    fn mistake_of_image(&mut self, image: &ImageSettings, key: &str, text: String) {
        let place = self.places.key(&image.origin, key);
        let about = format!("image.{}.{key}", name(image));
        self.mistake(&place, about, &text);
    }

    fn mistake_of_main(&mut self, keys: &[&str], text: String) {
        let place = self.places.of_main(keys);
        self.mistake(&place, keys.join("."), &text);
    }

    fn mistake(&mut self, place: &Origin, about: String, text: &str) {
        let text = Advice::Keys.told(text);
        self.mistakes.extend(Mistake::at(place, about, text));
    }
}

fn name(image: &ImageSettings) -> &str {
    image.name.as_deref().unwrap_or_default()
}
