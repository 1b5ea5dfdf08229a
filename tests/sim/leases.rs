//! DHCP: the server's decisions with smoltcp's client and our init.

use std::collections::HashSet;
use std::time::Duration;

use netroot_proto::dhcp::lease::Lease;

use super::client::Client;
use super::lan::{Lan, MILLISECOND, SECOND, ip};
use super::lossy_link::Faults;
use super::server::{Habit, Sent, Server};

const HOUR: Duration = Duration::from_secs(3600);

fn all_have_leases(lan: &Lan) -> bool {
    lan.clients.iter().all(|client| client.lease().is_some())
}

#[test]
fn a_client_gets_a_lease_with_every_option_it_requested() {
    let server = Server::dhcp(1, (100, 200), HOUR);
    let mut lan = Lan::new(1, Faults::default(), vec![server], 1);
    lan.run(SECOND, all_have_leases);
    let lease = lan.clients[0].lease().expect("a lease within a second");
    assert!((ip(100)..=ip(200)).contains(&lease.address));
    assert_eq!(
        (lease.prefix, lease.server_id, lease.next_server),
        (24, Some(ip(1)), Some(ip(1)))
    );
    assert_eq!(
        (lease.default_gateway(), &lease.dns),
        (Some(ip(1).into()), &vec![ip(53)])
    );
    assert_eq!((lease.mtu, lease.lease_time), (Some(1400), Some(HOUR)));
    assert_eq!(lease.root_path.as_deref(), Some(&b"10.0.0.1:/root"[..]));
    assert!(lease.notes.is_empty(), "{:?}", lease.notes);
    assert_eq!(lan.servers[0].sent, [Sent::DhcpOffer, Sent::DhcpAck]);
}

#[test]
fn a_server_that_answers_after_three_or_five_seconds_is_waited_for() {
    for seconds in [3, 5] {
        let mut server = Server::dhcp(1, (100, 200), HOUR);
        server.delay = SECOND * seconds;
        let mut lan = Lan::new(2, Faults::default(), vec![server], 1);
        lan.run(60 * SECOND, all_have_leases);
        let won = lan.clients[0].won_at().expect("a lease");
        // One DISCOVER, one REQUEST: two server delays and the network.
        assert!(
            won < SECOND * (2 * seconds) + 20 * MILLISECOND,
            "{seconds} s: {won:?}"
        );
    }
}

#[test]
fn loss_duplication_and_reordering_delay_a_lease_but_do_not_lose_it() {
    let faults = Faults {
        loss_percent: 30,
        duplicate_percent: 20,
        jitter: 50 * MILLISECOND,
    };
    for seed in 0..40 {
        let server = Server::dhcp(1, (100, 103), HOUR);
        let mut lan = Lan::new(seed, faults, vec![server], 4);
        lan.run(300 * SECOND, all_have_leases);
        let addresses: HashSet<_> = lan
            .clients
            .iter()
            .filter_map(Client::lease)
            .map(|lease| lease.address)
            .collect();
        assert_eq!(
            addresses.len(),
            4,
            "seed {seed}: everybody has one, nobody shares"
        );
        assert!(!lan.servers[0].sent.contains(&Sent::DhcpNak), "seed {seed}");
    }
}

#[test]
fn a_lease_is_renewed_as_long_as_the_server_runs() {
    let server = Server::dhcp(1, (100, 200), 120 * SECOND);
    let mut lan = Lan::new(4, Faults::default(), vec![server], 2);
    lan.run(HOUR, |_| false);
    for client in &lan.clients {
        let leases: Vec<&Lease> = client
            .history
            .iter()
            .filter_map(|(_, lease)| lease.as_ref())
            .collect();
        // smoltcp renews at half time, but not more often than once a minute.
        assert!(leases.len() > 30, "{} leases", leases.len());
        assert!(
            leases
                .iter()
                .all(|lease| lease.address == leases[0].address)
        );
        let losses = client
            .history
            .iter()
            .skip(1)
            .filter(|(_, lease)| lease.is_none())
            .count();
        assert_eq!(losses, 0, "an address once had was lost");
    }
}

#[test]
fn a_server_that_forgot_its_leases_grants_the_same_addresses_again() {
    let server = Server::dhcp(1, (100, 200), 120 * SECOND);
    let mut lan = Lan::new(5, Faults::default(), vec![server], 3);
    lan.run(90 * SECOND, |_| false);
    let before: Vec<_> = lan
        .clients
        .iter()
        .map(|c| c.lease().map(|l| l.address))
        .collect();
    lan.servers[0] = Server::dhcp(1, (100, 200), 120 * SECOND);
    lan.run(600 * SECOND, |_| false);
    let after: Vec<_> = lan
        .clients
        .iter()
        .map(|c| c.lease().map(|l| l.address))
        .collect();
    assert_eq!(before, after);
    assert!(!lan.servers[0].sent.contains(&Sent::DhcpNak));
    assert!(lan.servers[0].sent.contains(&Sent::DhcpAck));
}

#[test]
fn a_range_that_moved_refuses_the_old_address_and_gives_a_new_one() {
    let server = Server::dhcp(1, (100, 120), 120 * SECOND);
    let mut lan = Lan::new(6, Faults::default(), vec![server], 1);
    lan.run(10 * SECOND, |_| false);
    assert!(lan.clients[0].lease().unwrap().address <= ip(120));
    lan.servers[0] = Server::dhcp(1, (150, 160), 120 * SECOND);
    lan.run(200 * SECOND, |_| false);
    assert!(lan.servers[0].sent.contains(&Sent::DhcpNak));
    assert!(lan.clients[0].lease().expect("a new lease").address >= ip(150));
}

#[test]
fn a_machine_that_was_away_for_days_comes_back_to_its_address() {
    let server = Server::dhcp(1, (100, 200), 120 * SECOND);
    let mut lan = Lan::new(7, Faults::default(), vec![server], 1);
    lan.run(SECOND, all_have_leases);
    let before = lan.clients[0].lease().unwrap().address;
    let (server, away) = (lan.servers.remove(0), 100 * HOUR);
    let mut later = Lan::new(8, Faults::default(), vec![server], 1);
    later.now = away;
    later.run(away + SECOND, all_have_leases);
    assert_eq!(
        later.clients[0].lease().map(|lease| lease.address),
        Some(before)
    );
}

#[test]
fn a_proxy_ignores_a_plain_client() {
    let servers = vec![Server::dhcp(1, (100, 200), HOUR), Server::proxy(2)];
    let mut lan = Lan::new(9, Faults::default(), servers, 3);
    lan.run(10 * SECOND, all_have_leases);
    assert!(all_have_leases(&lan));
    assert!(lan.servers[1].sent.is_empty(), "{:?}", lan.servers[1].sent);
}

#[test]
fn a_proxy_offers_to_firmware_but_never_acknowledges_the_other_servers_request() {
    let mut main = Server::dhcp(1, (100, 200), HOUR);
    main.delay = 2 * SECOND;
    let mut lan = Lan::new(10, Faults::default(), vec![main, Server::proxy(2)], 0);
    lan.add_firmware(7);
    lan.run(30 * SECOND, all_have_leases);
    let lease = lan.clients[0].lease().expect("the main server's lease");
    assert_eq!(lease.server_id, Some(ip(1)));
    assert_eq!(lan.servers[1].sent, [Sent::ProxyOffer]);
}

#[test]
fn of_two_dhcp_servers_only_the_chosen_one_acknowledges() {
    let mut slow = Server::dhcp(2, (150, 150), HOUR);
    slow.delay = 100 * MILLISECOND;
    let mut lan = Lan::new(
        11,
        Faults::default(),
        vec![Server::dhcp(1, (100, 120), HOUR), slow],
        1,
    );
    lan.run(10 * SECOND, all_have_leases);
    assert_eq!(lan.clients[0].lease().unwrap().server_id, Some(ip(1)));
    assert_eq!(lan.servers[1].sent, [Sent::DhcpOffer]);
    // Its address is free again: the range of one has room for another machine.
    let (_, pool) = lan.servers[1].dhcp.as_ref().unwrap();
    assert_eq!(pool.offers().count(), 0);
}

#[test]
fn thirty_clients_use_all_of_thirty_addresses() {
    let faults = Faults {
        jitter: 20 * MILLISECOND,
        ..Faults::default()
    };
    let server = Server::dhcp(1, (100, 129), HOUR);
    let mut lan = Lan::new(12, faults, vec![server], 30);
    lan.run(60 * SECOND, all_have_leases);
    let addresses: HashSet<_> = lan
        .clients
        .iter()
        .filter_map(Client::lease)
        .map(|lease| lease.address)
        .collect();
    assert_eq!(addresses.len(), 30);
}

/// Turns an option into padding.
fn without(packet: &mut [u8], code: u8) {
    let mut at = 240;
    while packet[at] != 255 {
        let length = if packet[at] == 0 {
            1
        } else {
            2 + usize::from(packet[at + 1])
        };
        if packet[at] == code {
            packet[at..at + length].fill(0);
        }
        at += length;
    }
}

/// Servers that smoltcp gets no lease from.
const HABITS: [(&str, Habit); 3] = [
    ("sends no netmask", |packet| without(packet, 1)),
    ("does not name itself", |packet| without(packet, 54)),
    ("keeps options in file", |packet| {
        without(packet, 54);
        without(packet, 1);
        packet[108..121].copy_from_slice(&[54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0, 255]);
        let end = packet.iter().rposition(|byte| *byte == 255).unwrap();
        packet.splice(end..end, [52, 1, 1]);
    }),
];

#[test]
fn servers_that_smoltcp_does_not_understand_are_understood_by_our_init() {
    for (habit, change) in HABITS {
        for ours in [false, true] {
            let mut server = Server::dhcp(1, (100, 200), HOUR);
            server.habit = Some(change);
            let mut lan = Lan::new(13, Faults::default(), vec![server], u8::from(!ours));
            if ours {
                lan.add_init(1, 13);
            }
            lan.run(100 * SECOND, all_have_leases);
            assert_eq!(all_have_leases(&lan), ours, "{habit}");
            if ours {
                let lease = lan.clients[0].lease().unwrap();
                assert!((ip(100)..=ip(200)).contains(&lease.address), "{habit}");
            }
        }
    }
}

#[test]
fn our_init_is_renewed_and_refused_like_any_other_client() {
    let server = Server::dhcp(1, (100, 120), 120 * SECOND);
    let mut lan = Lan::new(14, Faults::default(), vec![server], 0);
    lan.add_init(1, 14);
    lan.run(300 * SECOND, |_| false);
    assert!(lan.clients[0].lease().unwrap().address <= ip(120));
    lan.servers[0] = Server::dhcp(1, (150, 160), 120 * SECOND);
    lan.run(500 * SECOND, |_| false);
    assert!(lan.servers[0].sent.contains(&Sent::DhcpNak));
    assert!(lan.clients[0].lease().expect("a new lease").address >= ip(150));
}
