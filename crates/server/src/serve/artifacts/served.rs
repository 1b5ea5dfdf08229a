//! What is served at one moment: which machine boots what, and the files that its script names.
//!
//! A machine fetches its script, then the kernel, then the initrd; in between they may be exchanged for newer ones. So a
//! script names the kernel and the initrd that it was made with by a tag (`images/debian/vmlinuz-<tag>`), and these are
//! served for a while longer ([`EARLIER`]). A name without a tag, for people and for menus made by hand, is always the
//! newest; so is a tag that is not known any more: a loader may go on trying with its old script, and the
//! newest pair boots. The tag is in the name and not in a table of who fetched what, since a machine may have several addresses.

mod own_loaders;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::Loader;
use netroot_uki::Pcr;

use super::artifact::{Artifact, FileKind, plain};
use super::boot_files::BootFiles;
use super::folder::Folder;
use super::nic_initrds::NicInitrds;
use super::raspberry_pi;
use super::signed_chain::{FoundChain, SignedState};
use super::signed_ipxe::{self, FoundPair, SignedIpxe};
use crate::catalog::{Catalog, Image, ImageFile, file_of_image};
use own_loaders::with_own_loaders;

/// How long a kernel and an initrd are served after newer ones took their place. A Raspberry Pi with 100 Mbit/s takes a
/// few seconds to load them; a machine behind a slow link, or whose loader waits for somebody at a menu, takes minutes.
const EARLIER: Duration = Duration::from_secs(15 * 60);
/// How many of them are kept at most.
const MOST_EARLIER: usize = 8;

/// Everything with a fixed name, and what scripts are made from. It is exchanged as a whole; a request uses one from its
/// start to its end.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) catalog: Arc<Catalog>,
    /// iPXE's files, by name.
    loaders: BTreeMap<String, Artifact>,
    /// By the image's name.
    boots: BTreeMap<String, BootFiles>,
    earlier: Vec<Earlier>,
    /// What firmware loads, beside the Raspberry Pi's own.
    by_platform: Arc<[Loader]>,
    /// iPXE's own signed files, by processor.
    signed_ipxe: Vec<Arc<SignedIpxe>>,
    /// `--tftp-dir`.
    pub(super) folder: Option<Arc<Folder>>,
    /// The `/boot/firmware` of roots with files for a Raspberry Pi, by the image's name.
    pub(super) firmware: BTreeMap<String, Arc<Folder>>,
}

/// What is served from now on, all at once.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Which machine boots what.
    pub(crate) catalog: Catalog,
    /// The files of its images that are new or have changed, by their names; the others keep theirs.
    pub(crate) boots: Vec<(String, BootFiles)>,
    /// The same with the folders for a Raspberry Pi.
    pub(crate) firmware: Vec<(String, Option<Folder>)>,
    /// The folder of `--tftp-dir`, as [`super::ArtifactStore::folder_hiding`] makes it; `None` to leave it as it is.
    pub(crate) folder: Option<Folder>,
}

#[derive(Debug, Clone)]
struct Earlier {
    image: String,
    tag: String,
    files: BootFiles,
    replaced: Instant,
}

impl Served {
    /// Nothing but scripts.
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            loaders: BTreeMap::new(),
            boots: BTreeMap::new(),
            earlier: Vec::new(),
            by_platform: Arc::from([]),
            signed_ipxe: Vec::new(),
            folder: None,
            firmware: BTreeMap::new(),
        }
    }

    /// Adds a loader, or one in its place.
    pub(super) fn put(&mut self, name: &str, artifact: Artifact) {
        self.loaders.insert(name.to_owned(), artifact);
    }

    /// What firmware loads from now on, beside the Raspberry Pi's own, and what of it iPXE itself has signed.
    pub(super) fn set_loaders(&mut self, by_platform: &[Loader], signed: Vec<FoundPair>) {
        self.by_platform = Arc::from(by_platform);
        self.loaders
            .retain(|name, _| !signed_ipxe::is_of_pair(name));
        self.signed_ipxe = signed.into_iter().flatten().collect();
        for pair in &self.signed_ipxe {
            for (name, kind, content) in &pair.files {
                let file = plain(name, content.clone(), *kind);
                self.loaders.insert(name.clone(), file);
            }
        }
        let mut catalog = Arc::clone(&self.catalog);
        for image in self.catalog.images() {
            let own = image
                .loaders
                .iter()
                .filter(|one| one.platform == Platform::RaspberryPi);
            let loaders = by_platform.iter().chain(own).cloned().collect();
            let image = Image {
                loaders,
                ..image.clone()
            };
            let files = self.boots.get(&image.name);
            catalog = Arc::new(catalog.with(with_own_loaders(image, files, &self.signed_ipxe)));
        }
        self.catalog = catalog;
    }

    /// See [`super::ArtifactStore::pcr_11`].
    pub(super) fn pcr_11(&self, image: &str) -> Option<Pcr> {
        self.boots.get(image)?.pcr_11()
    }

    /// Serves this image from now on, in the place of the one with its name.
    pub(super) fn put_image(&mut self, image: Image, files: BootFiles, now: Instant) {
        let before = self.catalog.images().find(|one| one.name == image.name);
        let tag = before.map(|before| before.tag.clone()).unwrap_or_default();
        let changed = tag != image.tag;
        let name = image.name.clone();
        let image = with_own_loaders(image, Some(&files), &self.signed_ipxe);
        self.catalog = Arc::new(self.catalog.with(image));
        let before = self.boots.insert(name.clone(), files);
        if let Some(files) = before.filter(|_| changed) {
            self.keep_for_a_while(name, tag, files, now);
        }
        self.forget(now);
    }

    fn keep_for_a_while(&mut self, image: String, tag: String, files: BootFiles, now: Instant) {
        let earlier = Earlier {
            image,
            tag,
            files,
            replaced: now,
        };
        self.earlier.insert(0, earlier);
    }

    /// Serves this from now on, in the place of all that was configured.
    pub(super) fn exchange(&mut self, exchange: Exchange, now: Instant) {
        let Exchange {
            catalog,
            boots,
            firmware,
            folder,
        } = exchange;
        let before = std::mem::replace(&mut self.catalog, Arc::new(catalog));
        let names: BTreeSet<String> = self.catalog.images().map(|one| one.name.clone()).collect();
        let (kept, mut gone) = std::mem::take(&mut self.boots)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(name, _)| names.contains(name));
        self.boots = kept;
        for (name, files) in boots {
            let is_same = |one: &Image| {
                let old = before.images().find(|old| old.name == one.name);
                old.is_some_and(|old| old.tag == one.tag)
            };
            let mut new = self.catalog.images();
            let same = new.find(|one| one.name == name).is_some_and(is_same);
            let old = self.boots.insert(name.clone(), files);
            gone.extend(old.filter(|_| !same).map(|old| (name, old)));
        }
        for image in Arc::clone(&self.catalog).images() {
            let files = self.boots.get(&image.name);
            let image = with_own_loaders(image.clone(), files, &self.signed_ipxe);
            self.catalog = Arc::new(self.catalog.with(image));
        }
        for (name, files) in gone {
            let mut old = before.images();
            let tag = old.find(|old| old.name == name).map(|old| old.tag.clone());
            self.keep_for_a_while(name, tag.unwrap_or_default(), files, now);
        }
        for (name, folder) in firmware {
            self.put_firmware(&name, folder);
        }
        self.firmware.retain(|name, _| names.contains(name));
        self.folder = folder.map(Arc::new).or_else(|| self.folder.take());
        self.forget(now);
    }

    /// What an image is given as [`Image::loaders`]; `firmware` if its root has files for a Raspberry Pi.
    pub(super) fn loaders(&self, firmware: bool) -> Arc<[Loader]> {
        let mut loaders = self.by_platform.to_vec();
        if firmware || self.folder.is_some() {
            loaders.push(raspberry_pi::loader());
        }
        Arc::from(loaders)
    }

    pub(super) fn put_firmware(&mut self, image: &str, folder: Option<Folder>) {
        match folder {
            Some(folder) => self.firmware.insert(image.to_owned(), Arc::new(folder)),
            None => self.firmware.remove(image),
        };
    }

    /// Closes the files that were replaced long ago.
    fn forget(&mut self, now: Instant) {
        self.earlier
            .retain(|one| now.saturating_duration_since(one.replaced) < EARLIER);
        self.earlier.truncate(MOST_EARLIER);
    }

    /// The artifact with this name.
    pub(super) fn find(&self, name: &str) -> Option<Artifact> {
        if let Some(loader) = self.loaders.get(name) {
            return Some(loader.clone());
        }
        let named = file_of_image(name)?;
        let image = match named.image {
            Some(image) => image,
            // Whose they are depends on who asks.
            None if named.file.is_signed() => return None,
            // The only image has short names too.
            None => self.catalog.only()?.name.as_str(),
        };
        // None of an image that was removed.
        let newest = self.boots.get(image);
        let earlier = self.earlier.iter();
        let mut earlier = earlier.filter(|one| one.image == image && one.tag == named.tag);
        let files = match earlier.next() {
            Some(earlier) if !named.tag.is_empty() && !self.is_current(image, named.tag) => {
                &earlier.files
            }
            _ => newest?,
        };
        // One that is not open any more has the place of the one for every card.
        let of_nic = named
            .nic
            .and_then(|drivers| files.nics.get(drivers, Instant::now()));
        let content = match of_nic {
            Some(content) => content,
            None => files.get(named.file)?.clone(),
        };
        Some(match named.file {
            ImageFile::Kernel => plain(name, content, FileKind::Kernel),
            ImageFile::Initrd(_) => plain(name, content, FileKind::Initrd),
            ImageFile::Shim(_) => plain(name, content, FileKind::Loader),
            // Firmware loads it, and may refuse it.
            ImageFile::Program if files.unified.is_some() => {
                plain(&named.file.to_string(), content, FileKind::Loader)
            }
            // Its type depends on the name, which may have a tag.
            file => plain(&file.to_string(), content, FileKind::Other),
        })
    }

    /// The image that this name is as one program, its unified kernel image.
    pub(super) fn image_of_unified(&self, name: &str) -> Option<&Image> {
        let named = file_of_image(name).filter(|named| named.file == ImageFile::Program)?;
        let image = match named.image {
            Some(name) => self.catalog.image(name),
            None => self.catalog.only(),
        };
        image.filter(|image| image.unified_loaders.is_some())
    }

    /// The initrds for one network card that go with an image as it is now.
    pub(super) fn nics(&self, image: &str) -> Option<&Arc<NicInitrds>> {
        self.boots.get(image).map(|files| &files.nics)
    }

    /// What machines with Secure Boot, and this firmware, boot an image by; `None` while a root is not looked at yet.
    pub(super) fn signed_state(
        &self,
        image: &str,
        platform: Option<Platform>,
    ) -> Option<Arc<SignedState>> {
        if self.catalog.image(image)?.root().is_none() {
            let state = signed_ipxe::state_without_root(&self.signed_ipxe, platform);
            return Some(Arc::new(state));
        }
        let found = self.boots.get(image)?.signed.as_ref()?;
        Some(self.signed_state_of(found))
    }

    /// iPXE's own signed files.
    pub(super) fn signed_ipxe(&self) -> &[Arc<SignedIpxe>] {
        &self.signed_ipxe
    }

    /// The same of a root in which this was found.
    pub(super) fn signed_state_of(&self, found: &FoundChain) -> Arc<SignedState> {
        let mut pairs = self.signed_ipxe.iter();
        match pairs.find(|pair| pair.is_for(found)) {
            Some(pair) => Arc::new(pair.state_with(found)),
            None => Arc::clone(&found.state),
        }
    }

    /// Whether an image is as it is served now.
    pub(super) fn is_current(&self, image: &str, tag: &str) -> bool {
        let mut images = self.catalog.images();
        images.any(|one| one.name == image && one.tag == tag)
    }

    /// The names that are always there.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.loaders.keys().cloned().collect();
        for image in self.catalog.images() {
            if !self.boots.contains_key(&image.name) {
                continue;
            }
            for file in image.files() {
                names.push(image.newest(file));
                if self.catalog.only().is_some() {
                    names.push(file.to_string());
                }
            }
        }
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;
    use crate::catalog::tests::{ETH0, image, one, with_rules};
    use crate::catalog::{Boots, ImageKind, KnownMachine};
    use crate::serve::artifacts::{Content, Unified};

    fn files(text: &str) -> BootFiles {
        let content = |what: &str| Content::Memory(Bytes::from(format!("{what} {text}")));
        BootFiles::of_root(content("kernel"), content("initrd"), FoundChain::none())
    }

    fn read(served: &Served, name: &str) -> Option<String> {
        let Content::Memory(bytes) = served.find(name)?.content else {
            return None;
        };
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn tagged(tag: &str) -> Image {
        Image {
            tag: tag.to_owned(),
            ..image("debian")
        }
    }

    #[test]
    fn a_script_made_before_a_change_gets_its_own_kernel_and_initrd_for_a_while() {
        let mut served = Served::new(Arc::new(one("debian")));
        let start = Instant::now();
        let (old, new) = (tagged("0a"), tagged("0b"));
        served.put_image(old.clone(), files("old"), start);
        served.put_image(new.clone(), files("new"), start);
        for (image, text) in [(&old, "old"), (&new, "new")] {
            let kernel = read(&served, &image.file_name(ImageFile::Kernel));
            assert_eq!(kernel.unwrap(), format!("kernel {text}"));
            let initrd = read(&served, &image.file_name(ImageFile::INITRD));
            assert_eq!(initrd.unwrap(), format!("initrd {text}"));
        }
        for name in [
            "vmlinuz",
            "images/debian/vmlinuz",
            "images/debian/vmlinuz-0c",
        ] {
            assert_eq!(read(&served, name).unwrap(), "kernel new", "{name}");
        }
        assert_eq!(served.names().len(), 4);
        // A loader that goes on trying with an old script boots in the end.
        served.forget(start + EARLIER);
        assert_eq!(
            read(&served, &old.file_name(ImageFile::INITRD)).unwrap(),
            "initrd new"
        );
        // What comes back is not its own predecessor.
        served.put_image(old.clone(), files("old"), start);
        served.put_image(new.clone(), files("newer"), start);
        assert_eq!(
            read(&served, &new.file_name(ImageFile::Kernel)).unwrap(),
            "kernel newer"
        );
        for name in ["images/fedora/vmlinuz", "images/debian/other", "vmlinuz-0x"] {
            assert!(served.find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_configuration_is_exchanged_as_a_whole() {
        let catalog = |names: &[(&str, &str)]| {
            let images = names
                .iter()
                .map(|(name, tag)| image(name).tagged((*tag).to_owned()));
            with_rules(images.collect(), Vec::new())
        };
        let mut served = Served::new(Arc::new(catalog(&[("debian", "0a"), ("fedora", "0f")])));
        let now = Instant::now();
        let exchange = |served: &mut Served, catalog, boots: &[(&str, &str)]| {
            let boots = boots
                .iter()
                .map(|(name, text)| ((*name).to_owned(), files(text)));
            let exchange = Exchange {
                catalog,
                boots: boots.collect(),
                firmware: Vec::new(),
                folder: None,
            };
            served.exchange(exchange, now);
        };
        let first = catalog(&[("debian", "0a"), ("fedora", "0f")]);
        exchange(
            &mut served,
            first,
            &[("debian", "old"), ("fedora", "fedora")],
        );
        // One goes, one changes, one comes; a script that was fetched before names what it named.
        let second = catalog(&[("debian", "0b"), ("lab", "01")]);
        exchange(&mut served, second, &[("debian", "new"), ("lab", "lab")]);
        for (name, text) in [
            ("images/debian/vmlinuz", Some("kernel new")),
            ("images/debian/vmlinuz-0a", Some("kernel old")),
            ("images/fedora/vmlinuz", None),
            ("images/fedora/vmlinuz-0f", Some("kernel fedora")),
            ("images/lab/initrd.img", Some("initrd lab")),
        ] {
            assert_eq!(read(&served, name).as_deref(), text, "{name}");
        }
        assert_eq!(served.names().len(), 4);
        served.forget(now + EARLIER);
        assert_eq!(read(&served, "images/fedora/vmlinuz-0f"), None);
        // What is not prepared anew stays.
        let third = catalog(&[("debian", "0b")]);
        exchange(&mut served, third, &[]);
        assert_eq!(read(&served, "vmlinuz").unwrap(), "kernel new");
    }

    #[test]
    fn a_unified_kernel_image_is_what_firmware_of_its_processor_loads() {
        let mut served = Served::new(Arc::new(one("debian")));
        let ipxe = |platform, first: &str| Loader {
            platform,
            first: first.to_owned(),
            second: None,
            signed: None,
        };
        let loaders = [
            ipxe(Platform::Bios, "undionly.kpxe"),
            ipxe(Platform::EfiX64, "snponly.efi"),
        ];
        let unified = Unified {
            platform: Platform::EfiX64,
            content: Content::Memory(Bytes::from_static(b"unified")),
            signature: b"of this one".to_vec(),
            pcr_11: None,
        };
        let files = files("new").with_unified(Some(unified));
        assert_ne!(files.tag(), self::files("new").tag());
        served.put_image(tagged("0a"), files, Instant::now());
        served.set_loaders(&loaders, Vec::new());
        let of = |boots: Boots<'_>, platform| -> Vec<Loader> {
            let machine = KnownMachine::default();
            let mut assigned = served.catalog.assign(&machine, &ETH0);
            assigned.boots = boots;
            let loaders = served.catalog.loaders(&assigned).iter();
            let own = loaders.filter(|one| one.platform == platform);
            own.cloned().collect()
        };
        let name = "images/debian/program.efi";
        let image = served.catalog.image("debian").unwrap();
        let [own] = &of(Boots::Image(image), Platform::EfiX64)[..] else {
            panic!("one loader for a platform");
        };
        // What is tried where firmware does not start it.
        assert_eq!(own.first, name);
        assert_eq!(own.second.as_deref(), Some("snponly.efi"));
        assert_eq!(of(Boots::Image(image), Platform::Bios), loaders[..1]);
        for asks in [Boots::Menu, Boots::Wait] {
            assert_eq!(of(asks, Platform::EfiX64), loaders[1..], "it asks first");
        }
        assert_eq!(served.image_of_unified(name).unwrap().name, "debian");
        assert!(served.image_of_unified("images/debian/vmlinuz").is_none());
        let found = served.find(name).unwrap();
        assert_eq!(found.kind, FileKind::Loader);
        assert_eq!(found.content_type, "application/efi");
        assert_eq!(read(&served, name).unwrap(), "unified");
    }

    #[test]
    fn an_image_without_a_root_is_booted_by_ipxes_own_files_or_by_none() {
        let local = Image {
            kind: ImageKind::LocalDisk,
            ..image("disk")
        };
        let images = vec![image("debian"), local];
        let mut served = Served::new(Arc::new(with_rules(images, Vec::new())));
        let state = |served: &Served, image: &str| {
            let state = served.signed_state(image, Some(Platform::EfiX64));
            state.map(|state| matches!(*state, SignedState::Usable(_)))
        };
        assert_eq!(state(&served, "disk"), Some(false));
        assert_eq!(state(&served, "debian"), None, "it is not looked at yet");
        let pair = Arc::new(SignedIpxe::with_files(Vec::new()));
        served.set_loaders(&[], vec![Ok(pair)]);
        assert_eq!(state(&served, "disk"), Some(true));
        let arm64 = served.signed_state("disk", Some(Platform::EfiArm64));
        let arm64 = arm64.unwrap();
        assert!(matches!(&*arm64, SignedState::Nothing { cure } if cure.contains("--ipxe")));
        assert_eq!(state(&served, "other"), None);
    }

    #[test]
    fn what_was_replaced_is_bounded() {
        let mut served = Served::new(Arc::new(one("debian")));
        for number in 0..100 {
            let image = tagged(&format!("{number:02x}"));
            served.put_image(image, files("any"), Instant::now());
        }
        assert_eq!(served.earlier.len(), MOST_EARLIER);
    }
}
