//! Each cause of death, from made-up events.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::*;
use crate::serve::artifacts::{Chosen, Follows};
use crate::serve::dhcp::rogue_dhcp::tests::{OTHER, router};
use crate::serve::events::StopCause;
use crate::settings::Choice;
use netroot_nfs_export::Refusal;
use netroot_proto::pxe::decide::{BootFile, Reason};

/// What is said of a boot in which this happened, once its stage's patience is over.
fn verdict(events: &[Event], others: &[OtherServer]) -> Verdict {
    let record = after(events);
    let boot = record.last().unwrap();
    let end = boot.heard + patience(boot.stage);
    let before = end - Duration::from_millis(1);
    assert_eq!(
        judge(boot, None, others, before),
        Verdict::Wait,
        "{events:?}"
    );
    judge(boot, None, others, end)
}

fn cause(events: &[Event], others: &[OtherServer]) -> CauseOfDeath {
    match verdict(events, others) {
        Verdict::Dead(cause) => cause,
        other => panic!("{other:?} of {events:?}"),
    }
}

fn ignored(reason: Reason) -> Event {
    ignored_of(UEFI, reason)
}

fn ignored_of(client: Client, reason: Reason) -> Event {
    Event::Ignored(Ignored::Dhcp { client, reason })
}

fn stopped(why: StopCause, sent: u64) -> Event {
    Event::FetchStopped {
        kind: FileKind::Loader,
        name: "snponly.efi".to_owned(),
        sent,
        bytes: 1000,
        why,
    }
}

/// An address with what to load, from here.
fn given(client: Client) -> Event {
    let answer = Answer::Offered {
        address: [10, 0, 0, 7].into(),
        loader: BootFile::Named("snponly.efi".to_owned()),
    };
    Event::DhcpAnswer { client, answer }
}

fn acknowledged(client: Client) -> Event {
    let answer = Answer::Acknowledged {
        address: [10, 0, 0, 7].into(),
        loader: BootFile::Named("snponly.efi".to_owned()),
    };
    Event::DhcpAnswer { client, answer }
}

fn offer() -> [Event; 2] {
    [asks(UEFI), offered(UEFI, "snponly.efi")]
}

fn and(first: &[Event], more: &[Event]) -> Vec<Event> {
    [first, more].concat()
}

#[test]
fn each_end_has_its_cause() {
    let option_60 = OtherServer {
        claims_boot: true,
        ..router()
    };
    let file = OtherServer {
        boot_file: Some(b"pxelinux.0".to_vec()),
        ..router()
    };
    let proxy = OtherServer {
        offers: None,
        claims_boot: true,
        ..router()
    };
    let http = Client::Http(Platform::EfiX64);
    let url = "http://10.0.0.1:8069/snponly.efi";
    let took = ignored_of(IPXE, Reason::ForAnotherServer(Some(OTHER)));
    let third = [10, 0, 0, 253].into();
    let ipxe = [
        asks(IPXE),
        offered(IPXE, "http://10.0.0.1:8069/boot/x.ipxe"),
    ];
    let refused = Event::Ignored(Ignored::Mount {
        client: [10, 0, 0, 7].into(),
        path: "/debian".to_owned(),
        why: Refusal::Address,
    });
    let timeout = || stopped(StopCause::TftpTimeout, 512);
    for (events, others, kind, words) in [
        (
            vec![ignored(Reason::NoLoader(Platform::EfiArm64))],
            vec![router()],
            "not-answered",
            "no boot loader for UEFI arm64",
        ),
        (
            offer().to_vec(),
            vec![option_60.clone()],
            "other-claims-boot",
            "stopped after OFFER of snponly.efi: 10.0.0.254 also sent option 60",
        ),
        (
            offer().to_vec(),
            vec![router(), proxy],
            "other-proxy",
            "10.0.0.254 is a boot server too",
        ),
        (
            offer().to_vec(),
            vec![file.clone()],
            "other-names-file",
            "names the boot file pxelinux.0",
        ),
        (offer().to_vec(), vec![], "no-address", "--dhcp FIRST-LAST"),
        (
            offer().to_vec(),
            vec![router()],
            "loader-not-asked",
            "UDP ports 69 and 4011",
        ),
        (
            vec![asks(http), offered(http, url)],
            vec![router()],
            "http-not-asked",
            "refuses http://",
        ),
        (
            and(&offer(), &[timeout()]),
            vec![router()],
            "transfer-stopped",
            "at byte 512 of 1000 (TFTP)",
        ),
        (
            and(&offer(), &[loader()]),
            vec![router()],
            "loader-silent",
            "Secure Boot",
        ),
        (
            and(&offer(), &[loader(), loader()]),
            vec![router()],
            "loader-refused",
            "snponly.efi was sent 2 times and never started",
        ),
        (
            vec![asks(BIOS), offered(BIOS, "undionly.kpxe"), loader()],
            vec![router()],
            "loader-silent",
            "spanning tree",
        ),
        (
            and(&and(&offer(), &[loader()]), &ipxe),
            vec![file.clone()],
            "other-names-file",
            "iPXE never asked for its script",
        ),
        (
            and(&ipxe, std::slice::from_ref(&took)),
            vec![option_60.clone()],
            "other-claims-boot",
            "10.0.0.254 also sent option 60, so iPXE takes it for the boot server",
        ),
        (
            and(&ipxe, std::slice::from_ref(&took)),
            vec![router()],
            "script-not-asked",
            "iPXE took the address of 10.0.0.254",
        ),
        (
            ipxe.to_vec(),
            vec![],
            "script-not-asked",
            "no DHCP server gave it an address",
        ),
        (
            and(&ipxe, &[acknowledged(IPXE)]),
            vec![],
            "script-not-asked",
            "iPXE has an address and never asked",
        ),
        (
            // A server whose address it did not take does not matter.
            and(&ipxe, &[acknowledged(IPXE)]),
            vec![option_60.clone(), file.clone()],
            "script-not-asked",
            "iPXE has an address and never asked",
        ),
        (
            and(&ipxe, &[acknowledged(UEFI), took.clone()]),
            vec![option_60.clone()],
            "other-claims-boot",
            "so iPXE takes it for the boot server",
        ),
        (
            and(&ipxe, std::slice::from_ref(&took)),
            vec![OtherServer {
                server: third,
                ..file.clone()
            }],
            "script-not-asked",
            "iPXE took the address of 10.0.0.254",
        ),
        (
            and(
                &ipxe,
                &[ignored_of(IPXE, Reason::ForAnotherServer(Some(third)))],
            ),
            vec![
                option_60.clone(),
                OtherServer {
                    server: third,
                    ..option_60.clone()
                },
            ],
            "other-claims-boot",
            "10.0.0.253 also sent option 60",
        ),
        (
            and(&ipxe, &[took.clone(), acknowledged(IPXE)]),
            vec![option_60.clone()],
            "script-not-asked",
            "iPXE has an address and never asked",
        ),
        (
            // What firmware took is not iPXE's, which has asked for itself.
            and(&[asks(UEFI), given(UEFI), acknowledged(UEFI)], &ipxe),
            vec![option_60.clone()],
            "other-claims-boot",
            "so iPXE takes it for the boot server",
        ),
        (
            ipxe.to_vec(),
            vec![router()],
            "script-not-asked",
            "which 10.0.0.254 offers",
        ),
        (
            vec![asks(UEFI), given(UEFI)],
            vec![],
            "offer-not-taken",
            "stopped after OFFER of 10.0.0.7: it never asked",
        ),
        (
            vec![asks(UEFI), given(UEFI), Event::OtherOffered(router())],
            vec![],
            "offer-not-taken",
            "10.0.0.254 offers addresses in this network, too",
        ),
        (
            vec![asks(UEFI), given(UEFI), took.clone()],
            vec![],
            "other-server-chosen",
            "it took the address of 10.0.0.254",
        ),
        (
            vec![asks(UEFI), given(UEFI), acknowledged(UEFI)],
            vec![],
            "loader-not-asked",
            "snponly.efi",
        ),
        (
            and(&offer(), &[Event::OtherOffered(option_60.clone())]),
            vec![],
            "other-claims-boot",
            "10.0.0.254 also sent option 60",
        ),
        (
            // It was mended since the start.
            and(&offer(), &[Event::OtherOffered(router())]),
            vec![option_60.clone()],
            "loader-not-asked",
            "",
        ),
        (vec![script()], vec![], "kernel-not-asked", "firewall"),
        (
            vec![script(), kernel()],
            vec![],
            "initrd-not-asked",
            "memory",
        ),
        (
            vec![script(), kernel(), initrd()],
            vec![],
            "init-silent",
            "append console=ttyS0",
        ),
        (
            vec![script(), kernel(), initrd(), asks(INIT)],
            vec![],
            "init-stopped",
            "TCP port 2049",
        ),
        (
            vec![script(), kernel(), initrd(), asks(INIT), refused],
            vec![],
            "mount-refused",
            "",
        ),
        (
            vec![script(), kernel(), initrd(), mounted()],
            vec![],
            "silent-after-mount",
            "nothing was read for 5 min",
        ),
    ] {
        let cause = cause(&events, &others);
        assert_eq!(cause.kind(), kind, "{events:?}");
        assert!(cause.to_string().contains(words), "{cause}");
    }
}

#[test]
fn what_reports_nothing_is_handed_over_and_a_menu_is_waited_for() {
    let chosen = |image: Option<&str>, follows| {
        let Event::Fetched(fetch) = script() else {
            panic!("a script is fetched")
        };
        Event::Fetched(Fetch {
            chosen: Some(Arc::new(Chosen {
                choice: image.map_or(Choice::Menu, |name| Choice::Image(name.to_owned())),
                why: "the default".to_owned(),
                follows,
                script: String::new(),
            })),
            ..fetch
        })
    };
    let bare = Follows::Kernel { initrd: true };
    for (follows, more, expected) in [
        (Follows::Nothing, vec![], Verdict::HandedOver),
        (Follows::Script, vec![], Verdict::Wait),
        (bare, vec![kernel(), initrd()], Verdict::HandedOver),
        (
            Follows::Kernel { initrd: false },
            vec![kernel()],
            Verdict::HandedOver,
        ),
        (
            bare,
            vec![kernel()],
            Verdict::Dead(CauseOfDeath::InitrdNotAsked),
        ),
        (
            Follows::Root { reports: true },
            vec![kernel(), initrd()],
            Verdict::Dead(CauseOfDeath::InitSilent {
                image: Some("memtest".to_owned()),
                reports: true,
            }),
        ),
    ] {
        let events = and(&[chosen(Some("memtest"), follows)], &more);
        assert_eq!(verdict(&events, &[]), expected, "{follows:?}");
    }
}

#[test]
fn a_unified_kernel_image_that_firmware_refuses_is_told_as_such() {
    let program = "images/debian/program.efi";
    let loaded = fetched(FileKind::Loader, program);
    let found = cause(&[given(UEFI), loaded], &[]);
    assert_eq!(found.kind(), "unified-silent");
    let said = found.to_string();
    assert!(said.contains(program) && said.contains("in db"), "{said}");
}

#[test]
fn other_servers_answers_are_few_steps_and_none_of_a_stranger() {
    let history = History::new();
    let whom = Some(Whom {
        machine: Machine::Mac(MAC),
        address: None,
    });
    let numbered = |number: u8| OtherServer {
        server: Ipv4Addr::new(10, 0, 0, number),
        boot_file: Some(vec![b'x'; 4000]),
        ..router()
    };
    history.overheard("eth0", MAC, router());
    assert!(history.machine(MAC, &[]).is_none());
    history.happened(whom, &asks(UEFI));
    for number in 0..100 {
        history.overheard("eth0", MAC, numbered(number));
        history.overheard("eth0", MAC, numbered(number));
    }
    let machine = history.machine(MAC, &[]).unwrap();
    let steps = &machine.boots[0].steps;
    let kinds: Vec<_> = steps.iter().map(|step| (step.kind, step.count)).collect();
    assert_eq!(kinds[..2], [("dhcp-discover", 1), ("other-offer", 2)]);
    assert_eq!(
        (steps.len(), history.other_servers().len()),
        (5, super::super::kept::OTHERS)
    );
    assert!(steps[1].text.len() < 300, "{}", steps[1].text);
}

#[test]
fn an_init_that_reports_names_its_cause_itself() {
    let record = after(&[
        script(),
        kernel(),
        initrd(),
        failed("no driver for the NIC"),
    ]);
    let machine = MachineHistory::new(MAC, &record, Vec::new(), &[], at(10));
    let cause = machine.boots[0].cause.clone().unwrap();
    assert_eq!(cause.kind, "reported");
    assert_eq!(cause.text, "no driver for the NIC");
    assert_eq!(machine.state, "failed");
}

#[test]
fn a_size_that_was_only_asked_for_is_no_failed_transfer() {
    let aborted = StopCause::TftpError {
        code: 8,
        message: "User aborted".to_owned(),
    };
    let events = and(&offer(), &[stopped(aborted, 0)]);
    assert_eq!(cause(&events, &[router()]).kind(), "loader-not-asked");
    // What was sent whole after all did not stop.
    let events = and(&offer(), &[stopped(StopCause::TftpTimeout, 512), loader()]);
    assert_eq!(cause(&events, &[router()]).kind(), "loader-silent");
}

#[test]
fn a_machine_that_runs_or_is_being_sent_a_file_is_not_dead() {
    let mut record = after(&whole_boot());
    let boot = record.boots.pop_back().unwrap();
    assert_eq!(judge(&boot, None, &[], at(1_000_000).now), Verdict::Wait);

    let history = History::new();
    let whom = Some(Whom {
        machine: Machine::Mac(MAC),
        address: None,
    });
    history.happened(whom, &asks(UEFI));
    history.fetch_began(Machine::Mac(MAC), FileKind::Loader);
    let silence = |history: &History| {
        let mut kept = history.kept();
        for (_, record) in kept.machines.all_mut() {
            record.boots[0].heard = Duration::ZERO;
        }
    };
    silence(&history);
    assert_eq!(history.take_deaths(), []);
    history.fetch_ended(Machine::Mac(MAC));
    assert_eq!(history.take_deaths(), []);
    silence(&history);
    assert_eq!(history.take_deaths().len(), 1);
    assert_eq!(history.take_deaths(), [], "told once");
}
