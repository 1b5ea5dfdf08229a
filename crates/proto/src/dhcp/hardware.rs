//! Clients whose hardware is not Ethernet: InfiniBand, and whatever else can boot.
//!
//! A machine is known by six bytes everywhere in this server. Ethernet's are its address; of other hardware they are
//! made of what a client says about itself, always in the same way, so that its boot loader, its initrd and its system
//! are one machine with one lease.

use netroot_net::Mac;

/// IEEE 802: the same addresses as Ethernet's, in the same frames.
const IEEE_802: u8 = 6;
/// IP over InfiniBand (RFC 4390).
const INFINIBAND: u8 = 32;

/// What a header says about the client's hardware. Repeated in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardware {
    /// `htype`, as IANA has it.
    pub kind: u8,
    /// `hlen`: the length of its address in bytes, or 0 for one that does not fit.
    pub length: u8,
    /// `chaddr`.
    pub address: [u8; 16],
}

impl Hardware {
    /// Whether a frame can be sent to the client by its address.
    pub fn has_ethernet_address(&self) -> bool {
        self.kind == IEEE_802 && self.length == 6
    }

    /// The machine, by its address or its client identifier (option 61). `None` for a client that has neither: it
    /// cannot be told from others.
    pub(super) fn machine(&self, client_id: Option<&[u8]>) -> Option<Mac> {
        let length = usize::from(self.length).min(self.address.len());
        let address = self.address.get(..length).unwrap_or_default();
        let address = address.iter().any(|byte| *byte != 0).then_some(address);
        if let Some(mac) = address.and_then(|it| it.try_into().ok()).map(Mac) {
            return Some(mac);
        }
        let id = client_id.filter(|id| !id.is_empty());
        let guid = match address {
            Some(eight) if eight.len() == 8 => Some(eight),
            _ => id.and_then(|id| id.get(id.len().checked_sub(8)?..)),
        };
        if let (INFINIBAND, Some(mac)) = (self.kind, guid.and_then(mac_of_guid)) {
            return Some(mac);
        }
        id.or(address).map(made_up)
    }
}

/// The GUID of an InfiniBand port is its maker's prefix, two bytes, and the rest of the MAC that the card has as an
/// Ethernet card. RFC 4390 §2.1 has it at the end of the client identifier.
fn mac_of_guid(guid: &[u8]) -> Option<Mac> {
    let [a, b, c, _, _, d, e, f] = *guid else {
        return None;
    };
    Some(Mac([a, b, c, d, e, f])).filter(|mac| mac.is_unicast())
}

/// A locally administered address: FNV-1a, 64 bits, of these bytes.
fn made_up(bytes: &[u8]) -> Mac {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [_, _, a, b, c, d, e, f] = hash.to_be_bytes();
    Mac([a & 0xfc | 0x02, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(kind: u8, length: u8, chaddr: &[u8], id: &[u8]) -> Option<Mac> {
        let mut address = [0; 16];
        address[..chaddr.len()].copy_from_slice(chaddr);
        let hardware = Hardware {
            kind,
            length,
            address,
        };
        hardware.machine(Some(id))
    }

    /// As FlexBoot and dracut send it.
    const ID: &[u8] = b"\xff\0\0\0\0\0\x02\0\0\x02\xc9\0\x24\x8a\x07\x03\0\x1c\xee\xac";
    const GUID: &[u8] = &[0x24, 0x8a, 7, 3, 0, 0x1c, 0xee, 0xac];
    const PORT: Mac = Mac([0x24, 0x8a, 7, 0x1c, 0xee, 0xac]);
    const MAC: Mac = Mac([2, 0, 0, 0, 0xb, 2]);

    #[test]
    fn a_port_of_infiniband_is_one_machine_however_it_asks() {
        for (length, chaddr, id) in [
            (0, &[][..], ID),
            (20, &[], ID),
            (20, &[0x80, 0, 2, 8, 0xfe, 0x80], ID),
            (8, GUID, &[]),
            (0, &[], GUID),
            (6, &PORT.0, ID),
        ] {
            let found = machine(32, length, chaddr, id);
            assert_eq!(found, Some(PORT), "{length} {chaddr:?}");
        }
    }

    #[test]
    fn other_hardware_is_known_by_its_address_or_its_identifier() {
        assert_eq!(machine(6, 6, &MAC.0, ID), Some(MAC));
        let long = machine(7, 16, &[7; 16], &[]).unwrap();
        assert!(long.is_unicast() && long != machine(7, 16, &[8; 16], &[]).unwrap());
        let by_id = machine(24, 0, &[], b"\x00node");
        assert!(by_id.is_some() && by_id == machine(24, 8, &[1; 8], b"\x00node"));
        assert_eq!(machine(32, 0, &[], &[]), None);
        assert_eq!(machine(1, 0, &[], &[]), None);
        // A GUID that begins like a multicast address, and an identifier that is too short for one.
        let odd = machine(32, 0, &[], &[1; 8]).unwrap();
        assert!(odd.is_unicast());
        assert!(machine(32, 0, &[], b"short").is_some());
    }
}
