//! The initrd for the network card that a machine boots from, in its script.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use netroot_net::PciId;

use super::{ArtifactStore, script_machine};
use crate::catalog::{ArrivedAt, Boots, Image, KnownMachine};
use crate::serve::artifacts::nic_initrds::{NicInitrd, NicInitrds};
use crate::serve::artifacts::script;

impl ArtifactStore {
    /// Has the initrd for the network card of a machine made, if `name` is its script and it can boot with one. Waits a
    /// moment for it. `identify` says who asks.
    pub(crate) async fn prepare_nic(
        &self,
        name: &str,
        arrived: &ArrivedAt<'_>,
        identify: impl FnOnce() -> KnownMachine,
    ) {
        let (machine, chosen) = match script_machine(name) {
            Some((mac, chosen)) => (self.machines.known(Some(mac)), chosen),
            None if name == script::GENERIC => (identify(), None),
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
                let mut images = served.catalog.in_menu();
                images.find(|image| image.name == chosen)?
            }
            _ => return None,
        };
        if assigned.with_append(image).why_every_nic().is_some() {
            return None;
        }
        match served.nics(&image.name)?.of(nic, Instant::now()) {
            NicInitrd::Unknown | NicInitrd::Absent(_) => Some(image.name.clone()),
            NicInitrd::NoDriver | NicInitrd::Ready(_) | NicInitrd::Failed(_) => None,
        }
    }

    /// An image as a machine with this network card boots it: with the initrd for the card, if there is one.
    pub(super) fn for_nic<'a>(&self, image: Cow<'a, Image>, nic: Option<PciId>) -> Cow<'a, Image> {
        let served = self.served();
        let ready = nic
            .filter(|_| image.why_every_nic().is_none())
            .filter(|_| served.is_current(&image.name, &image.tag))
            .and_then(|nic| Some(served.nics(&image.name)?.of(nic, Instant::now())));
        match ready {
            Some(NicInitrd::Ready(drivers)) => Cow::Owned(image.with_nic(drivers)),
            _ => image,
        }
    }

    /// The initrds for one network card that go with an image as it is now.
    pub(crate) fn nics(&self, image: &str) -> Option<Arc<NicInitrds>> {
        self.served().nics(image).cloned()
    }
}
