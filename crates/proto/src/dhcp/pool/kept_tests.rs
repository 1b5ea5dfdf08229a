use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const START: Duration = Duration::from_secs(1_700_000_000);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn kept(address: u8, macs: &[u8]) -> Kept {
    Kept {
        address: ip(address),
        macs: macs.iter().map(|last| mac(*last)).collect(),
    }
}

/// 10.0.0.100 to 10.0.0.103.
fn pool(kept: &[Kept]) -> Pool {
    let mut pool = Pool::new(ip(100), ip(103), vec![ip(1)]).unwrap();
    pool.keep(kept);
    pool
}

fn boots(pool: &mut Pool, machine: u8, now: Duration) -> Option<Ipv4Addr> {
    let address = pool.offer(mac(machine), None, now)?;
    pool.take(mac(machine), address, HOUR, now).ok()?;
    Some(address)
}

#[test]
fn an_address_outside_of_the_range_is_given_to_its_machine_alone() {
    let mut pool = pool(&[kept(9, &[7]), kept(101, &[8])]);
    assert_eq!(boots(&mut pool, 7, START), Some(ip(9)));
    assert_eq!(boots(&mut pool, 8, START), Some(ip(101)));
    for machine in 1..=4 {
        let address = boots(&mut pool, machine, START);
        assert!(
            address.is_none_or(|it| it != ip(9) && it != ip(101)),
            "{address:?}"
        );
        assert!(pool.take(mac(machine), ip(9), HOUR, START).is_err());
    }
    assert_eq!(pool.leased(START), 5);
    // A restart.
    let mut after = Pool::new(ip(100), ip(103), vec![]).unwrap();
    after.keep(&[kept(9, &[7])]);
    pool.bindings().for_each(|binding| after.restore(binding));
    assert_eq!(after.renew(mac(7), ip(9), HOUR, START), Ok(()));
}

#[test]
fn a_machine_that_is_known_by_something_else_has_it_by_whatever_nic_it_asked_last() {
    let mut pool = pool(&[kept(101, &[])]);
    assert_ne!(boots(&mut pool, 1, START), Some(ip(101)));
    pool.claim(mac(2), Some(ip(101)));
    assert_eq!(boots(&mut pool, 2, START), Some(ip(101)));
    // Its system says less of itself.
    pool.claim(mac(2), None);
    assert_eq!(boots(&mut pool, 2, START), Some(ip(101)));
    // After a restart nobody knows what it is until it says so; its lease is known.
    let mut after = self::pool(&[]);
    pool.bindings().for_each(|binding| after.restore(binding));
    after.keep(&[kept(101, &[])]);
    assert_eq!(boots(&mut after, 2, START), Some(ip(101)));
    // Another NIC of the machine gets it once the first has given it up.
    after.claim(mac(3), Some(ip(101)));
    assert_ne!(boots(&mut after, 3, START), Some(ip(101)));
    after.release(mac(2), START);
    assert_eq!(boots(&mut after, 3, START), Some(ip(101)));
    assert_ne!(boots(&mut after, 2, START), Some(ip(101)));
}

#[test]
fn nobody_loses_an_address_that_it_has() {
    let mut pool = pool(&[]);
    let (one, two) = (
        boots(&mut pool, 1, START).unwrap(),
        boots(&mut pool, 2, START).unwrap(),
    );
    // From now on it is kept for the other one.
    pool.keep(&[Kept {
        address: one,
        macs: vec![mac(2)],
    }]);
    let later = START + HOUR / 2;
    assert_eq!(pool.renew(mac(1), one, HOUR, later), Ok(()));
    assert_eq!(pool.renew(mac(2), two, HOUR, later), Ok(()));
    assert_eq!(boots(&mut pool, 2, later), Some(two), "while it is in use");
    // It boots, and gets another; then it is free.
    let moved = boots(&mut pool, 1, later).unwrap();
    assert!(moved != one && moved != two);
    assert_eq!(boots(&mut pool, 2, later), Some(one));
    // Taken out of the configuration, it is one like others.
    pool.keep(&[]);
    assert_eq!(pool.renew(mac(2), one, HOUR, later), Ok(()));
    assert_eq!(boots(&mut pool, 2, later), Some(one));
}

#[test]
fn one_that_is_kept_no_more_outside_of_the_range_lasts_as_long_as_it_is_renewed() {
    let mut pool = pool(&[kept(9, &[7])]);
    assert_eq!(boots(&mut pool, 7, START), Some(ip(9)));
    pool.keep(&[]);
    assert_eq!(pool.renew(mac(7), ip(9), HOUR, START + HOUR / 2), Ok(()));
    assert_eq!(
        pool.take(mac(7), ip(9), HOUR, START),
        Err(Denial::OutOfRange)
    );
    assert_ne!(boots(&mut pool, 7, START), Some(ip(9)));
}

#[test]
fn a_machine_that_gets_one_later_moves_to_it_when_it_boots() {
    let mut pool = pool(&[]);
    let before = boots(&mut pool, 7, START).unwrap();
    pool.keep(&[kept(9, &[7])]);
    assert_eq!(pool.renew(mac(7), before, HOUR, START), Ok(()));
    // A system that starts with the address that it had (INIT-REBOOT).
    let denied = pool.take(mac(7), before, HOUR, START);
    assert_eq!(denied, Err(Denial::HasAnother(ip(9))));
    assert_eq!(boots(&mut pool, 7, START), Some(ip(9)));
    assert_eq!(pool.machine_at(before, START), None);
}

#[test]
fn what_it_declined_is_not_offered_again_at_once() {
    let mut pool = pool(&[kept(9, &[7])]);
    assert_eq!(boots(&mut pool, 7, START), Some(ip(9)));
    assert!(pool.decline(mac(7), ip(9), START));
    let other = boots(&mut pool, 7, START).unwrap();
    assert_ne!(other, ip(9));
    assert_eq!(boots(&mut pool, 7, START + HOUR), Some(ip(9)));
}
