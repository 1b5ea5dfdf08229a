//! name → artifact: the lookup behind TFTP and HTTP.
//!
//! First a virtual name space: loaders, scripts, kernel, initrd. Then, only with `--tftp-dir`, the files of a
//! folder, and those for a Raspberry Pi in the root. Nothing else is served, and nothing can be written.

mod asking;
mod assign;
mod beside_shim;
mod made_scripts;
mod nic;

use std::cell::LazyCell;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use netroot_net::Mac;
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::Loader;
use netroot_uki::Pcr;

use self::asking::Asking;
use super::artifact::{Artifact, FileKind, content_type, plain};
use super::boot_files::BootFiles;
use super::content::Content;
use super::folder::Folder;
use super::served::{Exchange, Served};
use super::signed_chain::{FoundChain, SignedState};
use super::signed_ipxe::{self, FoundPair, SignedIpxe};
use super::{raspberry_pi, script};
use crate::catalog::{ArrivedAt, Catalog, Image, ImageFile, file_of_image};
use crate::serve::look_requests::Looks;
use crate::serve::machines::{Asker, Machines};
use crate::serve::report_tokens::ReportTokens;
use crate::settings::ConfigPlace;

/// What a name may stand for.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// This.
    Artifact(Box<Artifact>),
    /// A file of the folder, if there is one. Looking may wait for a disk.
    InFolder(FolderFile),
    /// Nothing.
    Nothing,
}

/// A name in one of several folders.
#[derive(Debug, Clone)]
pub(crate) struct FolderFile {
    /// Each with the file's name there, the first to be looked at first.
    places: Vec<(Arc<Folder>, String)>,
    /// What has the name if there is no such file.
    otherwise: Option<Box<Artifact>>,
}

impl FolderFile {
    /// Opens the file, which may wait for a disk. `None` if it is not served.
    pub(crate) fn open(self) -> Option<Artifact> {
        let opened = self.places.iter().find_map(|(folder, name)| {
            let content = folder.open(name).ok()?;
            Some((content, name))
        });
        let Some((content, name)) = opened else {
            return self.otherwise.map(|artifact| *artifact);
        };
        Some(Artifact {
            content,
            content_type: content_type(name),
            kind: FileKind::Other,
            machine: None,
            chosen: None,
        })
    }
}

/// Everything that has a name over TFTP and HTTP.
#[derive(Debug)]
pub(crate) struct ArtifactStore {
    /// Read once for each request, and exchanged as a whole.
    served: RwLock<Arc<Served>>,
    http_port: u16,
    tokens: Arc<ReportTokens>,
    machines: Arc<Machines>,
    /// Whom to ask to look at the roots.
    looks: OnceLock<Looks>,
    /// Where the configuration is, if it is in files.
    place: Option<ConfigPlace>,
}

impl ArtifactStore {
    /// A store that holds nothing but scripts.
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        http_port: u16,
        folder: Option<Folder>,
        tokens: Arc<ReportTokens>,
    ) -> Self {
        let mut served = Served::new(catalog);
        served.folder = folder.map(Arc::new);
        Self {
            served: RwLock::new(Arc::new(served)),
            http_port,
            tokens,
            machines: Arc::new(Machines::new()),
            looks: OnceLock::new(),
            place: None,
        }
    }

    /// The same for the machines of which these are known.
    pub(crate) fn of_machines(self, machines: Arc<Machines>) -> Self {
        Self { machines, ..self }
    }

    /// The same with its configuration in these files.
    pub(crate) fn configured_at(self, place: Option<ConfigPlace>) -> Self {
        Self { place, ..self }
    }

    /// Where the configuration is, if it is in files.
    pub(crate) fn place(&self) -> Option<&ConfigPlace> {
        self.place.as_ref()
    }

    /// From now on the roots are looked at before something is handed out that is made from them.
    pub(crate) fn keep_fresh(&self, looks: Looks) {
        let _ = self.looks.set(looks);
    }

    /// Waits until it has been looked whether `name` is still what it was, if that may change.
    pub(crate) async fn freshen(&self, name: &str) {
        if let Some(looks) = self.looks.get()
            && changes_with_root(name)
        {
            looks.before_boot().await;
        }
    }

    /// The machine whose script `name` is, for who asks.
    pub(crate) fn machine_of_script(&self, name: &str, asks: Option<Mac>) -> Option<Mac> {
        let (prefix, plain) = raspberry_pi::without_prefix(name).unwrap_or((None, name));
        match script::pxelinux_machine(name).or_else(|| script::grub_machine(name)) {
            Some(named) => named.or(asks),
            None if name == script::GENERIC => asks,
            None if plain == raspberry_pi::COMMAND_LINE => prefix.or(asks),
            None => script_machine(name).map(|(mac, _)| mac),
        }
    }

    /// The name of the image that this file is as one program.
    pub(crate) fn image_of_unified(&self, name: &str) -> Option<String> {
        let served = self.served();
        let image = served.image_of_unified(name)?;
        Some(image.name.clone())
    }

    /// The value of a TPM's PCR 11 after this image has started as one program, if it is one and that is known.
    pub(crate) fn pcr_11(&self, image: &str) -> Option<Pcr> {
        self.served().pcr_11(image)
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Served)) {
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut served));
    }

    /// Which machine boots what now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.served().catalog)
    }

    /// Serves this image from now on, in the place of the one with its name. Its kernel and initrd have its own names
    /// and, if it is the only image, the short ones.
    pub(crate) fn put_image(&self, image: Image, files: BootFiles) {
        self.change(|served| served.put_image(image, files, Instant::now()));
    }

    /// Serves the files for a Raspberry Pi that an image's root has.
    pub(crate) fn put_firmware(&self, image: &str, folder: Option<Folder>) {
        self.change(|served| served.put_firmware(image, folder));
    }

    /// Serves this from now on, in the place of all that was configured.
    pub(crate) fn exchange(&self, exchange: Exchange) {
        self.change(|served| served.exchange(exchange, Instant::now()));
    }

    /// What an image is given as [`Image::loaders`]; `firmware` if its root has files for a Raspberry Pi.
    pub(crate) fn loaders(&self, firmware: bool) -> Arc<[Loader]> {
        self.served().loaders(firmware)
    }

    /// The folder of `--tftp-dir`, which hides what these images hide of their directories.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub(crate) fn folder_hiding<'a>(
        &self,
        images: impl Iterator<Item = (&'a Path, &'a HiddenPaths)>,
    ) -> io::Result<Option<Folder>> {
        let folder = self.served().folder.clone();
        let again = folder.map(|folder| folder.again());
        Ok(again.transpose()?.map(|folder| folder.hiding(images)))
    }

    /// Adds a file under its name, or puts it in another one's place.
    #[cfg(test)]
    pub(crate) fn put(&self, name: &str, content: Content, kind: FileKind) {
        self.change(|served| served.put(name, plain(name, content, kind)));
    }

    /// Puts these loaders in the place of those with their names. `by_platform` is what firmware loads from now on, and
    /// `signed` what of that iPXE itself has signed.
    pub(crate) fn put_loaders(
        &self,
        files: Vec<(&str, Content)>,
        by_platform: &[Loader],
        signed: Vec<FoundPair>,
    ) {
        self.change(|served| {
            for (name, content) in files {
                served.put(name, plain(name, content, FileKind::Loader));
            }
            served.set_loaders(by_platform, signed);
        });
    }

    /// iPXE's own signed files.
    pub(crate) fn signed_ipxe(&self) -> Vec<Arc<SignedIpxe>> {
        self.served().signed_ipxe().to_vec()
    }

    /// What machines with Secure Boot, and this firmware, boot an image by; `None` while a root is not looked at yet.
    pub(crate) fn signed_state(
        &self,
        image: &str,
        platform: Option<Platform>,
    ) -> Option<Arc<SignedState>> {
        self.served().signed_state(image, platform)
    }

    /// The same of a root in which this was found.
    pub(crate) fn signed_state_of(&self, found: &FoundChain) -> Arc<SignedState> {
        self.served().signed_state_of(found)
    }

    /// The names that are always there, for the status page.
    pub(crate) fn names(&self) -> Vec<String> {
        self.served().names()
    }

    /// What `name` (normalized by `netroot_proto::tftp::name`) is for a machine that reached the server there.
    /// `identify` says who asks; it is called only for what depends on the machine.
    pub(crate) fn find(
        &self,
        name: &str,
        arrived: &ArrivedAt<'_>,
        identify: impl FnOnce() -> Asker,
    ) -> Found {
        let found = |artifact| Found::Artifact(Box::new(artifact));
        let served = self.served();
        let asks = LazyCell::new(identify);
        if signed_ipxe::is_loader_alone(name)
            && let Some(artifact) = self.beside_given_shim(&served, name, arrived, &asks)
        {
            return found(artifact);
        }
        if let Some(artifact) = served.find(name) {
            return found(artifact);
        }
        let catalog = &served.catalog;
        // iPXE asks for its first script beside itself.
        let name = match signed_ipxe::without_folder(name) {
            Some(script::AUTOEXEC) => script::AUTOEXEC,
            _ => name,
        };
        match name {
            script::AUTOEXEC => {
                return found(self.autoexec(catalog, arrived));
            }
            script::GENERIC => {
                let asking = Asking {
                    machine: &asks.machine,
                    asks: &asks,
                    arrived,
                };
                return found(self.script(catalog, &asking));
            }
            _ => {}
        }
        if let Some((mac, chosen)) = script_machine(name) {
            let machine = self.machines.known(Some(mac));
            let asking = Asking {
                machine: &machine,
                asks: &asks,
                arrived,
            };
            return match chosen {
                None => found(self.script(catalog, &asking)),
                Some(image) => {
                    let script = self.chosen_script(catalog, &asking, image);
                    script.map_or(Found::Nothing, found)
                }
            };
        }
        self.find_file(&served, name, arrived, || asks.clone())
    }

    /// What `name` is in the folder, for a Raspberry Pi, or for who reads PXELINUX's configuration. A folder with such
    /// files of its own keeps them.
    fn find_file(
        &self,
        served: &Served,
        name: &str,
        arrived: &ArrivedAt<'_>,
        identify: impl FnOnce() -> Asker,
    ) -> Found {
        let prefixed = raspberry_pi::without_prefix(name);
        let (prefix, plain) = prefixed.unwrap_or((None, name));
        let grub = script::grub_machine(name);
        let config = script::pxelinux_machine(name).or(grub);
        let is_command_line = plain == raspberry_pi::COMMAND_LINE;

        // Firmware asks for what is beside its loader under the loader's own folder.
        let mut places = Vec::new();
        if let Some(folder) = &served.folder {
            places.push((Arc::clone(folder), name.to_owned()));
            if prefixed.is_some() {
                places.push((Arc::clone(folder), plain.to_owned()));
            }
        }
        let mut otherwise = None;
        let signed = signed_file(name);
        let is_made = config.is_some() || is_command_line || signed.is_some();
        if is_made || !served.firmware.is_empty() {
            let asks = identify();
            let machine = config.flatten().or(prefix).or(asks.machine.mac);
            let machine = self.machines.known(machine);
            let catalog = &served.catalog;
            let asking = Asking {
                machine: &machine,
                asks: &asks,
                arrived,
            };
            let image = self.assign_to_asker(catalog, &asking).image();
            if let Some(file) = signed {
                // Where the name that firmware was given did not reach shim, it asks for GRUB in no folder.
                otherwise = image.and_then(|image| served.find(&image.newest(file)));
            } else if grub.is_some() {
                otherwise = Some(self.grub(catalog, &asking));
            } else if config.is_some() {
                otherwise = Some(self.pxelinux(catalog, &asking));
            } else if is_command_line {
                // Not the root's own, which names the card that it was made for.
                otherwise = self.command_line(catalog, &asking);
            } else if let Some(folder) = image.and_then(|image| served.firmware.get(&image.name)) {
                places.push((Arc::clone(folder), plain.to_owned()));
            }
        }
        let otherwise = otherwise.map(Box::new);
        if places.is_empty() {
            return otherwise.map_or(Found::Nothing, Found::Artifact);
        }
        Found::InFolder(FolderFile { places, otherwise })
    }
}

/// Scripts, and the newest kernel and initrd. What a script names by a tag does not change.
fn changes_with_root(name: &str) -> bool {
    let script = name == script::GENERIC
        || script_machine(name).is_some()
        || script::pxelinux_machine(name).is_some()
        || script::grub_machine(name).is_some()
        || name.rsplit('/').next() == Some(raspberry_pi::COMMAND_LINE);
    script || file_of_image(name).is_some_and(|file| file.tag.is_empty())
}

/// Shim, or what it loads, by a name alone.
fn signed_file(name: &str) -> Option<ImageFile> {
    let named = file_of_image(name).filter(|named| named.image.is_none())?;
    named.file.is_signed().then_some(named.file)
}

/// The machine that a name is the script of, and the image that was chosen for it in the menu.
fn script_machine(name: &str) -> Option<(Mac, Option<&str>)> {
    if let Some((mac, image)) = script::menu::chosen(name) {
        return Some((mac, Some(image)));
    }
    let mac = name.strip_prefix("boot/")?.strip_suffix(".ipxe")?;
    Some((mac.parse().ok()?, None))
}

#[cfg(test)]
pub(crate) mod tests;
