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
    let first = *pool.by_mac.get(&mac(0)).unwrap();
    assert_eq!(pool.offer(mac(9), None, START + HOUR), Some(first));
    assert_eq!(pool.by_mac.get(&mac(0)), None, "its old owner lost it");
}

#[test]
fn the_address_that_expired_first_is_reused_first() {
    let mut pool = pool(100, 101);
    for (n, hours) in [(0, 2), (1, 1)] {
        let address = pool.offer(mac(n), None, START).unwrap();
        pool.take(mac(n), address, HOUR * hours, START).unwrap();
    }
    let second = *pool.by_mac.get(&mac(1)).unwrap();
    assert_eq!(pool.offer(mac(9), None, START + 5 * HOUR), Some(second));
}

#[test]
fn excluded_and_reserved_addresses_are_not_assigned_to_others() {
    let mut pool = Pool::new(ip(1), ip(3), vec![ip(1)]).unwrap();
    pool.reserve(mac(7), ip(2));
    assert_eq!(pool.offer(mac(1), Some(ip(1)), START), Some(ip(3)));
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
        pool.offer(mac(2), None, START + DECLINE_HOLD),
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
    old.bindings().for_each(|binding| new.restore(*binding));
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
    assert!(pool.by_address.len() <= 11 && pool.by_mac.len() <= 11);
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
fn changes_are_told_once_with_what_an_address_has_now() {
    let mut pool = pool(100, 101);
    pool.take(mac(1), ip(100), HOUR, START).unwrap();
    let changes = pool.take_changes();
    let [(address, Some(binding))] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!((*address, binding.mac), (ip(100), Some(mac(1))));
    assert_eq!(pool.take_changes(), []);
    // Another machine needs the expired address, and its former owner gets the other one.
    let later = START + HOUR * 2;
    pool.take(mac(2), ip(100), HOUR, later).unwrap();
    pool.take(mac(1), ip(101), HOUR, later).unwrap();
    pool.offer(mac(2), None, later).unwrap();
    let mut changes = pool.take_changes();
    changes.sort_by_key(|(address, _)| *address);
    let owners = changes.iter().map(|(_, binding)| binding.unwrap().mac);
    assert!(owners.eq([Some(mac(2)), Some(mac(1))]));
    pool.decline(mac(1), ip(101), later);
    assert_eq!(pool.take_changes()[0].1.unwrap().mac, None);
    pool.restore(changes[0].1.unwrap());
    assert_eq!(pool.take_changes(), [], "the disk has these");
}
