//! What begins when a machine fetches its script, or its loader: over TFTP and HTTP alike.
//!
//! A source address can be invented, so that what changes something begins when the machine has answered: at once over
//! HTTP ([`by_http`]), with the first ACK over TFTP ([`before_ack`], [`Begins`]).

use std::time::Instant;

use netroot_net::Mac;

use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::artifacts::{ArtifactStore, FileKind};
use crate::serve::events::{Decided, Event, Machine, Timeline, Warning};
use crate::serve::hook::{Hook, HookFailure};
use crate::serve::machines::{FileError, Peer};

/// What is asked and told when a script is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch<'a> {
    /// Name → artifact.
    pub(crate) artifacts: &'a ArtifactStore,
    /// Where events are logged, with the machines.
    pub(crate) timeline: &'a Timeline,
    /// Who says what a machine boots, before the configuration.
    pub(crate) hook: Option<&'a Hook>,
    /// Who asks.
    pub(crate) peer: &'a Peer,
}

impl Fetch<'_> {
    /// The machine whose script `name` is, if it is itself that asks.
    fn machine(&self, name: &str) -> Option<Mac> {
        let machines = self.timeline.machines();
        let asks = machines.at(self.peer.address);
        let mac = self.artifacts.machine_of_script(name, asks)?;
        let itself = machines.is_itself(mac, self.peer, Instant::now());
        itself.then_some(mac)
    }
}

/// Before a script is made that is fetched over HTTP: remembers what the machine says of itself in the query, and takes
/// what is ordered for its next boot. Only the machine itself does either.
pub(crate) async fn by_http(
    fetch: Fetch<'_>,
    name: &str,
    query: Option<&str>,
    arrived: &ArrivedAt<'_>,
) {
    let Some(mac) = fetch.machine(name) else {
        return;
    };
    if let Some(query) = query {
        fetch.timeline.machines().hear_query(mac, query);
    }
    ask_hook(&fetch, mac, arrived).await;
    write_again(fetch.timeline, mac).await;
    // Where it is not taken the machine boots what it does without.
    let _ = begins(fetch.timeline, mac).await;
}

/// The same over TFTP, where nothing is taken yet. Returns the machine for which something [`begins`] with the first ACK.
pub(crate) async fn before_ack(
    fetch: Fetch<'_>,
    name: &str,
    arrived: &ArrivedAt<'_>,
) -> Option<Mac> {
    let mac = fetch.machine(name)?;
    ask_hook(&fetch, mac, arrived).await;
    // What is sent says already what is taken: it has to be known whether it can be.
    write_again(fetch.timeline, mac).await;
    Some(mac)
}

/// Tries whether an order can be taken that could not be.
async fn write_again(timeline: &Timeline, mac: Mac) {
    if timeline.machines().orders().is_unwritable(mac) {
        let _ = save(timeline).await;
    }
}

/// The machine itself has fetched its script: its boot begins, or goes on. Takes what is ordered for it, which is gone
/// from the disk when this ends.
///
/// # Errors
/// It cannot be taken off the disk, which is logged, and is not taken.
pub(crate) async fn begins(timeline: &Timeline, mac: Mac) -> Result<(), FileError> {
    let machines = timeline.machines();
    if let Some(drivers) = machines.nic_trust().boots(mac, Instant::now()) {
        let decided = Decided::EveryNic {
            drivers,
            reported: false,
        };
        timeline.machine(Machine::Mac(mac), Event::Decided(decided));
    }
    let orders = machines.orders();
    if !orders.has(mac) {
        return Ok(());
    }
    // Another fetch of the same script waits until the order is off the disk.
    let _alone = orders.alone().await;
    let Some(image) = orders.fetches_script(mac) else {
        return Ok(());
    };
    if let Err(error) = save(timeline).await {
        orders.put_back(mac);
        return Err(error);
    }
    let decided = Decided::BootsOnce { image };
    timeline.machine(Machine::Mac(mac), Event::Decided(decided));
    Ok(())
}

/// A machine fetches a file, and has answered: its loader begins a boot, and an initrd of netroot's own is to report how
/// it boots.
pub(crate) fn fetches(
    artifacts: &ArtifactStore,
    timeline: &Timeline,
    name: &str,
    kind: FileKind,
    peer: &Peer,
) {
    let machines = timeline.machines();
    let now = Instant::now();
    let itself = || {
        let mac = machines.at(peer.address)?;
        machines.is_itself(mac, peer, now).then_some(mac)
    };
    if kind == FileKind::Loader
        && let Some(mac) = itself()
    {
        machines.orders().fetches_loader(mac);
    }
    if let Some(initrd) = artifacts.reporting_initrd(name)
        && let Some(mac) = itself()
    {
        let trust = machines.nic_trust();
        trust.loads(mac, initrd.tag, initrd.nic, now);
    }
}

/// Asks the web hook, unless something is ordered for the machine.
async fn ask_hook(fetch: &Fetch<'_>, mac: Mac, arrived: &ArrivedAt<'_>) {
    let Some(hook) = fetch.hook else {
        return;
    };
    let machines = fetch.timeline.machines();
    let order = machines.orders().expected(Some(mac));
    let words = machines.hook_words();
    if order.once.is_some() || order.image.is_some() || words.is_fresh(mac, Instant::now()) {
        return;
    }
    let machine = KnownMachine {
        mac: Some(mac),
        address: Some(fetch.peer.address),
        ..machines.known(Some(mac))
    };
    let catalog = fetch.artifacts.catalog();
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
        fetch.timeline.server(Event::Warning(warning));
    }
}

/// Writes the orders, where waiting for the disk holds nothing up. The first failure is logged.
///
/// # Errors
/// It could not be written.
pub(crate) async fn save(timeline: &Timeline) -> Result<(), FileError> {
    let machines = timeline.machines_handle();
    let saved = tokio::task::spawn_blocking(move || machines.orders().save());
    let Ok(Err(failed)) = saved.await else {
        return Ok(());
    };
    if failed.is_first {
        let (file, error) = (failed.file.clone(), failed.error.to_string());
        let warning = Warning::OrdersUnwritable { file, error };
        timeline.server(Event::Warning(warning));
    }
    Err(failed)
}
