//! What a client says about itself: the same as its firmware, so that every server counts
//! firmware, init and operating system as one client.

use std::net::Ipv4Addr;

use netroot_net::{Mac, Uuid};

use super::INIT_VENDOR_CLASS;

/// By which protocol an address is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// DHCP. A BOOTP reply is accepted as well: BOOTP servers do not know option 53, and
    /// answer a DISCOVER too (RFC 1534).
    #[default]
    Dhcp,
    /// DHCP, and BOOTP as well once nobody has answered for a while.
    Either,
    /// BOOTP alone.
    Bootp,
}

/// What every message says about the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Option 60; left out if empty.
    pub class: Vec<u8>,
    /// Option 61; `None` is `01` and the hardware address, as in iPXE.
    pub client_id: Option<Vec<u8>>,
    /// Option 97: the machine's UUID in the order of [`uuid_as_firmware_sends_it`].
    pub uuid: Option<[u8; 16]>,
    /// Option 50: the address that the machine would like.
    pub requested: Option<Ipv4Addr>,
    /// Option 93: what the firmware calls the machine ([`crate::pxe::arch`]).
    pub architecture: Option<u16>,
    /// How an address is asked for.
    pub protocol: Protocol,
}

impl Default for ClientIdentity {
    fn default() -> Self {
        ClientIdentity {
            class: INIT_VENDOR_CLASS.to_vec(),
            client_id: None,
            uuid: None,
            requested: None,
            architecture: None,
            protocol: Protocol::Dhcp,
        }
    }
}

/// What the kernel writes for a UUID (`/sys/class/dmi/id/product_uuid`), in the order in
/// which firmware sends it. On boards with an older SMBIOS the kernel writes
/// the bytes as stored, and this swaps three fields: so does iPXE there.
pub fn uuid_as_firmware_sends_it(text: &str) -> Option<[u8; 16]> {
    let uuid: Uuid = text.trim().parse().ok()?;
    Some(uuid.to_firmware())
}

impl ClientIdentity {
    /// Option 61 of the NIC with this address.
    pub fn client_id(&self, mac: Mac) -> Vec<u8> {
        let own = self.client_id.clone();
        own.unwrap_or_else(|| [&[1], &mac.0[..]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_sent_in_smbios_byte_order() {
        assert_eq!(
            uuid_as_firmware_sends_it("00112233-4455-6677-8899-aabbccddeeff\n"),
            Some([
                0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                0xee, 0xff
            ])
        );
    }

    #[test]
    fn an_invalid_or_placeholder_uuid_is_not_sent() {
        for text in [
            "",
            "Not Settable",
            "00112233445566778899aabbccddeeff",
            "0011223-34455-6677-8899-aabbccddeeff0",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "+0112233-4455-6677-8899-aabbccddeegg",
            "é0112233-4455-6677-8899-aabbccddeef",
        ] {
            assert_eq!(uuid_as_firmware_sends_it(text), None, "{text}");
        }
    }
}
