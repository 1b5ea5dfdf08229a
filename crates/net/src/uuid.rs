//! A machine's UUID, as its firmware has it.

use std::fmt;
use std::str::FromStr;

/// The UUID of a machine's SMBIOS, in the order of its digits. Displayed as `00112233-4455-6677-8899-aabbccddeeff`; parsed
/// from that form, in upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// The text is not a machine's UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a machine's UUID such as 00112233-4455-6677-8899-aabbccddeeff")]
pub struct NotAUuid;

impl Uuid {
    /// From the order in which firmware sends it: as stored in SMBIOS, where the first three fields have their least byte
    /// first (SMBIOS 2.6, §7.2.1). `None` for one that is nobody's, or was never written.
    pub fn from_firmware(sent: [u8; 16]) -> Option<Self> {
        let uuid = Self(swapped(sent));
        uuid.is_a_machines().then_some(uuid)
    }

    /// In the order in which firmware sends it.
    pub fn to_firmware(self) -> [u8; 16] {
        swapped(self.0)
    }

    fn is_a_machines(self) -> bool {
        self.0 != [0; 16] && self.0 != [0xff; 16]
    }
}

fn swapped(bytes: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = NotAUuid;

    fn from_str(text: &str) -> Result<Self, NotAUuid> {
        let lengths = text.split('-').map(str::len);
        let is_hexadecimal = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        if !is_hexadecimal || !lengths.eq([8, 4, 4, 4, 12]) {
            return Err(NotAUuid);
        }
        let digits = text.replace('-', "");
        let number = u128::from_str_radix(&digits, 16).map_err(|_| NotAUuid)?;
        let uuid = Self(number.to_be_bytes());
        uuid.is_a_machines().then_some(uuid).ok_or(NotAUuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_as_it_is_shown_and_sent_in_the_order_of_smbios() {
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        let uuid: Uuid = text.parse().unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(uuid));
        let sent = uuid.to_firmware();
        assert_eq!(sent[..8], [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66]);
        assert_eq!(Uuid::from_firmware(sent), Some(uuid));
    }

    #[test]
    fn what_is_no_machines_uuid_is_refused() {
        for text in [
            "",
            "00112233-4455-6677-8899-aabbccddeef",
            "00112233-4455-6677-8899-aabbccddeeffa",
            "+0112233-4455-6677-8899-aabbccddeeff",
            "001122334455-6677-8899-aabb-ccddeeff",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "0011223ä-4455-6677-8899-aabbccddeef",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(NotAUuid), "{text}");
        }
        assert_eq!(Uuid::from_firmware([0; 16]), None);
    }
}
