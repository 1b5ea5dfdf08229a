use std::sync::Arc;
use std::thread;

use netroot_proto::pxe::arch::Platform;
use proptest::prelude::*;

use super::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
const FIRMWARE: Client = Client::Pxe(Platform::EfiX64);
const IPXE: Client = Client::Ipxe(Platform::EfiX64);

/// The image for one boot in the script that the machine itself fetches now.
fn fetch(orders: &Orders, mac: Mac) -> Option<String> {
    fetch_by(orders, mac, FetchedBy::FileName)
}

fn fetch_by(orders: &Orders, mac: Mac, by: FetchedBy) -> Option<String> {
    orders.fetches_script(mac, by);
    orders.in_script(Some(mac), Asks::Itself).once
}

fn once() -> Orders {
    let orders = Orders::default();
    orders.set_once(A, "rescue").unwrap();
    orders
}

#[test]
fn an_image_for_one_boot_is_taken_by_the_machine_itself_and_no_other() {
    let orders = once();
    assert_eq!(orders.in_script(Some(A), Asks::Another).once, None);
    assert_eq!(fetch(&orders, B), None);
    let expected = |mac| orders.expected(Some(mac), FetchedBy::IpxeUrl).once;
    assert_eq!(expected(A).as_deref(), Some("rescue"), "before it is taken");
    assert_eq!(fetch(&orders, A).as_deref(), Some("rescue"));
    assert_eq!(
        expected(A).as_deref(),
        Some("rescue"),
        "its init asks DHCP too"
    );
    let another = orders.in_script(Some(A), Asks::Another);
    assert_eq!(another, Ordered::default());
    assert_eq!(orders.in_script(None, Asks::Itself), Ordered::default());
}

#[test]
fn within_one_boot_the_answer_is_the_same_and_the_next_boot_has_another() {
    let orders = once();
    for client in [FIRMWARE, FIRMWARE, IPXE] {
        orders.asks_dhcp(A, client);
    }
    for _ in 0..3 {
        assert_eq!(fetch(&orders, A).as_deref(), Some("rescue"));
        // Some scripts configure the NIC again before they try again; the init and the root's system ask, too.
        for client in [IPXE, Client::Init, Client::Plain] {
            orders.asks_dhcp(A, client);
        }
    }
    orders.asks_dhcp(A, FIRMWARE);
    assert_eq!(fetch(&orders, A), None);
    // Where iPXE is the firmware, its question begins a boot.
    orders.set_once(A, "rescue").unwrap();
    orders.asks_dhcp(A, IPXE);
    assert!(fetch(&orders, A).is_some() && fetch(&orders, A).is_some());
    orders.asks_dhcp(A, IPXE);
    assert_eq!(fetch(&orders, A), None);
    // An order during a boot is for the next one.
    orders.set_once(A, "rescue").unwrap();
    assert!(fetch(&orders, A).is_some());
    orders.set_once(A, "memtest").unwrap();
    assert_eq!(fetch(&orders, A).as_deref(), Some("memtest"));
}

#[test]
fn a_dhcp_message_in_its_name_does_not_end_a_boot() {
    let orders = once();
    // Its firmware loads a loader from here, as in every boot.
    let boots = || {
        orders.asks_dhcp(A, FIRMWARE);
        orders.fetches_loader(A);
        orders.asks_dhcp(A, IPXE);
        fetch(&orders, A)
    };
    assert_eq!(boots().as_deref(), Some("rescue"));
    // Somebody else's. Its loader tries again.
    orders.asks_dhcp(A, FIRMWARE);
    let expected = || orders.expected(Some(A), FetchedBy::IpxeUrl).once;
    assert_eq!(expected().as_deref(), Some("rescue"));
    let by_firmware = orders.expected_by(Some(A), FIRMWARE, None);
    assert_eq!(by_firmware.once, None, "who asks begins a boot");
    assert_eq!(fetch(&orders, A).as_deref(), Some("rescue"));
    assert_eq!(boots(), None);
    // What is loaded from elsewhere from now on is not waited for twice.
    orders.set_once(A, "rescue").unwrap();
    assert!(boots().is_some());
    let elsewhere = || {
        orders.asks_dhcp(A, FIRMWARE);
        fetch(&orders, A)
    };
    assert!(elsewhere().is_some());
    assert_eq!(elsewhere(), None);
}

/// It is loaded by firmware, and fetches no script.
#[test]
fn an_order_for_once_is_used_up_by_a_unified_kernel_image_and_ended_by_the_next() {
    let orders = once();
    let boots = || {
        orders.asks_dhcp(A, FIRMWARE);
        let named = orders.expected_by(Some(A), FIRMWARE, None).once;
        orders.fetches_loader(A);
        fetch(&orders, A);
        // Firmware that asks by HTTP in several parts.
        orders.fetches_loader(A);
        fetch(&orders, A);
        orders.asks_dhcp(A, Client::Init);
        let mounts = orders.expected_by(Some(A), Client::Init, None).once;
        assert_eq!(named, mounts, "the kernel and its root are one image's");
        mounts
    };
    assert_eq!(boots().as_deref(), Some("rescue"));
    assert_eq!(boots(), None);
    // After one that a script booted, too.
    orders.set_once(A, "rescue").unwrap();
    orders.asks_dhcp(A, FIRMWARE);
    orders.fetches_loader(A);
    orders.asks_dhcp(A, IPXE);
    assert!(fetch(&orders, A).is_some());
    assert_eq!(boots(), None);
}

/// Before, a DISCOVER that somebody else sent in its name ended the boot as soon as its script tried again.
#[test]
fn what_an_answer_of_dhcp_began_ends_with_another_answer() {
    let orders = once();
    let fetch = |by| fetch_by(&orders, A, by);
    // iPXE is the firmware.
    orders.asks_dhcp(A, IPXE);
    assert!(fetch(FetchedBy::DhcpUrl(1)).is_some());
    for forged in [IPXE, FIRMWARE] {
        for by in [FetchedBy::IpxeUrl, FetchedBy::DhcpUrl(1)] {
            orders.asks_dhcp(A, forged);
            let expected = orders.expected(Some(A), FetchedBy::IpxeUrl).once;
            assert_eq!(expected.as_deref(), Some("rescue"), "status says so, too");
            for client in [Client::Init, Client::Plain] {
                let expected = orders.expected_by(Some(A), client, None).once;
                assert_eq!(expected.as_deref(), Some("rescue"), "{client:?}");
            }
            assert_eq!(fetch(by).as_deref(), Some("rescue"), "{forged:?} {by:?}");
        }
    }
    orders.asks_dhcp(A, IPXE);
    let answered = |number| orders.expected_by(Some(A), IPXE, Some(number)).once;
    assert_eq!(answered(1).as_deref(), Some("rescue"));
    assert_eq!(answered(2), None, "as its script says then");
    assert_eq!(fetch(FetchedBy::DhcpUrl(2)), None);
    // Firmware that loads its loader from elsewhere.
    orders.set_once(A, "rescue").unwrap();
    let boots = |number| {
        orders.asks_dhcp(A, FIRMWARE);
        orders.asks_dhcp(A, IPXE);
        fetch(FetchedBy::DhcpUrl(number))
    };
    assert!(boots(3).is_some());
    assert_eq!(boots(4), None);
    // And another loader than before.
    orders.set_once(A, "rescue").unwrap();
    assert!(boots(5).is_some());
    orders.asks_dhcp(A, FIRMWARE);
    assert_eq!(fetch(FetchedBy::FileName), None);
}

#[test]
fn an_order_that_cannot_be_taken_off_the_disk_is_not_taken_and_waits() {
    let state = tempfile::tempdir().unwrap();
    let (orders, _) = Orders::open(state.path());
    orders.set_once(A, "rescue").unwrap();
    orders.save().unwrap();
    let may_be = || orders.in_script(Some(A), Asks::MaybeItself).once;
    assert_eq!(may_be().as_deref(), Some("rescue"));
    // Its new file cannot be made.
    let new = state.path().join("orders.json.new");
    std::fs::create_dir(&new).unwrap();
    for is_first in [true, false] {
        let taken = orders.fetches_script(A, FetchedBy::FileName);
        assert_eq!(taken.is_some(), is_first);
        let failed = orders.save().unwrap_err();
        assert_eq!(failed.is_first, is_first, "told once");
        orders.put_back(A);
        assert_eq!((may_be(), fetch(&orders, A)), (None, None));
    }
    assert!(orders.is_unwritable(A));
    std::fs::remove_dir(&new).unwrap();
    orders.save().unwrap();
    assert!(!orders.is_unwritable(A));
    assert_eq!(fetch(&orders, A).as_deref(), Some("rescue"));
}

#[test]
fn an_order_that_cannot_be_written_is_undone() {
    let orders = once();
    let before = orders.before(A);
    orders.set_once(A, "memtest").unwrap();
    orders.restore(A, before);
    assert_eq!(orders.of(A).once.as_deref(), Some("rescue"));
    let before = orders.before(B);
    orders.set_image(B, "debian").unwrap();
    orders.restore(B, before);
    assert!(!orders.has(B));
}

#[test]
fn of_many_fetches_at_once_one_takes_it_and_all_get_it() {
    for _ in 0..50 {
        let orders = Arc::new(once());
        let fetches = (0..8).map(|number| {
            let orders = Arc::clone(&orders);
            thread::spawn(move || {
                let mac = if number % 2 == 0 { A } else { B };
                let taken = orders.fetches_script(mac, FetchedBy::FileName);
                (mac, taken, orders.in_script(Some(mac), Asks::Itself).once)
            })
        });
        let fetches: Vec<_> = fetches.collect();
        let fetches = fetches.into_iter().map(|thread| thread.join().unwrap());
        let fetches: Vec<_> = fetches.collect();
        assert_eq!(
            fetches
                .iter()
                .filter(|(_, taken, _)| taken.is_some())
                .count(),
            1
        );
        for (mac, _, once) in fetches {
            assert_eq!(once.is_some(), mac == A);
        }
    }
}

#[test]
fn a_restart_neither_forgets_an_order_nor_boots_it_twice() {
    let state = tempfile::tempdir().unwrap();
    let open = || {
        let (orders, error) = Orders::open(state.path());
        assert!(error.is_none(), "{error:?}");
        orders
    };
    let before = open();
    before.set_once(A, "rescue").unwrap();
    before.set_image(B, "debian").unwrap();
    before.save().unwrap();
    let after = open();
    assert_eq!(fetch(&after, A).as_deref(), Some("rescue"));
    after.save().unwrap();
    let last = open();
    assert_eq!(fetch(&last, A), None);
    assert_eq!(
        last.expected(Some(B), FetchedBy::IpxeUrl).image.as_deref(),
        Some("debian")
    );
    last.clear_image(B);
    last.clear_once(B);
    assert_eq!(last.of(B), Order::default());
    last.save().unwrap();
    assert!(open().expected(Some(B), FetchedBy::IpxeUrl).image.is_none());

    std::fs::write(state.path().join("orders.json"), "{\"x\": {}}").unwrap();
    let (empty, error) = Orders::open(state.path());
    assert!(empty.all().is_empty() && error.is_some());
    assert!(state.path().join("orders.json.unreadable").exists());
}

#[test]
fn a_machine_goes_back_after_three_failed_attempts_of_what_was_ordered() {
    let orders = Orders::default();
    orders.set_image(A, "old").unwrap();
    orders.fetches_script(A, FetchedBy::FileName);
    assert!(orders.booted(A) && !orders.booted(A));
    // What it still runs, or fails to, is not what is ordered now.
    orders.set_image(A, "new").unwrap();
    assert_eq!(orders.failed(A, "boot 1", 9), None);
    assert!(!orders.booted(A));
    orders.fetches_script(A, FetchedBy::FileName);
    assert_eq!(orders.failed(A, "boot 2", 1), None);
    assert_eq!(orders.failed(A, "boot 2", 1), None, "the same again");
    assert_eq!(orders.failed(A, "boot 2", 2), None);
    let back = orders.failed(A, "boot 3", 1).unwrap();
    assert_eq!(
        (back.failed.as_str(), back.to.as_deref()),
        ("new", Some("old"))
    );
    let ordered = orders.expected(Some(A), FetchedBy::IpxeUrl);
    assert!(ordered.after_failure && ordered.image.as_deref() == Some("old"));
    // What is known to boot is not given up.
    orders.fetches_script(A, FetchedBy::FileName);
    assert_eq!(orders.failed(A, "boot 4", 100), None);

    // Without one before, the configuration decides.
    orders.set_image(B, "new").unwrap();
    orders.fetches_script(B, FetchedBy::FileName);
    let back = orders.failed(B, "boot 1", 3).unwrap();
    assert_eq!((back.to, orders.of(B).image), (None, None));
}

#[test]
fn an_image_on_trial_is_nothing_to_go_back_to() {
    let orders = Orders::default();
    for image in ["one", "two", "two"] {
        orders.set_image(A, image).unwrap();
    }
    orders.fetches_script(A, FetchedBy::FileName);
    let back = orders.failed(A, "boot", 3).unwrap();
    assert_eq!((back.failed.as_str(), back.to), ("two", None));
}

#[test]
fn what_fails_in_its_one_boot_is_over() {
    let orders = once();
    orders.set_image(A, "debian").unwrap();
    assert!(fetch(&orders, A).is_some());
    let back = orders.failed(A, "boot", 1).unwrap();
    assert_eq!(back.to.as_deref(), Some("debian"));
    assert_eq!(fetch(&orders, A), None);
    assert!(orders.of(A).trial.is_none() || orders.booted(A));
}

#[test]
fn the_number_of_machines_is_bounded() {
    let orders = Orders::default();
    let all = (0..MOST + 10).map(|number| {
        let [.., c, d] = number.to_be_bytes();
        orders.set_once(Mac([2, 0, 0, 0, c, d]), "any")
    });
    assert_eq!(all.filter(|set| *set == Err(TooMany)).count(), 10);
}

proptest! {
    /// Whatever happens in whatever order, an order is taken at most once, and by its machine.
    #[test]
    fn no_order_is_taken_twice(steps in proptest::collection::vec(0..12_u8, 0..60)) {
        let orders = Orders::default();
        let (mut ordered, mut taken) = (0, 0);
        for step in steps {
            match step {
                0 => {
                    if orders.all().values().all(|it| it.once.is_none()) {
                        ordered += 1;
                    }
                    orders.set_once(A, "rescue").unwrap();
                }
                1 => taken += usize::from(orders.fetches_script(A, FetchedBy::FileName).is_some()),
                9 => taken += usize::from(orders.fetches_script(A, FetchedBy::IpxeUrl).is_some()),
                10 => taken += usize::from(orders.fetches_script(A, FetchedBy::DhcpUrl(1)).is_some()),
                11 => taken += usize::from(orders.fetches_script(A, FetchedBy::DhcpUrl(2)).is_some()),
                2 => assert!(orders.fetches_script(B, FetchedBy::FileName).is_none()),
                3 => orders.asks_dhcp(A, FIRMWARE),
                4 => orders.asks_dhcp(A, IPXE),
                5 => orders.asks_dhcp(A, Client::Init),
                6 => orders.fetches_loader(A),
                7 => {
                    // Nobody saw it: the script was not handed out.
                    if orders.fetches_script(A, FetchedBy::FileName).is_some() {
                        orders.put_back(A);
                    }
                }
                _ => {
                    let _ = orders.failed(A, "boot", 1);
                }
            }
            prop_assert!(taken <= ordered);
        }
    }
}
