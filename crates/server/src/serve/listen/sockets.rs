//! Every socket of the server, bound before anything else happens: a port that is in use is reported at once, with the
//! program that holds it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};

use netroot_sys::arrival::ArrivalSocket;
use netroot_sys::packet::{PacketError, PacketSocket};
use netroot_sys::router_solicitation::SolicitationSocket;
use netroot_sys::udp::{self, BindError, Binding};

use crate::serve::listen::interface::{Device, Interface};
use crate::serve::listen::port_owner::{self, Owner, Transport};

/// DHCP's server port.
const DHCP: u16 = netroot_proto::dhcp::SERVER_PORT;
/// PXE's second leg.
const BINL: u16 = netroot_proto::dhcp::BINL_PORT;
/// TFTP's port.
const TFTP: u16 = netroot_proto::tftp::PORT;
/// The portmapper's port.
const PMAP: u16 = 111;
/// How many connections may wait until they are accepted: a room of machines that are switched on at once. The standard library
/// says 128, and the TCP of who comes then tries again after 200 ms or more. Linux takes as many as `net.core.somaxconn` says.
const WAITING: i32 = 1024;
/// What to do where HTTP's port is taken.
const HTTP_REMEDY: &str = "choose another port with --http-port";
/// What to do where NFS's port is taken.
pub(crate) const NFS_REMEDY: &str = "let machines mount that one (--nfsroot ADDR:/PATH), or choose another port with \
                                     --nfs-port (the kernel's own NFS server has no process: systemctl stop nfs-server)";

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Another program has the port.
    #[error("{transport} port {port} is taken{}; stop that program, or {remedy}", held_by(owner.as_ref()))]
    Taken {
        /// UDP or TCP.
        transport: Transport,
        /// The number.
        port: u16,
        /// The program, if `/proc` shows it.
        owner: Option<Owner>,
        /// What else can be done.
        remedy: &'static str,
    },
    /// The capability is missing.
    #[error("{transport} port {port} needs root; {cure}")]
    NotAllowed {
        /// UDP or TCP.
        transport: Transport,
        /// The number.
        port: u16,
        /// What to do.
        cure: &'static str,
    },
    /// UDP, for another reason.
    #[error(transparent)]
    Udp(#[from] BindError),
    /// TCP, for another reason.
    #[error("cannot bind TCP port {} on {}", address.port(), address.ip())]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The socket for machines that have no address yet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// `IP_PKTINFO` was refused.
    #[error("cannot enable IP_PKTINFO, which shows where UDP datagrams arrive")]
    Arrival(#[source] io::Error),
}

fn held_by(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| format!(" by {owner}"))
}

/// The bound sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Those of the interface itself, whatever its addresses.
    pub(crate) device: DeviceSockets,
    /// HTTP, on each of the interface's addresses.
    pub(crate) http: Vec<TcpListener>,
}

/// The sockets that belong to an interface and not to an address of it.
#[derive(Debug)]
pub(crate) struct DeviceSockets {
    /// UDP 67.
    pub(crate) dhcp: ArrivalSocket,
    /// UDP 4011.
    pub(crate) binl: ArrivalSocket,
    /// UDP 69.
    pub(crate) tftp: ArrivalSocket,
    /// Whole frames: DHCP answers to machines without an address, and the probe for other servers.
    pub(crate) frames: PacketSocket,
    /// ARP, for the addresses that are given out; `None` on an interface that has no hardware address.
    pub(crate) arp: Option<PacketSocket>,
    /// iPXE's IPv6 router solicitations; why not if the interface has no IPv6.
    pub(crate) solicitations: Result<SolicitationSocket, String>,
}

impl Sockets {
    /// Binds everything but NFS on `interface`.
    pub(crate) fn bind(interface: &Interface, http_port: u16) -> Result<Self, SocketError> {
        Ok(Self {
            device: DeviceSockets::bind(interface.device())?,
            http: listen_on(interface, http_port, HTTP_REMEDY)?,
        })
    }
}

impl DeviceSockets {
    /// Binds them.
    pub(crate) fn bind(device: Device<'_>) -> Result<Self, SocketError> {
        let dhcp_remedy = "let netroot be the only DHCP program on this interface (a libvirt network's dnsmasq: virsh net-destroy)";
        Ok(Self {
            dhcp: arrivals(device, DHCP, dhcp_remedy)?,
            binl: arrivals(device, BINL, "let it answer for another interface only")?,
            tftp: arrivals(device, TFTP, "let it answer for another interface only")?,
            frames: PacketSocket::for_dhcp_client(device.index)?,
            arp: (device.has_arp)
                .then(|| PacketSocket::for_arp(device.index))
                .transpose()?,
            solicitations: SolicitationSocket::open(device.name, device.index)
                .map_err(|error| error.to_string()),
        })
    }
}

/// What is listened on at one address, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenPorts {
    /// HTTP's.
    pub(crate) http: u16,
    /// That of NFS and MOUNT, unless another server exports every root.
    pub(crate) nfs: Option<u16>,
    /// Whether the portmapper's port is bound, too.
    pub(crate) portmapper: bool,
}

/// What is listened on at one address.
#[derive(Debug)]
pub(crate) struct Listening {
    /// HTTP.
    pub(crate) http: TcpListener,
    /// NFS and MOUNT.
    pub(crate) nfs: Option<TcpListener>,
    /// The portmapper; not if another program has it.
    pub(crate) portmapper: Option<(TcpListener, UdpSocket)>,
}

impl Listening {
    /// Binds everything at `address`.
    pub(crate) fn bind(address: IpAddr, ports: ListenPorts) -> Result<Self, SocketError> {
        let at = |port: u16| SocketAddr::new(address, port);
        let portmapper = || {
            let tcp = TcpListener::bind(at(PMAP)).ok()?;
            Some((tcp, UdpSocket::bind(at(PMAP)).ok()?))
        };
        Ok(Self {
            http: listen(at(ports.http), HTTP_REMEDY)?,
            nfs: (ports.nfs)
                .map(|port| listen(at(port), NFS_REMEDY))
                .transpose()?,
            portmapper: ports.portmapper.then(portmapper).flatten(),
        })
    }
}

/// A UDP socket on every IPv4 address of one interface, broadcasts included.
fn arrivals(
    device: Device<'_>,
    port: u16,
    remedy: &'static str,
) -> Result<ArrivalSocket, SocketError> {
    let binding = Binding {
        address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port),
        interface: Some(device.name),
    };
    let socket = udp::open(binding).map_err(|error| {
        match explain(error.io_error(), Transport::Udp, port, remedy) {
            Some(explained) => explained,
            None => SocketError::Udp(error),
        }
    })?;
    ArrivalSocket::new(socket).map_err(SocketError::Arrival)
}

/// A TCP listener on each address of an interface.
pub(crate) fn listen_on(
    interface: &Interface,
    port: u16,
    remedy: &'static str,
) -> Result<Vec<TcpListener>, SocketError> {
    let addresses = interface.distinct_addresses().into_iter();
    addresses
        .map(|address| listen(SocketAddr::new(address, port), remedy))
        .collect()
}

/// A TCP listener on one address.
fn listen(address: SocketAddr, remedy: &'static str) -> Result<TcpListener, SocketError> {
    // The standard library sets SO_REUSEADDR, so that a restart does not wait for old connections.
    let bound = TcpListener::bind(address).and_then(|listener| {
        rustix::net::listen(&listener, WAITING)?;
        Ok(listener)
    });
    bound.map_err(|source| {
        explain(&source, Transport::Tcp, address.port(), remedy)
            .unwrap_or(SocketError::Tcp { address, source })
    })
}

fn explain(
    system: &io::Error,
    transport: Transport,
    port: u16,
    remedy: &'static str,
) -> Option<SocketError> {
    match system.kind() {
        io::ErrorKind::AddrInUse => {
            let owner = port_owner::find(transport, port);
            Some(SocketError::Taken {
                transport,
                port,
                owner,
                remedy,
            })
        }
        io::ErrorKind::PermissionDenied => {
            // A rootless container's root is none to the host's network.
            let cure = match rustix::process::geteuid().is_root() {
                true => {
                    "this root is not the host's: start the container as root, with --cap-add NET_BIND_SERVICE"
                }
                false => "start netroot with sudo",
            };
            Some(SocketError::NotAllowed {
                transport,
                port,
                cure,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::TcpStream;

    use super::*;
    use crate::serve::listen::interface::tests::with_addresses;

    #[test]
    fn a_taken_port_is_reported_with_its_owner_and_a_remedy() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let error = listen(
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
            "choose another",
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("TCP port {port} is taken by ")),
            "{text}"
        );
        assert!(
            text.contains(&format!("(process {})", std::process::id())),
            "{text}"
        );
        assert!(
            text.ends_with("; stop that program, or choose another"),
            "{text}"
        );
    }

    #[test]
    fn an_address_in_two_networks_has_one_listener() {
        let free = TcpListener::bind("127.0.0.9:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let interface = with_addresses(&["127.0.0.9", "127.0.0.9"]);
        let listeners = listen_on(&interface, port, "choose another").unwrap();
        assert_eq!(listeners.len(), 1);
    }

    #[test]
    fn a_room_of_machines_connects_before_one_is_accepted() {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let listener = listen(address, "choose another").unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Vec<_> = (0..300)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        // Those that do not fit are connected as well, and wait for an answer; the kernel tells how many it holds.
        // Other tests have connections, too, and a line may be read twice.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port_of = |address: &str| {
            let (_, port) = address.rsplit_once(':')?;
            u16::from_str_radix(port, 16).ok()
        };
        let held: HashSet<u16> = table
            .lines()
            .filter_map(|line| {
                let mut fields = line.split_whitespace().skip(1);
                let (local, remote) = (fields.next()?, fields.next()?);
                let is_ours = port_of(local)? == address.port() && fields.next()? == "01";
                port_of(remote).filter(|_| is_ours)
            })
            .collect();
        let held = connections.iter().filter(|connection| {
            let client = connection.local_addr().unwrap();
            held.contains(&client.port())
        });
        // The queue holds one more than it is told.
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let most = most.trim().parse::<usize>().unwrap() + 1;
        assert_eq!(held.count(), connections.len().min(most));
    }
}
