//! How this host asks other DHCP servers: in whose name, and by which frame. At start by
//! [`rogue_dhcp`](super::rogue_dhcp), and by `netroot check`.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::Ipv4Addr;

use netroot_net::Mac;
use netroot_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use netroot_proto::pxe::probe::{Asker, Probe};
use netroot_sys::packet::PacketSocket;

use super::frame::{self, End};
use crate::serve::listen::interface::Interface;

/// A probe in the name of the machine that does not exist behind an interface.
pub(crate) fn probe(interface: &Interface, asker: Asker) -> Probe {
    Probe {
        mac: machine(interface),
        transaction: random(),
        asker,
    }
}

/// The hardware address of that machine.
pub(crate) fn machine(interface: &Interface) -> Mac {
    stand_in(interface.mac)
}

/// Broadcasts a DISCOVER on the interface.
///
/// # Errors
/// The interface's.
pub(crate) fn send(interface: &Interface, frames: &PacketSocket, probe: &Probe) -> io::Result<()> {
    let from = End {
        mac: interface.mac,
        address: Ipv4Addr::UNSPECIFIED,
        port: CLIENT_PORT,
    };
    let to = End {
        mac: Mac::BROADCAST,
        address: Ipv4Addr::BROADCAST,
        port: SERVER_PORT,
    };
    let frame = frame::encode(from, to, &probe.discover()).ok_or(io::ErrorKind::InvalidInput)?;
    frames.send(&frame)
}

/// The interface's hardware address, made locally administered, or changed if it
/// is that already. Always the same, so that servers reserve only one address for it.
fn stand_in(mac: Mac) -> Mac {
    let [_, b, c, d, e, f] = mac.0;
    let stand_in = Mac([0x02, b, c, d, e, f]);
    if stand_in == mac {
        Mac([0x06, b, c, d, e, f])
    } else {
        stand_in
    }
}

fn random() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probes_hardware_address_is_never_the_interfaces_own() {
        let physical = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(stand_in(physical), Mac([0x02, 0x54, 0, 0x12, 0x34, 0x56]));
        assert_ne!(stand_in(stand_in(physical)), stand_in(physical));
        assert!(stand_in(physical).is_unicast());
    }
}
