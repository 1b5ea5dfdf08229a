//! What is served at one moment: which machine boots what, and the files that its script names.
//!
//! A machine fetches its script, then the kernel, then the initrd; in between they may be exchanged for newer ones. So a
//! script names the kernel and the initrd that it was made with by a tag (`images/debian/vmlinuz-<tag>`), and these are
//! served for a while longer ([`EARLIER`]). A name without a tag, for people and for menus made by hand, is always the
//! newest; so is a tag that is not known any more: a loader may go on trying with its old script, and the
//! newest pair boots. The tag is in the name and not in a table of who fetched what, since a machine may have several addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::{Loader, SignedLoader};

use super::artifact::{Artifact, FileKind, plain};
use super::content::Content;
use super::folder::Folder;
use super::nic_initrds::NicInitrds;
use super::raspberry_pi;
use super::signed_chain::{FoundChain, SignedChain, SignedState};
use super::signed_ipxe::{self, FoundPair, SignedIpxe};
use crate::catalog::{Catalog, Image, ImageFile, file_of_image};
use crate::serve::root_facts::Stamp;

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

/// What a machine boots after its loader: made for one another.
#[derive(Debug, Clone)]
pub(crate) struct BootFiles {
    files: Vec<(ImageFile, Content)>,
    /// The initrds for one network card, for the same kernel.
    nics: Arc<NicInitrds>,
    /// What starts that kernel on machines with Secure Boot, of a root.
    signed: Option<FoundChain>,
    /// What UEFI firmware loads before any boot loader.
    unified: Option<Unified>,
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
    fn chain(&self) -> Option<&SignedChain> {
        self.signed.as_ref()?.chain.as_deref()
    }

    /// The shim by which iPXE starts the kernel.
    fn kernel_shim(&self) -> Option<&Content> {
        let kernel = &self.signed.as_ref()?.kernel;
        kernel.shim.as_ref().filter(|_| kernel.starts.is_ok())
    }

    fn get(&self, file: ImageFile) -> Option<&Content> {
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

    /// What machines with Secure Boot boot an image's root by.
    pub(super) fn signed_state(&self, image: &str) -> Option<Arc<SignedState>> {
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

/// The image with what firmware loads of its files among its loaders. A unified kernel image is the first of its platform; a
/// machine that does not start it is given the signed chain, or the loader that is the first without it.
fn with_own_loaders(image: Image, files: Option<&BootFiles>, pairs: &[Arc<SignedIpxe>]) -> Image {
    let image = with_signed(image, files, pairs);
    let unified = files.and_then(|files| files.unified.as_ref());
    let unified_loaders = unified.map(|unified| {
        let (usual, others): (Vec<_>, Vec<_>) = image
            .loaders
            .iter()
            .cloned()
            .partition(|one| one.platform == unified.platform);
        // That it boots is seen when it mounts a root of ours: where the root is elsewhere, nothing may be concluded from
        // silence.
        let usual = usual.into_iter().next().filter(|_| image.is_mounted_here());
        let (second, signed) = usual.map_or((None, None), |one| (Some(one.first), one.signed));
        let own = Loader {
            platform: unified.platform,
            first: image.newest(ImageFile::Program),
            second,
            signed,
        };
        others.into_iter().chain([own]).collect()
    });
    Image {
        unified_loaders,
        ..image
    }
}

/// The image with what its files have for Secure Boot among its loaders, where iPXE's own signed files are not given instead.
/// Where there is no other loader for that platform, it is the first.
fn with_signed(image: Image, files: Option<&BootFiles>, pairs: &[Arc<SignedIpxe>]) -> Image {
    let found = files.and_then(|files| files.signed.as_ref());
    let by_ipxe = found.is_some_and(|found| pairs.iter().any(|pair| pair.is_for(found)));
    let signed = files.and_then(BootFiles::chain).filter(|_| !by_ipxe);
    let own = signed.map(|signed| {
        let shim = ImageFile::Shim(signed.facts.checked.architecture);
        let loader = SignedLoader {
            file: image.newest(shim),
            over_http: signed.facts.over_http,
            by_proxy: signed.facts.by_proxy,
        };
        (signed.platform(), loader)
    });
    let of = |platform| {
        let own = own.as_ref().filter(|(it, _)| *it == platform);
        let mut pairs = pairs.iter().filter(|pair| pair.platform() == platform);
        let own = own.map(|(_, loader)| loader.clone());
        own.or_else(|| pairs.next().map(|pair| pair.as_loader()))
    };
    // One that is there for want of another is made again.
    let others = image.loaders.iter().filter(|loader| {
        let signed = loader.signed.as_ref();
        signed.is_none_or(|signed| signed.file != loader.first)
    });
    let others = others.map(|loader| Loader {
        signed: of(loader.platform),
        ..loader.clone()
    });
    let mut loaders: Vec<Loader> = others.collect();
    let platforms = own.iter().map(|(platform, _)| *platform);
    for platform in platforms.chain(pairs.iter().map(|pair| pair.platform())) {
        if let Some(loader) = of(platform)
            && !loaders.iter().any(|one| one.platform == platform)
        {
            loaders.push(Loader {
                platform,
                first: loader.file.clone(),
                second: None,
                signed: Some(loader),
            });
        }
    }
    // Who has chosen it in a menu, or has waited for it, may have loaded a pair that is not given for it.
    let for_processor = |found: &FoundChain| pairs.iter().any(|it| it.is_for_processor_of(found));
    let has_shim = files.and_then(BootFiles::kernel_shim).is_some();
    Image {
        loaders: loaders.into(),
        kernel_shim: has_shim && found.is_some_and(for_processor),
        ..image
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;
    use crate::catalog::tests::{ETH0, image, one, with_rules};
    use crate::catalog::{Boots, KnownMachine};

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
    fn what_was_replaced_is_bounded() {
        let mut served = Served::new(Arc::new(one("debian")));
        for number in 0..100 {
            let image = tagged(&format!("{number:02x}"));
            served.put_image(image, files("any"), Instant::now());
        }
        assert_eq!(served.earlier.len(), MOST_EARLIER);
    }
}
