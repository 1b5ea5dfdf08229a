//! What a machine boots, for each kind of answer: how far its order counts in it.

use netroot_proto::pxe::client::Client;

use super::ArtifactStore;
use super::asking::Asking;
use crate::catalog::{ArrivedAt, Assigned, Catalog, KnownMachine, Overrides};
use crate::serve::machines::{self, Asks};

impl ArtifactStore {
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
    pub(super) fn assign_in_script<'a>(
        &self,
        catalog: &'a Catalog,
        asking: &Asking<'_>,
    ) -> Assigned<'a> {
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
    pub(super) fn assign_to_asker<'a>(
        &self,
        catalog: &'a Catalog,
        asking: &Asking<'_>,
    ) -> Assigned<'a> {
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

    fn hook_word(&self, machine: &KnownMachine) -> Option<String> {
        self.machines.hook_words().of(machine.mac?)
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
