//! What begins when a machine fetches its script, or its loader: over TFTP and HTTP alike.
//!
//! A source address can be invented, so that what changes something begins when the machine has answered: at once over
//! HTTP ([`by_http`]), with the first ACK over TFTP ([`before_ack`], [`Begins`]).

use std::io;
use std::time::{Duration, Instant};

use netroot_net::Mac;

use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::artifacts::{ArtifactStore, FileKind};
use crate::serve::events::{Decided, Event, Machine, Timeline, Warning};
use crate::serve::hook::{Hook, HookFailure};
use crate::serve::machines::{Alone, FetchedBy, FileError, Orders, Peer, answer_in};

/// How long a script or an order waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// When it waits no longer.
pub(crate) fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + PATIENCE
}

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

    /// The machine that boots an image by loading `name`, which is its loader and its script in one. Not one for which
    /// another image is ordered once by now: that one is for its next boot.
    fn machine_of_unified(&self, name: &str) -> Option<Mac> {
        let image = self.artifacts.image_of_unified(name)?;
        let machines = self.timeline.machines();
        let mac = machines.at(self.peer.address)?;
        let once = machines.orders().of(mac).once;
        let is_ordered = once.is_none_or(|once| once == image);
        (is_ordered && machines.is_itself(mac, self.peer, Instant::now())).then_some(mac)
    }
}

/// Before a script is made that is fetched over HTTP, or a unified kernel image is sent: remembers what the machine says of
/// itself in the query, and takes what is ordered for its next boot. Only the machine itself does either.
pub(crate) async fn by_http(
    fetch: Fetch<'_>,
    name: &str,
    query: Option<&str>,
    arrived: &ArrivedAt<'_>,
) {
    if let Some(mac) = fetch.machine_of_unified(name) {
        // The boot before ends first, as it does with any loader.
        fetch.timeline.machines().orders().fetches_loader(mac);
        let _ = begins(fetch.timeline, mac, deadline()).await;
        return;
    }
    let Some(mac) = fetch.machine(name) else {
        return;
    };
    if let Some(query) = query {
        fetch.timeline.machines().hear_query(mac, query);
    }
    let by = fetched_by(name, query);
    ask_hook(&fetch, mac, by, arrived).await;
    let until = deadline();
    write_again(fetch.timeline, mac, until).await;
    // Where it is not taken the machine boots what it does without.
    let _ = begins_by(fetch.timeline, mac, by, until).await;
}

/// By what iPXE or another loader has the name of a script.
fn fetched_by(name: &str, query: Option<&str>) -> FetchedBy {
    match query.and_then(answer_in) {
        Some(number) => FetchedBy::DhcpUrl(number),
        None if name.ends_with(".ipxe") => FetchedBy::IpxeUrl,
        None => FetchedBy::FileName,
    }
}

/// The same over TFTP, where nothing is taken yet. Returns the machine for which something [`begins`] with the first ACK.
pub(crate) async fn before_ack(
    fetch: Fetch<'_>,
    name: &str,
    arrived: &ArrivedAt<'_>,
) -> Option<Mac> {
    if let Some(mac) = fetch.machine_of_unified(name) {
        return Some(mac);
    }
    let mac = fetch.machine(name)?;
    ask_hook(&fetch, mac, FetchedBy::FileName, arrived).await;
    // What is sent says already what is taken: it has to be known whether it can be.
    write_again(fetch.timeline, mac, deadline()).await;
    Some(mac)
}

/// Tries whether an order can be taken that could not be.
async fn write_again(timeline: &Timeline, mac: Mac, until: tokio::time::Instant) {
    let orders = timeline.machines().orders();
    if orders.is_unwritable(mac)
        && let Ok(alone) = orders.alone(until).await
        && orders.is_unwritable(mac)
    {
        let _ = save_or_undo(timeline, alone, until, |_| ()).await;
    }
}

/// The machine itself has fetched its script: its boot begins, or goes on. Takes what is ordered for it, which is gone
/// from the disk when this ends.
///
/// # Errors
/// It cannot be taken off the disk until then, which is logged, and is not taken.
pub(crate) async fn begins(
    timeline: &Timeline,
    mac: Mac,
    until: tokio::time::Instant,
) -> Result<(), FileError> {
    begins_by(timeline, mac, FetchedBy::FileName, until).await
}

async fn begins_by(
    timeline: &Timeline,
    mac: Mac,
    by: FetchedBy,
    until: tokio::time::Instant,
) -> Result<(), FileError> {
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
    if !orders.is_for_once(mac) {
        orders.fetches_script(mac, by);
        return Ok(());
    }
    // Another fetch of the same script waits until the order is off the disk.
    let alone = orders.alone(until).await?;
    let Some(image) = orders.fetches_script(mac, by) else {
        return Ok(());
    };
    save_or_undo(timeline, alone, until, move |orders| orders.put_back(mac)).await?;
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
async fn ask_hook(fetch: &Fetch<'_>, mac: Mac, by: FetchedBy, arrived: &ArrivedAt<'_>) {
    let Some(hook) = fetch.hook else {
        return;
    };
    let machines = fetch.timeline.machines();
    let order = machines.orders().expected(Some(mac), by);
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
async fn save(timeline: &Timeline) -> Result<(), FileError> {
    let machines = timeline.machines_handle();
    let saved = tokio::task::spawn_blocking(move || machines.orders().save());
    let failed = match saved.await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(failed)) => failed,
        // Its thread has panicked: nobody knows what is on the disk.
        Err(ended) => timeline
            .machines()
            .orders()
            .failure(io::Error::other(ended)),
    };
    warn(timeline, &failed);
    Err(failed)
}

/// The same for a change that stands even if it is not on the disk until then.
///
/// # Errors
/// It could not be written until then, which is logged; a disk that answers later has it all the same.
pub(crate) async fn save_until(
    timeline: &Timeline,
    until: tokio::time::Instant,
) -> Result<(), FileError> {
    match tokio::time::timeout_at(until, save(timeline)).await {
        Ok(saved) => saved,
        Err(_) => {
            let late = timeline.machines().orders().late();
            warn(timeline, &late);
            Err(late)
        }
    }
}

fn warn(timeline: &Timeline, failed: &FileError) {
    if failed.is_first {
        let (file, error) = (failed.file.clone(), failed.error.to_string());
        let warning = Warning::OrdersUnwritable { file, error };
        timeline.server(Event::Warning(warning));
    }
}

/// The same for a change that `undo` takes back where it cannot be written until then. A disk that does not answer may write
/// it later all the same: then it is written again without the change, and nobody else is `alone` before that.
///
/// # Errors
/// It could not be written, and is undone.
pub(crate) async fn save_or_undo(
    timeline: &Timeline,
    alone: Alone,
    until: tokio::time::Instant,
    undo: impl Fn(&Orders) + Clone + Send + 'static,
) -> Result<(), FileError> {
    let (writer, undo_failed) = (timeline.clone(), undo.clone());
    // It goes on if nobody waits for it any more.
    let mut saving = tokio::spawn(async move {
        let saved = save(&writer).await;
        if saved.is_err() {
            undo_failed(writer.machines().orders());
        }
        (saved, alone)
    });
    let orders = timeline.machines().orders();
    match tokio::time::timeout_at(until, &mut saving).await {
        Ok(Ok((saved, _alone))) => saved,
        Ok(Err(ended)) => {
            undo(orders);
            Err(orders.failure(io::Error::other(ended)))
        }
        Err(_) => {
            undo(orders);
            let late = orders.late();
            warn(timeline, &late);
            let writer = timeline.clone();
            tokio::spawn(async move {
                let _alone = saving.await;
                // It is in the log.
                let _ = save(&writer).await;
            });
            Err(late)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::path::Path;
    use std::sync::Arc;

    use netroot_proto::dhcp::emit::{Draft, LONGEST};
    use netroot_proto::dhcp::header::Header;
    use netroot_proto::dhcp::request::Request;
    use netroot_proto::dhcp::{MessageType, code};
    use netroot_proto::pxe::arch::Platform;
    use netroot_proto::pxe::client::Client;

    use super::*;
    use crate::catalog::tests::{ETH0, image, with_rules};
    use crate::serve::artifacts::{BootFiles, Content, Unified};
    use crate::serve::counters::Counters;
    use crate::serve::events::Format;
    use crate::serve::machines::{Asks, Machines};
    use crate::serve::report_tokens::ReportTokens;

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn timeline(state: &Path) -> Timeline {
        let machines = Machines::new();
        assert!(machines.open_orders(state).is_none());
        machines.orders().set_once(A, "rescue").unwrap();
        machines.orders().set_image(B, "debian").unwrap();
        machines.orders().save().unwrap();
        let counters = Arc::new(Counters::default());
        Timeline::new(Format::Text, counters, Arc::new(machines))
    }

    /// A server of these images, all of which are unified kernel images as well.
    fn with_unified(names: &[&str]) -> ArtifactStore {
        let images: Vec<_> = names.iter().map(|name| image(name)).collect();
        let catalog = Arc::new(with_rules(images.clone(), Vec::new()));
        let tokens = Arc::new(ReportTokens::new([0; 16]));
        let artifacts = ArtifactStore::new(catalog, 8069, None, tokens);
        for image in images {
            let content = || Content::Memory(hyper::body::Bytes::from_static(b"any"));
            let files = BootFiles::new(Vec::new());
            let unified = Unified {
                platform: Platform::EfiX64,
                content: content(),
                signature: Vec::new(),
                pcr_11: None,
            };
            artifacts.put_image(image, files.with_unified(Some(unified)));
        }
        artifacts
    }

    /// What is ordered for one boot, as a restarted server reads it.
    fn on_disk(state: &Path) -> Option<String> {
        let machines = Machines::new();
        assert!(machines.open_orders(state).is_none());
        machines.orders().of(A).once
    }

    #[test]
    fn what_a_script_is_fetched_by_is_in_its_url() {
        let ours = "boot/02-00-00-00-00-01.ipxe";
        for (name, query, by) in [
            (ours, Some("dhcp=0000000a&uuid=x"), FetchedBy::DhcpUrl(10)),
            (ours, Some("uuid=x"), FetchedBy::IpxeUrl),
            (ours, None, FetchedBy::IpxeUrl),
            ("pxelinux.cfg/default", None, FetchedBy::FileName),
        ] {
            assert_eq!(fetched_by(name, query), by, "{name} {query:?}");
        }
    }

    /// What iPXE asks DHCP in this transaction.
    fn of_ipxe(transaction: u32, kind: MessageType) -> Request {
        let mut draft = Draft::new(Header::of_client(A, transaction));
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        draft.push(code::CLIENT_ARCH, &7_u16.to_be_bytes());
        draft.push(code::USER_CLASS, b"iPXE");
        Request::read(&draft.emit(LONGEST).bytes).unwrap()
    }

    /// Before, its next boot had the number of the one before, and `boot-once` never ended.
    #[tokio::test]
    async fn where_ipxe_is_the_firmware_one_boot_is_one_boot() {
        const OURS: &str = "boot/02-00-00-00-00-01.ipxe";
        let state = tempfile::tempdir().unwrap();
        let timeline = timeline(state.path());
        let machines = timeline.machines();
        let hears = |transaction, kind| {
            let request = of_ipxe(transaction, kind);
            let client = Client::of(&request);
            let (_, number) = machines.hear(&request, client, "eth0");
            machines.orders().asks_dhcp(A, client);
            format!("dhcp={:08x}&uuid=", number.unwrap())
        };
        let fetches = async |query: &str| {
            machines.hear_query(A, query);
            let by = fetched_by(OURS, Some(query));
            begins_by(&timeline, A, by, deadline()).await.unwrap();
            machines.orders().in_script(Some(A), Asks::Itself).once
        };
        let boots = async |transaction| {
            let offered = hears(transaction, MessageType::Discover);
            let acknowledged = hears(transaction, MessageType::Request);
            assert_eq!(offered, acknowledged, "one boot");
            let first = fetches(&acknowledged).await;
            // Somebody else's message: the same one, or another.
            for transaction in [transaction, transaction + 1] {
                hears(transaction, MessageType::Discover);
                assert_eq!(fetches(&acknowledged).await, first, "it tries again");
                assert_eq!(fetches("uuid=").await, first, "by the script itself");
            }
            first
        };
        assert_eq!(boots(7).await.as_deref(), Some("rescue"));
        // iPXE draws its numbers from the ticks since it was started: the same ones, perhaps.
        for transaction in [7, 7, 8] {
            assert_eq!(boots(transaction).await, None);
        }
    }

    /// Before, an order for one boot was used up by scripts alone, and an image that firmware loads by itself came again and
    /// again.
    #[tokio::test]
    async fn a_unified_kernel_image_is_its_own_script() {
        let state = tempfile::tempdir().unwrap();
        let timeline = timeline(state.path());
        let machines = timeline.machines();
        let artifacts = with_unified(&["debian", "rescue"]);
        let address = IpAddr::from([192, 0, 2, 77]);
        let peer = Peer {
            address,
            on_link: false,
            answers: true,
        };
        machines.learn(address, A, Duration::MAX);
        let orders = machines.orders();
        let fetch = Fetch {
            artifacts: &artifacts,
            timeline: &timeline,
            hook: None,
            peer: &peer,
        };
        orders.set_once(A, "rescue").unwrap();
        let named = |image: &str| format!("images/{image}/program.efi");
        let mounts = || orders.expected_by(Some(A), Client::Init, None).once;
        by_http(fetch, &named("debian"), None, &ETH0).await;
        assert!(
            orders.of(A).once.is_some(),
            "another image's is for the next boot"
        );
        for _ in 0..2 {
            by_http(fetch, &named("rescue"), None, &ETH0).await;
            assert_eq!(orders.of(A).once, None);
            assert_eq!(mounts().as_deref(), Some("rescue"));
        }
        orders.asks_dhcp(A, Client::Pxe(Platform::EfiX64));
        by_http(fetch, &named("debian"), None, &ETH0).await;
        assert_eq!(mounts(), None, "its boot has ended");
        assert_eq!(before_ack(fetch, &named("debian"), &ETH0).await, Some(A));
        assert_eq!(
            before_ack(fetch, "images/debian/vmlinuz", &ETH0).await,
            None
        );
    }

    #[tokio::test]
    async fn an_order_is_off_the_disk_before_the_boot_begins() {
        let state = tempfile::tempdir().unwrap();
        let timeline = timeline(state.path());
        begins(&timeline, A, deadline()).await.unwrap();
        assert_eq!(on_disk(state.path()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_another_change_without_end_and_who_takes_nothing_not_at_all() {
        let state = tempfile::tempdir().unwrap();
        let timeline = timeline(state.path());
        let orders = timeline.machines().orders();
        let another = orders.alone(deadline()).await.unwrap();
        begins(&timeline, B, deadline()).await.unwrap();
        let late = begins(&timeline, A, deadline()).await.unwrap_err();
        assert_eq!(late.error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(orders.of(A).once.as_deref(), Some("rescue"));
        drop(another);
        assert!(orders.alone(deadline()).await.is_ok());
    }

    #[tokio::test]
    #[allow(clippy::await_holding_lock)]
    async fn a_change_that_stands_is_not_waited_for_without_end() {
        let state = tempfile::tempdir().unwrap();
        let timeline = timeline(state.path());
        let orders = timeline.machines().orders();
        let hung = orders.hang();
        orders.clear_once(A);
        let soon = tokio::time::Instant::now() + Duration::from_millis(50);
        let late = save_until(&timeline, soon).await.unwrap_err();
        assert_eq!(late.error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(late.file, state.path().join("orders.json"));
        assert_eq!(orders.of(A).once, None, "it stands");
        drop(hung);
        save_until(&timeline, deadline()).await.unwrap();
        assert_eq!(on_disk(state.path()), None);
    }

    #[tokio::test]
    #[allow(clippy::await_holding_lock)]
    async fn what_a_disk_writes_too_late_is_put_back_there() {
        let state = tempfile::tempdir().unwrap();
        let timeline = timeline(state.path());
        let orders = timeline.machines().orders();
        let hung = orders.hang();
        let soon = tokio::time::Instant::now() + Duration::from_millis(50);
        let late = begins(&timeline, A, soon).await.unwrap_err();
        assert_eq!(late.error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(late.file, state.path().join("orders.json"));
        assert_eq!(orders.of(A).once.as_deref(), Some("rescue"));
        // Until it is written again nobody else takes anything.
        assert!(orders.alone(soon).await.is_err());
        drop(hung);
        let later = tokio::time::Instant::now() + Duration::from_secs(60);
        let alone = orders.alone(later).await.unwrap();
        assert_eq!(on_disk(state.path()).as_deref(), Some("rescue"));
        drop(alone);
        begins(&timeline, A, later).await.unwrap();
        assert_eq!(on_disk(state.path()), None);
    }
}
