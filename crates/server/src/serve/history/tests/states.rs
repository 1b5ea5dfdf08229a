//! Machines that boot no image, and are not to.

use std::sync::Arc;

use super::*;
use crate::serve::artifacts::{Chosen, Follows};
use crate::serve::events::Decided;
use crate::settings::Choice;

const RULE: &str = "the rule at netroot.toml:9";

fn refused(client: Client) -> Event {
    let why = RULE.to_owned();
    Event::Decided(Decided::Refused { client, why })
}

fn chosen(choice: Choice, follows: Follows) -> Event {
    let Event::Fetched(fetch) = script() else {
        panic!("a script is fetched")
    };
    Event::Fetched(Fetch {
        chosen: Some(Arc::new(Chosen {
            choice,
            why: RULE.to_owned(),
            follows,
            script: String::new(),
        })),
        ..fetch
    })
}

fn address(client: Client) -> Event {
    let answer = Answer::Offered {
        address: [10, 0, 0, 7].into(),
        loader: netroot_proto::pxe::decide::BootFile::None,
    };
    Event::DhcpAnswer { client, answer }
}

/// The state, and what is said of it, after an hour of silence.
fn state(events: &[Event]) -> (&'static str, Option<String>) {
    let record = after(events);
    let boot = record.last().unwrap();
    assert_eq!(
        judge(boot, None, &[], at(3600).now),
        Verdict::Wait,
        "{events:?}"
    );
    (boot.outcome.name(), boot.outcome.note())
}

/// Before, the second script took the place of the first one, and what the machine was handed was lost.
#[test]
fn another_choice_by_the_same_script_is_a_step_of_its_own() {
    let exam = || {
        chosen(
            Choice::Image("exam".to_owned()),
            Follows::Root { reports: true },
        )
    };
    let wait = || chosen(Choice::Wait, Follows::Script);
    let record = after(&[asks(IPXE), exam(), wait(), wait()]);
    let steps = &record.last().unwrap().steps;
    let steps: Vec<_> = steps.iter().map(|step| (&step.event, step.count)).collect();
    assert_eq!(
        steps,
        [(&asks(IPXE), 1), (&exam(), 1), (&wait(), 2)],
        "one for each choice"
    );
}

#[test]
fn a_machine_that_is_refused_did_not_die() {
    // Beside another DHCP server it is not answered; elsewhere it gets its address.
    let told = Some("boots no image: the rule at netroot.toml:9 refuses it".to_owned());
    for events in [
        vec![refused(UEFI)],
        vec![refused(UEFI), asks(UEFI), address(UEFI), refused(UEFI)],
        vec![refused(UEFI), refused(IPXE), asks(IPXE), address(IPXE)],
        vec![
            asks(IPXE),
            offered(IPXE, "x"),
            chosen(Choice::Refuse, Follows::Nothing),
        ],
    ] {
        assert_eq!(state(&events), ("refused", told.clone()), "{events:?}");
        assert_eq!(after(&events).count, 1, "{events:?}");
    }
}

#[test]
fn a_machine_that_waits_or_has_the_menu_is_in_a_state_of_its_own_until_it_boots() {
    let waits = || chosen(Choice::Wait, Follows::Script);
    let events = [asks(IPXE), offered(IPXE, "x"), waits(), waits(), waits()];
    assert_eq!(
        state(&events),
        (
            "waiting",
            Some(
                "waits until it is told what to boot: the rule at netroot.toml:9 says so"
                    .to_owned()
            )
        )
    );
    let record = after(&events);
    assert_eq!((record.count, record.boots[0].steps.len()), (1, 3));
    let menu = chosen(Choice::Menu, Follows::Script);
    assert_eq!(state(std::slice::from_ref(&menu)).0, "menu");
    // Somebody chooses, or says what it boots.
    let root = Follows::Root { reports: true };
    let image = chosen(Choice::Image("debian".to_owned()), root);
    for before in [waits(), menu, chosen(Choice::Refuse, Follows::Nothing)] {
        let record = after(&[before, image.clone()]);
        let boot = record.last().unwrap();
        assert_eq!(
            (&boot.outcome, boot.image_name()),
            (&Outcome::Booting, Some("debian"))
        );
        assert_eq!(record.count, 1);
    }
}

#[test]
fn each_is_counted_once() {
    let history = History::new();
    let whom = Some(Whom {
        machine: Machine::Mac(MAC),
        address: None,
    });
    for event in [refused(UEFI), asks(UEFI), refused(UEFI)] {
        history.happened(whom, &event);
    }
    let boots = history.boots();
    assert_eq!(boots.ended, [(String::new(), "refused", 1)]);
    let states: Vec<_> = boots
        .machines
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(states, [&("refused", 1)]);
    let summary = history.summary(MAC).unwrap();
    assert!(summary.note.unwrap().starts_with("boots no image"));
    assert_eq!((summary.state, summary.cause), ("refused", None));
}
