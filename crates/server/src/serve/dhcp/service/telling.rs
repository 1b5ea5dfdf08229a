//! What is logged of requests beside their answers.

use std::net::Ipv4Addr;
use std::sync::PoisonError;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, Decision, Reason};
use netroot_proto::pxe::inputs::Loader;
use netroot_proto::pxe::probe::is_probe;
use netroot_proto::pxe::strategy::{Answered, Known, LoaderChoice, SecureBootMode};

use super::{Asked, Service};
use crate::catalog::{Assigned, Boots, Catalog};
use crate::serve::counters::Counters;
use crate::serve::events::{Decided, Event, Ignored, Machine, Warning, WhySigned};
use crate::serve::listen::role::DhcpRole;

/// How long it is not repeated that the range is exhausted.
const EXHAUSTION_TOLD_FOR: Duration = Duration::from_secs(3600);

impl Service {
    pub(super) fn ignore(&self, mac: Mac, client: Client, reason: Reason, is_probe: bool) {
        Counters::count(&self.counters.dhcp_ignored);
        match reason {
            _ if is_probe => {}
            // Every laptop on an office's network: counted, not logged.
            Reason::NotNetworkBoot => {}
            Reason::ForAnotherServer(_) => {
                let took = Event::Ignored(Ignored::Dhcp { client, reason });
                self.timeline.unlogged(Machine::Mac(mac), &took);
            }
            _ => self
                .timeline
                .ignored(Machine::Mac(mac), Ignored::Dhcp { client, reason }),
        }
    }

    /// Logs that no address of a network is left, and what can be done.
    pub(super) fn tell_exhaustion(&self, subnet: Option<usize>) {
        let DhcpRole::Authoritative(addresses) = &self.role else {
            return;
        };
        let now = self.clock.now();
        let subnets = addresses.subnets();
        let Some(pool) = subnet
            .and_then(|number| subnets.get(number))
            .map(|it| &it.pool)
        else {
            return;
        };
        let mut rows = pool.ranges();
        let Some((first, mut last)) = rows.next() else {
            return;
        };
        if let Some((_, highest)) = rows.last() {
            last = highest;
        }
        // A lease that ended may still be used: a probe has to end first, and a moment later there is an address.
        let (leased, set_aside) = (pool.leased(now), pool.set_aside());
        drop(subnets);
        let told = self.seen.exhausted.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        if told
            .get(&first)
            .is_some_and(|told| now < *told + EXHAUSTION_TOLD_FOR)
        {
            return;
        }
        told.insert(first, now);
        self.timeline
            .server(Event::Warning(Warning::RangeExhausted {
                first: first.into(),
                last: last.into(),
                leased,
                set_aside,
            }));
    }

    /// Tells that a machine asks to boot that boots nothing from here.
    pub(super) fn tell_refused(&self, asked: &Asked<'_>, assigned: &Assigned<'_>) {
        let is_firmware = asked.client.platform().is_some() && !is_probe(asked.request);
        if is_firmware && matches!(assigned.boots, Boots::Refuse) {
            let decided = Decided::Refused {
                client: asked.client,
                why: assigned.why.to_string(),
            };
            let machine = Machine::Mac(asked.request.header.mac);
            self.timeline.seldom(machine, Event::Decided(decided));
        }
    }

    /// Remembers whether there is a signed loader for the firmware that was answered, and logs that it is given that, until it
    /// has loaded it.
    pub(super) fn tell_signed(
        &self,
        asked: &Asked<'_>,
        (loader, signed): (&Loader, Option<&str>),
        assigned: &Assigned<'_>,
        chosen: LoaderChoice,
        decision: &Decision,
    ) {
        let is_firmware = matches!(asked.client, Client::Pxe(_) | Client::Http(_));
        if !is_firmware || !matches!(decision, Decision::Reply(_)) || is_probe(asked.request) {
            return;
        }
        let mac = asked.request.header.mac;
        let mode = assigned.secure_boot;
        let can_sign = signed.is_some();
        let before = self
            .timeline
            .machines()
            .answered(mac, Answered { can_sign, mode });
        let is_needed = match mode {
            SecureBootMode::Auto => before.refused || before.known == Known::SignedOnly,
            SecureBootMode::Always => true,
            SecureBootMode::Never => false,
        };
        if let Some(image) = assigned.image().filter(|_| is_needed) {
            self.timeline.signed_is_needed(&image.name);
        }
        if let Some(signed) = signed
            && chosen == LoaderChoice::Signed
            && before.loaded != Some(LoaderChoice::Signed)
        {
            let why = match (mode, before.known) {
                (SecureBootMode::Always, _) => WhySigned::Configured,
                (_, Known::SignedOnly) => WhySigned::Known,
                _ => WhySigned::Refused,
            };
            let decided = Decided::GivenSigned {
                refused: loader.first.clone(),
                signed: signed.to_owned(),
                why,
            };
            self.timeline
                .seldom(Machine::Mac(mac), Event::Decided(decided));
        }
    }

    /// Remembers whether a machine is in the configuration, and logs one that is not and asks to boot: once, and only where
    /// that makes a difference to somebody.
    pub(super) fn tell_unknown(
        &self,
        asked: &Asked<'_>,
        catalog: &Catalog,
        assigned: &Assigned<'_>,
    ) {
        if asked.client.platform().is_none() || is_probe(asked.request) {
            return;
        }
        let (machines, mac) = (self.timeline.machines(), asked.request.header.mac);
        machines.is_configured(mac, assigned.machine.is_some());
        let boots_as_all = assigned.image().is_some() && catalog.machines().is_empty();
        let Some(place) = self.artifacts.place() else {
            return;
        };
        if assigned.machine.is_some() || boots_as_all {
            return;
        }
        let image = assigned.image().map(|image| image.name.as_str());
        if let Some(adopt) = machines.tell_unknown(mac, image, catalog) {
            let given = assigned.boots.to_string();
            let file = place.file.clone();
            let decided = Decided::Unknown { given, adopt, file };
            self.timeline
                .machine(Machine::Mac(mac), Event::Decided(decided));
        }
    }

    /// Logs that a machine is offered another address than the one that is kept for it.
    pub(super) fn tell_kept(&self, asked: &Asked<'_>, decision: &Decision, kept: Option<Ipv4Addr>) {
        let (Some(kept), Decision::Reply(reply)) = (kept, decision) else {
            return;
        };
        if matches!(reply.answer, Answer::Offered { address, .. } if address != kept) {
            let machine = Machine::Mac(asked.request.header.mac);
            let decided = Decided::KeptAddressInUse {
                address: kept.into(),
            };
            self.timeline.machine(machine, Event::Decided(decided));
        }
    }
}
