//! `kill -9` and a full disk while machines take leases: no address that a machine was told of goes to another one.
//!
//! Before, all leases were written every two seconds, after they had been acknowledged and without a sync: a server that
//! was killed within half a second knew none of them afterwards, and the first address went to the first thief. Now
//! every one is kept (10 kills, 76 leases).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_net::Mac;
use netroot_proto::dhcp::MessageType;
use netroot_proto::dhcp::code;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use nix::sys::socket::{setsockopt, sockopt};

use super::lab::{Lab, SERVER, TIMEOUT, server};
use crate::firmware;

const RANGE: &str = "10.66.0.100-10.66.0.250";

/// DHCP clients with any MAC, on the client's machine.
struct Clients {
    socket: UdpSocket,
}

/// What the server answered: to whom, what, and which address.
type Answer = (Mac, MessageType, Ipv4Addr);

impl Clients {
    /// To be used in `clients.within`.
    fn new() -> Result<Self> {
        let socket = firmware::client_socket(Ipv4Addr::UNSPECIFIED)?;
        setsockopt(&socket, sockopt::BindToDevice, &"eth0".into())?;
        socket.set_broadcast(true)?;
        Ok(Self { socket })
    }

    fn send(&self, mac: Mac, kind: MessageType, address: Option<Ipv4Addr>) -> Result<()> {
        let [.., a, b, c, d] = mac.0;
        let mut header = Header::of_client(mac, u32::from_be_bytes([a, b, c, d]));
        header.flags = BROADCAST_FLAG;
        let mut draft = Draft::new(header);
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        if let Some(address) = address {
            draft.push(code::REQUESTED_ADDRESS, &address.octets());
        }
        if kind == MessageType::Request {
            draft.push(code::SERVER_ID, &SERVER.octets());
        }
        let packet = draft.emit(LONGEST).bytes;
        self.socket.send_to(&packet, server(67))?;
        Ok(())
    }

    /// The next answer, within `timeout`.
    fn hear(&self, timeout: Duration) -> Result<Option<Answer>> {
        let deadline = Instant::now() + timeout;
        let mut packet = [0; 1500];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            let Ok((length, _)) = self.socket.recv_from(&mut packet) else {
                continue;
            };
            let packet = packet.get(..length).unwrap_or_default();
            let Ok(header) = Header::read(packet) else {
                continue;
            };
            // The server puts the message's type first.
            let Some(kind) = packet.get(242).copied() else {
                continue;
            };
            return Ok(Some((header.mac, kind.into(), header.your_ip)));
        }
    }

    /// Asks until an answer of one of these kinds comes.
    fn ask(
        &self,
        mac: Mac,
        kind: MessageType,
        address: Option<Ipv4Addr>,
    ) -> Result<(MessageType, Ipv4Addr)> {
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            self.send(mac, kind, address)?;
            while let Some((to, answer, address)) = self.hear(Duration::from_secs(2))? {
                // A late answer to what was asked before is none to this.
                let is_offer = answer == MessageType::Offer;
                if to == mac && is_offer == (kind == MessageType::Discover) {
                    return Ok((answer, address));
                }
            }
        }
        bail!("{mac}: no answer to its {kind:?}")
    }

    /// A machine's first lease.
    fn lease(&self, mac: Mac) -> Result<Ipv4Addr> {
        let (kind, address) = self.ask(mac, MessageType::Discover, None)?;
        ensure!(kind == MessageType::Offer, "{mac}: {kind:?}");
        let (kind, leased) = self.ask(mac, MessageType::Request, Some(address))?;
        ensure!(
            kind == MessageType::Ack && leased == address,
            "{mac}: {kind:?}"
        );
        Ok(address)
    }

    /// Machines that start together, some at a time, until the server is gone. Every acknowledgement is put down.
    fn start(
        &self,
        first: u16,
        gone: &AtomicBool,
        told: &mut BTreeMap<Mac, Ipv4Addr>,
    ) -> Result<()> {
        for number in (first..first + 24).step_by(4) {
            for number in number..number + 4 {
                self.send(mac(number), MessageType::Discover, None)?;
            }
            while let Some((to, kind, address)) = self.hear(Duration::from_millis(150))? {
                match kind {
                    MessageType::Offer => self.send(to, MessageType::Request, Some(address))?,
                    MessageType::Ack => {
                        told.insert(to, address);
                    }
                    other => bail!("{to}: {other:?}"),
                }
            }
            if gone.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

fn mac(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    Mac([2, 0, 0x5e, 0, high, low])
}

#[test]
fn every_acknowledged_lease_is_kept_when_the_server_is_killed() -> Result<()> {
    let mut lab = Lab::new("kill", &["--dhcp", RANGE])?;
    let mut told = BTreeMap::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let rounds = 10;
    for round in 0..rounds {
        // xorshift: the same moments on every run, as far as the machine allows.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let before_kill = Duration::from_millis(20 + random % 500);
        let gone = AtomicBool::new(false);
        let Lab {
            clients, server, ..
        } = &mut lab;
        std::thread::scope(|scope| {
            let told = &mut told;
            let taking =
                scope.spawn(|| clients.within(|| Clients::new()?.start(round * 24, &gone, told)));
            std::thread::sleep(before_kill);
            server.program().kill()?;
            gone.store(true, Ordering::Relaxed);
            taking
                .join()
                .unwrap_or_else(|_| bail!("the clients failed"))
        })?;
        lab.restart()?;
        lab.clients.within(|| {
            let clients = Clients::new()?;
            for (number, (owner, address)) in (0..).zip(&told) {
                let thief = mac(0xf000 + number);
                let (kind, _) = clients.ask(thief, MessageType::Request, Some(*address))?;
                ensure!(
                    kind == MessageType::Nak,
                    "round {round}: {address} is {owner}'s, and {thief} got {kind:?}"
                );
                let (kind, again) = clients.ask(*owner, MessageType::Discover, None)?;
                ensure!(
                    kind == MessageType::Offer && again == *address,
                    "round {round}: {owner} has {address}, and is offered {again}"
                );
            }
            Ok(())
        })?;
    }
    println!("{rounds} times killed, {} leases kept", told.len());
    ensure!(told.len() >= 10, "{} leases", told.len());
    let state = lab.net.logs().join("state");
    let mut names: Vec<_> = std::fs::read_dir(&state)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.retain(|name| name.starts_with("leases"));
    ensure!(names == ["leases-br0.redb"], "{names:?}");
    let length = std::fs::metadata(state.join("leases-br0.redb"))?.len();
    ensure!(length < 2 << 20, "{length} bytes");
    lab.assert_memory("kill")
}

/// One to three transactions; ten a second at most if the clients are slow. Before, it was one write, after the
/// acknowledgements.
#[test]
fn sixty_machines_that_start_at_once_are_a_few_transactions() -> Result<()> {
    let mut lab = Lab::new("classroom", &["--dhcp", RANGE])?;
    let leased = lab.clients.within(|| {
        let clients = Clients::new()?;
        let mut leases = BTreeMap::new();
        for number in 0..60 {
            let (kind, address) = clients.ask(mac(number), MessageType::Discover, None)?;
            ensure!(kind == MessageType::Offer, "{kind:?}");
            leases.insert(mac(number), address);
        }
        let mut missing: Vec<Mac> = leases.keys().copied().collect();
        let deadline = Instant::now() + TIMEOUT;
        while !missing.is_empty() && Instant::now() < deadline {
            for mac in &missing {
                clients.send(*mac, MessageType::Request, leases.get(mac).copied())?;
            }
            while let Some((to, kind, _)) = clients.hear(Duration::from_secs(1))? {
                if kind == MessageType::Offer {
                    continue;
                }
                ensure!(kind == MessageType::Ack, "{to}: {kind:?}");
                missing.retain(|mac| *mac != to);
            }
        }
        Ok(60 - missing.len())
    })?;
    ensure!(leased == 60, "{leased}");
    let done = lab.server.terminate()?;
    let stopped = done.stdout.lines().last().context("no events")?;
    let stopped: serde_json::Value = serde_json::from_str(stopped)?;
    let transactions = stopped["counters"]["lease_transactions"].as_u64();
    let transactions = transactions.with_context(|| stopped.to_string())?;
    println!("60 leases by {transactions} transactions");
    ensure!((1..=15).contains(&transactions), "{transactions}");
    Ok(())
}

#[test]
fn a_second_server_on_the_same_state_is_told_who_uses_it() -> Result<()> {
    let lab = Lab::new("same-state", &["--dhcp", RANGE])?;
    let mut second = lab.second_server()?;
    let done = second.program().wait(TIMEOUT)?;
    println!("{}", done.stderr.trim());
    ensure!(!done.status.success(), "{done:?}");
    for part in [
        "cannot use the leases in",
        "leases-br0.redb: netroot (process ",
        "uses them; stop it, or give this server a folder of its own with --state DIR",
    ] {
        ensure!(done.stderr.contains(part), "{}", done.stderr);
    }
    Ok(())
}

#[test]
fn a_full_disk_is_said_once_and_addresses_are_given_all_the_same() -> Result<()> {
    let mut lab = Lab::new("full-disk", &["--dhcp", RANGE])?;
    lab.server.terminate()?;
    let state = lab.net.logs().join("state").display().to_string();
    lab.net
        .shell(&format!("mount -t tmpfs -o size=4m,mode=700 tmpfs {state}"))?;
    lab.restart()?;
    let first = lab.clients.within(|| Clients::new()?.lease(mac(1)))?;
    lab.net.shell(&format!(
        "dd if=/dev/zero of={state}/fill bs=4k 2>/dev/null || true"
    ))?;
    let more = lab.clients.within(|| {
        let clients = Clients::new()?;
        (2..20)
            .map(|number| clients.lease(mac(number)))
            .collect::<Result<Vec<_>>>()
    })?;
    lab.net.shell(&format!("rm {state}/fill"))?;
    lab.server.wait_for_kind("leases-recovered", TIMEOUT)?;
    let events = lab.server.events().into_iter().map(|(_, event)| event);
    let warnings: Vec<_> = events
        .filter(|event| event.kind == "warning" && event.text.contains("leases"))
        .map(|event| event.text)
        .collect();
    println!("{warnings:?}");
    ensure!(warnings.len() == 1, "{warnings:?}");
    lab.server.program().kill()?;
    lab.restart()?;
    lab.clients.within(|| {
        let clients = Clients::new()?;
        for (number, address) in (1..).zip([first].into_iter().chain(more)) {
            let (kind, _) = clients.ask(mac(0xf000), MessageType::Request, Some(address))?;
            ensure!(kind == MessageType::Nak, "{address}: {kind:?}");
            let again = clients.ask(mac(number), MessageType::Discover, None)?;
            ensure!(again == (MessageType::Offer, address), "{again:?}");
        }
        Ok(())
    })
}
