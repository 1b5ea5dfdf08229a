//! name → artifact: the lookup behind TFTP and HTTP.
//!
//! First a virtual name space: loaders, scripts, kernel, initrd. Then, only with `--tftp-dir`, the files of a
//! folder, and those for a Raspberry Pi in the root. Nothing else is served, and nothing can be written.

mod nic;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use hyper::body::Bytes;
use netroot_net::Mac;
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::inputs::Loader;

use super::artifact::{Artifact, Chosen, FileKind, Follows, content_type, plain};
use super::content::Content;
use super::folder::Folder;
use super::script::Menu;
use super::served::{BootFiles, Exchange, Served};
use super::{raspberry_pi, script};
use crate::append::Values;
use crate::catalog::{
    ArrivedAt, Assigned, Boots, Catalog, Image, ImageKind, KnownMachine, Overrides, Recipient,
    file_of_image,
};
use crate::serve::look_requests::Looks;
use crate::serve::machines::{self, Asker, Asks, Machines};
use crate::serve::report_tokens::ReportTokens;
use crate::settings::Choice;

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
        }
    }

    /// The same for the machines of which these are known.
    pub(crate) fn of_machines(self, machines: Arc<Machines>) -> Self {
        Self { machines, ..self }
    }

    fn hook_word(&self, machine: &KnownMachine) -> Option<String> {
        self.machines.hook_words().of(machine.mac?)
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

    /// What a machine does, for an answer that does not use up its order.
    pub(crate) fn assign<'a>(
        &self,
        catalog: &'a Catalog,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
    ) -> Assigned<'a> {
        let ordered = self.machines.orders().expected(machine.mac);
        let word = self.hook_word(machine);
        catalog.assign_with(machine, arrived, overrides(&ordered, word.as_deref()))
    }

    /// The same for the answer to a DHCP message of this client.
    pub(crate) fn assign_by_dhcp<'a>(
        &self,
        catalog: &'a Catalog,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
        client: Client,
    ) -> Assigned<'a> {
        let ordered = self.machines.orders().expected_by(machine.mac, client);
        let word = self.hook_word(machine);
        catalog.assign_with(machine, arrived, overrides(&ordered, word.as_deref()))
    }

    /// The same, for the script that somebody fetches: who is not the machine itself gets what it would boot without orders.
    fn assign_in_script<'a>(&self, catalog: &'a Catalog, asking: &Asking<'_>) -> Assigned<'a> {
        let Asking {
            machine,
            asks,
            arrived,
        } = asking;
        let who = self.machines.asks(machine.mac, asks.peer.as_ref());
        let ordered = self.machines.orders().in_script(machine.mac, who);
        let word = self.hook_word(machine);
        catalog.assign_with(machine, arrived, overrides(&ordered, word.as_deref()))
    }

    /// The same for files that are loaded before a script.
    fn assign_to_asker<'a>(&self, catalog: &'a Catalog, asking: &Asking<'_>) -> Assigned<'a> {
        let Asking {
            machine,
            asks,
            arrived,
        } = asking;
        match self.machines.asks(machine.mac, asks.peer.as_ref()) {
            Asks::Another => self.assign_in_script(catalog, asking),
            Asks::Itself | Asks::MaybeItself => self.assign(catalog, machine, arrived),
        }
    }

    /// The machine whose script `name` is, for who asks.
    pub(crate) fn machine_of_script(&self, name: &str, asks: Option<Mac>) -> Option<Mac> {
        let (prefix, plain) = raspberry_pi::without_prefix(name).unwrap_or((None, name));
        match script::pxelinux_machine(name) {
            Some(named) => named.or(asks),
            None if name == script::GENERIC => asks,
            None if plain == raspberry_pi::COMMAND_LINE => prefix.or(asks),
            None => script_machine(name).map(|(mac, _)| mac),
        }
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

    /// Adds a loader under its name, or puts it in another one's place.
    pub(crate) fn put(&self, name: &str, content: Content, kind: FileKind) {
        self.change(|served| served.put(name, plain(name, content, kind)));
    }

    /// Puts these loaders in the place of those with their names. `by_platform` is what firmware loads from now on.
    pub(crate) fn put_loaders(&self, files: Vec<(&str, Content)>, by_platform: &[Loader]) {
        self.change(|served| {
            for (name, content) in files {
                served.put(name, plain(name, content, FileKind::Loader));
            }
            served.set_loaders(by_platform);
        });
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
        if let Some(artifact) = served.find(name) {
            return found(artifact);
        }
        let catalog = &served.catalog;
        match name {
            script::AUTOEXEC => {
                let server = SocketAddr::new(arrived.server, self.http_port);
                // Before it is known what the machine boots.
                let shell = catalog.images().all(Image::offers_shell);
                return found(text(script::autoexec(server, shell), None));
            }
            script::GENERIC => {
                let asks = identify();
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
            let asks = identify();
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
        self.find_file(&served, name, arrived, identify)
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
        let config = script::pxelinux_machine(name);
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
        if config.is_some() || is_command_line || !served.firmware.is_empty() {
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
            if config.is_some() {
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

/// Whose script is asked for, and by whom.
#[derive(Debug, Clone, Copy)]
struct Asking<'a> {
    machine: &'a KnownMachine,
    asks: &'a Asker,
    arrived: &'a ArrivedAt<'a>,
}

impl ArtifactStore {
    /// iPXE's script.
    fn script(&self, catalog: &Catalog, asking: &Asking<'_>) -> Artifact {
        let server = self.server(asking);
        let assigned = self.assign_in_script(catalog, asking);
        let (mac, why) = (asking.machine.mac, assigned.why.to_string());
        let script = match assigned.boots {
            Boots::Image(image) => {
                let image = self.for_nic(assigned.with_append(image), asking.machine);
                self.with_recipient(asking, &assigned, |to| script::boot(&image, to))
            }
            Boots::Menu => {
                let shell = catalog.images().all(Image::offers_shell);
                script::menu::ipxe(&menu(catalog), server, mac, shell)
            }
            Boots::Wait => script::wait(server, mac, &why),
            Boots::Refuse => script::refuse(server, mac, &why),
        };
        chosen(assigned.boots, why, text(script, mac))
    }

    /// The script for an image that was chosen in the menu. Nothing else can be chosen, and by no other machine.
    fn chosen_script(
        &self,
        catalog: &Catalog,
        asking: &Asking<'_>,
        chosen: &str,
    ) -> Option<Artifact> {
        let assigned = self.assign_in_script(catalog, asking);
        let mut images = catalog.in_menu();
        let image = match assigned.boots {
            Boots::Menu => images.find(|image| image.name == chosen)?,
            _ => return None,
        };
        let image = self.for_nic(assigned.with_append(image), asking.machine);
        let script = self.with_recipient(asking, &assigned, |to| script::boot(&image, to));
        let why = "chosen in the menu".to_owned();
        let script = text(script, asking.machine.mac);
        Some(self::chosen(Boots::Image(&image), why, script))
    }

    /// The same in PXELINUX's syntax.
    fn pxelinux(&self, catalog: &Catalog, asking: &Asking<'_>) -> Artifact {
        let assigned = self.assign_in_script(catalog, asking);
        let (mac, why) = (asking.machine.mac, assigned.why.to_string());
        let config = match assigned.boots {
            Boots::Image(image) => {
                let image = assigned.with_append(image);
                self.with_recipient(asking, &assigned, |to| script::pxelinux(&image, to))
            }
            Boots::Menu => {
                let images: Vec<_> = catalog
                    .in_menu()
                    .map(|image| assigned.with_append(image))
                    .collect();
                let menu = Menu {
                    images: images.iter().map(AsRef::as_ref).collect(),
                    ..menu(catalog)
                };
                self.with_recipient(asking, &assigned, |to| script::pxelinux_menu(&menu, to))
            }
            Boots::Wait => {
                script::pxelinux_nothing(mac, "waits until it is told what it boots", &why)
            }
            Boots::Refuse => script::pxelinux_nothing(mac, "is not booted by this server", &why),
        };
        chosen(assigned.boots, why, text(config, mac))
    }

    /// The command line alone, if the machine boots something that has one.
    fn command_line(&self, catalog: &Catalog, asking: &Asking<'_>) -> Option<Artifact> {
        let assigned = self.assign_in_script(catalog, asking);
        let image = assigned.with_append(assigned.image()?);
        let line = self.with_recipient(asking, &assigned, |to| script::command_line(&image, to))?;
        let line = text(line, asking.machine.mac);
        Some(chosen(assigned.boots, assigned.why.to_string(), line))
    }

    fn server(&self, asking: &Asking<'_>) -> SocketAddr {
        SocketAddr::new(asking.arrived.server, self.http_port)
    }

    /// What is known of the machine, for what is made for it.
    fn with_recipient<R>(
        &self,
        asking: &Asking<'_>,
        assigned: &Assigned<'_>,
        make: impl FnOnce(&Recipient<'_>) -> R,
    ) -> R {
        let Asking { machine, asks, .. } = asking;
        let report = machine
            .mac
            .and_then(|mac| self.tokens.issue(mac, asks.machine.mac));
        make(&Recipient {
            server: self.server(asking),
            report: report.as_deref(),
            values: Values {
                name: assigned.host_name(),
                mac: machine.mac,
                ip: machine.address,
                uuid: machine.uuid,
                serial: machine.serial.as_deref(),
                asset: machine.asset.as_deref(),
                manufacturer: machine.manufacturer.as_deref(),
                product: machine.product.as_deref(),
                ..Values::default()
            },
        })
    }
}

fn overrides<'a>(ordered: &'a machines::Ordered, hook: Option<&'a str>) -> Overrides<'a> {
    Overrides {
        once: ordered.once.as_deref(),
        image: ordered.image.as_deref(),
        after_failure: ordered.after_failure,
        hook,
    }
}

/// A script with what the machine boots by it, and what is heard of the machine then.
fn chosen(boots: Boots<'_>, why: String, script: Artifact) -> Artifact {
    let (choice, follows) = match boots {
        Boots::Menu => (Choice::Menu, Follows::Script),
        Boots::Wait => (Choice::Wait, Follows::Script),
        Boots::Refuse => (Choice::Refuse, Follows::Nothing),
        Boots::Image(image) => {
            let follows = match &image.kind {
                ImageKind::Root(_) => Follows::Root {
                    reports: script.names_report(),
                },
                ImageKind::Kernel(kernel) => Follows::Kernel {
                    initrd: !kernel.initrds.is_empty(),
                },
                _ => Follows::Nothing,
            };
            (Choice::Image(image.name.clone()), follows)
        }
    };
    Artifact {
        chosen: Some(Arc::new(Chosen {
            choice,
            why,
            follows,
            script: script.text(),
        })),
        ..script
    }
}

fn menu(catalog: &Catalog) -> Menu<'_> {
    let settings = catalog.menu();
    Menu {
        title: settings.title.as_deref(),
        timeout: settings.timeout,
        images: catalog.in_menu().collect(),
        default: settings.default.as_deref(),
    }
}

/// Scripts, and the newest kernel and initrd. What a script names by a tag does not change.
fn changes_with_root(name: &str) -> bool {
    let script = name == script::GENERIC
        || script_machine(name).is_some()
        || script::pxelinux_machine(name).is_some()
        || name.rsplit('/').next() == Some(raspberry_pi::COMMAND_LINE);
    script || file_of_image(name).is_some_and(|file| file.tag.is_empty())
}

/// The machine that a name is the script of, and the image that was chosen for it in the menu.
fn script_machine(name: &str) -> Option<(Mac, Option<&str>)> {
    if let Some((mac, image)) = script::menu::chosen(name) {
        return Some((mac, Some(image)));
    }
    let mac = name.strip_prefix("boot/")?.strip_suffix(".ipxe")?;
    Some((mac.parse().ok()?, None))
}

fn text(script: String, machine: Option<Mac>) -> Artifact {
    Artifact {
        content: Content::Memory(Bytes::from(script)),
        content_type: "text/plain; charset=utf-8",
        kind: FileKind::Script,
        machine,
        chosen: None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::catalog::tests::{ETH0, by_mac, image, machine, one, with_rules};

    fn tokens() -> Arc<ReportTokens> {
        Arc::new(ReportTokens::new([0; 16]))
    }

    pub(crate) fn store() -> ArtifactStore {
        ArtifactStore::new(Arc::new(one("debian")), 8069, None, tokens())
    }

    fn artifact(found: Found) -> Option<Artifact> {
        match found {
            Found::Artifact(artifact) => Some(*artifact),
            Found::InFolder(file) => file.open(),
            Found::Nothing => None,
        }
    }

    /// What a machine that is not known by its address finds at eth0.
    fn find(store: &ArtifactStore, name: &str) -> Option<Artifact> {
        artifact(store.find(name, &ETH0, Asker::default))
    }

    /// Who is known by its address.
    fn known(machine: KnownMachine) -> Asker {
        Asker {
            machine,
            peer: None,
        }
    }

    fn bytes(artifact: &Artifact) -> Vec<u8> {
        let mut buffer = vec![0; usize::try_from(artifact.content.length()).unwrap() + 10];
        let length = artifact.content.read_at(0, &mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn scripts_are_made_for_the_machine_and_the_address_that_it_reached() {
        let artifacts = store();
        let found = find(&artifacts, "boot/52-54-00-12-34-56.ipxe").unwrap();
        assert_eq!(found.machine, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
        let text = String::from_utf8(bytes(&found)).unwrap();
        assert!(
            text.contains("http://10.0.0.1:8069/images/debian/vmlinuz"),
            "{text}"
        );
        let other = ArrivedAt {
            server: Ipv4Addr::new(192, 0, 2, 7).into(),
            ..ETH0
        };
        let elsewhere = artifacts.find("boot.ipxe", &other, Asker::default);
        let elsewhere = artifact(elsewhere).unwrap();
        let text = String::from_utf8(bytes(&elsewhere)).unwrap();
        assert!(text.contains("nfsroot=192.0.2.7:/debian"), "{text}");
        assert!(find(&artifacts, "autoexec.ipxe").is_some());
        // Only the machine itself, or who may be it, is told where it reports.
        for (asks, reports) in [
            (machine(0x56), true),
            (machine(2), false),
            (KnownMachine::default(), true),
        ] {
            let name = "boot/02-00-00-00-00-56.ipxe";
            let found = artifact(artifacts.find(name, &ETH0, || known(asks))).unwrap();
            let text = String::from_utf8(bytes(&found)).unwrap();
            let path = " netroot.report=http://10.0.0.1:8069/report/02-00-00-00-00-56/";
            assert_eq!(text.contains(path), reports, "{text}");
            assert_eq!(text.contains("netroot.report"), reports, "{text}");
        }
        for name in [
            "boot/52-54.ipxe",
            "boot/.ipxe",
            "boot",
            "vmlinuz",
            "etc/passwd",
        ] {
            assert!(find(&artifacts, name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_ordered_for_a_machine_is_in_its_own_script_alone() {
        use crate::serve::machines::Peer;

        let machines = Arc::new(Machines::new());
        let images = vec![image("debian"), image("lab"), image("rescue")];
        let catalog = Arc::new(with_rules(images, Vec::new()));
        let store = ArtifactStore::new(catalog, 8069, None, tokens()).of_machines(machines.clone());
        let mac = Mac([2, 0, 0, 0, 0, 0x56]);
        // Behind a router, where its lease tells who it is.
        let own = Peer {
            address: Ipv4Addr::new(192, 0, 2, 77).into(),
            on_link: false,
            answers: true,
        };
        let other = Peer {
            address: Ipv4Addr::new(192, 0, 2, 78).into(),
            ..own
        };
        let unheard = Peer {
            answers: false,
            ..own
        };
        machines.learn(own.address, mac, std::time::Duration::MAX);
        let boots = |peer: Option<Peer>| {
            let asker = || Asker {
                machine: KnownMachine::default(),
                peer,
            };
            let found = artifact(store.find("boot/02-00-00-00-00-56.ipxe", &ETH0, asker));
            found.unwrap().chosen.unwrap().image().unwrap().to_owned()
        };
        machines.orders().set_image(mac, "lab").unwrap();
        machines.orders().set_once(mac, "rescue").unwrap();
        assert_eq!(boots(Some(unheard)), "rescue", "it is taken with the ACK");
        assert_eq!(boots(Some(own)), "lab", "not taken yet");
        machines.orders().fetches_script(mac);
        for (peer, image) in [
            (Some(own), "rescue"),
            (Some(unheard), "rescue"),
            (Some(other), "debian"),
            (None, "debian"),
        ] {
            assert_eq!(boots(peer), image, "{peer:?}");
        }
    }

    #[test]
    fn a_configuration_for_pxelinux_is_made_for_the_machine_unless_the_folder_has_one() {
        let name = "pxelinux.cfg/01-02-00-00-00-00-02";
        let images = || vec![image("debian"), image("fedora")];
        let catalog = || Arc::new(with_rules(images(), vec![by_mac(2, "fedora")]));
        let config = |store: &ArtifactStore, name: &str, asks| {
            let found = artifact(store.find(name, &ETH0, || known(asks))).unwrap();
            assert_eq!(found.kind, FileKind::Script, "{name}");
            String::from_utf8(bytes(&found)).unwrap()
        };
        let store = ArtifactStore::new(catalog(), 8069, None, tokens());
        for (name, asks, boots) in [
            (name, machine(2), "fedora"),
            ("pxelinux.cfg/01-02-00-00-00-00-01", machine(1), "debian"),
            ("pxelinux.cfg/default", machine(2), "fedora"),
            (
                "pxelinux.cfg/default-arm",
                KnownMachine::default(),
                "debian",
            ),
        ] {
            let config = config(&store, name, asks);
            let kernel = format!("\tkernel /images/{boots}/vmlinuz\n");
            assert!(config.contains(&kernel), "{config}");
        }
        // As with iPXE's scripts, only the machine itself is told where it reports.
        assert!(config(&store, name, machine(2)).contains(" netroot.report="));
        assert!(!config(&store, name, machine(1)).contains(" netroot.report="));

        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("pxelinux.cfg");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("default"), "own").unwrap();
        for path in [folder.path(), &own, &own.join("default")] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let folder = Folder::open_path(folder.path()).unwrap();
        let store = ArtifactStore::new(catalog(), 8069, Some(folder), tokens());
        let found = artifact(store.find("pxelinux.cfg/default", &ETH0, || known(machine(2))));
        assert_eq!(bytes(&found.unwrap()), b"own");
        assert!(config(&store, name, machine(2)).contains("/images/fedora/"));
    }

    #[test]
    fn a_raspberry_pi_gets_its_files_from_the_folder_or_from_its_root() {
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let folder = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("config.txt", "folder's"),
            ("0f69016b/start4.elf", "its own"),
        ] {
            write(&folder.path().join(file), text);
        }
        let firmware = root.path().join("boot/firmware");
        assert!(raspberry_pi::of_root(root.path()).is_none());
        for file in ["config.txt", "start4.elf", "overlays/a.dtbo", "cmdline.txt"] {
            write(&firmware.join(file), "root's");
        }
        write(&root.path().join("etc/motd"), "elsewhere");
        for (link, target) in [("out", "../../etc/motd"), ("host", "/etc/hostname")] {
            std::os::unix::fs::symlink(target, firmware.join(link)).unwrap();
        }
        write(&firmware.join("private"), "private");
        let private = PermissionsExt::from_mode(0o600);
        fs::set_permissions(firmware.join("private"), private).unwrap();
        for path in [folder.path(), root.path()] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let store = ArtifactStore::new(
            Arc::new(one("debian")),
            8069,
            Some(Folder::open_path(folder.path()).unwrap()),
            tokens(),
        );
        store.put_firmware("debian", raspberry_pi::of_root(root.path()));
        for (name, text) in [
            ("0f69016b/start4.elf", Some("its own")),
            ("dca63223/start4.elf", Some("root's")),
            ("start4.elf", Some("root's")),
            ("dca63223/config.txt", Some("folder's")),
            ("dc-a6-32-23-28-46/overlays/a.dtbo", Some("root's")),
            ("dca63223/out", None),
            ("dca63223/host", None),
            ("dca63223/private", None),
            ("dca63223/../../etc/motd", None),
            ("dca63223/absent", None),
            ("etc/motd", None),
        ] {
            let found = find(&store, name).map(|found| bytes(&found));
            assert_eq!(found.as_deref(), text.map(str::as_bytes), "{name}");
        }
        let line = find(&store, "dc-a6-32-23-28-46/cmdline.txt").unwrap();
        let line = String::from_utf8(bytes(&line)).unwrap();
        let start = "root=/dev/nfs nfsroot=10.0.0.1:/debian,vers=3,";
        assert!(line.starts_with(start), "{line}");
        assert!(line.contains(" BOOTIF=01-dc-a6-32-23-28-46 ro"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn only_who_is_shown_the_menu_chooses_and_only_what_is_in_it() {
        use crate::settings::{Choice, MenuSettings};

        let menu = MenuSettings {
            images: vec!["debian".to_owned(), "lab".to_owned()],
            ..MenuSettings::default()
        };
        let images = ["debian", "lab", "private"].map(image).to_vec();
        let rules = vec![by_mac(2, "private")];
        let default = Some(Choice::Menu);
        let catalog = Catalog::new(images, Vec::new(), rules, default, menu).unwrap();
        let store = ArtifactStore::new(Arc::new(catalog), 8069, None, tokens());
        let script = |name: &str| {
            let found = find(&store, name)?;
            Some(String::from_utf8(bytes(&found)).unwrap())
        };
        let shown = script("boot/02-00-00-00-00-01.ipxe").unwrap();
        assert!(
            shown.contains("\nitem -- lab lab, Linux 6.1.0\n"),
            "{shown}"
        );
        assert!(!shown.contains("private"), "{shown}");
        let chosen = script("boot/02-00-00-00-00-01/lab.ipxe").unwrap();
        assert!(chosen.contains("/images/lab/vmlinuz"), "{chosen}");
        for name in [
            "boot/02-00-00-00-00-01/private.ipxe",
            "boot/02-00-00-00-00-01/absent.ipxe",
            "boot/02-00-00-00-00-02/lab.ipxe",
            "boot/02-00-00-00-00-02/private.ipxe",
        ] {
            assert!(script(name).is_none(), "{name}");
        }
        let own = script("boot/02-00-00-00-00-02.ipxe").unwrap();
        assert!(own.contains("/images/private/vmlinuz"), "{own}");
    }

    #[test]
    fn two_machines_have_scripts_for_two_images_and_nothing_has_a_short_name() {
        let images = vec![image("debian"), image("fedora")];
        let catalog = with_rules(images, vec![by_mac(2, "fedora")]);
        let artifacts = ArtifactStore::new(Arc::new(catalog), 8069, None, tokens());
        let content = |name: &str| Content::Memory(Bytes::copy_from_slice(name.as_bytes()));
        for name in ["debian", "fedora"] {
            let files = BootFiles::of_root(content(name), content("initrd"));
            artifacts.put_image(image(name), files);
        }
        let script = |last: u8| {
            let name = format!("boot/02-00-00-00-00-0{last}.ipxe");
            String::from_utf8(bytes(&find(&artifacts, &name).unwrap())).unwrap()
        };
        for (last, name) in [(1, "debian"), (2, "fedora"), (3, "debian")] {
            let script = script(last);
            let kernel = format!("\nkernel http://10.0.0.1:8069/images/{name}/vmlinuz ");
            assert!(script.contains(&kernel), "{script}");
            let root = format!(" nfsroot=10.0.0.1:/{name},vers=3");
            assert!(script.contains(&root), "{script}");
        }
        // Without a name in the URL, the ARP table may identify the machine.
        let known = artifacts.find("boot.ipxe", &ETH0, || known(machine(2)));
        let known = artifact(known).unwrap();
        let known = String::from_utf8(bytes(&known)).unwrap();
        assert!(known.contains("/images/fedora/vmlinuz"), "{known}");
        let kernel = find(&artifacts, "images/fedora/vmlinuz").unwrap();
        assert_eq!(
            (bytes(&kernel).as_slice(), kernel.kind),
            (&b"fedora"[..], FileKind::Kernel)
        );
        assert!(find(&artifacts, "vmlinuz").is_none());
    }

    #[test]
    fn the_only_image_has_short_names_too() {
        let artifacts = store();
        let content = || Content::Memory(Bytes::from_static(b"bytes"));
        let files = BootFiles::of_root(content(), content());
        artifacts.put_image(image("debian"), files);
        for name in ["vmlinuz", "images/debian/vmlinuz"] {
            assert_eq!(
                find(&artifacts, name).unwrap().kind,
                FileKind::Kernel,
                "{name}"
            );
        }
        for name in ["initrd.img", "images/debian/initrd.img"] {
            assert_eq!(
                find(&artifacts, name).unwrap().kind,
                FileKind::Initrd,
                "{name}"
            );
        }
    }

    #[test]
    fn a_file_is_read_by_position_and_never_past_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vmlinuz");
        fs::write(&path, b"0123456789").unwrap();
        let artifacts = store();
        artifacts.put("vmlinuz", Content::open(&path).unwrap(), FileKind::Kernel);
        let kernel = find(&artifacts, "vmlinuz").unwrap();
        let mut buffer = [0; 4];
        assert_eq!(kernel.content.read_at(8, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"89");
        assert_eq!(kernel.content.read_at(10, &mut buffer).unwrap(), 0);
        assert_eq!(kernel.content.read_at(u64::MAX, &mut buffer).unwrap(), 0);
        // It shrinks while a machine reads it: an error, not a short file.
        fs::write(&path, b"01").unwrap();
        let error = kernel.content.read_at(4, &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
