//! Whoever invents machines makes nobody forget a real one, and costs little memory.

use super::*;

#[test]
fn ten_thousand_invented_machines_stay_below_a_bound_and_hide_no_real_one() {
    let history = History::new();
    let whom = |mac| {
        Some(Whom {
            machine: Machine::Mac(mac),
            address: None,
        })
    };
    for event in whole_boot() {
        history.happened(whom(MAC), &event);
    }
    for number in 0..10_000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let invented = Mac([2, 0, 1, b, c, d]);
        history.happened(whom(invented), &asks(UEFI));
        history.happened(whom(invented), &offered(UEFI, &"x".repeat(5000)));
    }
    let machine = history.machine(MAC, &[]).unwrap();
    assert_eq!(machine.boots[0].steps.len(), 11);
    assert!(history.kept().machines.len() <= 257);
    assert!(history.kept().machines.bytes() < 1 << 20);
}

#[test]
fn machines_that_do_everything_to_be_large_stay_below_the_bound() {
    let history = History::new();
    for number in 0..3000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let mac = Mac([2, 0, 2, b, c, d]);
        let whom = Some(Whom {
            machine: Machine::Mac(mac),
            address: None,
        });
        for boot in 0..3 {
            history.happened(whom, &asks(UEFI));
            for file in 0..40 {
                let name = format!("{boot}-{file}-{}", "long".repeat(1000));
                history.happened(whom, &fetched(FileKind::Kernel, &name));
            }
        }
    }
    let kept = history.kept();
    assert!(kept.machines.len() <= 1025 + 256, "{}", kept.machines.len());
    assert!(
        kept.machines.bytes() <= 24 << 20,
        "{}",
        kept.machines.bytes()
    );
    let last = Mac([2, 0, 2, 0, 0x0b, 0xb7]);
    assert!(kept.machines.get(last).is_some());
}
