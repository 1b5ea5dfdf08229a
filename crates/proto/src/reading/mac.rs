//! Ethernet addresses in all spellings that boot loaders use.

use netroot_net::Mac;
use thiserror::Error;

/// Why a text is not the Ethernet address of a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MacError {
    /// An octet is not hexadecimal, or has the wrong number of digits.
    #[error("not a hexadecimal octet")]
    Octet {
        /// Byte offset of the octet in the text.
        position: usize,
    },
    /// Neither six octets nor a hardware type and six octets.
    #[error("six octets expected, {octets} found")]
    Length {
        /// The number of octets found.
        octets: usize,
    },
    /// All zeros, or a group address: no NIC has such an address.
    #[error("not the address of a NIC")]
    NotANic,
}

/// Parses an Ethernet address such as `01-52-54-00-12-34-56` (with the hardware type first, as
/// PXELINUX and iPXE write `BOOTIF=`): separated by `:` or `-` or not at all, in upper or lower
/// case, with or without the hardware type.
pub fn read_mac(text: &str) -> Result<Mac, MacError> {
    let separated = text.contains(['-', ':']);
    let mut octets: Vec<u8> = Vec::with_capacity(7);
    let mut position = 0;
    if separated {
        for piece in text.split(['-', ':']) {
            octets.push(octet(piece, 1).ok_or(MacError::Octet { position })?);
            position += piece.len() + 1;
        }
    } else {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, tail) = rest
                .split_at_checked(2)
                .ok_or(MacError::Octet { position })?;
            octets.push(octet(piece, 2).ok_or(MacError::Octet { position })?);
            position += 2;
            rest = tail;
        }
    }
    let mac = match octets.as_slice() {
        &[a, b, c, d, e, f] | &[_, a, b, c, d, e, f] => Mac([a, b, c, d, e, f]),
        other => {
            return Err(MacError::Length {
                octets: other.len(),
            });
        }
    };
    if mac.is_unicast() {
        Ok(mac)
    } else {
        Err(MacError::NotANic)
    }
}

fn octet(text: &str, min_digits: usize) -> Option<u8> {
    let digits = (min_digits..=2).contains(&text.len());
    let hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits && hexadecimal {
        u8::from_str_radix(text, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Mac = Mac([0x52, 0x54, 0, 0xab, 0x34, 0x56]);

    #[test]
    fn every_spelling_of_bootif_is_read() {
        for text in [
            "01-52-54-00-ab-34-56",
            "01-52-54-00-AB-34-56",
            "00-52-54-00-ab-34-56",
            "01:52:54:00:ab:34:56",
            "52-54-00-ab-34-56",
            "52:54:00:AB:34:56",
            "52:54:0:ab:34:56",
            "525400ab3456",
            "01525400ab3456",
        ] {
            assert_eq!(read_mac(text), Ok(ADDRESS), "{text}");
        }
    }

    #[test]
    fn an_invalid_ethernet_address_is_an_error() {
        for (text, error) in [
            ("", MacError::Length { octets: 0 }),
            ("52:54:00:ab:34", MacError::Length { octets: 5 }),
            ("01:02:52:54:00:ab:34:56", MacError::Length { octets: 8 }),
            ("52:54:00:xx:34:56", MacError::Octet { position: 9 }),
            ("52:54:00::34:56", MacError::Octet { position: 9 }),
            ("525400ab345", MacError::Octet { position: 10 }),
            ("5254ü0ab34", MacError::Octet { position: 4 }),
            ("00:00:00:00:00:00", MacError::NotANic),
            ("ff:ff:ff:ff:ff:ff", MacError::NotANic),
        ] {
            assert_eq!(read_mac(text), Err(error), "{text}");
        }
    }
}
