//! DHCP: messages in another machine's name, from nowhere and for elsewhere, and more machines than there are.
//!
//! "Before" is the release before netroot knew of strangers; the attacks are those of `e_dhcp.py` there.

mod wire;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_net::Mac;
use netroot_proto::dhcp::MessageType;
use netroot_proto::dhcp::options::Message;

use self::wire::{NONE, Sent, Wire};
use super::lab::{Lab, TIMEOUT, client, server, udp};

const DHCP: u16 = 67;
/// Addresses beyond the server's router that did not ask for anything.
const VICTIM: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const OTHER_VICTIM: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// The victim on this network.
const MACHINE: Mac = Mac([0x52, 0x54, 0, 0xaa, 0xaa, 0xaa]);

/// The hardware address of an invented machine.
fn invented(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 9, a, b, c, d])
}

fn count(lab: &Lab, kind: &str) -> usize {
    let events = lab.server.events();
    events
        .iter()
        .filter(|(_, event)| event.kind == kind)
        .count()
}

/// Before: 493 bytes for 489 to 198.51.100.7, port 67, and 300 for 293 to 203.0.113.9, port 5353. Now none.
#[test]
fn a_proxy_sends_nothing_to_somebody_who_did_not_ask() -> Result<()> {
    // A relay's machines are told only what they may mount.
    let lab = Lab::new("dhcp-relay", &["--allow", &VICTIM.to_string()])?;
    // The way to the victims is the attacker's machine, which has their addresses.
    lab.host().shell("ip route add default via 10.66.0.2")?;
    lab.clients.shell(&format!(
        "ip addr add {VICTIM}/32 dev lo
         ip addr add {OTHER_VICTIM}/32 dev lo"
    ))?;
    let discover = |relay_ip, transaction| Sent {
        relay_ip,
        pxe: true,
        ..Sent::new(MessageType::Discover, MACHINE, transaction)
    };
    lab.clients.within(|| {
        let victim = udp(VICTIM, DHCP)?;
        victim.set_read_timeout(Some(Duration::from_secs(2)))?;
        let other = udp(OTHER_VICTIM, 5353)?;
        other.set_nonblocking(true)?;
        let attacker = udp(client(2), 5353)?;
        let mut sent = 0;
        for transaction in 0..50 {
            let forged = discover(VICTIM, transaction).bytes();
            sent += forged.len();
            attacker.send_to(&forged, server(DHCP))?;
            let inform = Sent {
                client_ip: OTHER_VICTIM,
                for_server: true,
                pxe: true,
                ..Sent::new(MessageType::Inform, MACHINE, transaction)
            };
            sent += inform.bytes().len();
            attacker.send_to(&inform.bytes(), server(DHCP))?;
        }
        // A relay that asks itself is answered, with what it sent in option 82: the first thing that arrives there.
        let relayed = discover(VICTIM, 0xffff);
        let mut buffer = [0; 1600];
        let mut received = None;
        for _ in 0..30 {
            victim.send_to(&relayed.bytes(), server(DHCP))?;
            received = victim.recv_from(&mut buffer).ok();
            if received.is_some() {
                break;
            }
        }
        let (length, from) = received.context("a relay is not answered")?;
        let answer = Message::read(buffer.get(..length).unwrap_or_default())?;
        ensure!(from == server(DHCP), "{from}");
        ensure!(answer.header.transaction == 0xffff, "{:?}", answer.header);
        ensure!(answer.header.relay_ip == VICTIM);
        let last = answer.options.iter().last();
        ensure!(last == Some((82, &[b'A'; 200][..])), "{last:?}");
        ensure!(other.recv_from(&mut buffer).is_err(), "an INFORM's answer");
        println!("{sent} bytes asked in the victims' names, 0 sent to them");
        Ok(())
    })
}

/// A relay that sends from its leg in this network has an address of another network in giaddr, as most have.
#[test]
fn a_relay_with_another_source_address_is_answered() -> Result<()> {
    let lab = Lab::new("dhcp-relay-leg", &["--allow", "10.88.0.0/24"])?;
    lab.clients.within(|| {
        let relay = udp(client(2), DHCP)?;
        relay.set_read_timeout(Some(TIMEOUT))?;
        let relayed = Sent {
            relay_ip: Ipv4Addr::new(10, 88, 0, 1),
            pxe: true,
            ..Sent::new(MessageType::Discover, MACHINE, 7)
        };
        relay.send_to(&relayed.bytes(), server(DHCP))?;
        let mut buffer = [0; 1600];
        let (length, _) = relay.recv_from(&mut buffer)?;
        let answer = Message::read(buffer.get(..length).unwrap_or_default())?;
        ensure!(answer.header.relay_ip == relayed.relay_ip);
        Ok(())
    })
}

/// Before: one RELEASE in the victim's name, from any address; the attacker was offered and granted the victim's
/// address, and the victim's renewal was refused. Now the victim keeps it, whatever is sent in its name.
#[test]
fn nobody_gives_another_machines_address_back() -> Result<()> {
    let range = ["--dhcp", "10.66.0.100-10.66.0.101"];
    let lab = Lab::new("dhcp-release", &range)?;
    let mut wire = Wire::of(&lab.clients)?;
    let victim = wire.mac;
    let address = wire.lease(victim)?;
    lab.clients
        .shell(&format!("ip addr add {address}/24 dev eth0"))?;

    let forged = |kind, client_ip, requested| Sent {
        client_ip,
        requested,
        for_server: true,
        ..Sent::new(kind, victim, 0)
    };
    for from in [NONE, client(2)] {
        wire.send(from, &forged(MessageType::Release, address, None))?;
    }
    ensure!(wire.discover(invented(1), Some(address))? != address);
    ensure!(!wire.request(invented(1), address)?, "granted to another");
    ensure!(wire.renew(victim, address)?, "refused to the victim");
    ensure!(count(&lab, "dhcp-release") == 0, "a RELEASE was believed");

    // From its address, or from none: nothing shows that these are not the victim's. It uses the address, though.
    for believed in [
        (address, forged(MessageType::Release, address, None)),
        (NONE, forged(MessageType::Decline, NONE, Some(address))),
    ] {
        wire.send(believed.0, &believed.1)?;
        for attacker in 1..8 {
            // An answer would be the next one's, and an error there.
            let ask = wire.next_transaction();
            let mut wish = Sent::new(MessageType::Request, invented(attacker), ask);
            wish.requested = Some(address);
            ensure!(wire.ask(NONE, &wish)?.kind() == Some(MessageType::Nak));
            ensure!(wire.discover(invented(1), Some(address))? != address);
            // Probes are sent meanwhile, and the victim's machine answers.
            std::thread::sleep(Duration::from_millis(300));
        }
        ensure!(wire.renew(victim, address)?, "{believed:?}");
        ensure!(wire.discover(victim, None)? == address);
    }
    ensure!(count(&lab, "dhcp-release") == 1 && count(&lab, "dhcp-decline") == 1);
    Ok(())
}

/// Before: a machine that declined one address after another emptied the range for ten minutes. Now an eighth of it.
#[test]
fn declining_every_address_leaves_some_for_others() -> Result<()> {
    let lab = Lab::new("dhcp-decline", &["--dhcp", "10.66.0.100-10.66.0.115"])?;
    let mut wire = Wire::of(&lab.clients)?;
    let mut declined = 0;
    for number in 0..40 {
        let mac = invented(number % 20);
        let address = wire.lease_at_last(mac)?;
        let decline = Sent {
            requested: Some(address),
            for_server: true,
            ..Sent::new(MessageType::Decline, mac, 0)
        };
        wire.send(NONE, &decline)?;
        declined += 1;
    }
    println!("{declined} addresses of 16 declined");
    wire.lease_at_last(MACHINE)?;
    Ok(())
}

/// Before: 200 datagrams took all of 100 addresses, after which the address of every lease that ended was taken too. They
/// still do (a MAC is only what a message says), but those that have a lease keep it, the log says so once, and
/// offers alone take nothing.
#[test]
fn taking_every_address_costs_those_that_have_one_nothing() -> Result<()> {
    let range = ["--dhcp", "10.66.0.100-10.66.0.149"];
    let mut lab = Lab::new("dhcp-take", &range)?;
    let mut wire = Wire::of(&lab.clients)?;
    let known_machine = wire.mac;
    let known = wire.lease(known_machine)?;
    lab.clients
        .shell(&format!("ip addr add {known}/24 dev eth0"))?;
    for number in 0..5000 {
        wire.discover(invented(number), None)?;
    }
    let newcomer = wire.lease(invented(5000))?;
    ensure!(newcomer != known);
    for number in 5001..5049 {
        wire.lease(invented(number))?;
    }
    for number in 6000..6100 {
        let ask = wire.next_transaction();
        wire.send(
            NONE,
            &Sent::new(MessageType::Discover, invented(number), ask),
        )?;
    }
    // Nothing was offered before this answer.
    ensure!(wire.renew(known_machine, known)?, "refused");
    ensure!(wire.discover(known_machine, None)? == known, "another one");
    let full = "every address of the range";
    lab.server
        .program()
        .wait_for(full, "the warning", TIMEOUT)?;
    let warnings = lab.server.events();
    let warnings = warnings
        .iter()
        .filter(|(_, event)| event.text.contains(full));
    ensure!(warnings.count() == 1, "the warning");
    lab.assert_memory("48 leases taken with 96 datagrams after 5000 DISCOVERs")
}

/// Before: four DISCOVERs in a machine's name changed how it was answered (option 43 was left out). Now they do not, nor
/// does a flood of others make the server forget it.
#[test]
fn requests_in_a_machines_name_do_not_change_how_it_is_answered() -> Result<()> {
    let lab = Lab::new("dhcp-strategy", &[])?;
    let mut wire = Wire::of(&lab.clients)?;
    let options = |wire: &mut Wire, mac| -> Result<Vec<(u8, Vec<u8>)>> {
        let ask = wire.next_transaction();
        let discover = Sent {
            pxe: true,
            ..Sent::new(MessageType::Discover, mac, ask)
        };
        let offer = wire.ask(NONE, &discover)?;
        let all = offer
            .options
            .iter()
            .map(|(code, value)| (code, value.to_vec()));
        Ok(all.collect())
    };
    let first = options(&mut wire, MACHINE)?;
    ensure!(first.iter().any(|(code, _)| *code == 43));
    for round in 0..4 {
        for number in 0..500 {
            ensure!(options(&mut wire, invented(round * 1000 + number))? == first);
            ensure!(options(&mut wire, MACHINE)? == first, "{round} {number}");
        }
    }
    println!("2000 DISCOVERs in the machine's name: 1 kind of answer");
    Ok(())
}

/// 20,000 DISCOVERs of invented machines for a range of 51 addresses: an honest machine is still offered one, and gets it.
#[test]
fn a_flood_of_discovers_leaves_an_offer_and_memory() -> Result<()> {
    let mut lab = Lab::new("dhcp-flood", &["--dhcp", "10.66.0.100-10.66.0.150"])?;
    let mut wire = Wire::of(&lab.clients)?;
    let mut heard = 0;
    for number in 0..20_000 {
        let flood = Sent {
            pxe: number % 2 == 0,
            ..Sent::new(MessageType::Discover, invented(number), 0)
        };
        wire.send(NONE, &flood)?;
        while wire.queued()?.is_some() {
            heard += 1;
        }
    }
    wire.lease_at_last(MACHINE)?;
    println!("{heard} offers heard");
    lab.assert_memory("20,000 DISCOVERs")
}

/// An address of the range belongs to a machine with a fixed address. Before: it was offered and granted. Now it is
/// found in use ahead of the requests, and no offer waits for that.
#[test]
fn an_address_in_use_is_not_given_out() -> Result<()> {
    // The clients' machine has the first one.
    let range = ["--dhcp", "10.66.0.90-10.66.0.91"];
    let mut lab = Lab::new("dhcp-in-use", &range)?;
    let mut wire = Wire::of(&lab.clients)?;
    let (used, free) = (client(90), client(91));
    // The first DISCOVER after the start is answered with an offer, whether or not a probe has ended.
    let offered = wire.discover(MACHINE, Some(used))?;
    let found = format!("uses {used}, which");
    let what = "the address in use";
    lab.server
        .program()
        .stdout()
        .wait_for(&found, what, TIMEOUT)?;
    if offered == used {
        ensure!(!wire.request(MACHINE, used)?, "granted");
    }
    for number in 0..50 {
        ensure!(wire.discover(invented(number), Some(used))? == free);
    }
    ensure!(wire.lease(MACHINE)? == free);
    ensure!(!wire.request(invented(1), used)?, "granted");
    let events = lab.server.events();
    let mut in_use = events
        .iter()
        .filter(|(_, event)| event.kind == "address-in-use");
    let named = in_use.next().and_then(|(_, event)| event.machine.clone());
    ensure!(named == Some(wire.mac.to_string()), "{named:?}");
    ensure!(in_use.next().is_none(), "told more than once");
    Ok(())
}
