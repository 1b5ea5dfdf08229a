//! The interfaces, and what is given on them.

use netroot_proto::pxe::subnet::Subnet;

use super::Preflight;
use super::given::{Host, given_on};
use crate::config::Mistake;
use crate::serve::dhcp::kept_addresses;

impl Preflight<'_> {
    /// Whether the interfaces can be served, what is given there, and whether machines can have the addresses that are kept
    /// for them.
    pub(crate) fn networks(&mut self, host: &Host) {
        let mut given: Vec<Subnet> = Vec::new();
        let mut all_known = true;
        let settings = self.settings;
        for (number, network) in settings.networks.iter().enumerate() {
            match given_on(network, settings, host) {
                Ok(found) => given.extend(found.subnets),
                Err((key, text)) => {
                    all_known = false;
                    let place = self.places.network(number);
                    let place = self.places.key(&place, key);
                    let about = format!("network.{key}");
                    self.mistake(&place, about, &text);
                }
            }
        }
        if !all_known {
            return;
        }
        let given: Vec<&Subnet> = given.iter().collect();
        for (machine, _, why) in kept_addresses::not_kept(&settings.catalog.machines, &given) {
            let place = self.places.key(&machine.origin, "address");
            let about = format!("machine.{}.address", machine.name);
            let doubt = Mistake::at(&place, about, format!("is not kept for it: {why}"));
            self.doubts.extend(doubt);
        }
    }
}
