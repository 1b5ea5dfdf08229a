//! Follows the root's server to another address.
//!
//! The kernel's NFS client waits for the address that it mounted from, for ever. Since Linux 5.14 it can be told another one
//! (`dstaddr`, `net/sunrpc/sysfs.c`), and goes on with the same handles there. So, while the root's server is gone, DHCP servers
//! are asked who is there (DHCPINFORM): `netroot serve` answers that with its address and the root, as a proxy, too. Whoever answers
//! is believed if it knows the root by the handle that is mounted, which no other server does: one whose key and files are the
//! same.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
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
/// The most addresses that are tried for a question: each may take seconds.
const MAX_TRIED: usize = 4;
/// The longest file that is read in sysfs, in bytes.
const MAX_LENGTH: u64 = 4 << 10;

/// Follows the server of the root.
pub(super) struct RootServer {
    root: ServedRoot,
    /// [`SWITCHES`], which has no path here after the switch.
    switches: OwnedFd,
    gone: Option<Gone>,
    question: Option<Question>,
}

/// The server's connection is not there.
#[derive(Debug, Clone, Copy)]
struct Gone {
    since: Moment,
    /// Somebody tries to make it.
    is_wanted: bool,
}

/// A question that was asked of everybody.
struct Question {
    packets: PacketSocket,
    transaction: u32,
    asked: Moment,
    tried: Vec<Ipv4Addr>,
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

/// A connection of the kernel's RPC client.
struct Transport {
    destination: Ipv4Addr,
    state: State,
    folder: OwnedFd,
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
        Ok(Self {
            root,
            switches: directory(&sysfs, SWITCHES)?,
            gone: None,
            question: None,
        })
    }

    /// What to wait for: answers.
    pub(super) fn packets(&self) -> Option<BorrowedFd<'_>> {
        self.question
            .as_ref()
            .map(|question| question.packets.as_fd())
    }

    /// When to look again.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let gone = self.gone?;
        let is_new = Moment::now().since(gone.since) < LOOK_FOR;
        (gone.is_wanted || is_new).then_some(LOOK)
    }

    /// Looks whether the server is there, and for its new address if it is not. Returns a line for the log.
    pub(super) fn follow(&mut self, asker: &Asker<'_>) -> Option<String> {
        let now = Moment::now();
        let IpAddr::V4(current) = self.root.server.ip() else {
            return None;
        };
        let transports = self.transports().unwrap_or_default();
        let ours = transports.iter().filter(|it| it.destination == current);
        let states: Vec<State> = ours.map(|transport| transport.state).collect();
        if states.is_empty() || states.contains(&State::Connected) {
            (self.gone, self.question) = (None, None);
            return None;
        }
        let gone = self.gone.get_or_insert(Gone {
            since: now,
            is_wanted: false,
        });
        gone.is_wanted |= states.contains(&State::Wanted);
        if !gone.is_wanted || now.since(gone.since) < PATIENCE {
            return None;
        }
        let is_over = |question: &Question| now.since(question.asked) >= REPEAT;
        if self.question.as_ref().is_none_or(is_over) {
            self.question = Question::ask(asker, now).ok();
        }
        let question = self.question.as_mut()?;
        let server = question.answered(asker, current, &self.root)?;
        let mut told = transports.iter().filter(|it| it.destination == current);
        let told = told.try_for_each(|transport| transport.tell(server));
        (self.gone, self.question) = (None, None);
        Some(match told {
            Ok(()) => {
                self.root.server.set_ip(server.into());
                format!("the root's server is at {server} now, and no longer at {current}")
            }
            Err(error) => format!(
                "the root's server is at {server} now; the kernel does not follow it from {current}: {error}"
            ),
        })
    }

    /// The connections, in every group.
    fn transports(&self) -> io::Result<Vec<Transport>> {
        let mut all = Vec::new();
        for switch in folders(&self.switches, "switch-")? {
            for folder in folders(&switch, "xprt-")? {
                let Ok(destination) = read(&folder, "dstaddr")?.trim().parse() else {
                    continue;
                };
                let state = state(&read(&folder, "xprt_state")?);
                all.push(Transport {
                    destination,
                    state,
                    folder,
                });
            }
        }
        Ok(all)
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
            tried: Vec::new(),
        })
    }

    /// The address of a server that knows the root, among those that have answered by now.
    fn answered(
        &mut self,
        asker: &Asker<'_>,
        current: Ipv4Addr,
        root: &ServedRoot,
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
                let is_new = server != current && !self.tried.contains(&server);
                if !is_new || self.tried.len() >= MAX_TRIED {
                    continue;
                }
                self.tried.push(server);
                if root.is_known_at(server.into()).unwrap_or(false) {
                    return Some(server);
                }
            }
        }
        None
    }
}

impl Transport {
    /// Tells the kernel where the server is. It keeps the port, and connects again.
    fn tell(&self, server: Ipv4Addr) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, "dstaddr", flags, Mode::empty())?;
        File::from(file).write_all(format!("{server}\n").as_bytes())
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
        if name.starts_with(start) {
            all.push(directory(at, name)?);
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
