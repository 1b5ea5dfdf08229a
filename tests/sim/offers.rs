//! Several servers on one link, and an init that wants its root.

use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::client_identity::{ClientIdentity, Protocol};
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::offers::GRACE;
use netroot_proto::dhcp::{INIT_VENDOR_CLASS, MessageType, code};

use super::lan::{Lan, MILLISECOND, SECOND, ip};
use super::lossy_link::Faults;
use super::server::{Habit, Sent, Server};

const HOUR: Duration = Duration::from_secs(3600);

/// A DHCP server without a root.
fn router(last: u8, range: (u8, u8)) -> Server {
    Server {
        root: None,
        ..Server::dhcp(last, range, HOUR)
    }
}

fn late(server: Server, delay: Duration) -> Server {
    Server { delay, ..server }
}

fn with_habit(server: Server, habit: Habit) -> Server {
    let habit = Some(habit);
    Server { habit, ..server }
}

/// One init among `servers`, until it has a lease.
fn boots(servers: Vec<Server>) -> Lan {
    let mut lan = Lan::new(21, Faults::default(), servers, 0);
    lan.add_init(1, 99);
    lan.run(120 * SECOND, |lan| lan.clients[0].lease().is_some());
    lan
}

fn lease(lan: &Lan) -> &Lease {
    lan.clients[0].lease().expect("a lease")
}

fn root(lan: &Lan) -> Option<&[u8]> {
    lease(lan).root_path.as_deref()
}

/// Turns one option into another with the same value.
fn recode(packet: &mut [u8], from: u8, to: u8) {
    let mut at = 240;
    while packet[at] != 255 {
        let length = match packet[at] {
            0 => 1,
            _ => 2 + usize::from(packet[at + 1]),
        };
        if packet[at] == from {
            packet[at] = to;
        }
        at += length;
    }
}

#[test]
fn a_rogue_server_without_a_root_loses_although_it_answers_first() {
    let servers = vec![
        router(66, (160, 170)),
        late(Server::dhcp(1, (100, 120), HOUR), 700 * MILLISECOND),
    ];
    let lan = boots(servers);
    assert_eq!(lease(&lan).server_id, Some(ip(1)));
    assert_eq!(lan.servers[0].sent, [Sent::DhcpOffer]);
    // It waited for the root, and no longer.
    assert!(lan.clients[0].won_at().unwrap() < 1500 * MILLISECOND);
}

#[test]
fn an_offer_with_a_root_is_taken_at_once() {
    let lan = boots(vec![Server::dhcp(1, (100, 120), HOUR)]);
    assert!(lan.clients[0].won_at().unwrap() < 50 * MILLISECOND);
}

#[test]
fn an_offer_without_a_root_is_better_than_none() {
    let lan = boots(vec![router(1, (100, 120))]);
    let won = lan.clients[0].won_at().unwrap();
    assert!((GRACE..GRACE + SECOND).contains(&won), "{won:?}");
    assert_eq!(root(&lan), None);
}

#[test]
fn the_address_is_the_routers_and_the_root_the_boot_servers() {
    for router_first in [true, false] {
        let mut servers = vec![router(1, (100, 120)), Server::proxy(2)];
        servers[usize::from(router_first)].delay = 300 * MILLISECOND;
        servers[1].root = Some(b"/image,vers=3".to_vec());
        let lan = boots(servers);
        assert_eq!(lease(&lan).server_id, Some(ip(1)), "the address");
        assert_eq!(root(&lan), Some(&b"/image,vers=3"[..]));
        // A path without a server is on the boot server, not on the router.
        assert_eq!(lease(&lan).next_server, Some(ip(2)));
        assert!(lan.clients[0].won_at().unwrap() < SECOND, "{router_first}");
        assert_eq!(lan.servers[1].sent, [Sent::ProxyOffer]);
    }
}

#[test]
fn the_dhcp_servers_own_root_takes_precedence_over_the_boot_servers() {
    let mut main = Server::dhcp(1, (100, 120), HOUR);
    main.root = Some(b"10.0.0.9:/main".to_vec());
    let lan = boots(vec![Server::proxy(2), late(main, 100 * MILLISECOND)]);
    assert_eq!(root(&lan), Some(&b"10.0.0.9:/main"[..]));
}

#[test]
fn the_boot_server_ignores_an_init_without_its_vendor_class() {
    let mut lan = Lan::new(
        22,
        Faults::default(),
        vec![router(1, (100, 120)), Server::proxy(2)],
        1,
    );
    lan.run(10 * SECOND, |_| false);
    assert!(lan.servers[1].sent.is_empty());
}

#[test]
fn thirty_percent_loss_delays_the_lease_but_loses_neither_address_nor_root() {
    let faults = Faults {
        loss_percent: 30,
        duplicate_percent: 20,
        jitter: 50 * MILLISECOND,
    };
    for seed in 0..40 {
        let servers = vec![Server::dhcp(1, (100, 120), HOUR), router(66, (160, 170))];
        let mut lan = Lan::new(seed, faults, servers, 0);
        lan.add_init(1, seed);
        lan.run(300 * SECOND, |lan| lan.clients[0].lease().is_some());
        assert!(lan.clients[0].lease().is_some(), "seed {seed}");
    }
}

#[test]
fn a_server_that_answers_after_five_seconds_is_waited_for() {
    let lan = boots(vec![late(Server::dhcp(1, (100, 120), HOUR), 5 * SECOND)]);
    let won = lan.clients[0].won_at().unwrap();
    assert!(won < 10 * SECOND + 50 * MILLISECOND, "{won:?}");
}

#[test]
fn a_rapid_commit_is_a_lease_in_one_exchange() {
    let server = with_habit(Server::dhcp(1, (100, 120), HOUR), |packet| {
        // An OFFER becomes the ACK of a server that commits at once.
        assert_eq!(packet[240..242], [53, 1]);
        packet[242] = 5;
        let end = packet.iter().rposition(|byte| *byte == 255).unwrap();
        packet.splice(end..end, [80, 0]);
    });
    let lan = boots(vec![server]);
    assert_eq!(lease(&lan).server_id, Some(ip(1)));
    assert!(lan.clients[0].won_at().unwrap() < 10 * MILLISECOND);
    assert_eq!(lan.servers[0].sent, [Sent::DhcpOffer], "no REQUEST came");
}

#[test]
fn an_ack_without_an_offer_or_rapid_commit_is_ignored() {
    let server = with_habit(Server::dhcp(1, (100, 120), HOUR), |packet| packet[242] = 5);
    let mut lan = Lan::new(23, Faults::default(), vec![server], 0);
    lan.add_init(1, 5);
    lan.run(30 * SECOND, |_| false);
    assert!(lan.clients[0].lease().is_none());
}

#[test]
fn a_bootp_reply_is_a_lease_without_end() {
    let bootp: Habit = |packet| {
        for code in [53, 54, 51, 58, 59] {
            recode(packet, code, 224);
        }
    };
    let lan = boots(vec![with_habit(Server::dhcp(1, (100, 120), HOUR), bootp)]);
    let lease = lease(&lan);
    assert_eq!((lease.message, lease.lease_time), (None, None));
    assert_eq!(root(&lan), Some(&b"10.0.0.1:/root"[..]));
    assert!((ip(100)..=ip(120)).contains(&lease.address));
    // To the DISCOVER and its repetition, while an answer by DHCP was waited for.
    assert_eq!(lan.servers[0].sent, [Sent::DhcpOffer; 2], "no REQUEST came");
}

#[test]
fn a_bootp_reply_waits_for_dhcp_only_if_dhcp_was_requested() {
    let bootp: Habit = |packet| recode(packet, 53, 224);
    let won = |protocol| {
        let server = with_habit(Server::dhcp(1, (100, 120), HOUR), bootp);
        let mut lan = Lan::new(28, Faults::default(), vec![server], 0);
        lan.servers[0].knows_bootp = true;
        lan.add_init(1, 7);
        lan.clients[0].identity.protocol = protocol;
        lan.run(120 * SECOND, |lan| lan.clients[0].lease().is_some());
        assert!((ip(100)..=ip(120)).contains(&lease(&lan).address));
        lan.clients[0].won_at().unwrap()
    };
    assert!(won(Protocol::Bootp) < 50 * MILLISECOND);
    assert!(won(Protocol::Dhcp) >= GRACE);
}

#[test]
fn dhcp_is_preferred_to_bootp_if_both_lead_to_a_root() {
    let bootp: Habit = |packet| recode(packet, 53, 224);
    let servers = vec![
        with_habit(Server::dhcp(2, (160, 170), HOUR), bootp),
        late(Server::dhcp(1, (100, 120), HOUR), 100 * MILLISECOND),
    ];
    let lan = boots(servers);
    assert_eq!(lease(&lan).server_id, Some(ip(1)));
}

#[test]
fn a_server_that_withdraws_its_offer_comes_last_next_time() {
    // It refuses every request.
    let refusing = with_habit(Server::dhcp(66, (160, 170), HOUR), |packet| {
        if packet[242] == 5 {
            packet[242] = 6;
        }
    });
    let other = late(Server::dhcp(1, (100, 120), HOUR), 100 * MILLISECOND);
    let lan = boots(vec![refusing, other]);
    assert_eq!(lease(&lan).server_id, Some(ip(1)));
    assert!(lan.clients[0].won_at().unwrap() < 2 * GRACE);
}

#[test]
fn a_server_that_falls_silent_after_its_offer_comes_last_next_time() {
    let mute = with_habit(Server::dhcp(66, (160, 170), HOUR), |packet| {
        if packet[242] == 5 {
            packet.clear();
        }
    });
    let other = late(Server::dhcp(1, (100, 120), HOUR), 100 * MILLISECOND);
    let lan = boots(vec![mute, other]);
    assert_eq!(lease(&lan).server_id, Some(ip(1)));
}

#[test]
fn a_root_path_of_control_characters_is_no_root() {
    let mut rogue = Server::dhcp(66, (160, 170), HOUR);
    rogue.root = Some((1..200).map(|n| n % 32).collect());
    let other = late(Server::dhcp(1, (100, 120), HOUR), 500 * MILLISECOND);
    let lan = boots(vec![rogue, other]);
    assert_eq!(lease(&lan).server_id, Some(ip(1)));
}

#[test]
fn the_init_identifies_its_machine_in_every_message() {
    let mut lan = Lan::new(
        24,
        Faults::default(),
        vec![Server::dhcp(1, (100, 120), 60 * SECOND)],
        0,
    );
    lan.add_init(1, 3);
    lan.clients[0].identity = ClientIdentity {
        client_id: Some(b"\x00a-name".to_vec()),
        uuid: Some([0x5a; 16]),
        architecture: Some(7),
        ..ClientIdentity::default()
    };
    // In the DISCOVER, in the REQUEST, and in the REQUEST that renews.
    for end in [MILLISECOND, SECOND, 40 * SECOND] {
        lan.run(end, |_| false);
        let asked = lan.servers[0].asked.clone().expect("a message");
        assert_eq!(asked.vendor_class.as_deref(), Some(INIT_VENDOR_CLASS));
        assert_eq!(asked.client_id.as_deref(), Some(&b"\x00a-name"[..]));
        assert_eq!(asked.architectures, [7]);
        assert_eq!(asked.uuid, Some([&[0][..], &[0x5a; 16]].concat()));
        assert!(asked.wants(code::ROOT_PATH) && !asked.wants(200));
    }
    assert_eq!(
        lan.servers[0].asked.as_ref().unwrap().header.client_ip,
        lease(&lan).address
    );
}

#[test]
fn a_requested_address_is_assigned_if_it_is_free() {
    let mut lan = Lan::new(
        25,
        Faults::default(),
        vec![Server::dhcp(1, (100, 120), HOUR)],
        0,
    );
    for number in [1, 2] {
        lan.add_init(number, u64::from(number));
        lan.clients.last_mut().unwrap().identity.requested = Some(ip(117));
    }
    lan.run(10 * SECOND, |_| false);
    let addresses: Vec<_> = lan
        .clients
        .iter()
        .filter_map(|client| client.lease().map(|lease| lease.address))
        .collect();
    assert_eq!(addresses.len(), 2);
    assert_eq!(addresses.iter().filter(|a| **a == ip(117)).count(), 1);
}

#[test]
fn an_address_in_use_is_declined_and_not_assigned_again() {
    let server = Server::dhcp(1, (101, 102), HOUR);
    let mut lan = Lan::new(26, Faults::default(), vec![server], 0);
    lan.add_init(1, 6);
    let other = Mac([2, 0, 0, 0, 0, 9]);
    let mac = lan.clients[0].mac;
    let (_, pool) = lan.servers[0].dhcp.as_mut().unwrap();
    let first = pool.offer(mac, None, Duration::ZERO).unwrap();
    lan.clients[0].neighbours = vec![(first, other)];
    lan.run(SECOND / 2, |_| false);
    assert_eq!(lan.clients[0].declined, [first]);
    let asked = lan.servers[0].asked.clone().unwrap();
    assert_eq!(asked.kind, MessageType::Decline);
    let about = (asked.requested_address, asked.server_id);
    assert_eq!(about, (Some(first), Some(ip(1))));
    assert_eq!((asked.vendor_class, asked.wanted), (None, Vec::new()));
    let (_, pool) = lan.servers[0].dhcp.as_mut().unwrap();
    for number in [7, 8, 9] {
        let mac = Mac([2, 0, 0, 0, 0, number]);
        let offered = pool.clone().offer(mac, None, SECOND);
        assert_ne!(offered, Some(first));
    }
    // A second later it asks again, and gets the other one.
    lan.run(10 * SECOND, |lan| lan.clients[0].lease().is_some());
    assert_ne!(lease(&lan).address, first);
}

#[test]
fn a_network_that_answers_for_every_address_keeps_no_machine_from_booting() {
    let server = Server::dhcp(1, (100, 120), HOUR);
    let mut lan = Lan::new(27, Faults::default(), vec![server], 0);
    lan.add_init(1, 8);
    let other = Mac([2, 0, 0, 0, 0, 9]);
    lan.clients[0].neighbours = (100..=120).map(|last| (ip(last), other)).collect();
    lan.run(30 * SECOND, |lan| lan.clients[0].lease().is_some());
    assert_eq!(lan.clients[0].declined.len(), 2);
    assert!((ip(100)..=ip(120)).contains(&lease(&lan).address));
}

#[test]
fn two_inits_on_one_network_are_given_two_roots_by_the_dhcp_server_and_by_a_proxy() {
    let mac = |number| Mac([0x52, 0x54, 0, 0, 0, number]);
    let roots: Vec<(Mac, &'static [u8])> = vec![(mac(2), b"10.0.0.1:/second")];
    let alone = Server {
        roots: roots.clone(),
        ..Server::dhcp(1, (100, 120), HOUR)
    };
    let proxy = Server {
        roots,
        ..Server::proxy(1)
    };
    for servers in [vec![alone], vec![router(66, (160, 170)), proxy]] {
        let mut lan = Lan::new(31, Faults::default(), servers, 0);
        for number in 1..=2 {
            lan.add_init(number, number.into());
        }
        lan.run(120 * SECOND, |lan| {
            lan.clients.iter().all(|client| client.lease().is_some())
        });
        let roots = lan.clients.iter().map(|client| client.lease().unwrap());
        let roots: Vec<_> = roots.map(|lease| lease.root_path.as_deref()).collect();
        assert_eq!(
            roots,
            [Some(&b"10.0.0.1:/root"[..]), Some(&b"10.0.0.1:/second"[..])]
        );
    }
}
