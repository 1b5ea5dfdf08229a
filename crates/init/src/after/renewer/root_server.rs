//! Follows the root's server to another address.
//!
//! The kernel's NFS client waits for the address that it mounted from, for ever. Since Linux 5.14 it can be told another one
//! (`dstaddr`, `net/sunrpc/sysfs.c`), and goes on with the same handles there. So, while the root's server is gone, DHCP servers
//! are asked who is there (DHCPINFORM): `netroot serve` answers that with its address and the root, as a proxy, too. Whoever answers
//! is believed if it has the directory that is mounted, by the same handle: a server of `netroot` makes handles with a key of its
//! own. A server that wants calls from ports below 1024 is not followed: this process has no right to them.
//!
//! Writing to `dstaddr` waits for the kernel's attempt to connect (`XPRT_LOCKED`), which may take as long as the server is gone. So
//! it is done by a thread of its own, and whether it has come to something is seen when the file is read again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netroot_net::{Host, Mac};
use netroot_proto::dhcp::frame::LONGEST_FRAME;
use netroot_proto::dhcp::inform;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::renew::Renewer;
use netroot_proto::mount::NfsTarget;
use netroot_sys::packet::PacketSocket;
use rustix::fs::{Dir, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::clock::Moment;
use crate::root::nfs::ServedRoot;
use crate::threads;

/// Where the kernel's RPC clients have their connections, in sysfs.
const SWITCHES: &str = "kernel/sunrpc/xprt-switches";
/// How long the server may be gone before somebody is asked: a restart takes less.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a connection is looked at that is not there.
const LOOK: Duration = Duration::from_secs(5);
/// For how long, until it is seen that it is wanted: one that is idle for some minutes is closed as well.
const LOOK_FOR: Duration = Duration::from_secs(30);
/// The pause between two questions.
const REPEAT: Duration = Duration::from_secs(30);
/// The most frames that are read of the answers to a question.
const MAX_FRAMES: usize = 64;
/// The most servers that are tried for a question: each may take seconds.
const MAX_TRIED: usize = 4;
/// The stack of a thread that writes to the kernel, in bytes.
const STACK: usize = 64 << 10;
/// The longest file that is read in sysfs, in bytes.
const MAX_LENGTH: u64 = 4 << 10;

/// Follows the server of the root.
pub(super) struct RootServer {
    root: ServedRoot,
    /// The connections of the root, each in a folder of its own.
    connections: Vec<OwnedFd>,
    gone: Option<Gone>,
    question: Option<Question>,
    /// Whom the last questions have led to, in vain.
    tried: Vec<Ipv4Addr>,
    /// What the kernel was told.
    told: Option<Ipv4Addr>,
}

/// The server's connection is not there.
#[derive(Debug, Clone, Copy)]
struct Gone {
    since: Moment,
    /// Since when somebody tries to make it.
    wanted_since: Option<Moment>,
}

/// A question that was asked of everybody.
struct Question {
    packets: PacketSocket,
    transaction: u32,
    asked: Moment,
    /// How many servers it has led to.
    led_to: usize,
}

/// Who asks.
pub(super) struct Asker<'a> {
    pub(super) renewer: &'a Renewer,
    pub(super) interface: u32,
    pub(super) mac: Mac,
}

/// What a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connected,
    /// Somebody waits for it.
    Wanted,
    Closed,
}

impl RootServer {
    /// # Errors
    /// The kernel's, if it is older than 5.14 or has no sysfs.
    pub(super) fn open(root: ServedRoot) -> io::Result<Self> {
        let context = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&context)?;
        let sysfs = fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        )?;
        let mut connections = Vec::new();
        for switch in folders(&directory(&sysfs, SWITCHES)?, "switch-")? {
            connections.extend(folders(&switch, "xprt-")?);
        }
        // Those of other mounts begin later, or go elsewhere.
        connections.retain(|connection| is_of(connection, root.server).unwrap_or(false));
        if connections.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            root,
            connections,
            gone: None,
            question: None,
            tried: Vec::new(),
            told: None,
        })
    }

    /// What to wait for: answers.
    pub(super) fn packets(&self) -> Option<BorrowedFd<'_>> {
        let question = self.question.as_ref();
        question.map(|question| question.packets.as_fd())
    }

    /// When to look again.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let gone = self.gone?;
        let is_new = Moment::now().since(gone.since) < LOOK_FOR;
        (gone.wanted_since.is_some() || is_new).then_some(LOOK)
    }

    /// Looks whether the server is there, and for its new address if it is not. Returns a line for the log.
    pub(super) fn follow(&mut self, asker: &Asker<'_>) -> Option<String> {
        let now = Moment::now();
        if let Some(line) = self.has_followed() {
            return Some(line);
        }
        let IpAddr::V4(current) = self.root.server.ip() else {
            return None;
        };
        let states = self.connections.iter();
        // What cannot be read changes nothing.
        let states: Vec<State> = states
            .filter_map(|connection| Some(state(&read(connection, "xprt_state").ok()?)))
            .collect();
        if states.contains(&State::Connected) {
            (self.gone, self.question) = (None, None);
            self.tried.clear();
            return None;
        }
        let gone = self.gone.get_or_insert(Gone {
            since: now,
            wanted_since: None,
        });
        if states.contains(&State::Wanted) {
            gone.wanted_since.get_or_insert(now);
        }
        let is_long = |since: Moment| now.since(since) >= PATIENCE;
        if !gone.wanted_since.is_some_and(is_long) {
            return None;
        }
        if self.question.as_ref().is_none_or(|it| it.is_over(now)) {
            // Nobody new has answered the last one: those who did are asked again.
            if self.question.as_ref().is_none_or(|it| it.led_to == 0) {
                self.tried.clear();
            }
            self.question = Question::ask(asker, now).ok();
        }
        let question = self.question.as_mut()?;
        let server = question.answered(asker, current, &self.root, &mut self.tried)?;
        (self.gone, self.question) = (None, None);
        self.tell(server)
    }

    /// Tells the kernel where the server is.
    fn tell(&mut self, server: Ipv4Addr) -> Option<String> {
        self.told = Some(server);
        let mut failed = None;
        for connection in &self.connections {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(connection, "dstaddr", flags, Mode::empty());
            let started = file.map_err(io::Error::from).and_then(|file| {
                threads::start_named(c"dstaddr", STACK, move || {
                    // It keeps the port, and connects again.
                    let _ = File::from(file).write_all(format!("{server}\n").as_bytes());
                })
            });
            failed = started.err().or(failed);
        }
        failed
            .map(|error| format!("the root's server is at {server}, and is not followed: {error}"))
    }

    /// A line for the log once the kernel goes where it was told to.
    fn has_followed(&mut self) -> Option<String> {
        let told = self.told?;
        let mut connections = self.connections.iter();
        let is_there = |connection: &OwnedFd| destination(connection).is_ok_and(|it| it == told);
        if !connections.all(is_there) {
            return None;
        }
        let before = self.root.server.ip();
        self.root.server.set_ip(told.into());
        (self.told, self.gone, self.question) = (None, None, None);
        self.tried.clear();
        Some(format!(
            "the root's server is at {told} now, and no longer at {before}"
        ))
    }
}

impl Question {
    fn ask(asker: &Asker<'_>, now: Moment) -> io::Result<Self> {
        let packets = PacketSocket::for_dhcp_client(asker.interface).map_err(io::Error::other)?;
        let (transaction, outgoing) = asker.renewer.inform(now.since_kernel());
        // It is broadcast, so that nobody's Ethernet address matters.
        packets.send(&outgoing.frame(asker.mac, asker.mac))?;
        Ok(Self {
            packets,
            transaction,
            asked: now,
            led_to: 0,
        })
    }

    fn is_over(&self, now: Moment) -> bool {
        now.since(self.asked) >= REPEAT
    }

    /// The address of a server that knows the root, among those that have answered by now.
    fn answered(
        &mut self,
        asker: &Asker<'_>,
        current: Ipv4Addr,
        root: &ServedRoot,
        tried: &mut Vec<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        let own = asker.renewer.lease().address;
        let mut buffer = [0; LONGEST_FRAME];
        for _ in 0..MAX_FRAMES {
            let Ok(Some(length)) = self.packets.receive(&mut buffer) else {
                break;
            };
            let frame = buffer.get(..length).unwrap_or_default();
            let answer = inform::answer(frame, (asker.mac, own), self.transaction);
            for server in answer.iter().flat_map(servers) {
                let is_new = server != current && !tried.contains(&server);
                if !is_new || self.led_to >= MAX_TRIED {
                    continue;
                }
                self.led_to += 1;
                tried.push(server);
                if root.is_known_at(server.into()).unwrap_or(false) {
                    return Some(server);
                }
            }
        }
        None
    }
}

/// Where an answer says that the root is, best first.
fn servers(answer: &Lease) -> impl Iterator<Item = Ipv4Addr> {
    let target = answer.root_path.as_deref().map(NfsTarget::from_option_17);
    let named = match target {
        Some(Ok((target, _))) => target.server,
        _ => None,
    };
    let named = named.and_then(|host| match host {
        Host::Address(IpAddr::V4(address)) => Some(address),
        _ => None,
    });
    let all = [named, answer.next_server, answer.server_id];
    all.into_iter().flatten()
}

/// Reads a connection's state (`rpc_sysfs_xprt_state_show`). Who tries to connect pauses between two attempts, and a connection that
/// is wanted looks closed then.
fn state(text: &str) -> State {
    let text = text.trim_start_matches("state=");
    let has = |what: &str| text.split_whitespace().any(|word| word == what);
    match (has("CONNECTED"), has("LOCKED") || has("CONNECTING")) {
        (true, _) => State::Connected,
        (false, true) => State::Wanted,
        (false, false) => State::Closed,
    }
}

/// Whether a connection is TCP's to this server. It tells its port while it is connected.
fn is_of(connection: &OwnedFd, server: SocketAddr) -> io::Result<bool> {
    let info = read(connection, "xprt_info")?;
    let port = info.lines().find_map(|line| line.strip_prefix("dst_port="));
    let is_port = port.is_none_or(|port| port.trim_end_matches('\0').parse() == Ok(server.port()));
    Ok(is_port && IpAddr::V4(destination(connection)?) == server.ip())
}

/// Where a connection goes.
fn destination(connection: &OwnedFd) -> io::Result<Ipv4Addr> {
    address(&read(connection, "dstaddr")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads an address as the kernel writes it: some versions end it with a zero.
fn address(text: &str) -> Option<Ipv4Addr> {
    text.trim_end_matches(['\0', '\n']).parse().ok()
}

fn directory(at: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

/// The folders in a folder whose names begin so.
fn folders(at: &OwnedFd, start: &str) -> io::Result<Vec<OwnedFd>> {
    let mut all = Vec::new();
    for entry in Dir::read_from(at)? {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        // One may end while they are listed.
        if name.starts_with(start)
            && let Ok(folder) = directory(at, name)
        {
            all.push(folder);
        }
    }
    Ok(all)
}

fn read(folder: &OwnedFd, name: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let mut text = String::new();
    File::from(file)
        .take(MAX_LENGTH)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_wanted_while_a_call_waits_for_it() {
        // As Linux 6.1 writes them, with a space for each that is not so.
        let states = [
            ("state=LOCKED  CONNECTING  BOUND       \n", State::Wanted),
            ("state=LOCKED    BOUND       \n", State::Wanted),
            ("state= CONNECTED   BOUND       \n", State::Connected),
            ("state=LOCKED CONNECTED   BOUND       \n", State::Connected),
            ("state=    BOUND       \n", State::Closed),
            ("state=CLOSED\n", State::Closed),
        ];
        for (text, expected) in states {
            assert_eq!(state(text), expected, "{text}");
        }
    }

    #[test]
    fn an_address_may_end_with_a_zero() {
        let expected = Some(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(address("10.0.0.1\n"), expected);
        assert_eq!(address("10.0.0.1\n\0"), expected);
        assert_eq!(address("/var/run/rpcbind.sock\n"), None);
    }

    #[test]
    fn the_server_is_the_one_that_the_root_path_names_or_that_answers() {
        let ip = |last| Ipv4Addr::new(10, 0, 0, last);
        let answer = Lease {
            root_path: Some(b"10.0.0.2:/debian,vers=3".to_vec()),
            next_server: Some(ip(3)),
            server_id: Some(ip(4)),
            ..Lease::of_address(ip(9), 24)
        };
        assert_eq!(servers(&answer).collect::<Vec<_>>(), [ip(2), ip(3), ip(4)]);
        let without = Lease {
            root_path: Some(b"/debian".to_vec()),
            next_server: None,
            ..answer
        };
        assert_eq!(servers(&without).collect::<Vec<_>>(), [ip(4)]);
    }
}
