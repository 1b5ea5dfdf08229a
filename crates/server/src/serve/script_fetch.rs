//! What begins when a machine fetches its script: over TFTP and HTTP alike, before the script is made.

use std::net::IpAddr;
use std::time::Instant;

use netroot_net::Mac;

use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::artifacts::ArtifactStore;
use crate::serve::events::{Decided, Event, Machine, Timeline, Warning};
use crate::serve::hook::{Hook, HookFailure};
use crate::serve::machines::FileError;

/// Remembers what the machine says of itself in the query, and takes its order for one boot. Only the
/// machine itself does either. An order that is taken is gone from the disk when this ends.
pub(crate) async fn begins(
    artifacts: &ArtifactStore,
    timeline: &Timeline,
    hook: Option<&Hook>,
    name: &str,
    query: Option<&str>,
    arrived: &ArrivedAt<'_>,
    peer: IpAddr,
) {
    let machines = timeline.machines();
    let asks = machines.at(peer);
    let Some(mac) = artifacts.machine_of_script(name, asks) else {
        return;
    };
    if !machines.is_itself(mac, asks, Instant::now()) {
        return;
    }
    if let Some(query) = query {
        machines.hear_query(mac, query);
    }
    if let Some(drivers) = machines.nic_trust().boots(mac, Instant::now()) {
        let decided = Decided::EveryNic {
            drivers,
            reported: false,
        };
        timeline.machine(Machine::Mac(mac), Event::Decided(decided));
    }
    if let Some(hook) = hook {
        ask(hook, artifacts, timeline, mac, arrived, peer).await;
    }
    let Some(image) = machines.orders().fetches_script(mac) else {
        return;
    };
    save(timeline).await;
    let decided = Decided::BootsOnce { image };
    timeline.machine(Machine::Mac(mac), Event::Decided(decided));
}

/// A machine fetches a file: if that is an initrd of netroot's own, it is to report how it boots.
pub(crate) fn fetches(artifacts: &ArtifactStore, timeline: &Timeline, name: &str, peer: IpAddr) {
    let machines = timeline.machines();
    if let Some(initrd) = artifacts.reporting_initrd(name)
        && let Some(mac) = machines.at(peer)
    {
        let trust = machines.nic_trust();
        trust.loads(mac, initrd.tag, initrd.nic, Instant::now());
    }
}

/// Asks the web hook, unless something is ordered for the machine.
async fn ask(
    hook: &Hook,
    artifacts: &ArtifactStore,
    timeline: &Timeline,
    mac: Mac,
    arrived: &ArrivedAt<'_>,
    peer: IpAddr,
) {
    let machines = timeline.machines();
    let order = machines.orders().expected(Some(mac));
    let words = machines.hook_words();
    if order.once.is_some() || order.image.is_some() || words.is_fresh(mac, Instant::now()) {
        return;
    }
    let machine = KnownMachine {
        mac: Some(mac),
        address: Some(peer),
        ..machines.known(Some(mac))
    };
    let catalog = artifacts.catalog();
    let images: Vec<&str> = catalog.images().map(|image| image.name.as_str()).collect();
    let (word, failure) = hook.ask(&machine, arrived, &images).await;
    words.set(mac, word, Instant::now());
    if let Some(HookFailure {
        url,
        error,
        left_alone,
    }) = failure
    {
        let warning = Warning::Hook {
            url,
            error,
            left_alone,
        };
        timeline.server(Event::Warning(warning));
    }
}

/// Writes the orders, where waiting for the disk holds nothing up.
pub(crate) async fn save(timeline: &Timeline) {
    let machines = timeline.machines_handle();
    let saved = tokio::task::spawn_blocking(move || machines.orders().save());
    if let Ok(Err(FileError { file, source })) = saved.await {
        let error = source.to_string();
        let warning = Warning::OrdersUnwritable { file, error };
        timeline.server(Event::Warning(warning));
    }
}
