//! One NIC's DHCP client.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::lease::{Lease, LeaseError};
use netroot_proto::dhcp::offers::Score;
use netroot_proto::dhcp::{Mac, PARAMETER_REQUEST_LIST};
use netroot_sys::packet::{PacketError, PacketSocket};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::dhcpv4;
use smoltcp::wire::EthernetAddress;

use super::device::DhcpDevice;
use super::neighbours::Neighbours;
use crate::clock::Moment;
use crate::console::{debug, warn};
use crate::net::dialogue::Dialogue;

/// Never, for smoltcp: its own repetitions of a DISCOVER would carry new transaction numbers.
const ONCE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(7 * 24 * 3600);
/// How long a REQUEST may stay unanswered before smoltcp repeats it, doubling every second time. Within that
/// time our own repetitions go out.
const REQUEST: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(10);
/// After so many the client asks for offers anew: the server that made the offer is gone.
const REQUESTS: u16 = 2;
/// Frames taken in one go, so that a flood on one NIC cannot keep the others waiting.
const BURST: usize = 32;

/// How long to be quiet after an address was declined. RFC 2131 §3.1 says ten seconds, which are for servers that
/// would give the same one again and again; a boot is short.
const AFTER_DECLINE: Duration = Duration::from_secs(1);

/// So many are declined: a switch or a router that answers for every address must not keep a machine from booting.
const MOST_DECLINED: u32 = 2;

/// Why a client could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No packet socket.
    #[error("cannot speak DHCP")]
    Socket(#[from] PacketError),
    /// smoltcp takes only an address that one NIC can own.
    #[error("{0} is no address of a NIC")]
    Address(Mac),
}

/// A persistent DHCP client: it asks until it is answered, whatever the carrier does meanwhile.
pub(crate) struct DhcpClient {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    device: DhcpDevice,
    neighbours: Neighbours,
    /// A lease that waits for the neighbours' answer.
    granted: Option<Lease>,
    /// Addresses declined so far.
    declined: u32,
    /// Nothing is said before.
    quiet_until: Option<Moment>,
}

impl DhcpClient {
    /// A client on an interface that is up.
    pub(crate) fn start(
        index: u32,
        mac: Mac,
        identity: ClientIdentity,
    ) -> Result<Self, ClientError> {
        if !mac.is_unicast() {
            return Err(ClientError::Address(mac));
        }
        let mut device = DhcpDevice::new(PacketSocket::for_dhcp_client(index)?, mac, identity);
        let mut config = Config::new(EthernetAddress(mac.0).into());
        config.random_seed = seed(mac);
        let interface = Interface::new(config, &mut device, Moment::now().to_smoltcp());
        let mut socket = dhcpv4::Socket::new();
        let mut retry = dhcpv4::RetryConfig::default();
        retry.discover_timeout = ONCE;
        retry.initial_request_timeout = REQUEST;
        retry.request_retries = REQUESTS;
        socket.set_retry_config(retry);
        socket.set_parameter_request_list(PARAMETER_REQUEST_LIST);
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Ok(DhcpClient {
            interface,
            sockets,
            handle,
            device,
            neighbours: Neighbours::of(index, mac),
            granted: None,
            declined: 0,
            quiet_until: None,
        })
    }

    /// The carrier came or went. When it comes, the open question is asked again at once.
    pub(crate) fn carrier(&mut self, carrier: bool) {
        self.device.carrier(carrier, Moment::now());
    }

    /// Takes what arrived, sends what is due. Returns the lease when a server grants one. `judge` says what an
    /// offer is worth.
    pub(crate) fn poll(&mut self, name: &str, judge: &dyn Fn(&Lease) -> Score) -> Option<Lease> {
        let now = Moment::now();
        if self.quiet_until.is_some_and(|until| now < until) {
            return None;
        }
        self.quiet_until = None;
        for _ in 0..BURST {
            if !self.device.hear(now) {
                break;
            }
        }
        if let Some((server, e)) = self.device.useless() {
            warn!("{name}: the DHCP server {server} makes an offer that cannot be used: {e}");
        }
        for _ in 0..BURST {
            // One frame at a time: the raw message is wanted of the very frame that made the socket bound.
            let heard = self.device.deliver(now, judge);
            if heard {
                if let Some(offer) = self.device.offer() {
                    self.neighbours.ask(&offer, now);
                }
                let (device, sockets) = (&mut self.device, &mut self.sockets);
                let _ = self
                    .interface
                    .poll_ingress_single(now.to_smoltcp(), device, sockets);
                if let Some(granted) = self.granted(name, judge) {
                    self.granted = Some(granted);
                }
            }
            // A REQUEST may be answered before it goes out: by an ACK that came without an OFFER.
            self.interface
                .poll_egress(now.to_smoltcp(), &mut self.device, &mut self.sockets);
            if !heard && self.device.deliver_at().is_none_or(|at| at > now) {
                break;
            }
        }
        if let Err(e) = self.device.repeat(now) {
            debug!("{name}: cannot send: {e}");
        }
        self.settled(name, now)
    }

    /// The lease that was granted, once the neighbours had time to object to it.
    fn settled(&mut self, name: &str, now: Moment) -> Option<Lease> {
        let lease = self.granted.take()?;
        if self.neighbours.answered_at().is_some_and(|at| now < at) {
            self.granted = Some(lease);
            return None;
        }
        let Some(owner) = self.neighbours.owner() else {
            return Some(lease);
        };
        let address = lease.address;
        if self.declined == MOST_DECLINED {
            warn!(
                "{name}: {owner} says that it has {address} as well; the address is used all the same"
            );
            return Some(lease);
        }
        self.declined += 1;
        warn!(
            "{name}: {address}, which the DHCP server gives, is in use by {owner}; another address is asked for"
        );
        if let Err(e) = self.device.decline() {
            debug!("{name}: cannot decline {address}: {e}");
        }
        self.sockets.get_mut::<dhcpv4::Socket>(self.handle).reset();
        self.quiet_until = Some(now.after(AFTER_DECLINE));
        None
    }

    /// The lease, if the frame just taken was the ACK.
    fn granted(&mut self, name: &str, judge: &dyn Fn(&Lease) -> Score) -> Option<Lease> {
        let socket = self.sockets.get_mut::<dhcpv4::Socket>(self.handle);
        match socket.poll()? {
            dhcpv4::Event::Deconfigured => return None,
            dhcpv4::Event::Configured(_) => {}
        }
        match Lease::read(self.device.last_message()?) {
            Ok(lease) => {
                self.device.answered();
                Some(self.device.completed(lease, judge))
            }
            Err(e) => {
                refused(name, &e);
                // Perhaps another server has a better one.
                self.sockets.get_mut::<dhcpv4::Socket>(self.handle).reset();
                None
            }
        }
    }

    /// What was said last on both sides: once there is a lease, that is REQUEST and ACK.
    pub(crate) fn dialogue(&self) -> Dialogue {
        Dialogue {
            asked: self.device.last_sent().to_vec(),
            answered: self.device.last_received().to_vec(),
            at: Moment::now(),
        }
    }

    /// When to call [`DhcpClient::poll`] again, if no frame comes before.
    pub(crate) fn poll_at(&mut self) -> Option<Moment> {
        let now = Moment::now().to_smoltcp();
        let socket = self
            .interface
            .poll_at(now, &self.sockets)
            .map(Moment::from_smoltcp);
        if self.quiet_until.is_some() {
            return self.quiet_until;
        }
        let answered = self.granted.as_ref().and(self.neighbours.answered_at());
        [
            socket,
            self.device.repeat_at(),
            self.device.deliver_at(),
            answered,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl AsFd for DhcpClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.socket().as_fd()
    }
}

fn refused(name: &str, error: &LeaseError) {
    warn!("{name}: the DHCP server grants a lease that cannot be used: {error}");
}

/// A seed for transaction numbers. Early in the boot the kernel may have no entropy yet: then it gives what it
/// has, and the NIC's address keeps two machines that started together apart.
pub(super) fn seed(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let time = Moment::now().since_kernel().subsec_nanos();
    let mut random = [0u8; 8];
    let flags = rustix::rand::GetRandomFlags::INSECURE;
    // Before Linux 5.6 there is no such flag; then the address and the time have to do.
    let _ = rustix::rand::getrandom(&mut random[..], flags);
    u64::from_ne_bytes(random) ^ address.rotate_left(16) ^ u64::from(time)
}
