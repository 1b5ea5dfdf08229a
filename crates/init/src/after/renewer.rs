//! A small process that keeps the lease while the machine runs.
//!
//! [`start()`] is called by process 1 before it switches the root; the process that it starts is this same program
//! with another name ([`NAME`]) and goes on in [`run`]. It opens everything that it will need while the image is
//! still there; what it sees as `/` afterwards is empty. systemd spares processes whose name begins with `@` when
//! it kills everything at shutdown, so the address outlives whatever still needs the root.
//!
//! It speaks DHCP through a packet socket, and only while it waits for an answer. It never takes the root's
//! address away: not when the lease ends, not when the server refuses it. While another program keeps the lease
//! ([`ownership`]), it is silent. It does not end: common clients take the address, or the route to its network, away
//! when the lease ends under them or when they do. Then both are set again, and the lease is asked for here.

mod address_guard;
mod ownership;
mod shutdown_watchdog;
mod start;

pub(crate) use start::start;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, IpRequest, Network};
use netroot_proto::dhcp::Mac;
use netroot_proto::dhcp::frame;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::renew::{Heard, Renewer};
use netroot_sys::packet::PacketSocket;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};

use crate::clock::{Moment, timespec};
use crate::net::address::Address;
use crate::net::configure::resolver;
use crate::net::dhcp::nic_selection::{Addressing, addressing_of};
use crate::net::netlink::RouteSocket;
use crate::net::nic::Nic;
use address_guard::WITHOUT;
use shutdown_watchdog::ShutdownWatchdog;

/// Its name: see the module's description for the `@`.
pub(crate) const NAME: &str = "@netroot-renew";
/// How long after news of an address it is looked again: systemd-networkd writes its file after it set the address.
const SETTLING: Duration = Duration::from_secs(5);
/// How often it is looked whether the program that has the lease goes on renewing it.
const ROUND: Duration = Duration::from_secs(60);
/// The largest message that process 1 hands over: two frames and their lengths.
const HANDED_OVER: u64 = 8 << 10;
/// Frames looked at in one go.
const BURST: usize = 32;

/// The life of the renewer.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    match Keeper::open(arguments) {
        Ok(mut keeper) => keeper.keep(),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Everything that it needs, open.
struct Keeper {
    renewer: Renewer,
    /// What the NIC was given.
    address: Address,
    network: Network,
    request: Option<IpRequest>,
    /// Who the server's words come from, on the wire.
    server: Mac,
    orders: RouteSocket,
    news: RouteSocket,
    /// Only while an answer is waited for: a segment's broadcasts need wake nobody otherwise.
    packets: Option<PacketSocket>,
    /// `/run`, which moves along to the real root.
    run: OwnedFd,
    kernel_log: File,
    /// Since when the NIC has reached nobody.
    without: Option<Moment>,
    /// Whether it was said that the NIC reaches nobody.
    has_told: bool,
    /// When the last news came, until it was looked again.
    news_at: Option<Moment>,
    /// Who keeps the lease, if another program does.
    keeper: Option<&'static str>,
    last_resort: ShutdownWatchdog,
}

impl Keeper {
    fn open(arguments: &[String]) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let [index, at] = arguments else {
            return Err(invalid());
        };
        let index: u32 = index.parse().map_err(|_| invalid())?;
        let at = Duration::from_secs(at.parse().map_err(|_| invalid())?);
        let mut handed_over = Vec::new();
        io::stdin()
            .take(HANDED_OVER)
            .read_to_end(&mut handed_over)?;
        let (asked, rest) = split(&handed_over).ok_or_else(invalid)?;
        let (answered, _) = split(rest).ok_or_else(invalid)?;
        let asked = frame::from_client(asked).ok_or_else(invalid)?;
        let answered = frame::from_server(answered).ok_or_else(invalid)?;
        let server = answered.mac;
        let mut orders = RouteSocket::open().map_err(io::Error::other)?;
        let links = orders.links().map_err(io::Error::other)?;
        let nic = links
            .into_iter()
            .find(|link| link.index == index)
            .and_then(|link| {
                Some(Nic {
                    index,
                    name: link.name,
                    mac: link.mac?,
                    carrier: link.carrier,
                    running: link.running,
                    mtu: link.mtu,
                })
            })
            .ok_or_else(invalid)?;
        let renewer =
            Renewer::start(asked, answered.message, at, seed(nic.mac)).map_err(io::Error::other)?;
        let BootPlan { network, .. } =
            BootPlan::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default());
        let request = match addressing_of(&network, &nic.name, nic.mac, None) {
            Addressing::Dhcp(request) => request.cloned(),
            Addressing::Static(_) | Addressing::Off => None,
        };
        let lease = renewer.lease().clone();
        let keeper = Keeper {
            address: Address::leased(nic, lease, request.as_ref(), &network),
            renewer,
            network,
            request,
            server,
            orders,
            news: RouteSocket::subscribed_to_addresses().map_err(io::Error::other)?,
            packets: None,
            run: rustix::fs::open(
                "/run",
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?,
            kernel_log: File::options().write(true).open("/dev/kmsg")?,
            without: None,
            has_told: false,
            news_at: None,
            keeper: None,
            last_resort: ShutdownWatchdog::open()?,
        };
        // Whoever runs out of memory needs the root all the more.
        let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
        let _ = rustix::process::setsid();
        let _ = io::stdout()
            .write_all(b"!")
            .and_then(|()| io::stdout().flush());
        // The console's and the pipes' ends are let go.
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok(keeper)
    }

    /// Goes on as long as the machine.
    fn keep(&mut self) -> ! {
        loop {
            self.look();
            if let Some(words) = self.last_resort.look() {
                self.log("systemd's last program waits for the root, which is gone: the machine is ended without it");
                ShutdownWatchdog::end(&words);
            }
            if self.keeper.is_none() {
                self.speak();
                self.listen();
            }
            self.sleep();
        }
    }

    fn speak(&mut self) {
        let now = Moment::now().since_kernel();
        if let Some(outgoing) = self.renewer.poll(now) {
            if self.packets.is_none() {
                self.packets = PacketSocket::for_dhcp_client(self.address.nic.index).ok();
            }
            let frame = outgoing.frame(self.address.nic.mac, self.server);
            if let Some(packets) = &self.packets {
                // The carrier may be gone: it is said again.
                let _ = packets.send(&frame);
            }
        }
    }

    fn listen(&mut self) {
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
                    "{}: the server refuses {}; the root keeps it, and another lease is asked for",
                    self.address.nic.name, self.address.own
                )),
                Heard::Offered | Heard::Ignored(_) => {}
            }
        }
        if !self.renewer.is_asking() {
            self.packets = None;
        }
    }

    /// Sets what is new about the lease. What it no longer names stays: the root may depend on it.
    fn renewed(&mut self, lease: Lease) {
        let time = lease.lease_time.unwrap_or_default().as_secs();
        let new = Address::leased(
            self.address.nic.clone(),
            lease,
            self.request.as_ref(),
            &self.network,
        );
        let old = std::mem::replace(&mut self.address, new);
        let (name, own) = (&self.address.nic.name, self.address.own);
        let moved = (old.own, old.prefix) != (own, self.address.prefix);
        if moved {
            self.log(&format!(
                "{name}: lease {own} beside {}, for {time} s",
                old.own
            ));
        } else {
            self.log(&format!("{name}: lease {own} renewed for {time} s"));
        }
        if moved || old.routes != self.address.routes {
            let complaints = self.set();
            self.log_all(&complaints);
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

    fn sleep(&mut self) {
        let now = Moment::now();
        // At least once a round, for the keeper's sake and for the last resort's.
        let at = self.keeper.is_none().then(|| self.renewer.poll_at());
        let speak = at.flatten().map(|at| at.saturating_sub(now.since_kernel()));
        let without = self.without.map(|since| since.after(WITHOUT).since(now));
        let settled = self.news_at.map(|at| at.after(SETTLING).since(now));
        let pauses = speak.into_iter().chain(without).chain(settled);
        let pause = timespec(pauses.fold(ROUND, Duration::min));
        let mut fds = vec![PollFd::from_borrowed_fd(self.news.as_fd(), PollFlags::IN)];
        if let Some(packets) = &self.packets {
            fds.push(PollFd::from_borrowed_fd(packets.as_fd(), PollFlags::IN));
        }
        let _ = poll(&mut fds, Some(&pause));
        let has_news = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if has_news {
            self.news_at = Some(Moment::now());
        } else if settled.is_some_and(|left| left <= Moment::now().since(now)) {
            self.news_at = None;
        }
        self.news.discard_notifications();
    }

    /// A line for the kernel's log, and so for the journal; not for the console, which is the real root's now.
    fn log(&self, line: &str) {
        // LOG_DAEMON, LOG_INFO.
        let _ = (&self.kernel_log).write_all(format!("<30>netroot: {line}\n").as_bytes());
    }
}

/// A part with its length before it, and the rest.
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
    fn what_is_handed_over_comes_apart_again_and_a_cut_part_does_not() {
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
