//! DHCP servers that send invalid options, and our init: from the server's message through
//! the scoring of offers to the chosen root.

use std::net::IpAddr;
use std::time::Duration;

use netroot_proto::cmdline::BootPlan;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::options::Message;
use netroot_proto::root::{LeaseFacts, choose_root};
use proptest::prelude::*;

use super::lan::{Lan, SECOND, ip};
use super::lossy_link::Faults;
use super::server::{Habit, Server};

const HOUR: Duration = Duration::from_secs(3600);

/// Replaces these options of the packet.
fn say(packet: &mut Vec<u8>, said: &[(u8, &[u8])]) {
    let message = Message::read(packet).unwrap();
    let mut draft = Draft::new(message.header.clone());
    let valid = message.options.iter();
    for (code, value) in valid.filter(|(code, _)| said.iter().all(|(changed, _)| changed != code)) {
        draft.push(code, value);
    }
    for (code, value) in said {
        draft.push(*code, value);
    }
    *packet = draft.emit(LONGEST).bytes;
}

/// Appends bytes after the packet's last option.
fn append(packet: &mut Vec<u8>, bytes: &[u8]) {
    let end = packet.iter().rposition(|byte| *byte == 255).unwrap();
    packet.truncate(end);
    packet.extend_from_slice(bytes);
}

/// Sets the packet's `yiaddr`.
fn give(packet: &mut [u8], address: [u8; 4]) {
    packet[16..20].copy_from_slice(&address);
}

/// An invalid option: its name, the warnings on the console, if any, and what must hold.
struct InvalidOption {
    name: &'static str,
    tell: Habit,
    notes: &'static [&'static str],
    holds: fn(&Lease) -> bool,
}

const INVALID_OPTIONS: [InvalidOption; 24] = [
    InvalidOption {
        name: "two routers, the first one elsewhere",
        tell: |p| say(p, &[(3, &[192, 0, 2, 1, 10, 0, 0, 7])]),
        notes: &["2 routers (option 3); 10.0.0.7 is used"],
        holds: |lease| lease.default_gateway() == Some(ip(7).into()),
    },
    InvalidOption {
        name: "a router elsewhere alone",
        tell: |p| say(p, &[(3, &[192, 0, 2, 1])]),
        notes: &["router 192.0.2.1 is outside the network"],
        holds: |lease| lease.default_gateway() == Some([192, 0, 2, 1].into()),
    },
    InvalidOption {
        name: "routers that no host can be",
        tell: |p| say(p, &[(3, &[0, 0, 0, 0, 127, 0, 0, 1, 255, 255, 255, 255])]),
        notes: &[
            "option 3 names 0.0.0.0, which no host can have; ignored",
            "option 3 names 127.0.0.1, which no host can have; ignored",
            "option 3 names 255.255.255.255, which no host can have; ignored",
        ],
        holds: |lease| lease.default_gateway().is_none(),
    },
    InvalidOption {
        name: "an MTU of 68",
        tell: |p| say(p, &[(26, &[0, 68])]),
        notes: &["an MTU of 68 (option 26) is ignored: 576 or less breaks NFS"],
        holds: |lease| lease.mtu.is_none(),
    },
    InvalidOption {
        name: "an MTU of three bytes",
        tell: |p| say(p, &[(26, &[5, 220, 0])]),
        notes: &["option 26 has 3 bytes; ignored"],
        holds: |lease| lease.mtu.is_none(),
    },
    InvalidOption {
        name: "names of 255 bytes",
        tell: |p| say(p, &[(12, &[b'h'; 255]), (15, &[b'd'; 255])]),
        notes: &[
            "option 12 (255 bytes) is not a valid name; ignored",
            "option 15 (255 bytes) is not a valid name; ignored",
        ],
        holds: |lease| lease.host_name.is_none() && lease.domain.is_none(),
    },
    InvalidOption {
        name: "names that paint the terminal",
        tell: |p| say(p, &[(12, b"\x1b[2Jbox"), (15, b"lab\nnameserver 1.2.3.4")]),
        notes: &[
            "option 12 (7 bytes) is not a valid name; ignored",
            "option 15 (22 bytes) is not a valid name; ignored",
        ],
        holds: |lease| lease.host_name.is_none() && lease.domain.is_none(),
    },
    InvalidOption {
        name: "a lease of no time",
        tell: |p| say(p, &[(51, &[0; 4]), (58, &[0; 4]), (59, &[0; 4])]),
        notes: &["a lease of 0 s (option 51) expires at once; the address is kept anyway"],
        holds: |lease| lease.lease_time == Some(Duration::ZERO),
    },
    InvalidOption {
        name: "a lease of one second",
        tell: |p| say(p, &[(51, &[0, 0, 0, 1]), (58, &[0; 4]), (59, &[0; 4])]),
        notes: &["a lease of 1 s (option 51) expires at once; the address is kept anyway"],
        holds: |lease| lease.lease_time == Some(SECOND),
    },
    InvalidOption {
        name: "a lease for ever with times to renew it",
        tell: |p| {
            say(
                p,
                &[(51, &[255; 4]), (58, &[0, 0, 0, 9]), (59, &[0, 0, 0, 3])],
            )
        },
        notes: &[],
        holds: |lease| lease.lease_time.is_none() && lease.renew_after.is_none(),
    },
    InvalidOption {
        name: "times that contradict each other",
        tell: |p| say(p, &[(58, &[255; 4]), (59, &[0, 0, 0, 3])]),
        notes: &[
            "the lease times (options 51, 58, 59) contradict each other; using one half and seven eighths",
        ],
        holds: |lease| lease.renew_after == Some(HOUR / 2),
    },
    InvalidOption {
        name: "a netmask of nothing",
        tell: |p| say(p, &[(1, &[0; 4])]),
        notes: &["0.0.0.0 (option 1) is not a netmask for this address; using /8, its class"],
        holds: |lease| lease.prefix == 8,
    },
    InvalidOption {
        name: "a netmask with holes",
        tell: |p| say(p, &[(1, &[255, 0, 255, 0])]),
        notes: &["255.0.255.0 (option 1) is not a netmask for this address; using /8, its class"],
        holds: |lease| lease.prefix == 8,
    },
    InvalidOption {
        name: "a netmask that makes the address the network's own",
        tell: |p| say(p, &[(1, &[255, 255, 255, 252])]),
        notes: &[
            "255.255.255.252 (option 1) is not a netmask for this address; using /8, its class",
        ],
        holds: |lease| lease.prefix == 8,
    },
    InvalidOption {
        name: "its own address as the broadcast address",
        tell: |p| {
            let own: [u8; 4] = p[16..20].try_into().unwrap();
            say(p, &[(28, &own)]);
        },
        notes: &["10.0.0.100 (option 28) cannot be this network's broadcast address; ignored"],
        holds: |lease| lease.broadcast.is_none(),
    },
    InvalidOption {
        name: "a server of zeros",
        tell: |p| say(p, &[(54, &[0; 4])]),
        notes: &["option 54 names 0.0.0.0, which no host can have; ignored"],
        holds: |lease| lease.server_id.is_none(),
    },
    InvalidOption {
        name: "routes to a network of 77 bits",
        tell: |p| say(p, &[(121, &[77, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 1])]),
        notes: &["the routes (option 121) end in invalid data; 0 kept"],
        holds: |lease| lease.default_gateway() == Some(ip(1).into()),
    },
    InvalidOption {
        name: "a route cut in the middle after a good one",
        tell: |p| say(p, &[(121, &[0, 10, 0, 0, 9, 24, 192, 0])]),
        notes: &["the routes (option 121) end in invalid data; 1 kept"],
        holds: |lease| lease.default_gateway() == Some(ip(9).into()),
    },
    InvalidOption {
        name: "a route by a gateway that no host can be",
        tell: |p| say(p, &[(121, &[0, 255, 255, 255, 255])]),
        notes: &["the routes (option 121) end in invalid data; 0 kept"],
        holds: |lease| lease.default_gateway() == Some(ip(1).into()),
    },
    InvalidOption {
        name: "a search list that loops",
        tell: |p| say(p, &[(119, b"\x03lab\x00\x01a\xc0\x05")]),
        notes: &["the search list (option 119) ends in invalid data; 1 kept"],
        holds: |lease| lease.search == ["lab"],
    },
    InvalidOption {
        name: "options without a value",
        tell: |p| {
            let empty: Vec<(u8, &[u8])> = [1, 3, 6, 12, 15, 26, 28, 42, 51, 58, 59, 119, 121]
                .map(|code| (code, &[][..]))
                .into();
            say(p, &empty);
        },
        notes: &[
            "no netmask (option 1); using /8, the class of the address",
            "the routes (option 121) end in invalid data; 0 kept",
            "option 51 has 0 bytes; ignored",
            "option 26 has 0 bytes; ignored",
            "option 28 has 0 bytes; ignored",
        ],
        holds: |lease| lease.lease_time.is_none() && lease.routers.is_empty(),
    },
    InvalidOption {
        name: "an option longer than the message",
        tell: |p| append(p, &[6, 250, 10, 0, 0, 2]),
        notes: &["option 6 claims 250 bytes where the options field has only 4 left"],
        holds: |lease| lease.dns == [ip(53)],
    },
    InvalidOption {
        name: "everything said twice, differently",
        tell: |p| append(p, &[26, 2, 0, 68, 1, 4, 255, 0, 0, 0, 53, 1, 6, 255]),
        notes: &[],
        holds: |lease| (lease.mtu, lease.prefix) == (Some(1400), 24),
    },
    InvalidOption {
        name: "names that hold options, which are rubbish",
        tell: |p| {
            p[44..236].fill(0xee);
            append(p, &[52, 1, 3, 255]);
        },
        notes: &[
            "option 238 claims 238 bytes where file has only 126 left",
            "option 238 claims 238 bytes where sname has only 62 left",
        ],
        holds: |lease| lease.boot_file.is_none(),
    },
];

/// An init and a single server that changes its replies like this.
fn meets(habit: Habit) -> Lan {
    let mut server = Server::dhcp(1, (100, 100), HOUR);
    server.habit = Some(habit);
    let mut lan = Lan::new(31, Faults::default(), vec![server], 0);
    lan.add_init(1, 17);
    lan.run(30 * SECOND, |lan| lan.clients[0].lease().is_some());
    lan
}

/// The root that is finally chosen.
fn root(lease: &Lease) -> Option<String> {
    let facts = LeaseFacts {
        address: Some(lease.address.into()),
        host_name: lease.host_name.as_deref(),
        root_path: lease.root_path.as_deref(),
        next_server: lease.next_server.map(IpAddr::V4),
        server_identifier: lease.server_id.map(IpAddr::V4),
        ..LeaseFacts::default()
    };
    let plan = BootPlan::parse("root=dhcp ip=dhcp");
    let choice = choose_root(&plan, &facts).ok()?;
    Some(format!("{}:{}", choice.server, choice.path))
}

#[test]
fn each_invalid_option_costs_only_itself_and_never_the_root() {
    for case in &INVALID_OPTIONS {
        let lan = meets(case.tell);
        let lease = lan.clients[0].lease();
        let lease = lease.unwrap_or_else(|| panic!("{}: no lease", case.name));
        let notes: Vec<String> = lease.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, case.notes, "{}", case.name);
        assert!((case.holds)(lease), "{}: {lease:#?}", case.name);
        assert_eq!(
            root(lease).as_deref(),
            Some("10.0.0.1:/root"),
            "{}",
            case.name
        );
    }
}

#[test]
fn an_invalid_address_is_never_accepted() {
    let habits: [Habit; 7] = [
        |p| give(p, [0, 0, 0, 0]),
        |p| give(p, [0, 0, 0, 9]),
        |p| give(p, [127, 0, 0, 1]),
        |p| give(p, [224, 0, 0, 1]),
        |p| give(p, [255, 255, 255, 255]),
        // The broadcast address of its class, whatever the mask is.
        |p| give(p, [10, 255, 255, 255]),
        |p| give(p, [192, 0, 2, 255]),
    ];
    for (number, habit) in habits.into_iter().enumerate() {
        let mut lan = meets(habit);
        assert!(lan.clients[0].lease().is_none(), "{number}");
        // An offer without an address is a boot server's, and valid.
        let reported = lan.clients[0].unusable().map(|(server, _)| server);
        assert_eq!(reported, (number > 0).then_some(ip(1)), "{number}");
        lan.run(60 * SECOND, |_| false);
        assert_eq!(lan.clients[0].unusable(), None, "once is enough");
    }
}

#[test]
fn a_root_path_of_control_characters_is_rejected_and_a_long_one_bounded() {
    let paints: Habit = |p| say(p, &[(17, b"10.0.0.1:/\x1b[2J\x07\r\n/root")]);
    let lan = meets(paints);
    let lease = lan.clients[0].lease().expect("a lease");
    assert_eq!(root(lease), None);
    let notes: Vec<String> = lease.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        ["the root path (option 17) contains control characters"]
    );
    // RFC 3396 lets it be of any length; MOUNT takes 1024 bytes.
    let long: Habit = |p| say(p, &[(17, &[b'/'; 1030])]);
    let lan = meets(long);
    assert_eq!(root(lan.clients[0].lease().expect("a lease")), None);
}

/// Applies the changes with these numbers, one after the other.
fn tell_all(packet: &mut Vec<u8>, numbers: &[usize]) {
    for number in numbers {
        // The changes before it may have left no valid message.
        if Message::read(packet).is_ok() && packet.contains(&255) {
            (INVALID_OPTIONS[*number].tell)(packet);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn invalid_options_in_any_order_leave_a_usable_lease(
        numbers in prop::collection::vec(0..INVALID_OPTIONS.len(), 0..8),
        address in any::<[u8; 4]>(),
    ) {
        let mut server = Server::dhcp(1, (100, 120), HOUR);
        let mut lan = Lan::new(32, Faults::default(), Vec::new(), 0);
        lan.add_init(1, 17);
        lan.run(Duration::ZERO, |_| false);
        // A valid server's ACK, then changed.
        let inform = netroot_proto::dhcp::inform::Inform {
            mac: lan.clients[0].mac,
            address: ip(100),
            transaction: 1,
            identity: Default::default(),
        };
        let frame = server.answer(&inform.frame(SECOND), SECOND).unwrap();
        let mut packet = frame[42..].to_vec();
        give(&mut packet, address);
        tell_all(&mut packet, &numbers);
        if let Ok(lease) = Lease::read(&packet) {
            let [first, ..] = lease.address.octets();
            prop_assert!(first != 0 && first != 127 && first < 224);
            prop_assert!((1..=32).contains(&lease.prefix));
            prop_assert!(lease.mtu.is_none_or(|mtu| mtu > 576));
            for note in &lease.notes {
                prop_assert!(!note.to_string().contains(char::is_control));
            }
            if let Some(root) = root(&lease) {
                prop_assert!(!root.contains(char::is_control));
            }
        }
    }
}

#[test]
fn a_hostile_first_offer_without_a_root_never_costs_the_machine_its_root() {
    for case in &INVALID_OPTIONS {
        let mut hostile = Server::dhcp(66, (160, 170), HOUR);
        hostile.root = None;
        hostile.habit = Some(case.tell);
        let mut valid = Server::dhcp(1, (100, 120), HOUR);
        valid.delay = SECOND;
        let mut lan = Lan::new(33, Faults::default(), vec![hostile, valid], 0);
        lan.add_init(1, 23);
        lan.run(120 * SECOND, |lan| lan.clients[0].lease().is_some());
        let lease = lan.clients[0].lease();
        let lease = lease.unwrap_or_else(|| panic!("{}: no lease", case.name));
        assert_eq!(lease.server_id, Some(ip(1)), "{}", case.name);
    }
}
