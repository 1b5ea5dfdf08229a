use super::*;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const USUAL: Strategy = Strategy {
    style: Style::Usual,
    loader: LoaderChoice::First,
};

const OTHER: Strategy = Strategy {
    style: Style::Other,
    loader: LoaderChoice::First,
};
const MINUTE: Duration = Duration::from_secs(60);

fn auto(can_sign: bool) -> Answered {
    Answered {
        can_sign,
        mode: SecureBootMode::Auto,
    }
}

/// The strategy after these boots, a minute apart, where there is no signed loader.
fn after(boots: &[Option<Progress>]) -> Strategy {
    after_with(false, boots)
}

/// The same where there may be one.
fn after_with(signed: bool, boots: &[Option<Progress>]) -> Strategy {
    let mut strategies = Strategies::new(8);
    let mut transaction = 0;
    for progress in boots {
        transaction += 1;
        // Each boot sends its DISCOVER several times.
        strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
        let strategy = strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
        strategies.answered(MAC, auto(signed));
        if progress.is_some_and(|progress| progress >= Progress::Loaded) {
            strategies.loaded(MAC, strategy.loader);
        }
        if *progress == Some(Progress::Booted) {
            strategies.progressed(MAC, Progress::Booted);
        }
    }
    transaction += 1;
    strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing)
}

#[test]
fn a_working_strategy_is_kept() {
    assert_eq!(after(&[Some(Progress::Booted); 9]), USUAL);
    assert_eq!(after(&[None, Some(Progress::Booted), None]), USUAL);
}

#[test]
fn two_boots_without_a_transfer_change_the_style() {
    assert_eq!(after(&[None]), USUAL);
    assert_eq!(after(&[None, None]), OTHER);
    assert_eq!(after(&[None, None, None, None]), USUAL);
    assert_eq!(
        after(&[None, None, Some(Progress::Booted), Some(Progress::Booted)]),
        OTHER
    );
}

#[test]
fn two_boots_that_stop_in_the_loader_change_the_loader() {
    let loaded = Some(Progress::Loaded);
    assert_eq!(after(&[loaded]).loader, LoaderChoice::First);
    assert_eq!(after(&[loaded; 2]).loader, LoaderChoice::Second);
    assert_eq!(after(&[loaded; 4]).loader, LoaderChoice::First);
}

#[test]
fn one_boot_that_stops_in_the_loader_may_be_secure_boot() {
    let loader = |boots: &[Progress]| {
        let boots: Vec<_> = boots.iter().copied().map(Some).collect();
        after_with(true, &boots).loader
    };
    let (loaded, booted) = (Progress::Loaded, Progress::Booted);
    assert_eq!(loader(&[loaded]), LoaderChoice::Signed);
    // Somebody may switch it off once in the middle.
    assert_eq!(loader(&[loaded; 2]), LoaderChoice::Signed);
    assert_eq!(loader(&[loaded; 3]), LoaderChoice::Second);
    assert_eq!(loader(&[loaded; 5]), LoaderChoice::First);
    assert_eq!(loader(&[loaded; 6]), LoaderChoice::Signed);
    // What has worked is kept when somebody presses a key once; Secure Boot may be switched on later.
    assert_eq!(loader(&[booted, loaded]), LoaderChoice::First);
    assert_eq!(loader(&[booted, loaded, loaded]), LoaderChoice::Signed);
    assert_eq!(loader(&[loaded, booted, loaded]), LoaderChoice::Signed);
    let [again, never] = [[loaded, booted, loaded, loaded], [booted; 4]];
    assert_eq!(loader(&again), LoaderChoice::Second);
    assert_eq!(loader(&never), LoaderChoice::First);
}

#[test]
fn a_signed_first_loader_shows_nothing_and_gives_way_like_another() {
    let mut strategies = Strategies::new(8);
    let mut boot = |number: u32, booted| {
        let strategy = strategies.choose(MAC, number, MINUTE * number, Known::Nothing);
        strategies.answered(MAC, auto(true));
        match strategy.loader {
            LoaderChoice::First => strategies.loaded_signed_first(MAC),
            other => strategies.loaded(MAC, other),
        }
        let shown = match booted {
            true => strategies.progressed(MAC, Progress::Booted),
            false => Known::Nothing,
        };
        (strategy.loader, shown)
    };
    let nothing = (LoaderChoice::First, Known::Nothing);
    assert_eq!(boot(1, true), nothing);
    assert_eq!([boot(2, false), boot(3, false)], [nothing; 2]);
    assert_eq!(boot(4, true), (LoaderChoice::Signed, Known::SignedOnly));
}

/// Firmware that boots by HTTP where that failed by PXE, and a signed chain that cannot go on by HTTP.
#[test]
fn what_was_not_given_has_not_failed() {
    let mut strategies = Strategies::new(8);
    for boot in 0..6 {
        let (pxe, http) = (2 * boot, 2 * boot + 1);
        let strategy = strategies.choose(MAC, pxe, MINUTE * pxe, Known::Nothing);
        let expected = match boot {
            0 => LoaderChoice::First,
            _ => LoaderChoice::Signed,
        };
        assert_eq!(strategy.loader, expected, "{boot}");
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, strategy.loader);
        if boot > 0 {
            strategies.progressed(MAC, Progress::Booted);
        }
        strategies.choose(MAC, http, MINUTE * http, Known::Nothing);
        strategies.answered(MAC, auto(false));
        strategies.loaded(MAC, LoaderChoice::First);
    }
}

/// A forger's request by HTTP, while shim is loaded by PXE.
#[test]
fn a_forged_request_takes_no_signed_loader_away() {
    let mut strategies = Strategies::new(8);
    strategies.choose(MAC, 1, MINUTE, Known::Nothing);
    strategies.answered(MAC, auto(true));
    strategies.loaded(MAC, LoaderChoice::First);
    let signed = strategies.choose(MAC, 2, MINUTE * 2, Known::Nothing);
    assert_eq!(signed.loader, LoaderChoice::Signed);
    strategies.choose(MAC, 99, MINUTE * 3, Known::Nothing);
    strategies.answered(MAC, auto(false));
    strategies.loaded(MAC, LoaderChoice::Signed);
    strategies.progressed(MAC, Progress::Booted);
    for boot in 4..9 {
        let strategy = strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
        assert_eq!(strategy.loader, LoaderChoice::Signed);
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, LoaderChoice::Signed);
        strategies.progressed(MAC, Progress::Booted);
    }
}

#[test]
fn a_burst_of_requests_in_a_machines_name_is_one_attempt() {
    let mut strategies = Strategies::new(8);
    for transaction in 0..1000 {
        let now = Duration::from_millis(19) * transaction;
        assert_eq!(
            strategies.choose(MAC, transaction, now, Known::Nothing),
            USUAL
        );
    }
}

#[test]
fn requests_in_the_name_of_a_machine_that_has_booted_change_nothing() {
    let signed = Strategy {
        loader: LoaderChoice::Signed,
        ..USUAL
    };
    for (progress, expected) in [(Progress::Loaded, signed), (Progress::Booted, USUAL)] {
        let mut strategies = Strategies::new(8);
        strategies.choose(MAC, 0, Duration::ZERO, Known::Nothing);
        strategies.answered(MAC, auto(true));
        strategies.progressed(MAC, progress);
        for transaction in 1..1000 {
            let strategy =
                strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
            assert_eq!(strategy, expected, "{transaction}");
        }
    }
}

#[test]
fn a_script_that_comes_late_is_no_failure() {
    let mut strategies = Strategies::new(8);
    for boot in (0..100).step_by(2) {
        strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
        strategies.progressed(MAC, Progress::Loaded);
        // A forger's, while the loader loads.
        strategies.choose(
            MAC,
            boot + 1,
            MINUTE * boot + SHORTEST_ATTEMPT,
            Known::Nothing,
        );
        strategies.progressed(MAC, Progress::Booted);
    }
    assert_eq!(
        strategies.choose(MAC, 100, MINUTE * 100, Known::Nothing),
        USUAL
    );
}

#[test]
fn a_forger_with_patience_loses_to_the_first_boot() {
    let mut strategies = Strategies::new(8);
    for transaction in 0..3 {
        strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
    }
    assert_eq!(strategies.choose(MAC, 3, MINUTE * 3, Known::Nothing), OTHER);
    strategies.progressed(MAC, Progress::Loaded);
    for transaction in 4..100 {
        let strategy = strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
        assert_eq!(strategy.style, Style::Other);
        assert_ne!(strategy.loader, LoaderChoice::Second);
    }
}

#[test]
fn a_flood_of_machines_forgets_neither_those_that_booted_nor_those_that_try() {
    let mut strategies = Strategies::new(3);
    let booted = Mac([2, 0, 0, 0, 0, 2]);
    strategies.choose(booted, 1, Duration::ZERO, Known::Nothing);
    strategies.progressed(booted, Progress::Booted);
    for boot in 1..4 {
        strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
        for n in 0..100 {
            let flood = Mac([2, 9, 9, 9, 0, n]);
            let later = Duration::from_millis(1 + u64::from(n));
            strategies.choose(flood, 1, MINUTE * boot + later, Known::Nothing);
        }
    }
    assert_eq!(strategies.machines.len(), 3);
    assert!(strategies.machines.contains_key(&booted));
    assert_eq!(strategies.choose(MAC, 3, MINUTE * 3, Known::Nothing), OTHER);
    // Those that were not heard of for an hour make room.
    strategies.choose(Mac([2, 9, 9, 9, 1, 1]), 1, MINUTE * 100, Known::Nothing);
    assert!(!strategies.machines.contains_key(&MAC));
    assert!(strategies.machines.contains_key(&booted));
}

/// One boot, which comes to its script. Returns the loader, and what that shows.
fn booted(strategies: &mut Strategies, boot: u32, known: Known) -> (LoaderChoice, Known) {
    let strategy = strategies.choose(MAC, boot, MINUTE * boot, known);
    strategies.answered(MAC, auto(true));
    strategies.loaded(MAC, strategy.loader);
    (
        strategy.loader,
        strategies.progressed(MAC, Progress::Booted),
    )
}

#[test]
fn a_machine_begins_with_what_is_known_of_it() {
    let mut strategies = Strategies::new(8);
    let signed = (LoaderChoice::Signed, Known::SignedOnly);
    let first = (LoaderChoice::First, Known::Unsigned);
    assert_eq!(booted(&mut strategies, 1, Known::SignedOnly), signed);
    strategies.forget(MAC);
    assert_eq!(booted(&mut strategies, 1, Known::Unsigned), first);
    strategies.forget(MAC);
    // One boot may fail by chance where Secure Boot was off.
    for (boot, expected) in [
        (1, LoaderChoice::First),
        (2, LoaderChoice::First),
        (3, LoaderChoice::Signed),
    ] {
        let strategy = strategies.choose(MAC, boot, MINUTE * boot, Known::Unsigned);
        assert_eq!(strategy.loader, expected, "{boot}");
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, strategy.loader);
    }
}

#[test]
fn a_machine_that_reports_secure_boot_off_is_given_the_first_loader_again() {
    let mut strategies = Strategies::new(8);
    booted(&mut strategies, 1, Known::SignedOnly);
    strategies.reported(MAC, Some(true), false);
    let (loader, _) = booted(&mut strategies, 2, Known::SignedOnly);
    assert_eq!(loader, LoaderChoice::Signed);
    strategies.reported(MAC, Some(false), false);
    let (loader, shown) = booted(&mut strategies, 3, Known::SignedOnly);
    assert_eq!((loader, shown), (LoaderChoice::First, Known::Unsigned));
}

#[test]
fn a_report_counts_once_after_firmware_has_asked() {
    let mut strategies = Strategies::new(8);
    // What booted before this server started, or by other means: it counts where nothing is known.
    assert_eq!(strategies.reported(MAC, Some(true), true), None);
    let first = strategies.reported(MAC, Some(true), false).unwrap();
    assert!(!first.ends);
    booted(&mut strategies, 1, Known::Nothing);
    assert!(strategies.reported(MAC, Some(false), true).is_some());
    // A user of the machine, who read where reports go.
    assert_eq!(strategies.reported(MAC, Some(true), true), None);
    let (loader, _) = booted(&mut strategies, 2, Known::Unsigned);
    assert_eq!(loader, LoaderChoice::First);
    // An init that says nothing of it leaves nobody else to say it.
    assert_eq!(strategies.reported(MAC, None, true), None);
    assert_eq!(strategies.reported(MAC, Some(true), true), None);
    booted(&mut strategies, 3, Known::Unsigned);
    assert!(strategies.reported(MAC, Some(true), true).is_some());
}

#[test]
fn a_report_shows_what_its_boot_started_and_what_comes_after_it_shows_nothing() {
    let mut strategies = Strategies::new(8);
    booted(&mut strategies, 1, Known::Nothing);
    let reported = strategies.reported(MAC, Some(true), false).unwrap();
    assert_eq!(reported.shown, Known::Unsigned, "with its owner's keys");
    // A program of the machine that runs fetches the script again, or a boot begins with iPXE from a disk.
    assert_eq!(strategies.progressed(MAC, Progress::Booted), Known::Nothing);
    strategies.choose(MAC, 2, MINUTE * 2, Known::Nothing);
    assert_eq!(strategies.progressed(MAC, Progress::Booted), Known::Nothing);
}

/// A virtual machine boots in less than the shortest attempt.
#[test]
fn of_two_boots_in_quick_succession_each_report_counts_and_of_one_the_first() {
    let mut strategies = Strategies::new(8);
    let second = Duration::from_secs(1);
    for boot in 1..5 {
        let began = MINUTE + second * boot * 8;
        // It asks several times, and may try another way to boot.
        for (transaction, after) in [(2 * boot, 0), (2 * boot, 1), (2 * boot + 1, 2)] {
            strategies.choose(MAC, transaction, began + second * after, Known::SignedOnly);
        }
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, LoaderChoice::Signed);
        strategies.progressed(MAC, Progress::Booted);
        let reported = strategies.reported(MAC, Some(true), true).unwrap();
        assert_eq!(reported.shown, Known::SignedOnly, "{boot}");
        assert_eq!(strategies.reported(MAC, Some(false), true), None, "{boot}");
    }
}

#[test]
fn what_a_machine_loaded_is_known_until_it_reports_or_begins_anew() {
    let mut strategies = Strategies::new(8);
    booted(&mut strategies, 1, Known::SignedOnly);
    assert_eq!(strategies.loaded_now(MAC), Some(LoaderChoice::Signed));
    strategies.reported(MAC, Some(true), true);
    assert_eq!(strategies.loaded_now(MAC), None);
    booted(&mut strategies, 2, Known::SignedOnly);
    // It asks again in the same transaction, and then in another one.
    strategies.choose(MAC, 2, MINUTE * 3, Known::SignedOnly);
    assert_eq!(strategies.loaded_now(MAC), Some(LoaderChoice::Signed));
    strategies.choose(MAC, 3, MINUTE * 3, Known::SignedOnly);
    assert_eq!(strategies.loaded_now(MAC), None);
}

#[test]
fn a_machine_whose_network_card_only_the_signed_chain_can_use_keeps_it_without_secure_boot() {
    let mut strategies = Strategies::new(8);
    strategies.choose(MAC, 1, MINUTE, Known::Nothing);
    strategies.answered(MAC, auto(true));
    strategies.loaded(MAC, LoaderChoice::First);
    for boot in 2..6 {
        let (loader, _) = booted(&mut strategies, boot, Known::Nothing);
        assert_eq!(loader, LoaderChoice::Signed, "{boot}");
        assert!(!strategies.reported(MAC, Some(false), false).unwrap().ends);
    }
}

#[test]
fn a_mode_changes_nothing_where_there_is_no_signed_loader() {
    for mode in [SecureBootMode::Always, SecureBootMode::Never] {
        let mut strategies = Strategies::new(8);
        let answered = Answered {
            can_sign: false,
            mode,
        };
        for (boot, expected) in [
            (1, LoaderChoice::First),
            (2, LoaderChoice::First),
            (3, LoaderChoice::Second),
        ] {
            let chosen = strategies.choose(MAC, boot, MINUTE * boot, Known::SignedOnly);
            let loader = mode.loader(chosen.loader, false);
            let expected = match (mode, expected) {
                // There is none: the answer names the first one.
                (SecureBootMode::Always, LoaderChoice::First) => LoaderChoice::Signed,
                _ => expected,
            };
            assert_eq!(loader, expected, "{mode:?} {boot}");
            strategies.answered(MAC, answered);
            strategies.loaded(MAC, loader);
        }
    }
}

#[test]
fn what_the_configuration_says_shows_nothing_of_the_machine() {
    let mut strategies = Strategies::new(8);
    let always = Answered {
        can_sign: true,
        mode: SecureBootMode::Always,
    };
    strategies.choose(MAC, 1, MINUTE, Known::Nothing);
    strategies.answered(MAC, always);
    strategies.loaded(MAC, LoaderChoice::Signed);
    let shown = strategies.progressed(MAC, Progress::Booted);
    assert_eq!(shown, Known::Nothing);
    let next = strategies.choose(MAC, 2, MINUTE * 2, Known::Nothing);
    assert_eq!(next, USUAL);
    // Nor is a machine that fails given the signed chain where the configuration forbids it.
    for boot in 3..6 {
        let never = Answered {
            can_sign: true,
            mode: SecureBootMode::Never,
        };
        let strategy = strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
        assert_ne!(strategy.loader, LoaderChoice::Signed);
        strategies.answered(MAC, never);
        strategies.loaded(MAC, strategy.loader);
    }
}
