//! What the init leaves for the real root: the address in every form that the root's programs read, name servers if the
//! root has none configured, a process that renews the lease, and a clean shutdown.
//!
//! A network manager that starts in the real root must not take the NIC down: the root is behind it, and so may be the
//! next page of the manager itself. Each manager gets a configuration file ([`networkd`], [`network_manager`],
//! [`ifupdown`], [`dhcpcd`], [`connman`]), and so does [`udev`], which starts before them. The files are in `/run`; one
//! whose reader is not installed costs a few hundred bytes. What is read in `/etc` alone is changed there, in a writable
//! [`layer`].
//!
//! How each treats an interface that is up and has an address, by its sources:
//!
//! | manager | of | otherwise | with these files |
//! |---|---|---|---|
//! | systemd-networkd 247 to 262 | Arch, Ubuntu (netplan) | removes the address, unless configured not to; from 257 on it keeps it if `/` is a network file system, which an overlay is not | takes the lease over |
//! | NetworkManager 1.42 to 1.58 | Fedora, RHEL, openSUSE, NixOS | takes it over as "external", without name servers | a profile with everything |
//! | ConnMan 1.41 to 2.0 | embedded ones | takes the interface down | ignores it |
//! | dhcpcd 9 and 10 | Void, NixOS, Raspberry Pi OS | a second lease; its end takes the routes away | ignores it |
//! | ifupdown, ifupdown-ng, BusyBox | Debian, Alpine | starts a DHCP client; ifupdown-ng takes the interface down if that fails | leaves it |
//! | wicked 0.6 | SLE, openSUSE | leaves the address, and adds a lease of its own; takes the interface down at shutdown | the same, without the last |
//! | netctl | Arch | refuses ("already up"), unless `ForceConnect=yes` | the same |

mod connman;
mod dhcpcd;
mod ifupdown;
mod ipconfig;
mod layer;
mod network_manager;
mod networkd;
mod root_nic;
mod run_file;
mod timesyncd;
mod udev;
mod unit;

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags};

use self::root_nic::RootNic;
use self::run_file::RunFile;
use crate::after::renewer;
use crate::after::shutdown;
use crate::console::{debug, warn};
use crate::net::address::Address;
use crate::net::configure::resolver;
use crate::net::netlink::RouteSocket;
use crate::root::in_root;
use crate::root::mount_point::ROOT;

/// Prepares everything for the real root, which is below a writable layer or not (`layered`). The switch does not depend
/// on any of it, so failures are only logged. Returns the path of a copy of this program that outlives the initrd.
pub(crate) fn prepare(address: Option<&Address>, layered: bool) -> &'static str {
    let copy = shutdown::install().unwrap_or_else(|e| {
        warn!("cannot install {}: {e}", shutdown::PROGRAM);
        "/proc/self/exe"
    });
    let Some(address) = address else {
        return copy;
    };
    write_resolv_conf(address);
    let root_nic = RootNic::of(address);
    let links = RouteSocket::open().and_then(|mut socket| socket.links());
    let links = links.unwrap_or_default();
    let up = links.iter().filter(|link| link.up && !link.loopback);
    let names = udev::file(up.map(|link| link.name.as_str()));
    let dhcpcd = dhcpcd::files(address, unit::read(dhcpcd::UNIT).as_deref());
    let connman = connman::file(address, unit::read(connman::UNIT).as_deref());
    let all = files(&root_nic).into_iter().chain(names);
    for file in all.chain(dhcpcd).chain(connman) {
        if let Err(e) = file.write() {
            warn!("cannot write /run/{}: {e}", file.path);
        }
    }
    if layered {
        layer::keep_off(&address.nic.name);
    }
    renewer::start(address, copy);
    copy
}

/// The files of every program but udev, dhcpcd and ConnMan. Pure.
fn files(root_nic: &RootNic<'_>) -> Vec<RunFile> {
    let mut files = vec![ipconfig::file(root_nic.address)];
    files.extend(networkd::files(root_nic));
    files.extend(network_manager::files(root_nic));
    files.extend(ifupdown::files(root_nic.address));
    files.extend(timesyncd::file(root_nic.address));
    files
}

/// Writes `/etc/resolv.conf` in the mounted root if it names no server and is not a symlink: a symlink belongs to
/// whatever manages it. `/run/netroot/resolv.conf` is written in any case.
fn write_resolv_conf(address: &Address) {
    if address.dns.is_empty() {
        return;
    }
    if let Err(e) = try_write_resolv_conf(&resolver(address)) {
        debug!("cannot write /etc/resolv.conf of the root: {e}");
    }
}

fn try_write_resolv_conf(text: &str) -> std::io::Result<()> {
    // Without following symlinks: an absolute one would lead into the initrd.
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
    use crate::net::lease_exchange::LeaseExchange;
    use crate::net::nic::Nic;
    use netroot_net::Mac;
    use netroot_proto::cmdline::BootPlan;
    use netroot_proto::dhcp::lease::Lease;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    pub(super) fn nic() -> Nic {
        Nic {
            index: 2,
            name: "eth0".into(),
            mac: Mac([0x52, 0x54, 0, 0x77, 0, 1]),
            original_mac: Mac([0x52, 0x54, 0, 0x77, 0, 1]),
            udev_names: Vec::new(),
            carrier: true,
            running: true,
            mtu: 1500,
        }
    }

    /// An address leased for an hour, from a server that sends every option.
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
        address.exchange = Some(LeaseExchange {
            request: Vec::new(),
            ack: Vec::new(),
            at: crate::clock::Moment::at(Duration::from_secs(1)),
        });
        address
    }

    pub(super) fn fixed(cmdline: &str) -> Address {
        let plan = BootPlan::parse(cmdline);
        Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap()
    }

    #[test]
    fn every_file_is_below_run_whatever_the_interface_is_called() {
        let mut address = leased("ip=dhcp");
        address.nic.name = "we'ird$(x)".into();
        for is_card in [true, false] {
            let root_nic = RootNic {
                address: &address,
                is_card,
            };
            let files = files(&root_nic);
            assert!(files.len() >= 5);
            for file in files {
                assert!(
                    !file.path.starts_with('/') && !file.path.contains(".."),
                    "{file:?}"
                );
                assert!(file.text.ends_with('\n'), "{file:?}");
            }
        }
    }

    #[test]
    fn a_resolv_conf_without_nameserver_lines_names_no_server() {
        assert!(!names_a_server(
            "# nameserver 10.0.0.1\nsearch lab\nnameserver\n"
        ));
        assert!(names_a_server("search lab\n  nameserver\t10.0.0.1\n"));
    }
}
