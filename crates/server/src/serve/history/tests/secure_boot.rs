//! Each end of a boot by signed files, and what is said where there are none.

use netroot_secure_boot::sbat::Sbat;
use netroot_secure_boot::{Architecture, Authority, Chain, Condition, Part};

use super::*;
use crate::serve::artifacts::signed_chain::{ChainFacts, SecondStage, SignedState};
use crate::serve::artifacts::signed_ipxe::{SignedIpxe, state_without_root};

const SHIM: &str = "images/debian/shimx64.efi";
const CURE: &str = "run `chroot /srv/debian apt install shim-signed`";

fn facts(conditions: Vec<Condition>) -> ChainFacts {
    ChainFacts {
        checked: Chain {
            architecture: Architecture::X64,
            authorities: Authority::ALL.to_vec(),
            vendors: vec!["Debian Secure Boot CA".to_owned()],
            conditions,
            loader: Sbat::parse(b"sbat,1,x\ngrub,5,x\ngrub.debian,4,x\n"),
        },
        over_http: false,
        by_proxy: true,
        second: SecondStage::Grub,
        cure: CURE.to_owned(),
        kernel_cure: CURE.to_owned(),
        no_kernel: None,
    }
}

fn usable(facts: ChainFacts) -> Arc<SignedState> {
    Arc::new(SignedState::Usable(Arc::new(facts)))
}

fn stranger(part: Part) -> Condition {
    Condition::Stranger {
        part,
        signer: "somebody".to_owned(),
        vendors: "Debian Secure Boot CA".to_owned(),
    }
}

fn unknown(name: &str) -> Event {
    let name = name.to_owned();
    Event::Ignored(Ignored::TftpUnknown { name })
}

fn grub() -> Event {
    fetched(FileKind::Other, "images/debian/grubx64.efi")
}

fn cfg() -> Event {
    fetched(FileKind::Script, "grub/grub.cfg")
}

/// What is said of a boot with these events, as a proxy, once it has been silent for long.
fn cause(events: &[Event], signed: Option<&Arc<SignedState>>) -> CauseOfDeath {
    let record = after(events);
    let boot = record.last().unwrap();
    match judge(boot, signed, &[], boot.heard + patience(boot.stage)) {
        Verdict::Dead(cause) => cause,
        other => panic!("{other:?} of {events:?}"),
    }
}

fn by_shim(more: &[Event]) -> Vec<Event> {
    let start = [
        asks(UEFI),
        offered(UEFI, SHIM),
        fetched(FileKind::Loader, SHIM),
    ];
    [&start, more].concat()
}

#[test]
fn each_end_names_its_file_and_its_cure() {
    let good = || facts(Vec::new());
    let foreign = || Condition::NotMicrosoft {
        issuer: "somebody".to_owned(),
    };
    let older = ChainFacts {
        by_proxy: false,
        ..good()
    };
    let optional = || unknown("images/debian/revocations_sku.efi");
    for (more, facts, kind, words) in [
        (
            vec![],
            good(),
            "shim-refused",
            vec![SHIM, "Microsoft UEFI CA 2023", "dbx", CURE],
        ),
        (
            vec![],
            facts(vec![foreign()]),
            "shim-refused",
            vec![SHIM, "signed under somebody", "enrol", CURE],
        ),
        (
            vec![unknown("images/debian/grub.efi")],
            good(),
            "shim-lacks-file",
            vec![SHIM, "images/debian/grub.efi, which is not served", CURE],
        ),
        (vec![optional()], good(), "grub-not-asked", vec![SHIM]),
        (
            vec![optional(), grub()],
            good(),
            "grub-refused",
            vec![
                "images/debian/grubx64.efi was loaded and asked for nothing",
                "grub 5, grub.debian 4",
                CURE,
            ],
        ),
        (
            vec![optional(), grub(), unknown("images/debian/mmx64.efi")],
            facts(vec![stranger(Part::Loader)]),
            "grub-refused",
            vec![
                "shim loaded images/debian/grubx64.efi and refused it: the boot loader is signed by somebody",
                "mokutil --import",
                CURE,
            ],
        ),
        (
            vec![optional(), grub()],
            older,
            "grub-asks-elsewhere",
            vec!["images/debian/grubx64.efi", "2.12", "--dhcp FIRST-LAST"],
        ),
        (
            vec![
                grub(),
                unknown("other/grub/x86_64-efi/command.lst"),
                unknown("other/grub/grub.cfg"),
            ],
            good(),
            "grub-lacks-file",
            vec!["GRUB asked for other/grub/grub.cfg", CURE],
        ),
        (
            vec![grub(), cfg(), unknown("images/debian/vmlinuz-0a")],
            good(),
            "grub-lacks-file",
            vec!["GRUB asked for images/debian/vmlinuz-0a"],
        ),
        (
            vec![grub(), cfg(), unknown("grub/x86_64-efi/fs.lst")],
            good(),
            "kernel-not-asked",
            vec!["GRUB has its configuration"],
        ),
        (
            vec![grub(), cfg(), kernel()],
            facts(vec![stranger(Part::Kernel)]),
            "kernel-refused",
            vec![
                "GRUB loaded the kernel vmlinuz",
                "the kernel is signed by somebody",
                "mokutil --import",
                CURE,
            ],
        ),
        (
            vec![grub(), cfg(), kernel()],
            good(),
            "kernel-refused",
            vec!["bad shim signature", CURE],
        ),
        // What the kernel does is told as without Secure Boot.
        (
            vec![grub(), cfg(), kernel(), initrd()],
            good(),
            "init-silent",
            vec!["kernel and initrd were loaded"],
        ),
    ] {
        let cause = cause(&by_shim(&more), Some(&usable(facts)));
        assert_told(&cause, kind, &words, &more);
    }
}

/// The cause of what ended with these events is of this kind, and its sentence has these words.
fn assert_told(cause: &CauseOfDeath, kind: &str, words: &[&str], events: &[Event]) {
    assert_eq!(cause.kind(), kind, "{events:?}");
    let sentence = cause.to_string();
    for word in words {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
}

#[test]
fn who_refuses_an_unsigned_loader_is_told_what_there_is_instead() {
    const HTTP: Client = Client::Http(Platform::EfiX64);
    let by = |client| [asks(client), offered(client, "snponly.efi"), loader()];
    let missing = || Arc::new(SignedState::Nothing { cure: CURE.into() });
    let unusable = || {
        let error = format!("the kernel is not signed (/srv/debian/boot/vmlinuz); {CURE}");
        Arc::new(SignedState::Unusable { error })
    };
    let older = ChainFacts {
        by_proxy: false,
        ..facts(Vec::new())
    };
    for (client, signed, words) in [
        (
            UEFI,
            Some(missing()),
            "off in the firmware's setup, or run `chroot /srv/debian apt",
        ),
        (
            UEFI,
            Some(unusable()),
            "not signed (/srv/debian/boot/vmlinuz); run `chroot",
        ),
        (UEFI, Some(usable(facts(Vec::new()))), "boot once more"),
        (
            UEFI,
            Some(usable(older)),
            "on the server that gives the address",
        ),
        (
            HTTP,
            Some(usable(facts(Vec::new()))),
            "does not load files by HTTP",
        ),
        (UEFI, None, "switch Secure Boot off"),
    ] {
        let events = by(client);
        for (events, kind) in [
            (events.to_vec(), "loader-silent"),
            ([&events[..], &[loader()]].concat(), "loader-refused"),
        ] {
            let cause = cause(&events, signed.as_ref());
            assert_eq!(cause.kind(), kind);
            let sentence = cause.to_string();
            assert!(sentence.contains(words), "{words}: {sentence}");
        }
    }
}

/// GRUB's configuration starts the machine anew ten seconds after its kernel was refused.
#[test]
fn a_machine_that_starts_again_after_its_kernel_is_told_of_at_once() {
    let history = History::new();
    let whom = Some(Whom {
        machine: Machine::Mac(MAC),
        address: None,
    });
    let boot = by_shim(&[grub(), cfg(), kernel()]);
    for event in &boot {
        history.happened(whom, event);
    }
    history.signed(MAC, Some(usable(facts(vec![stranger(Part::Kernel)]))));
    assert_eq!(history.take_deaths(), []);
    for _ in 0..2 {
        for event in &boot {
            history.happened(whom, event);
        }
        let deaths = history.take_deaths();
        let [death] = deaths.as_slice() else {
            panic!("{deaths:?}");
        };
        let Event::BootStopped { cause, .. } = &death.event else {
            panic!("{death:?}");
        };
        assert_eq!(*cause, "kernel-refused");
        assert_eq!(history.take_deaths(), []);
    }
}

const IPXE_SHIM: &str = "x86_64-sb/ipxe-shim.efi";

fn by_ipxe(more: &[Event]) -> Vec<Event> {
    let start = [
        asks(UEFI),
        offered(UEFI, IPXE_SHIM),
        fetched(FileKind::Loader, IPXE_SHIM),
    ];
    [&start, more].concat()
}

fn ipxe_facts(conditions: Vec<Condition>, no_kernel: Option<&str>) -> ChainFacts {
    ChainFacts {
        second: SecondStage::Ipxe,
        over_http: true,
        cure: "unpack ipxeboot.tar.gz".to_owned(),
        no_kernel: no_kernel.map(str::to_owned),
        ..facts(conditions)
    }
}

#[test]
fn each_end_of_a_boot_by_ipxes_own_files_names_its_file_and_its_cure() {
    let good = || ipxe_facts(Vec::new(), None);
    let optional = || unknown("x86_64-sb/revocations_sku.efi");
    let ipxe = || fetched(FileKind::Other, "x86_64-sb/ipxe.efi");
    let loaded = |more: &[Event]| {
        let loads = [optional(), ipxe(), script(), kernel(), initrd()];
        [&loads, more].concat()
    };
    for (more, facts, kind, words) in [
        (
            vec![],
            good(),
            "shim-refused",
            vec![IPXE_SHIM, "2023", "unpack ipxeboot.tar.gz"],
        ),
        (
            vec![unknown("x86_64-sb/grubx64.efi")],
            good(),
            "shim-lacks-file",
            vec!["x86_64-sb/grubx64.efi, which is not served"],
        ),
        (vec![optional()], good(), "ipxe-not-asked", vec![IPXE_SHIM]),
        (
            vec![optional(), ipxe()],
            good(),
            "ipxe-refused",
            vec!["x86_64-sb/ipxe.efi was loaded and asked for nothing"],
        ),
        // Where firmware did not tell shim its folder.
        (
            vec![optional(), fetched(FileKind::Other, "ipxe.efi")],
            good(),
            "ipxe-refused",
            vec!["ipxe.efi was loaded and asked for nothing"],
        ),
        (
            vec![optional(), ipxe(), unknown("x86_64-sb/mmx64.efi")],
            ipxe_facts(vec![stranger(Part::Loader)], None),
            "ipxe-refused",
            vec![
                "refused it: the boot loader is signed by somebody",
                "unpack",
            ],
        ),
        (
            loaded(&[]),
            ipxe_facts(vec![stranger(Part::Kernel)], None),
            "kernel-refused",
            vec!["iPXE loaded the kernel vmlinuz", "signed by somebody", CURE],
        ),
        (
            loaded(&[]),
            ipxe_facts(Vec::new(), Some("the root has no shim; install it")),
            "kernel-refused",
            vec!["the root has no shim; install it"],
        ),
        (
            loaded(&[script()]),
            good(),
            "kernel-refused",
            vec!["its screen says why", CURE],
        ),
        // What the kernel does is told as without Secure Boot.
        (
            loaded(&[]),
            good(),
            "init-silent",
            vec!["kernel and initrd"],
        ),
    ] {
        let cause = cause(&by_ipxe(&more), Some(&usable(facts)));
        assert_told(&cause, kind, &words, &more);
    }
}

/// No root's packages are named where there is no root, or nobody has chosen one yet.
#[test]
fn a_boot_by_ipxes_own_files_without_a_root_is_mended_without_one() {
    let unknown = || unknown("x86_64-sb/grubx64.efi");
    let refused = || [fetched(FileKind::Other, "x86_64-sb/ipxe.efi")];
    for (more, words) in [
        (vec![], "asked for nothing"),
        (vec![unknown()], "x86_64-sb/grubx64.efi"),
        (refused().to_vec(), "x86_64-sb/ipxe.efi was loaded"),
    ] {
        let cause = cause(&by_ipxe(&more), None);
        assert_told(&cause, cause.kind(), &[words, "ipxeboot.tar.gz"], &more);
        assert!(!cause.to_string().contains("in the root"), "{cause}");
    }
    let pair = Arc::new(SignedIpxe::with_files(Vec::new()));
    let state = |pairs| Some(Arc::new(state_without_root(pairs, Some(Platform::EfiX64))));
    let [started, nothing] = [state(&[pair]), state(&[])];
    let kernel = [
        refused().to_vec(),
        vec![script(), kernel(), initrd(), script()],
    ]
    .concat();
    let unsigned = [asks(UEFI), offered(UEFI, "snponly.efi"), loader()];
    for (events, state, kind, words) in [
        (by_ipxe(&[]), &started, "shim-refused", "ipxeboot.tar.gz"),
        (by_ipxe(&kernel), &started, "kernel-refused", "sbsign"),
        (
            unsigned.to_vec(),
            &nothing,
            "loader-silent",
            "ipxeboot.tar.gz",
        ),
        (
            unsigned.to_vec(),
            &started,
            "loader-silent",
            "boot once more",
        ),
    ] {
        let cause = cause(&events, state.as_ref());
        assert_told(&cause, kind, &[words], &events);
        assert!(!cause.to_string().contains("chroot"), "{cause}");
    }
}

/// iPXE's script tries again for ever.
#[test]
fn a_kernel_that_ipxe_cannot_start_is_told_of_without_silence() {
    let history = History::new();
    let whom = Some(Whom {
        machine: Machine::Mac(MAC),
        address: None,
    });
    for event in by_ipxe(&[script(), kernel(), initrd()]) {
        history.happened(whom, &event);
    }
    assert_eq!(history.take_deaths(), []);
    history.happened(whom, &script());
    let deaths = history.take_deaths();
    let [death] = deaths.as_slice() else {
        panic!("{deaths:?}");
    };
    let Event::BootStopped { cause, .. } = &death.event else {
        panic!("{death:?}");
    };
    assert_eq!(*cause, "kernel-refused");
}

/// What was wrong may be mended by then: in the root, say.
#[test]
fn a_machine_that_loads_its_initrd_once_more_is_waited_for_again() {
    let first = [script(), kernel(), initrd()];
    let signed = usable(ipxe_facts(Vec::new(), None));
    let verdict = |tries: usize, more: &[Event]| {
        let before = std::iter::repeat_n(&first, tries).flatten();
        let events: Vec<Event> = before.chain(more).cloned().collect();
        let record = after(&by_ipxe(&events));
        let boot = record.last().unwrap();
        judge(boot, Some(&signed), &[], boot.heard)
    };
    for tries in [1, 2, 3] {
        let waits = verdict(tries, &[]);
        assert!(matches!(waits, Verdict::Wait), "{tries}");
        let Verdict::Dead(cause) = verdict(tries, &[script()]) else {
            panic!("{tries}");
        };
        assert_eq!(cause.kind(), "kernel-refused");
        let at_kernel = verdict(tries, &[script(), kernel()]);
        assert!(matches!(at_kernel, Verdict::Dead(_)), "{tries}");
    }
}
