use super::set_aside::DECLINED_FOR;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const START: Duration = Duration::from_secs(1_000_000);

fn mac(last: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, last])
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn pool(first: u8, last: u8) -> Pool {
    Pool::new(ip(first), ip(last), vec![ip(1)]).unwrap()
}

#[test]
fn a_machine_keeps_its_address_through_offers_leases_and_expiry() {
    let mut pool = pool(100, 200);
    let address = pool.offer(mac(1), None, START).unwrap();
    assert_eq!(pool.offer(mac(1), None, START), Some(address));
    assert_eq!(pool.take(mac(1), address, HOUR, START), Ok(()));
    assert_eq!(pool.offer(mac(1), None, START + 48 * HOUR), Some(address));
}

#[test]
fn a_server_that_forgot_everything_gives_the_same_addresses_again() {
    let addresses = |()| {
        let mut pool = pool(100, 200);
        (0..20)
            .map(|n| pool.offer(mac(n), None, START))
            .collect::<Vec<_>>()
    };
    assert_eq!(addresses(()), addresses(()));
}

#[test]
fn a_full_range_offers_nothing_until_a_lease_expires() {
    let mut pool = pool(100, 102);
    for n in 0..3 {
        let address = pool.offer(mac(n), None, START).unwrap();
        pool.take(mac(n), address, HOUR * u32::from(n + 1), START)
            .unwrap();
    }
    assert_eq!(pool.offer(mac(9), None, START), None);
    let first = pool.leases.of(mac(0)).unwrap();
    assert_eq!(pool.offer(mac(9), None, START + HOUR), Some(first));
    assert_eq!(
        pool.leases.of(mac(0)),
        Some(first),
        "an offer costs nobody anything"
    );
    pool.take(mac(9), first, HOUR, START + HOUR).unwrap();
    assert_eq!(pool.leases.of(mac(0)), None, "its old owner lost it");
}

#[test]
fn the_address_that_expired_first_is_reused_first() {
    let mut pool = pool(100, 101);
    for (n, hours) in [(0, 2), (1, 1)] {
        let address = pool.offer(mac(n), None, START).unwrap();
        pool.take(mac(n), address, HOUR * hours, START).unwrap();
    }
    let second = pool.leases.of(mac(1)).unwrap();
    assert_eq!(pool.offer(mac(9), None, START + 5 * HOUR), Some(second));
}

#[test]
fn excluded_and_reserved_addresses_are_not_assigned_to_others() {
    let mut pool = Pool::new(ip(1), ip(3), vec![ip(1)]).unwrap();
    pool.keep(&[Kept {
        address: ip(2),
        macs: vec![mac(7)],
    }]);
    assert_eq!(pool.offer(mac(1), Some(ip(1)), START), Some(ip(3)));
    assert_eq!(pool.take(mac(1), ip(3), HOUR, START), Ok(()));
    assert_eq!(pool.offer(mac(2), Some(ip(2)), START), None);
    assert_eq!(pool.offer(mac(7), None, START), Some(ip(2)));
    assert_eq!(pool.take(mac(7), ip(2), HOUR, START), Ok(()));
    assert_eq!(
        pool.take(mac(7), ip(3), HOUR, START),
        Err(Denial::HasAnother(ip(2)))
    );
}

#[test]
fn a_requested_address_is_offered_if_it_is_free() {
    let mut pool = pool(100, 200);
    assert_eq!(pool.offer(mac(1), Some(ip(150)), START), Some(ip(150)));
    assert_ne!(pool.offer(mac(2), Some(ip(150)), START), Some(ip(150)));
    assert_ne!(pool.offer(mac(3), Some(ip(250)), START), Some(ip(250)));
}

#[test]
fn a_denial_gives_its_reason() {
    let mut pool = pool(100, 200);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    assert_eq!(pool.take(mac(2), ip(100), HOUR, START), Err(Denial::InUse));
    assert_eq!(
        pool.take(mac(2), ip(99), HOUR, START),
        Err(Denial::OutOfRange)
    );
    assert_eq!(
        pool.take(mac(1), ip(101), HOUR, START),
        Err(Denial::HasAnother(ip(100)))
    );
}

#[test]
fn only_the_machine_itself_can_decline_its_address() {
    let mut pool = pool(100, 101);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    assert!(!pool.decline(mac(2), ip(100), START));
    assert!(pool.decline(mac(1), ip(100), START));
    assert_eq!(pool.offer(mac(1), Some(ip(100)), START), Some(ip(101)));
    pool.take(mac(1), ip(101), HOUR, START).unwrap();
    assert_eq!(pool.offer(mac(2), None, START), None);
    assert_eq!(
        pool.offer(mac(2), None, START + DECLINED_FOR),
        Some(ip(100))
    );
}

#[test]
fn a_released_address_is_free_but_remembered() {
    let mut pool = pool(100, 101);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    pool.take(mac(2), ip(101), HOUR, START).unwrap();
    assert_eq!(pool.release(mac(1), START), Some(ip(100)));
    assert_eq!(pool.machine_at(ip(100), START), None);
    assert_eq!(pool.offer(mac(1), None, START), Some(ip(100)));
    pool.release(mac(1), START);
    assert_eq!(pool.offer(mac(3), None, START), Some(ip(100)));
    assert_eq!(pool.release(mac(9), START), None);
}

#[test]
fn bindings_survive_a_restart() {
    let mut old = pool(100, 200);
    old.take(mac(1), ip(123), HOUR, START).unwrap();
    let mut new = pool(100, 200);
    old.bindings().for_each(|binding| new.restore(binding));
    assert_eq!(new.offer(mac(1), None, START), Some(ip(123)));
    assert_eq!(new.machine_at(ip(123), START), Some(mac(1)));
}

#[test]
fn ten_thousand_clients_fill_the_range_and_use_no_more_memory() {
    let mut pool = pool(100, 110);
    for n in 0..10_000u16 {
        let [high, low] = n.to_be_bytes();
        pool.offer(
            Mac([2, 0, 0, 0, high, low]),
            None,
            START + Duration::from_secs(u64::from(n)),
        );
    }
    assert!(pool.offers().count() <= 11 && pool.bindings().count() == 0);
}

#[test]
fn an_invalid_range_is_refused() {
    let reversed = Pool::new(ip(9), ip(8), vec![]).unwrap_err();
    assert_eq!(
        reversed.to_string(),
        "the range 10.0.0.9-10.0.0.8 ends before it starts"
    );
    assert!(matches!(
        Pool::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, vec![]),
        Err(RangeError::TooLarge { .. })
    ));
}

#[test]
fn changes_are_told_once_with_the_lease_that_an_address_has_now() {
    let mut pool = pool(100, 101);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    let changes = pool.take_changes();
    let [(address, Some(binding))] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!((*address, binding.mac), (ip(100), mac(1)));
    assert_eq!(pool.take_changes(), []);
    // Another machine needs the expired address, and its former owner gets the other one.
    let later = START + HOUR * 2;
    pool.take(mac(2), ip(100), HOUR, later).unwrap();
    pool.take(mac(1), ip(101), HOUR, later).unwrap();
    pool.offer(mac(3), None, later);
    let mut changes = pool.take_changes();
    changes.sort_by_key(|(address, _)| *address);
    let owners = changes.iter().map(|(_, binding)| binding.unwrap().mac);
    assert!(owners.eq([mac(2), mac(1)]));
    pool.release(mac(1), later);
    let released = Binding {
        address: ip(101),
        mac: mac(1),
        expires: later,
    };
    assert_eq!(pool.take_changes(), [(ip(101), Some(released))]);
    pool.restore(changes[0].1.unwrap());
    assert_eq!(pool.take_changes(), [], "the disk has these");
}

#[test]
fn a_request_is_granted_although_the_address_was_offered_to_another_machine() {
    let mut pool = pool(100, 100);
    assert_eq!(pool.offer(mac(1), None, START), Some(ip(100)));
    assert_eq!(pool.offer(mac(2), None, START), Some(ip(100)));
    assert_eq!(pool.take(mac(1), ip(100), HOUR, START), Ok(()));
    assert_eq!(pool.take(mac(2), ip(100), HOUR, START), Err(Denial::InUse));
}

#[test]
fn a_flood_of_discovers_costs_no_machine_its_address_and_no_newcomer_an_offer() {
    let mut pool = pool(100, 110);
    pool.take(mac(1), ip(105), HOUR, START).unwrap();
    let later = START + 2 * HOUR;
    for n in 0..10_000u16 {
        let [high, low] = n.to_be_bytes();
        let random = Mac([2, 9, 9, 9, high, low]);
        assert!(pool.offer(random, None, later).is_some());
    }
    assert_eq!(pool.offer(mac(1), None, later), Some(ip(105)));
    assert!(pool.offer(mac(2), None, later).is_some());
}

#[test]
fn offers_that_were_not_requested_are_used_again_before_the_addresses_of_others() {
    let mut pool = pool(100, 101);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    let later = START + 2 * HOUR;
    assert_eq!(pool.offer(mac(2), None, later), Some(ip(101)));
    let just = later + Duration::from_secs(1);
    assert_eq!(pool.offer(mac(3), None, just), Some(ip(100)));
    pool.withdraw_offer(mac(3));
    let seconds = later + choice::RECYCLE_AFTER;
    assert_eq!(pool.offer(mac(3), None, seconds), Some(ip(101)));
}

#[test]
fn a_released_address_is_given_to_others_last() {
    let mut pool = pool(100, 102);
    pool.take(mac(1), ip(101), HOUR, START).unwrap();
    pool.take(mac(2), ip(102), HOUR, START).unwrap();
    pool.release(mac(2), START);
    let later = START + Duration::from_secs(60);
    pool.release(mac(1), later);
    assert_eq!(pool.offer(mac(3), None, later), Some(ip(100)));
    pool.take(mac(3), ip(100), HOUR, later).unwrap();
    assert_eq!(pool.offer(mac(4), None, later), Some(ip(102)));
    assert_eq!(pool.offer(mac(2), None, later), Some(ip(102)), "its own");
}

#[test]
fn declining_address_after_address_does_not_empty_the_range() {
    let mut pool = pool(100, 139);
    for n in 0..200u8 {
        let now = START + Duration::from_secs(u64::from(n));
        // One machine, then many.
        let mac = mac(n.saturating_sub(100));
        let address = pool.offer(mac, None, now).unwrap();
        pool.take(mac, address, HOUR, now).unwrap();
        assert!(pool.decline(mac, address, now));
        assert!(pool.set_aside() <= if n < 100 { 3 } else { 5 });
    }
}

#[test]
fn a_machine_that_renews_did_not_decline_its_address() {
    let mut pool = pool(100, 101);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    assert!(pool.decline(mac(1), ip(100), START));
    assert_eq!(pool.take(mac(2), ip(100), HOUR, START), Err(Denial::InUse));
    assert_eq!(pool.take(mac(1), ip(100), HOUR, START), Ok(()));
    assert_eq!(pool.set_aside(), 0);
}

/// Lets `seconds` pass. `users` answer ARP for their addresses. Returns the users that were not known before.
fn probe(pool: &mut Pool, users: &[(u8, Mac)], now: &mut Duration, seconds: u64) -> Vec<u8> {
    let end = *now + Duration::from_secs(seconds);
    let mut found = Vec::new();
    while *now < end {
        for address in pool.probes_due(*now) {
            for (last, user) in users.iter().filter(|(last, _)| ip(*last) == address) {
                if pool.heard(address, *user, *now) {
                    found.push(*last);
                }
            }
        }
        let next = pool.next_probe().unwrap();
        *now = next.max(*now + Duration::from_millis(1)).min(end);
    }
    found
}

fn probed(first: u8, last: u8) -> Pool {
    let mut pool = pool(first, last);
    pool.probe_addresses();
    pool
}

#[test]
fn an_address_that_answers_is_not_offered_until_it_is_silent() {
    let (mut pool, mut now) = (probed(100, 101), START);
    let printer = (100, mac(0xff));
    assert_eq!(probe(&mut pool, &[printer], &mut now, 5), [100]);
    for n in 1..9 {
        assert_eq!(pool.offer(mac(n), Some(ip(100)), now), Some(ip(101)));
    }
    assert_eq!(pool.take(mac(1), ip(100), HOUR, now), Err(Denial::InUse));
    assert_eq!(pool.take(mac(2), ip(101), HOUR, now), Ok(()));
    assert_eq!(pool.offer(mac(1), None, now), None);
    // It is told once, however long it answers.
    assert_eq!(probe(&mut pool, &[printer], &mut now, 600), []);
    assert_eq!(pool.offer(mac(1), None, now), None);
    probe(&mut pool, &[], &mut now, 120);
    assert_eq!(pool.offer(mac(1), None, now), Some(ip(100)));
}

#[test]
fn the_first_offer_does_not_wait_and_is_refused_at_the_request_if_somebody_answers() {
    let (mut pool, mut now) = (probed(100, 100), START);
    assert_eq!(pool.offer(mac(1), None, now), Some(ip(100)));
    let found = probe(&mut pool, &[(100, mac(0xff))], &mut now, 1);
    assert_eq!(found, [100]);
    assert_eq!(pool.take(mac(1), ip(100), HOUR, now), Err(Denial::InUse));
}

#[test]
fn a_machine_that_answers_for_every_address_leaves_most_of_them() {
    // Before, no machine got an address.
    let (mut pool, mut now) = (probed(100, 199), START);
    let everything: Vec<_> = (100..200).map(|last| (last, mac(0xff))).collect();
    let found = probe(&mut pool, &everything, &mut now, 300);
    assert_eq!((found.len(), pool.set_aside()), (12, 12));
    for n in 1..=88 {
        let address = pool.offer(mac(n), None, now).unwrap();
        assert_eq!(pool.take(mac(n), address, HOUR, now), Ok(()));
    }
    assert_eq!(pool.offer(mac(89), None, now), None);
}

#[test]
fn a_probed_address_is_offered_before_the_first_choice() {
    let mut reference = pool(100, 199);
    let first = reference.offer(mac(1), None, START).unwrap();
    let (mut pool, mut now) = (probed(100, 199), START);
    probe(&mut pool, &[], &mut now, 30);
    assert_eq!(
        pool.offer(mac(1), None, now),
        Some(first),
        "all are probed, so the first choice is as without probes"
    );
    let (mut pool, mut now) = (probed(100, 199), START);
    pool.offer(mac(7), Some(ip(150)), now);
    probe(&mut pool, &[], &mut now, 2);
    pool.withdraw_offer(mac(7));
    // Some are probed, not all.
    let address = pool.offer(mac(1), None, now).unwrap();
    assert!(pool.is_silent(address, now), "{address}");
}

#[test]
fn a_machine_that_claims_a_leased_address_costs_its_owner_nothing() {
    let (mut pool, mut now) = (probed(100, 101), START);
    probe(&mut pool, &[], &mut now, 5);
    let address = pool.offer(mac(1), None, now).unwrap();
    pool.take(mac(1), address, HOUR, now).unwrap();
    for user in [mac(1), mac(9)] {
        assert!(!pool.heard(address, user, now));
    }
    assert_eq!(
        probe(&mut pool, &[(address.octets()[3], mac(9))], &mut now, 99),
        []
    );
    assert_eq!(pool.take(mac(1), address, HOUR, now), Ok(()));
}

/// Whether or not the RELEASE or the DECLINE is the machine's own: its address is given to nobody
/// while it answers, and is its own when it renews.
#[test]
fn an_address_whose_lease_ended_is_given_to_others_only_after_a_silent_probe() {
    for forged in [
        (|pool: &mut Pool, now| pool.release(mac(1), now).is_some())
            as fn(&mut Pool, Duration) -> bool,
        |pool: &mut Pool, now| pool.decline(mac(1), ip(100), now),
    ] {
        let (mut pool, mut now) = (probed(100, 100), START);
        pool.take(mac(1), ip(100), HOUR, now).unwrap();
        assert!(forged(&mut pool, now));
        assert_eq!(pool.offer(mac(2), Some(ip(100)), now), None);
        assert_eq!(pool.take(mac(2), ip(100), HOUR, now), Err(Denial::InUse));
        let user = [(100, mac(1))];
        assert_eq!(probe(&mut pool, &user, &mut now, 900), [], "no stranger");
        assert_eq!(pool.offer(mac(2), Some(ip(100)), now), None);
        assert_eq!(pool.take(mac(2), ip(100), HOUR, now), Err(Denial::InUse));
        assert_eq!(pool.take(mac(1), ip(100), HOUR, now), Ok(()), "it renews");
        // It is gone, and so is its lease.
        now += HOUR;
        assert_eq!(pool.offer(mac(2), None, now), None);
        probe(&mut pool, &[], &mut now, 10);
        assert_eq!(pool.offer(mac(2), None, now), Some(ip(100)));
    }
}

#[test]
fn what_is_heard_without_a_probe_sets_nothing_aside() {
    let (mut pool, mut now) = (probed(100, 199), START);
    probe(&mut pool, &[], &mut now, 30);
    for last in 100..200 {
        assert!(!pool.heard(ip(last), mac(0xff), now));
    }
    assert_eq!(pool.set_aside(), 0);
    probe(&mut pool, &[], &mut now, 30);
    assert_eq!(pool.set_aside(), 0);
    assert!(pool.offer(mac(1), None, now).is_some());
}

#[test]
fn probes_are_few_however_many_machines_ask() {
    let last = Ipv4Addr::new(10, 0, 255, 254);
    let mut pool = Pool::new(ip(1), last, vec![]).unwrap();
    pool.probe_addresses();
    let mut sent = 0;
    for millisecond in (0..10_000u32).step_by(5) {
        let [_, b, c, d] = millisecond.to_be_bytes();
        let now = START + Duration::from_millis(millisecond.into());
        assert!(pool.offer(Mac([2, 9, 9, b, c, d]), None, now).is_some());
        sent += pool.probes_due(now).len();
    }
    assert!((256..=1600).contains(&sent), "{sent} in ten seconds");
}
