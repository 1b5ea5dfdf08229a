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
fn fetch(assignments: &Assignments, mac: Mac) -> Option<String> {
    assignments.fetches_script(mac);
    assignments.in_script(Some(mac), Asks::Itself).once
}

fn once() -> Assignments {
    let assignments = Assignments::default();
    assignments.set_once(A, "rescue").unwrap();
    assignments
}

#[test]
fn an_image_for_one_boot_is_taken_by_the_machine_itself_and_no_other() {
    let assignments = once();
    assert_eq!(assignments.in_script(Some(A), Asks::Another).once, None);
    assert_eq!(fetch(&assignments, B), None);
    let expected = |mac| assignments.expected(Some(mac)).once;
    assert_eq!(expected(A).as_deref(), Some("rescue"), "before it is taken");
    assert_eq!(fetch(&assignments, A).as_deref(), Some("rescue"));
    assert_eq!(
        expected(A).as_deref(),
        Some("rescue"),
        "its init asks DHCP too"
    );
    assert_eq!(assignments.in_script(Some(A), Asks::Another).once, None);
    assert_eq!(
        assignments.in_script(None, Asks::Itself),
        Assigned::default()
    );
}

#[test]
fn within_one_boot_the_answer_is_the_same_and_the_next_boot_has_another() {
    let assignments = once();
    for client in [FIRMWARE, FIRMWARE, IPXE] {
        assignments.asks_dhcp(A, client);
    }
    for _ in 0..3 {
        assert_eq!(fetch(&assignments, A).as_deref(), Some("rescue"));
        // Some scripts configure the NIC again before they try again; the init and the root's system ask, too.
        for client in [IPXE, Client::Init, Client::Plain] {
            assignments.asks_dhcp(A, client);
        }
    }
    assignments.asks_dhcp(A, FIRMWARE);
    assert_eq!(fetch(&assignments, A), None);
    // Where iPXE is the firmware, its question begins a boot.
    assignments.set_once(A, "rescue").unwrap();
    assignments.asks_dhcp(A, IPXE);
    assert!(fetch(&assignments, A).is_some() && fetch(&assignments, A).is_some());
    assignments.asks_dhcp(A, IPXE);
    assert_eq!(fetch(&assignments, A), None);
    // An order during a boot is for the next one.
    assignments.set_once(A, "rescue").unwrap();
    assert!(fetch(&assignments, A).is_some());
    assignments.set_once(A, "memtest").unwrap();
    assert_eq!(fetch(&assignments, A).as_deref(), Some("memtest"));
}

#[test]
fn of_many_fetches_at_once_one_takes_it_and_all_get_it() {
    for _ in 0..50 {
        let assignments = Arc::new(once());
        let fetches = (0..8).map(|number| {
            let assignments = Arc::clone(&assignments);
            thread::spawn(move || {
                let mac = if number % 2 == 0 { A } else { B };
                let taken = assignments.fetches_script(mac);
                (
                    mac,
                    taken,
                    assignments.in_script(Some(mac), Asks::Itself).once,
                )
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
        let (assignments, error) = Assignments::open(state.path());
        assert!(error.is_none(), "{error:?}");
        assignments
    };
    let before = open();
    before.set_once(A, "rescue").unwrap();
    before.assign(B, "debian").unwrap();
    before.save().unwrap();
    let after = open();
    assert_eq!(fetch(&after, A).as_deref(), Some("rescue"));
    after.save().unwrap();
    let last = open();
    assert_eq!(fetch(&last, A), None);
    assert_eq!(last.expected(Some(B)).image.as_deref(), Some("debian"));
    last.clear_image(B);
    last.clear_once(B);
    assert_eq!(last.of(B), Assignment::default());
    last.save().unwrap();
    assert!(open().expected(Some(B)).image.is_none());

    std::fs::write(state.path().join("assignments.json"), "{\"x\": {}}").unwrap();
    let (empty, error) = Assignments::open(state.path());
    assert!(empty.all().is_empty() && error.is_some());
    assert!(state.path().join("assignments.json.unreadable").exists());
}

#[test]
fn a_machine_goes_back_after_three_failed_attempts_of_what_was_assigned() {
    let assignments = Assignments::default();
    assignments.assign(A, "old").unwrap();
    assignments.fetches_script(A);
    assert!(assignments.booted(A) && !assignments.booted(A));
    // What it still runs, or fails to, is not what is assigned now.
    assignments.assign(A, "new").unwrap();
    assert_eq!(assignments.failed(A, "boot 1", 9), None);
    assert!(!assignments.booted(A));
    assignments.fetches_script(A);
    assert_eq!(assignments.failed(A, "boot 2", 1), None);
    assert_eq!(assignments.failed(A, "boot 2", 1), None, "the same again");
    assert_eq!(assignments.failed(A, "boot 2", 2), None);
    let back = assignments.failed(A, "boot 3", 1).unwrap();
    assert_eq!(
        (back.failed.as_str(), back.to.as_deref()),
        ("new", Some("old"))
    );
    let assigned = assignments.expected(Some(A));
    assert!(assigned.after_failure && assigned.image.as_deref() == Some("old"));
    // What is known to boot is not given up.
    assignments.fetches_script(A);
    assert_eq!(assignments.failed(A, "boot 4", 100), None);

    // Without one before, the configuration decides.
    assignments.assign(B, "new").unwrap();
    assignments.fetches_script(B);
    let back = assignments.failed(B, "boot 1", 3).unwrap();
    assert_eq!((back.to, assignments.expected(Some(B)).image), (None, None));
}

#[test]
fn an_image_on_trial_is_nothing_to_go_back_to() {
    let assignments = Assignments::default();
    for image in ["one", "two", "two"] {
        assignments.assign(A, image).unwrap();
    }
    assignments.fetches_script(A);
    let back = assignments.failed(A, "boot", 3).unwrap();
    assert_eq!((back.failed.as_str(), back.to), ("two", None));
}

#[test]
fn what_fails_in_its_one_boot_is_over() {
    let assignments = once();
    assignments.assign(A, "debian").unwrap();
    assert!(fetch(&assignments, A).is_some());
    let back = assignments.failed(A, "boot", 1).unwrap();
    assert_eq!(back.to.as_deref(), Some("debian"));
    assert_eq!(fetch(&assignments, A), None);
    assert!(assignments.of(A).trial.is_none() || assignments.booted(A));
}

#[test]
fn the_number_of_machines_is_bounded() {
    let assignments = Assignments::default();
    let all = (0..MOST + 10).map(|number| {
        let [.., c, d] = number.to_be_bytes();
        assignments.set_once(Mac([2, 0, 0, 0, c, d]), "any")
    });
    assert_eq!(all.filter(|set| *set == Err(TooMany)).count(), 10);
}

proptest! {
    /// Whatever happens in whatever order, an order is taken at most once, and by its machine.
    #[test]
    fn no_order_is_taken_twice(steps in proptest::collection::vec(0..7_u8, 0..60)) {
        let assignments = Assignments::default();
        let (mut ordered, mut taken) = (0, 0);
        for step in steps {
            match step {
                0 => {
                    if assignments.all().values().all(|it| it.once.is_none()) {
                        ordered += 1;
                    }
                    assignments.set_once(A, "rescue").unwrap();
                }
                1 => taken += usize::from(assignments.fetches_script(A).is_some()),
                2 => assert!(assignments.fetches_script(B).is_none()),
                3 => assignments.asks_dhcp(A, FIRMWARE),
                4 => assignments.asks_dhcp(A, IPXE),
                5 => assignments.asks_dhcp(A, Client::Init),
                _ => {
                    let _ = assignments.failed(A, "boot", 1);
                }
            }
            prop_assert!(taken <= ordered);
        }
    }
}
