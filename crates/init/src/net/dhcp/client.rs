//! One NIC's DHCP client: netroot-proto's exchange on a packet socket.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::exchange::{Action, Exchange};
use netroot_proto::dhcp::frame::LONGEST_FRAME;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::offers::Score;
use netroot_sys::packet::{PacketError, PacketSocket};

use crate::clock::Moment;
use crate::console::{debug, warn};
use crate::net::arp::Arp;
use crate::net::lease_exchange::LeaseExchange;
use crate::threads;

/// Frames read at once, so that a flood on one NIC does not keep the others waiting.
const BURST: usize = 32;

/// The stack of the thread that closes sockets, in bytes.
const STACK: usize = 64 << 10;
/// The interfaces of this machine.
const INTERFACES: &str = "/sys/class/net";

/// Why a client could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No packet socket.
    #[error("cannot use DHCP")]
    Socket(#[from] PacketError),
    /// Servers answer only an address that one NIC can own.
    #[error("{0} is not a NIC's address")]
    Address(Mac),
}

impl ClientError {
    /// Whether it is the kernel that cannot, whichever the NIC.
    pub(crate) fn is_kernels(&self) -> bool {
        matches!(self, Self::Socket(error) if error.is_unsupported())
    }
}

/// How long the kernel may take to attach the queue of a NIC whose carrier has just come (`dev_activate`, called by
/// `linkwatch_event`, `net/core/link_watch.c`). A frame that is sent before is dropped without an error, and the next one
/// is a second away; with one processor, the kernel's worker runs only once this program sleeps. The flag `IFF_RUNNING`
/// would tell, but may itself come a second later.
const ACTIVATION: Duration = Duration::from_millis(10);

/// A persistent DHCP client: it asks until it is answered, whatever the carrier does meanwhile.
pub(crate) struct DhcpClient {
    exchange: Exchange,
    socket: PacketSocket,
    /// Without it every address counts as free.
    arp: Option<Arp>,
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
        Ok(DhcpClient {
            exchange: Exchange::new(mac, identity, seed(mac)),
            socket: PacketSocket::for_dhcp_client(index)?,
            arp: Arp::on(index, mac),
        })
    }

    /// The carrier came up or went away. When it comes up, the open question is repeated: at once if the NIC is
    /// `running`, else after [`ACTIVATION`].
    pub(crate) fn carrier(&mut self, carrier: bool, running: bool) {
        let pause = if running { Duration::ZERO } else { ACTIVATION };
        self.exchange.carrier(carrier, now() + pause);
    }

    /// Takes what arrived and sends what is due. Returns the lease once a server has granted one. `score` says how
    /// far a lease leads to a root.
    pub(crate) fn poll(
        &mut self,
        name: &str,
        score: &dyn Fn(&Lease) -> Score,
    ) -> Option<(Lease, LeaseExchange)> {
        self.receive();
        while let Some(action) = self.exchange.poll(now(), score) {
            match action {
                Action::Send(frame) => {
                    if let Err(e) = self.socket.send(&frame) {
                        debug!("{name}: cannot send: {e}");
                    }
                }
                Action::Probe(address) => {
                    if !self.arp.as_ref().is_some_and(|arp| arp.probe(address)) {
                        self.exchange.probe_failed();
                    }
                }
                Action::Unusable {
                    server,
                    granted: false,
                    error,
                } => warn!("{name}: the DHCP server {server} sent an unusable offer: {error}"),
                Action::Unusable { error, .. } => {
                    warn!("{name}: the DHCP server granted an unusable lease: {error}");
                }
                Action::InUse {
                    address,
                    owner,
                    declined: true,
                } => warn!(
                    "{name}: {address}, assigned by the DHCP server, is in use by {owner}; requesting another address"
                ),
                Action::InUse { address, owner, .. } => {
                    warn!("{name}: {owner} also claims {address}; using the address anyway")
                }
                Action::Bound(bound) => {
                    let exchange = LeaseExchange {
                        request: bound.asked,
                        ack: bound.answered,
                        at: Moment::now(),
                    };
                    return Some((bound.lease, exchange));
                }
            }
        }
        None
    }

    fn receive(&mut self) {
        let mut buffer = [0; LONGEST_FRAME];
        for _ in 0..BURST {
            // An error (the NIC disappeared, or is down) counts as silence; netlink reports the reason.
            let Some(length) = self.socket.receive(&mut buffer).ok().flatten() else {
                break;
            };
            let frame = buffer.get(..length).unwrap_or_default();
            self.exchange.receive(frame, now());
        }
        if let Some(address) = self.exchange.probing() {
            for owner in self.claims(address) {
                self.exchange.claimed(owner);
            }
        }
    }

    /// The other machines that claimed `address` since the last call.
    fn claims(&self, address: Ipv4Addr) -> Vec<Mac> {
        let claims = self.arp.as_ref().map(|arp| arp.claims(address));
        let mut owners = claims.unwrap_or_default();
        owners.retain(|owner| !is_own(Path::new(INTERFACES), *owner));
        owners
    }

    /// The machine that has claimed the granted address since, as one does that is slow to wake. The address is declined.
    pub(crate) fn claimed_late(&mut self) -> Option<(Ipv4Addr, Mac)> {
        let address = self.exchange.bound()?;
        let owner = self.claims(address).first().copied()?;
        // What the server is not told, its own probe finds.
        if let Some(decline) = self.exchange.claimed_late() {
            let _ = self.socket.send(&decline);
        }
        Some((address, owner))
    }

    /// When to call [`DhcpClient::poll`] again, if no frame comes before.
    pub(crate) fn poll_at(&mut self) -> Option<Moment> {
        self.exchange.poll_at().map(Moment::at)
    }
}

/// Closes the sockets of clients, in the background: until no processor can be using a packet socket, the kernel makes who
/// closes it wait (`packet_release`, `synchronize_net`). On a machine with several processors that takes some 20 ms for each.
pub(crate) fn close(clients: Vec<DhcpClient>) {
    if clients.is_empty() {
        return;
    }
    // Without a thread they are closed here.
    if let Err(e) = threads::start(STACK, move || drop(clients)) {
        debug!("cannot start a thread to close sockets: {e}");
    }
}

impl AsFd for DhcpClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether one of this machine's interfaces has this Ethernet address. With two on one network, the kernel answers the
/// probe of one through the other (`arp_ignore` 0) if an earlier attempt to boot has set the address that is probed.
fn is_own(interfaces: &Path, mac: Mac) -> bool {
    let Ok(entries) = std::fs::read_dir(interfaces) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let address = std::fs::read_to_string(entry.path().join("address"));
        address.is_ok_and(|text| text.trim().parse() == Ok(mac))
    })
}

/// The exchange's clock.
fn now() -> Duration {
    Moment::now().since_kernel()
}

/// A seed for transaction numbers. Early in the boot the kernel may have no entropy yet: then it gives what it
/// has, and the NIC's address keeps two machines that started together apart.
pub(super) fn seed(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let time = Moment::now().since_kernel().subsec_nanos();
    let mut random = [0u8; 8];
    let flags = rustix::rand::GetRandomFlags::INSECURE;
    // Linux before 5.6 does not know the flag; then the address and the time have to do.
    let _ = rustix::rand::getrandom(&mut random[..], flags);
    u64::from_ne_bytes(random) ^ address.rotate_left(16) ^ u64::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machines_interfaces_is_its_own() {
        let folder = std::env::temp_dir().join(format!("netroot-own-macs-{}", std::process::id()));
        for (name, address) in [
            ("eth0", "52:54:00:12:34:56\n"),
            ("lo", "00:00:00:00:00:00\n"),
        ] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join("address"), address).unwrap();
        }
        // Without an address, as `bonding_masters` is.
        std::fs::create_dir_all(folder.join("masters")).unwrap();
        let own = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert!(is_own(&folder, own));
        assert!(!is_own(&folder, Mac([0x52, 0x54, 0, 0x12, 0x34, 0x57])));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(!is_own(&folder, own));
    }
}
