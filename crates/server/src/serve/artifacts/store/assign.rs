//! What a machine boots, for each kind of answer: how far its order counts in it.

use netroot_proto::pxe::client::Client;

use super::ArtifactStore;
use super::asking::Asking;
use crate::catalog::{ArrivedAt, Assigned, Catalog, KnownMachine, Overrides};
use crate::serve::machines::{self, Asks, FetchedBy};

impl ArtifactStore {
    /// What a machine does, for an answer that does not use up its order.
    pub(crate) fn assign<'a>(
        &self,
        catalog: &'a Catalog,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
    ) -> Assigned<'a> {
        let orders = self.machines.orders();
        let ordered = orders.expected(machine.mac, FetchedBy::IpxeUrl);
        self.assign_with(catalog, machine, arrived, &ordered)
    }

    /// The same for the answer to a DHCP message of this client, which has this number if it is iPXE.
    pub(crate) fn assign_by_dhcp<'a>(
        &self,
        catalog: &'a Catalog,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
        (client, number): (Client, Option<u32>),
    ) -> Assigned<'a> {
        let orders = self.machines.orders();
        let ordered = orders.expected_by(machine.mac, client, number);
        self.assign_with(catalog, machine, arrived, &ordered)
    }

    /// The same, for the script that somebody fetches: who is not the machine itself gets what it would boot without orders.
    pub(super) fn assign_in_script<'a>(
        &self,
        catalog: &'a Catalog,
        asking: &Asking<'_>,
    ) -> Assigned<'a> {
        let (machine, who) = (asking.machine, self.who(asking));
        let ordered = self.machines.orders().in_script(machine.mac, who);
        self.assign_with(catalog, machine, asking.arrived, &ordered)
    }

    /// The same for files that are loaded before a script.
    pub(super) fn assign_to_asker<'a>(
        &self,
        catalog: &'a Catalog,
        asking: &Asking<'_>,
    ) -> Assigned<'a> {
        match self.who(asking) {
            Asks::Another => self.assign_in_script(catalog, asking),
            Asks::Itself | Asks::MaybeItself => {
                let orders = self.machines.orders();
                let ordered = orders.expected(asking.machine.mac, FetchedBy::FileName);
                self.assign_with(catalog, asking.machine, asking.arrived, &ordered)
            }
        }
    }

    /// Whether it is the machine itself that asks.
    fn who(&self, asking: &Asking<'_>) -> Asks {
        let peer = asking.asks.peer.as_ref();
        self.machines.asks(asking.machine.mac, peer)
    }

    fn assign_with<'a>(
        &self,
        catalog: &'a Catalog,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
        ordered: &machines::Ordered,
    ) -> Assigned<'a> {
        let word = machine
            .mac
            .and_then(|mac| self.machines.hook_words().of(mac));
        catalog.assign_with(machine, arrived, overrides(ordered, word.as_deref()))
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
