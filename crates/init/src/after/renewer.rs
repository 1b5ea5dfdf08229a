//! The renewer: a small process that keeps the lease while the machine runs.
//!
//! Process 1 calls [`start()`] before it switches the root. That starts this same program under another name
//! ([`NAME`]), which continues in [`run`], while process 1 goes on. Its `/` is soon empty: what it needs of `/proc`, `/run` and `/dev`
//! is passed to it. systemd does not kill processes whose name starts with `@` at shutdown, so the lease is kept
//! for as long as anything needs the root.
//!
//! It speaks DHCP through a packet socket, which is open only while it waits for an answer. It never removes the root's
//! address: neither when the lease expires nor when the server refuses it. While another program keeps the lease
//! ([`ownership`]), it is silent. But it does not exit: common DHCP clients remove the address, or the route to its
//! network, when their lease expires or when they stop. Then both are set again, and the lease is requested here.

mod address_guard;
mod ownership;
mod rights;
mod shutdown_watchdog;
mod start;

pub(crate) use start::{NAME, start};

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::cmdline::{BootPlan, IpRequest, NetworkPlan};
use netroot_proto::dhcp::frame;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::renew::{Heard, Renewer};
use netroot_sys::packet::PacketSocket;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::background::NICENESS;
use crate::clock::{Moment, timespec};
use crate::net::address::Address;
use crate::net::addressing::{Addressing, addressing_of};
use crate::net::configure::resolver;
use crate::net::netlink::RouteSocket;
use crate::net::nic::Nic;
use address_guard::AddressGuard;
use shutdown_watchdog::ShutdownWatchdog;

/// How long after a change of an address it is checked again: systemd-networkd sets the address before it writes its
/// file.
const SETTLING: Duration = Duration::from_secs(5);
/// The interval of the checks whether the program that has the lease still renews it.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The longest message from process 1, in bytes: two frames and their lengths.
const MAX_MESSAGE: u64 = 8 << 10;
/// The most frames that are read at a time.
const BURST: usize = 32;

/// Runs the renewer.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    match Daemon::open(arguments) {
        Ok(mut daemon) => daemon.run(),
        Err(e) => {
            // Its error output is the kernel's log: one call, one line. `<28>` is LOG_DAEMON, a warning.
            let line = format!("<28>netroot: warning: the lease is not renewed: {e}\n");
            let _ = io::stderr().write_all(line.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The renewer's state, with everything that it needs already open.
struct Daemon {
    renewer: Renewer,
    /// The address as it was configured.
    address: Address,
    network: NetworkPlan,
    request: Option<IpRequest>,
    /// The Ethernet address that the server's messages come from.
    server: Mac,
    guard: AddressGuard,
    /// Notifies of addresses and routes that change.
    changes: RouteSocket,
    /// Open only while an answer is expected, so that the network's broadcasts do not wake this process.
    packets: Option<PacketSocket>,
    /// `/run`, which has no path here after the switch.
    run: OwnedFd,
    kernel_log: File,
    /// When the last change was notified, until the check that follows it.
    changed_at: Option<Moment>,
    watchdog: ShutdownWatchdog,
}

impl Daemon {
    fn open(arguments: &[String]) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let [index, at] = arguments else {
            return Err(invalid());
        };
        let index: u32 = index.parse().map_err(|_| invalid())?;
        let at = Duration::from_secs(at.parse().map_err(|_| invalid())?);
        let proc = io::stdin().as_fd().try_clone_to_owned()?;
        let run = io::stdout().as_fd().try_clone_to_owned()?;
        let kernel_log = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let open = |folder: &OwnedFd, path: &str, flags: OFlags| -> io::Result<File> {
            let file = rustix::fs::openat(folder, path, flags | OFlags::CLOEXEC, Mode::empty())?;
            Ok(File::from(file))
        };
        let mut message = Vec::new();
        open(&run, start::EXCHANGE, OFlags::RDONLY)?
            .take(MAX_MESSAGE)
            .read_to_end(&mut message)?;
        let _ = rustix::fs::unlinkat(&run, start::EXCHANGE, AtFlags::empty());
        let (asked, rest) = split(&message).ok_or_else(invalid)?;
        let (answered, _) = split(rest).ok_or_else(invalid)?;
        let asked = frame::from_client(asked).ok_or_else(invalid)?;
        let answered = frame::from_server(answered).ok_or_else(invalid)?;
        let server = answered.mac;
        let mut netlink = RouteSocket::open().map_err(io::Error::other)?;
        let links = netlink.links().map_err(io::Error::other)?;
        let nic = links
            .into_iter()
            .find(|link| link.index == index)
            .and_then(|link| {
                Some(Nic {
                    index,
                    name: link.name,
                    mac: link.mac?,
                    original_mac: link.mac?,
                    udev_names: Vec::new(),
                    carrier: link.carrier,
                    running: link.running,
                    mtu: link.mtu,
                })
            })
            .ok_or_else(invalid)?;
        let renewer =
            Renewer::start(asked, answered.message, at, seed(nic.mac)).map_err(io::Error::other)?;
        let cmdline = open(&proc, "cmdline", OFlags::RDONLY).and_then(io::read_to_string)?;
        let BootPlan { network, .. } = BootPlan::parse(&cmdline);
        let request = match addressing_of(&network, &nic, None) {
            Addressing::Dhcp(request) => request.cloned(),
            Addressing::Static(_) | Addressing::Off => None,
        };
        let lease = renewer.lease().clone();
        let daemon = Daemon {
            address: Address::leased(nic, lease, request.as_ref(), &network),
            renewer,
            network,
            request,
            server,
            guard: AddressGuard::new(netlink),
            changes: RouteSocket::subscribed_to_addresses().map_err(io::Error::other)?,
            packets: None,
            run,
            kernel_log,
            changed_at: None,
            watchdog: ShutdownWatchdog::new(proc.try_clone()?),
        };
        // A machine that runs out of memory needs its root all the more.
        let _ = open(&proc, "self/oom_score_adj", OFlags::WRONLY)
            .map(|mut file| file.write_all(b"-1000"));
        let _ = rustix::process::setsid();
        // It started in the background; from now on it has little to do, and that in time.
        let _ = rustix::process::nice(-NICENESS);
        // Last: nothing is opened after this but packet sockets and files that anybody may read.
        if let Err(error) = rights::give_up() {
            daemon.log(&format!(
                "cannot drop the rights that are not needed: {error}"
            ));
        }
        Ok(daemon)
    }

    /// Runs for as long as the machine.
    fn run(&mut self) -> ! {
        loop {
            self.check_address();
            if let Some(arguments) = self.watchdog.check() {
                self.log("systemd's last program waits for the root, which is gone: shutting down without it");
                ShutdownWatchdog::shut_down(&arguments);
            }
            if !self.guard.is_taken_over() {
                self.send();
                self.receive();
            }
            self.sleep();
        }
    }

    /// Checks the address, and follows what the check found.
    fn check_address(&mut self) {
        let check = self.guard.check(&self.address, &self.run);
        self.log_all(&check.log);
        if check.has_changed_hands {
            self.packets = None;
        }
        if check.must_request {
            self.renewer.ask_again(Moment::now().since_kernel());
        }
    }

    /// Sends the message that is due.
    fn send(&mut self) {
        let now = Moment::now().since_kernel();
        if let Some(outgoing) = self.renewer.poll(now) {
            if self.packets.is_none() {
                self.packets = PacketSocket::for_dhcp_client(self.address.nic.index).ok();
            }
            let frame = outgoing.frame(self.address.nic.mac, self.server);
            if let Some(packets) = &self.packets {
                // Without a carrier this fails; the message will be repeated.
                let _ = packets.send(&frame);
            }
        }
    }

    /// Handles the messages that arrived.
    fn receive(&mut self) {
        let mut buffer = vec![0; 2048];
        for _ in 0..BURST {
            let Some(Ok(Some(length))) = self.packets.as_ref().map(|p| p.receive(&mut buffer))
            else {
                break;
            };
            let received = buffer.get(..length).unwrap_or_default();
            let Some(reply) = frame::from_server(received) else {
                continue;
            };
            match self
                .renewer
                .hear(reply.message, Moment::now().since_kernel())
            {
                Heard::Renewed(lease) => {
                    self.server = reply.mac;
                    self.renewed(*lease);
                }
                Heard::Refused => self.log(&format!(
                    "{}: the server refuses {}; the root keeps it, and another lease is requested",
                    self.address.nic.name,
                    self.address.own()
                )),
                Heard::Offered | Heard::Ignored(_) => {}
            }
        }
        if !self.renewer.is_asking() {
            self.packets = None;
        }
    }

    /// Applies what is new in the lease. What it no longer contains is kept: the root may depend on it.
    fn renewed(&mut self, lease: Lease) {
        let time = lease.lease_time.unwrap_or_default().as_secs();
        let new = Address::leased(
            self.address.nic.clone(),
            lease,
            self.request.as_ref(),
            &self.network,
        );
        let old = std::mem::replace(&mut self.address, new);
        let (name, own) = (&self.address.nic.name, self.address.own());
        let moved = old.prefix != self.address.prefix;
        if moved {
            self.log(&format!(
                "{name}: lease {own} beside {}, for {time} s",
                old.own()
            ));
        } else {
            self.log(&format!("{name}: lease {own} renewed for {time} s"));
        }
        if moved || old.routes != self.address.routes {
            let failures = self.guard.restore(&self.address);
            self.log_all(&failures);
        }
        if old.dns != self.address.dns
            || old.search != self.address.search
            || old.domain != self.address.domain
        {
            self.write_resolver();
        }
    }

    fn log_all(&self, lines: &[String]) {
        for line in lines {
            self.log(line);
        }
    }

    fn write_resolver(&self) {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(
            &self.run,
            "netroot/resolv.conf",
            flags,
            Mode::from_raw_mode(0o644),
        );
        if let Ok(file) = file {
            let _ = File::from(file).write_all(resolver(&self.address).as_bytes());
        }
    }

    /// Waits until there is something to do.
    fn sleep(&mut self) {
        let now = Moment::now();
        // Never longer than the interval of the checks.
        let at = (!self.guard.is_taken_over()).then(|| self.renewer.poll_at());
        let send = at.flatten().map(|at| at.saturating_sub(now.since_kernel()));
        let guard = self.guard.due_in(now);
        let settled = self.changed_at.map(|at| at.after(SETTLING).since(now));
        let pauses = send.into_iter().chain(guard).chain(settled);
        let pause = timespec(pauses.fold(CHECK_INTERVAL, Duration::min));
        let mut fds = vec![PollFd::from_borrowed_fd(
            self.changes.as_fd(),
            PollFlags::IN,
        )];
        if let Some(packets) = &self.packets {
            fds.push(PollFd::from_borrowed_fd(packets.as_fd(), PollFlags::IN));
        }
        let _ = poll(&mut fds, Some(&pause));
        let has_changes = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if has_changes {
            self.changed_at = Some(Moment::now());
        } else if settled.is_some_and(|left| left <= Moment::now().since(now)) {
            self.changed_at = None;
        }
        self.changes.discard_notifications();
    }

    /// Logs a line to the kernel's log, and so to the journal; not to the console, which belongs to the real root.
    fn log(&self, line: &str) {
        // LOG_DAEMON, LOG_INFO.
        let _ = (&self.kernel_log).write_all(format!("<30>netroot: {line}\n").as_bytes());
    }
}

/// Splits off a part that is preceded by its length.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn seed(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    let time = Moment::now().since_kernel().subsec_nanos();
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]) ^ u64::from(time) << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_split_into_its_parts_unless_it_is_truncated() {
        let bytes = [0, 2, 7, 8, 0, 1, 9];
        let (first, rest) = split(&bytes).unwrap();
        assert_eq!(
            (first, split(rest)),
            (&[7, 8][..], Some((&[9][..], &[][..])))
        );
        assert_eq!(split(&bytes[..3]), None);
        assert_eq!(split(&[0]), None);
    }
}
