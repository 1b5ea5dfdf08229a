//! A boot server with a small root, and a machine on its network that has many addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Bridge, Net, NetrootServe, TinyRoot, paths};

/// The server's address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
/// The port of its HTTP server.
pub(crate) const HTTP: u16 = 8069;
/// The most memory that the server may hold under any attack, in KiB.
pub(crate) const MEMORY_LIMIT: u64 = 64 * 1024;
/// What the release build has of it before any: program text, in KiB.
const OF_FILES: u64 = 8 * 1024;
/// The longest that an honest client waits. No test asserts a duration.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// Dropped in this order: the users of a network before the network.
pub(crate) struct Lab {
    pub(crate) server: NetrootServe,
    /// The attacker's machine, with the addresses of [`client`] on `eth0`.
    pub(crate) clients: Net,
    root: TinyRoot,
    pub(crate) net: Net,
    bridge: Bridge,
    arguments: Vec<String>,
}

/// The client's address number `host`, from 2 to 90.
pub(crate) fn client(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 66, 0, host)
}

impl Lab {
    /// Serves a root with `arguments` beside those that every attack needs. Without `--dhcp` it is a proxy.
    pub(crate) fn new(name: &str, arguments: &[&str]) -> Result<Self> {
        Self::with_root(name, arguments, |_| Ok(()))
    }

    /// The same; `fill` may add files to the root first.
    pub(crate) fn with_root(
        name: &str,
        arguments: &[&str],
        fill: impl FnOnce(&std::path::Path) -> Result<()>,
    ) -> Result<Self> {
        // First: the networks have the file systems that are mounted by now.
        let root = TinyRoot::without_init()?;
        std::fs::write(root.path().join("big"), vec![0x5a; 4 << 20]).context("write big")?;
        fill(root.path())?;
        let net = Net::new(&format!("hostile-{name}"))?;
        let bridge = net.bridge("br0", "10.66.0.1/24")?;
        let clients = Net::new(&format!("hostile-{name}-clients"))?;
        net.cable(&bridge, &clients, "eth0", "10.66.0.2/24")?;
        clients.shell(
            "for host in $(seq 3 90); do ip addr add 10.66.0.$host/24 dev eth0; done
             ip route add default dev eth0",
        )?;
        // Nobody boots from it: it only has to be of some size.
        let initrd = net.logs().join("initrd.img");
        std::fs::write(&initrd, vec![b'i'; 2 << 20]).context("write initrd.img")?;
        let initrd = initrd.display().to_string();
        let mut all = vec!["--interface", "br0", "--no-probe", "--initrd", &initrd];
        all.extend(arguments);
        let server = NetrootServe::start(&net, root.path(), &all)?;
        let arguments = all.into_iter().map(str::to_owned).collect();
        Ok(Self {
            server,
            clients,
            root,
            net,
            bridge,
            arguments,
        })
    }

    /// Starts the server again, on the same state, after it has ended.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.server = NetrootServe::start(&self.net, self.root.path(), &arguments)?;
        Ok(())
    }

    /// The server's host.
    pub(crate) fn host(&self) -> &Net {
        &self.net
    }

    /// Starts another one beside it with the same arguments, which cannot become ready.
    pub(crate) fn second_server(&self) -> Result<NetrootServe> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        NetrootServe::start_unready(&self.net, self.root.path(), &arguments)
    }

    /// Another machine on the same network, with one address (`10.66.0.91/24`) on its `eth1`.
    pub(crate) fn another_machine(&self, name: &str, address: &str) -> Result<Net> {
        let machine = Net::new(name)?;
        self.net.cable(&self.bridge, &machine, "eth1", address)?;
        Ok(machine)
    }

    /// The most memory that the server has held since it was started, in KiB; asserted to be within the limit.
    ///
    /// Without optimisation its program text alone is a third of that: then what is mapped of files does not count, and the
    /// limit is lower by what the release build maps.
    pub(crate) fn assert_memory(&mut self, attack: &str) -> Result<()> {
        ensure!(
            self.server.program().running()?,
            "{attack}: the server died"
        );
        let peak = self.server.program().peak_resident_kib()?;
        let (own, limit) = match paths::netroot_is_optimised()? {
            true => (0, MEMORY_LIMIT),
            false => (
                self.server.program().resident_files_kib()?,
                MEMORY_LIMIT - OF_FILES,
            ),
        };
        println!("{attack}: {peak} KiB at most, {own} KiB of them a debug build's own");
        ensure!(peak.saturating_sub(own) <= limit, "{attack}: {peak} KiB");
        Ok(())
    }
}

/// A UDP socket on one of the client's addresses; a free port for 0. To be used in `clients.within`.
pub(crate) fn udp(from: Ipv4Addr, port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((from, port)).with_context(|| format!("bind {from}:{port}"))?;
    socket.set_broadcast(true)?;
    Ok(socket)
}

/// A TCP connection from one of the client's addresses to a port of the server. To be used in `clients.within`.
pub(crate) fn connect(from: Ipv4Addr, port: u16) -> Result<TcpStream> {
    connect_to(from, SocketAddrV4::new(SERVER, port))
}

/// The same to any server.
pub(crate) fn connect_to(from: Ipv4Addr, to: SocketAddrV4) -> Result<TcpStream> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket, sockopt,
    };
    use std::os::fd::AsRawFd;
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // A server that accepts nothing must not hold the test for minutes.
    nix::sys::socket::setsockopt(&socket, sockopt::TcpUserTimeout, &30_000)?;
    bind(
        socket.as_raw_fd(),
        &SockaddrIn::from(SocketAddrV4::new(from, 0)),
    )?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(to))
        .with_context(|| format!("connect from {from} to {to}"))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// The server's address with a port.
pub(crate) fn server(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(SERVER), port)
}
