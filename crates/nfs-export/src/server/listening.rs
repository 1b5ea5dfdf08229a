//! The sockets that a server listens on.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

/// The sockets of a server, bound by the caller.
#[derive(Debug)]
pub struct Listeners {
    /// NFS and MOUNT, all on one port; clients are given `port=` and `mountport=`. One for each address.
    pub nfs: Vec<TcpListener>,
    /// The portmapper over TCP, for clients without these options; optional.
    pub portmap_tcp: Vec<TcpListener>,
    /// The portmapper over UDP; optional.
    pub portmap_udp: Vec<UdpSocket>,
}

impl Listeners {
    /// NFS and MOUNT on these sockets, without a portmapper.
    #[must_use]
    pub fn new(nfs: Vec<TcpListener>) -> Self {
        Self {
            nfs,
            portmap_tcp: Vec::new(),
            portmap_udp: Vec::new(),
        }
    }

    /// Binds the portmapper's port 111 at `address` over TCP and UDP, both or neither.
    ///
    /// # Errors
    /// `EADDRINUSE` where rpcbind is running, `EACCES` without `CAP_NET_BIND_SERVICE`. The server works without a
    /// portmapper: log it and continue.
    pub fn bind_portmapper(&mut self, address: IpAddr) -> io::Result<()> {
        let address = (address, nfs3_types::portmap::PMAP_PORT);
        let tcp = TcpListener::bind(address)?;
        self.portmap_udp.push(UdpSocket::bind(address)?);
        self.portmap_tcp.push(tcp);
        Ok(())
    }
}

/// What is listened on now. A value does not change.
#[derive(Debug, Clone, Default)]
pub(super) struct Listening {
    pub(super) streams: Vec<Arc<TcpListener>>,
    pub(super) datagrams: Vec<Arc<UdpSocket>>,
}

impl Listening {
    /// These, and `more`, which are read without waiting: a connection that is gone before it is accepted must not hold
    /// the thread.
    pub(super) fn and(&self, more: Listeners) -> io::Result<Self> {
        let mut all = self.clone();
        for tcp in more.nfs.into_iter().chain(more.portmap_tcp) {
            tcp.set_nonblocking(true)?;
            all.streams.push(Arc::new(tcp));
        }
        for udp in more.portmap_udp {
            udp.set_nonblocking(true)?;
            all.datagrams.push(Arc::new(udp));
        }
        Ok(all)
    }

    /// These without those of an address.
    pub(super) fn without(&self, address: IpAddr) -> Self {
        let elsewhere =
            |bound: io::Result<SocketAddr>| bound.map_or(true, |bound| bound.ip() != address);
        let mut left = self.clone();
        left.streams.retain(|tcp| elsewhere(tcp.local_addr()));
        left.datagrams.retain(|udp| elsewhere(udp.local_addr()));
        left
    }
}
