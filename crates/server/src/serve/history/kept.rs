//! What is kept of all machines together.

use netroot_net::Mac;
use netroot_proto::pxe::probe::OtherServer;

use super::record::Record;
use super::table::Table;
use super::totals::Totals;
use super::view::MachineHistory;
use crate::serve::clock::Moment;
use crate::serve::events::ReadyListener;

/// The most other DHCP servers.
pub(super) const OTHERS: usize = 16;
/// The most bytes of a text of theirs.
pub(super) const OTHERS_TEXT: usize = 128;

/// Every machine, and what is counted of all of them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) machines: Table,
    pub(super) totals: Totals,
    /// How many files are being sent, to whomever.
    pub(super) transfers: usize,
    /// The other DHCP servers, by interface.
    pub(super) others: Vec<(String, OtherServer)>,
}

impl Kept {
    /// Another server answers. What it answered a client that does not boot says only that it gives addresses.
    pub(super) fn learn(&mut self, interface: &str, other: OtherServer, to_firmware: bool) {
        let is_it = |(there, known): &&mut (String, OtherServer)| {
            there == interface && known.server == other.server
        };
        if let Some((_, known)) = self.others.iter_mut().find(is_it) {
            match to_firmware {
                true => *known = other,
                false => known.offers = other.offers.or(known.offers),
            }
        } else if self.others.len() < OTHERS {
            self.others.push((interface.to_owned(), other));
        }
    }

    pub(super) fn view(
        &self,
        mac: Mac,
        record: &Record,
        listeners: &[ReadyListener],
        now: Moment,
    ) -> MachineHistory {
        let others = self
            .machines
            .all()
            .filter(|(other, of)| *other != mac && of.uuid.is_some() && of.uuid == record.uuid);
        let mut others: Vec<Mac> = others.map(|(other, _)| other).collect();
        others.sort();
        MachineHistory::new(mac, record, others, listeners, now)
    }
}
