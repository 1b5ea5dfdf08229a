//! The initrd for the network card that a machine boots from, in its script.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use netroot_net::PciId;

use super::{ArtifactStore, script_machine};
use crate::catalog::{ArrivedAt, Boots, Image, ImageFile, KnownMachine, NamedFile, file_of_image};
use crate::serve::artifacts::nic_initrds::{NicInitrd, NicInitrds};
use crate::serve::artifacts::script;
use crate::serve::machines::Asker;
use crate::settings::InitrdSource;

impl ArtifactStore {
    /// Has the initrd for the network card of a machine made, if `name` is its script and it can boot with one. Waits a
    /// moment for it. `identify` says who asks.
    pub(crate) async fn prepare_nic(
        &self,
        name: &str,
        arrived: &ArrivedAt<'_>,
        identify: impl FnOnce() -> Asker,
    ) {
        let (machine, chosen) = match script_machine(name) {
            Some((mac, chosen)) => (self.machines.known(Some(mac)), chosen),
            None if name == script::GENERIC => (identify().machine, None),
            None => return,
        };
        if let (Some(looks), Some(nic)) = (self.looks.get(), machine.nic)
            && let Some(image) = self.lacks_nic_initrd(chosen, &machine, nic, arrived)
        {
            looks.nic_initrd(&image, nic).await;
        }
    }

    /// The name of the image for which the initrd for a machine's network card is yet to be made.
    fn lacks_nic_initrd(
        &self,
        chosen: Option<&str>,
        machine: &KnownMachine,
        nic: PciId,
        arrived: &ArrivedAt<'_>,
    ) -> Option<String> {
        let served = self.served();
        let assigned = self.assign(&served.catalog, machine, arrived);
        let image = match (&assigned.boots, chosen) {
            (Boots::Image(image), None) => *image,
            (Boots::Menu, Some(chosen)) => {
                let mut images = served.catalog.in_menu_of(&assigned).into_iter();
                images.find(|image| image.name == chosen)?
            }
            _ => return None,
        };
        let trust = self.machines.nic_trust();
        if assigned.with_append(image).why_every_nic().is_some()
            || !trust.allows(machine.mac, &image.tag)
        {
            return None;
        }
        match served.nics(&image.name)?.of(nic, Instant::now()) {
            NicInitrd::Unknown | NicInitrd::Absent(_) => Some(image.name.clone()),
            NicInitrd::NoDriver | NicInitrd::Ready(_) | NicInitrd::Failed(_) => None,
        }
    }

    /// An image as this machine boots it: with the initrd for its network card, if there is one.
    pub(super) fn for_nic<'a>(
        &self,
        image: Cow<'a, Image>,
        machine: &KnownMachine,
    ) -> Cow<'a, Image> {
        let served = self.served();
        let trust = self.machines.nic_trust();
        let ready = machine
            .nic
            .filter(|_| trust.allows(machine.mac, &image.tag))
            .filter(|_| image.why_every_nic().is_none())
            .filter(|_| served.is_current(&image.name, &image.tag))
            .and_then(|nic| Some(served.nics(&image.name)?.of(nic, Instant::now())));
        match ready {
            Some(NicInitrd::Ready(drivers)) => Cow::Owned(image.with_nic(drivers)),
            _ => image,
        }
    }

    /// The initrd with this name, if its init reports here how it boots.
    pub(crate) fn reporting_initrd<'n>(&self, name: &'n str) -> Option<NamedFile<'n>> {
        let named = file_of_image(name).filter(|named| named.file == ImageFile::INITRD)?;
        let served = self.served();
        let mut images = served.catalog.images();
        let image = images.find(|image| Some(image.name.as_str()) == named.image)?;
        let initrd = &image.root()?.initrd;
        matches!(initrd, InitrdSource::Build { init: None, .. }).then_some(named)
    }

    /// The initrds for one network card that go with an image as it is now.
    pub(crate) fn nics(&self, image: &str) -> Option<Arc<NicInitrds>> {
        self.served().nics(image).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::body::Bytes;
    use netroot_net::Mac;

    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::tests::{ETH0, image, machine, one, with_rules};
    use crate::serve::artifacts::nic_initrds::tests::{drivers, nic};
    use crate::serve::artifacts::signed_chain::FoundChain;
    use crate::serve::artifacts::store::Found;
    use crate::serve::artifacts::{BootFiles, Content};
    use crate::serve::report_tokens::ReportTokens;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn content(text: &str) -> Content {
        Content::Memory(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// The image `debian` with the tag `0a`, whose kernel has drivers for two cards; the initrd for one of them is made.
    fn store(catalog: Catalog) -> ArtifactStore {
        let tokens = Arc::new(ReportTokens::new([0; 16]));
        let store = ArtifactStore::new(Arc::new(catalog), 8069, None, tokens);
        let image = store.catalog().images().next().unwrap().tagged("0a".into());
        store.put_image(
            image,
            BootFiles::of_root(content("kernel"), content("all"), FoundChain::none()),
        );
        let nics = store.nics("debian").unwrap();
        nics.know_drivers(drivers(2));
        if let NicInitrd::Absent(drivers) = nics.of(nic(1), Instant::now()) {
            nics.put(drivers, content("one"), Instant::now());
        }
        store
    }

    fn read(store: &ArtifactStore, name: &str) -> String {
        let Found::Artifact(artifact) = store.find(name, &ETH0, Asker::default) else {
            panic!("no {name}");
        };
        let Content::Memory(bytes) = artifact.content else {
            panic!("{name} is a file");
        };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The initrd in the script of a machine that boots from the device with this number.
    fn initrd_of(store: &ArtifactStore, device: u16) -> String {
        let query = format!("busid=01-80-86-00-{device:02x}");
        store.machines.hear_query(MAC, &query);
        let script = read(store, &format!("boot/{}.ipxe", MAC.hyphenated()));
        let (_, after) = script.split_once("/images/debian/initrd").unwrap();
        let name = after.split_whitespace().next().unwrap();
        format!("initrd{name}")
    }

    #[test]
    fn a_script_names_the_initrd_for_the_machines_card_or_the_one_for_every_card() {
        let store = store(one("debian"));
        assert_eq!(initrd_of(&store, 1), "initrd-d1.img-0a");
        // Not made yet, and a card without a driver.
        assert_eq!(initrd_of(&store, 2), "initrd.img-0a");
        assert_eq!(initrd_of(&store, 9), "initrd.img-0a");
        for (name, initrd) in [
            ("initrd-d1.img-0a", "one"),
            ("initrd-d1.img", "one"),
            ("initrd-d2.img-0a", "all"),
            ("initrd-none.img-0a", "all"),
            ("initrd.img-0a", "all"),
        ] {
            assert_eq!(read(&store, &format!("images/debian/{name}")), initrd);
        }
        let asked = |device: u16| {
            let known = KnownMachine {
                nic: Some(nic(device)),
                ..machine(1)
            };
            store.lacks_nic_initrd(None, &known, nic(device), &ETH0)
        };
        assert_eq!(asked(2).as_deref(), Some("debian"));
        assert_eq!((asked(1), asked(9)), (None, None));
        // Another kernel has none yet, and the old one still has its own.
        let newer = image("debian").tagged("0b".into());
        store.put_image(
            newer,
            BootFiles::of_root(content("kernel"), content("new"), FoundChain::none()),
        );
        assert_eq!(initrd_of(&store, 1), "initrd.img-0b");
        assert_eq!(read(&store, "images/debian/initrd-d1.img-0a"), "one");
        assert_eq!(read(&store, "images/debian/initrd-d1.img-0b"), "new");
    }

    #[test]
    fn a_command_line_with_a_bond_takes_the_initrd_for_every_card() {
        let mut bonded = image("debian");
        bonded.append = Some("bond=bond0:eth0,eth1".to_owned());
        let store = store(with_rules(vec![bonded], Vec::new()));
        assert_eq!(initrd_of(&store, 1), "initrd.img-0a");
    }

    #[test]
    fn a_machine_that_misses_its_driver_is_given_the_initrd_for_every_card() {
        let store = store(one("debian"));
        let trust = store.machines.nic_trust();
        let name = "images/debian/initrd-d1.img-0a";
        let initrd = store.reporting_initrd(name).unwrap();
        assert_eq!((initrd.nic, initrd.tag), (Some("d1"), "0a"));
        let now = Instant::now();
        trust.loads(MAC, initrd.tag, initrd.nic, now);
        assert_eq!(initrd_of(&store, 1), "initrd-d1.img-0a");
        trust.boots(MAC, now + Duration::from_secs(3600));
        assert_eq!(initrd_of(&store, 1), "initrd.img-0a", "not heard of");
        let asked = KnownMachine {
            nic: Some(nic(2)),
            ..machine(1)
        };
        assert_eq!(store.lacks_nic_initrd(None, &asked, nic(2), &ETH0), None);
    }
}
