//! The ports that netroot listens on, and who has them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;

use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use netroot_proto::tftp;
use netroot_sys::udp::{self, Binding};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::port_owner::{self, Owner, Transport};

/// The portmapper's port.
const PORTMAPPER: u16 = 111;

/// A port that is needed.
struct Needed {
    transport: Transport,
    port: u16,
    /// What for.
    what: &'static str,
    /// What to do if another program has it.
    remedy: &'static str,
}

fn needed(subject: &Subject) -> Vec<Needed> {
    let udp = |port, what, remedy| Needed {
        transport: Transport::Udp,
        port,
        what,
        remedy,
    };
    let tcp = |port, what, remedy| Needed {
        transport: Transport::Tcp,
        port,
        what,
        remedy,
    };
    let mut all = vec![
        udp(
            SERVER_PORT,
            "DHCP",
            "stop it, or let it serve other interfaces only (dnsmasq: interface= and bind-interfaces; libvirt: virsh net-destroy)",
        ),
        udp(
            tftp::PORT,
            "TFTP",
            "stop it: systemctl disable --now tftpd-hpa (dnsmasq: remove enable-tftp)",
        ),
        udp(
            BINL_PORT,
            "PXE's second request",
            "stop it, or let it serve other interfaces only",
        ),
        tcp(
            subject.settings.http_port,
            "HTTP",
            "choose another: --http-port PORT",
        ),
    ];
    if let Some(port) = subject.nfs_port() {
        all.push(tcp(
            port,
            "NFS",
            "choose another: --nfs-port PORT, or let machines mount that server: --nfsroot ADDR:/PATH (the kernel's own has no process: systemctl stop nfs-server)",
        ));
    }
    if subject.settings.portmapper {
        all.push(tcp(
            PORTMAPPER,
            "the portmapper",
            "leave --portmapper out, or stop rpcbind",
        ));
    }
    all
}

/// Binds each port for a moment, as the server would.
pub(super) fn look(subject: &Subject, interface: &Interface) -> Vec<Finding> {
    let (mut free, mut findings) = (Vec::new(), Vec::new());
    let mut serving = false;
    for port in needed(subject) {
        let Needed {
            transport,
            port: number,
            what,
            remedy,
        } = port;
        match bind(transport, number, interface) {
            Ok(()) => free.push(format!("{transport} {number}")),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let owner = port_owner::find(transport, number);
                if owner.as_ref().is_some_and(is_netroot) {
                    serving = true;
                    continue;
                }
                let by = owner.map_or_else(String::new, |owner| format!(" by {owner}"));
                let text = format!("{transport} port {number} ({what}) is taken{by}");
                findings.push(Finding::problem("port", text).cured_by(remedy));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // Said once, by what this process may do.
                return Vec::new();
            }
            Err(error) => {
                let text = format!("{transport} port {number} ({what}) cannot be bound: {error}");
                findings.push(Finding::problem("port", text));
            }
        }
    }
    if serving {
        findings.push(Finding::note(
            "port",
            "a netroot serves on this host already, and has its ports",
        ));
    }
    if !free.is_empty() {
        findings.insert(0, Finding::ok("port", format!("free: {}", free.join(", "))));
    }
    findings
}

fn is_netroot(owner: &Owner) -> bool {
    owner.name.starts_with("netroot")
}

/// Whether any program of this host has port 67, on whichever interface.
pub(in crate::check) fn dhcp_server_here() -> bool {
    let wildcard = Binding {
        address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT),
        interface: None,
    };
    udp::open(wildcard).is_err_and(|error| error.io_error().kind() == io::ErrorKind::AddrInUse)
}

fn bind(transport: Transport, port: u16, interface: &Interface) -> io::Result<()> {
    match transport {
        Transport::Udp => bind_udp(port, interface).map(drop),
        Transport::Tcp => {
            let addresses = interface.distinct_addresses().into_iter();
            addresses
                .map(|address: IpAddr| SocketAddr::new(address, port))
                .try_for_each(|address| bind_tcp(address).map(drop))
        }
    }
}

/// Also an address that the interface is to have, and has not yet.
fn bind_tcp(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections that have ended keep nobody from listening.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(&socket, true)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, true)?,
    }
    net::bind(&socket, &address)?;
    // Until it listens, a port may be bound twice.
    net::listen(&socket, 1)?;
    Ok(socket)
}

fn bind_udp(port: u16, interface: &Interface) -> io::Result<UdpSocket> {
    udp::open(Binding {
        address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port),
        interface: Some(&interface.name),
    })
    .map_err(|error| {
        let system = error.io_error();
        system
            .raw_os_error()
            .map_or_else(|| system.kind().into(), io::Error::from_raw_os_error)
    })
}
