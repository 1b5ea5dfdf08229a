//! What the real root is left with: the address in every form that its programs read, name servers where it has
//! none of its own, a process that keeps the lease, and a clean end.
//!
//! A network manager that starts in the real root must not take the NIC down: the root is on the other side, and so
//! may be the next page of the manager itself. Each is told in its own words ([`networkd`], [`network_manager`],
//! [`ifupdown`], [`dhcpcd`]), and [`udev`] before them; all the files are in `/run`, and one whose reader is not
//! installed costs a few hundred bytes.

mod dhcpcd;
mod ifupdown;
mod ipconfig;
mod network_manager;
mod networkd;
mod timesyncd;
mod udev;

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::after::renewer;
use crate::after::shutdown;
use crate::console::{debug, warn};
use crate::net::address::Address;
use crate::net::configure::resolver;
use crate::net::netlink::RouteSocket;
use crate::root::in_root;
use crate::root::mount_point::ROOT;

/// A file for another program to read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    /// Where, below `/run`.
    path: String,
    /// Its permissions.
    mode: u32,
    /// What it says.
    text: String,
}

impl Note {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Note {
            path: path.into(),
            mode: 0o644,
            text: text.into(),
        }
    }
}

/// What is known of the NIC that the root is on.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    address: &'a Address,
    /// It is a card, and not a bond, bridge or VLAN: those share their Ethernet address with cards.
    is_card: bool,
}

/// Leaves everything behind for the real root. Nothing of it is needed to get there: what fails is told. Returns where
/// a copy of this program is that outlives the image.
pub(crate) fn prepare(address: Option<&Address>) -> &'static str {
    let copy = shutdown::leave().unwrap_or_else(|e| {
        warn!("cannot leave {} behind: {e}", shutdown::PROGRAM);
        "/proc/self/exe"
    });
    let Some(address) = address else {
        return copy;
    };
    leave_name_servers(address);
    let known = Known {
        address,
        is_card: Path::new(&format!("/sys/class/net/{}/device", address.nic.name)).exists(),
    };
    let links = RouteSocket::open().and_then(|mut socket| socket.links());
    let links = links.unwrap_or_default();
    let up = links.iter().filter(|link| link.up && !link.loopback);
    let names = udev::note(up.map(|link| link.name.as_str()));
    let dhcpcd = dhcpcd::notes(address, dhcpcd::unit().as_deref());
    for note in notes(&known).into_iter().chain(names).chain(dhcpcd) {
        if let Err(e) = leave(&note) {
            warn!("cannot write /run/{}: {e}", note.path);
        }
    }
    renewer::start(address, copy);
    copy
}

/// Every file. Pure.
fn notes(known: &Known<'_>) -> Vec<Note> {
    let mut notes = vec![ipconfig::note(known.address)];
    notes.extend(networkd::notes(known));
    notes.extend(network_manager::notes(known));
    notes.extend(ifupdown::notes(known.address));
    notes.extend(timesyncd::note(known.address));
    notes
}

fn leave(note: &Note) -> std::io::Result<()> {
    let path = Path::new("/run").join(&note.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(note.mode)
        .open(path)?;
    file.write_all(note.text.as_bytes())
}

/// A value for a line of a configuration file: nothing in it may begin another line.
fn in_line(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).collect()
}

/// Writes `/etc/resolv.conf` in the mounted root if that names no server and is no link: a link belongs to
/// whoever manages it. `/run/netroot/resolv.conf` is there in any case.
fn leave_name_servers(address: &Address) {
    if address.dns.is_empty() {
        return;
    }
    if let Err(e) = write(&resolver(address)) {
        debug!("/etc/resolv.conf of the root is left as it is: {e}");
    }
}

fn write(text: &str) -> std::io::Result<()> {
    // Through no link: an absolute one would lead into the image.
    let at = |folder: BorrowedFd<'_>, name: &str, flags: OFlags| {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o644))
    };
    let root = in_root::directory(ROOT)?;
    let etc = at(root.as_fd(), "etc", OFlags::PATH | OFlags::DIRECTORY)?;
    let open = |flags: OFlags| at(etc.as_fd(), "resolv.conf", flags);
    if let Ok(file) = open(OFlags::RDONLY) {
        let file = std::fs::File::from(file);
        if names_a_server(&std::io::read_to_string(std::io::Read::take(
            file,
            64 << 10,
        ))?) {
            return Ok(());
        }
    } else if rustix::fs::statat(etc.as_fd(), "resolv.conf", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(());
    }
    let file = open(OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
    std::fs::File::from(file).write_all(text.as_bytes())
}

fn names_a_server(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver") && words.next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::dialogue::Dialogue;
    use crate::net::nic::Nic;
    use netroot_proto::cmdline::BootPlan;
    use netroot_proto::dhcp::Mac;
    use netroot_proto::dhcp::lease::Lease;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    pub(super) fn nic() -> Nic {
        Nic {
            index: 2,
            name: "eth0".into(),
            mac: Mac([0x52, 0x54, 0, 0x77, 0, 1]),
            carrier: true,
            running: true,
            mtu: 1500,
        }
    }

    /// An address of an hour from a server with everything to say.
    pub(super) fn leased(cmdline: &str) -> Address {
        let plan = BootPlan::parse(cmdline);
        let lease = Lease {
            message: None,
            address: Ipv4Addr::new(10, 77, 0, 100),
            prefix: 24,
            routers: vec![Ipv4Addr::new(10, 77, 0, 254)],
            routes: Vec::new(),
            dns: vec![Ipv4Addr::new(10, 77, 0, 2), Ipv4Addr::new(10, 77, 0, 3)],
            host_name: Some("box".into()),
            domain: Some("example.org".into()),
            search: vec!["a.example.org".into()],
            root_path: Some(b"10.77.0.1:/srv/it's $(reboot)\n`x`\"".to_vec()),
            mtu: None,
            broadcast: None,
            ntp: vec![Ipv4Addr::new(10, 77, 0, 4), Ipv4Addr::new(10, 77, 0, 5)],
            server_id: Some(Ipv4Addr::new(10, 77, 0, 1)),
            next_server: Some(Ipv4Addr::new(10, 77, 0, 1)),
            boot_file: Some(b"ipxe.efi".to_vec()),
            lease_time: Some(Duration::from_secs(3600)),
            renew_after: Some(Duration::from_secs(1800)),
            rebind_after: Some(Duration::from_secs(3150)),
            notes: Vec::new(),
        };
        let request = plan.network.addressing.first();
        let mut address = Address::leased(nic(), lease, request, &plan.network);
        address.dialogue = Some(Dialogue {
            asked: Vec::new(),
            answered: Vec::new(),
            at: crate::clock::Moment::at(Duration::from_secs(1)),
        });
        address
    }

    pub(super) fn fixed(cmdline: &str) -> Address {
        let plan = BootPlan::parse(cmdline);
        Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap()
    }

    #[test]
    fn every_file_is_below_run_and_no_name_climbs_out_of_it() {
        let mut address = leased("ip=dhcp");
        address.nic.name = "we'ird$(x)".into();
        for is_card in [true, false] {
            let known = Known {
                address: &address,
                is_card,
            };
            let notes = notes(&known);
            assert!(notes.len() >= 5);
            for note in notes {
                assert!(
                    !note.path.starts_with('/') && !note.path.contains(".."),
                    "{note:?}"
                );
                assert!(note.text.ends_with('\n'), "{note:?}");
            }
        }
    }

    #[test]
    fn a_control_character_begins_no_line_of_its_own() {
        assert_eq!(in_line("a\n[Network]\rb\u{85}"), "a[Network]b");
    }

    #[test]
    fn a_resolver_file_of_comments_names_no_server() {
        assert!(!names_a_server(
            "# nameserver 10.0.0.1\nsearch lab\nnameserver\n"
        ));
        assert!(names_a_server("search lab\n  nameserver\t10.0.0.1\n"));
    }
}
