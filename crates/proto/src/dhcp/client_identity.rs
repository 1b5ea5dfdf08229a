//! What a client says of itself, so that every server knows it again: the firmware's words,
//! said by the init.
//!
//! smoltcp's client calls itself `01` and the hardware address in every message and adds
//! fixed options to all of them. [`ClientIdentity::introduce`] writes its messages anew.

use std::net::Ipv4Addr;

use super::emit::{Draft, LONGEST};
use super::options::Message;
use super::{CLIENT_PORT, INIT_VENDOR_CLASS, MessageType, SERVER_PORT, bootp, code, restate};

/// By which protocol an address is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// DHCP. A reply of BOOTP is taken all the same: its servers do not know option 53, and
    /// answer a DISCOVER too (RFC 1534).
    #[default]
    Dhcp,
    /// DHCP, and BOOTP beside it where nobody answers: [`ClientIdentity::beside`].
    Either,
    /// BOOTP alone.
    Bootp,
}

/// What is said of the machine with every message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Option 60; left out if empty.
    pub class: Vec<u8>,
    /// Option 61; `None` is `01` and the hardware address, as iPXE says it too.
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
/// which firmware sends it: as it lies in SMBIOS, where the first three fields have their
/// least byte first (SMBIOS 2.6, §7.2.1). On boards with an older SMBIOS the kernel writes
/// the bytes as they lie, and this turns three fields round: so does iPXE there.
pub fn uuid_as_firmware_sends_it(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if text.len() != 36 || digits.len() != 32 {
        return None;
    }
    let number = u128::from_str_radix(&digits, 16).ok()?;
    // Nobody's, or never written.
    if number == 0 || number == u128::MAX {
        return None;
    }
    let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    Some([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
}

impl ClientIdentity {
    /// The client's frame with everything that is said of the machine; `None` if it is no
    /// DHCP client's. Where BOOTP alone is to be spoken, a DISCOVER becomes its question.
    pub fn with_identity(&self, frame: &[u8]) -> Option<Vec<u8>> {
        if self.protocol == Protocol::Bootp
            && let Some(request) = bootp::request(frame)
        {
            return Some(request);
        }
        let message = Message::read(restate::client_message(frame)?).ok()?;
        let kind = message.kind()?;
        let mut draft = Draft::new(message.header.clone());
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        for (code, value) in message.options.iter() {
            match code {
                code::MESSAGE_TYPE => {}
                code::CLIENT_ID => {
                    draft.push(code, self.client_id.as_deref().unwrap_or(value));
                }
                _ => {
                    draft.push(code, value);
                }
            }
        }
        if !self.class.is_empty() {
            draft.push(code::VENDOR_CLASS, &self.class);
        }
        if let Some(uuid) = self.uuid {
            draft.push(code::CLIENT_UUID, &[&[0], &uuid[..]].concat());
        }
        if let Some(architecture) = self.architecture {
            draft.push(code::CLIENT_ARCH, &architecture.to_be_bytes());
        }
        // Later the address is the offered one; and an ACK without an OFFER answers a DISCOVER only (RFC 4039 §3.1).
        if kind == MessageType::Discover {
            if let Some(address) = self.requested {
                draft.push(code::REQUESTED_ADDRESS, &address.octets());
            }
            draft.push(code::RAPID_COMMIT, &[]);
        }
        restate::rewrap(
            frame,
            (CLIENT_PORT, SERVER_PORT),
            &draft.emit(LONGEST).bytes,
        )
    }

    /// What is asked by BOOTP beside this DISCOVER, if nobody answers that.
    pub fn beside(&self, frame: &[u8]) -> Option<Vec<u8>> {
        match self.protocol {
            Protocol::Either => bootp::request(frame),
            Protocol::Dhcp | Protocol::Bootp => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_goes_out_as_it_lies_in_smbios() {
        assert_eq!(
            uuid_as_firmware_sends_it("00112233-4455-6677-8899-aabbccddeeff\n"),
            Some([
                0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                0xee, 0xff
            ])
        );
    }

    #[test]
    fn what_is_no_uuid_or_nobodys_is_not_sent() {
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
