//! What a PCI device is: its vendor and its model.

use std::fmt;
use std::str::FromStr;

/// The vendor and the device number of a PCI device. Displayed as `8086:10d3`, as `lspci -n` does; parsed from that form, in
/// upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciId {
    /// The vendor's number: 0x8086 is Intel's.
    pub vendor: u16,
    /// The vendor's number for the device.
    pub device: u16,
}

/// The text is not a PCI device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the vendor and the device of a PCI device, such as 8086:10d3")]
pub struct NotAPciId;

/// iPXE's number of the PCI bus (`BUS_TYPE_PCI`, include/ipxe/device.h).
const PCI_BUS: u8 = 1;

impl PciId {
    /// The NIC that iPXE boots from, as it tells its *bus ID* (`DHCP_EB_BUS_ID`, suboption 177 of option 175;
    /// `netdev_fetch_busid`): the kind of bus, the vendor and the device. `None` for a NIC on another bus (USB, Xen,
    /// Hyper-V), and for one that the firmware does not tell it of.
    #[must_use]
    pub fn from_bus_id(bytes: &[u8]) -> Option<Self> {
        let &[PCI_BUS, a, b, c, d] = bytes else {
            return None;
        };
        let id = Self {
            vendor: u16::from_be_bytes([a, b]),
            device: u16::from_be_bytes([c, d]),
        };
        id.is_a_devices().then_some(id)
    }

    /// The same from the text of `${netX/busid}`: `01:80:86:10:d3`, with hyphens (`:hexhyp`), or with nothing between the
    /// octets (`:hexraw`).
    #[must_use]
    pub fn from_bus_id_text(text: &str) -> Option<Self> {
        // A longer one is refused before anything is made of it.
        if text.len() > 3 * 5 {
            return None;
        }
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
        let number = u64::from_str_radix(&digits, 16).ok()?;
        let [0, 0, 0, bytes @ ..] = number.to_be_bytes() else {
            return None;
        };
        let is_hexadecimal = digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_hexadecimal.then(|| Self::from_bus_id(&bytes)).flatten()
    }

    /// What no device answers with is read as all ones; firmware that knows of none says zero.
    fn is_a_devices(self) -> bool {
        !matches!(self.vendor, 0 | 0xffff)
    }
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

impl FromStr for PciId {
    type Err = NotAPciId;

    fn from_str(text: &str) -> Result<Self, NotAPciId> {
        let (vendor, device) = text.split_once(':').ok_or(NotAPciId)?;
        let number = |digits: &str| {
            let is_one = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let number = is_one.then(|| u16::from_str_radix(digits, 16).ok());
            number.flatten().ok_or(NotAPciId)
        };
        Ok(Self {
            vendor: number(vendor)?,
            device: number(device)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const E1000E: PciId = PciId {
        vendor: 0x8086,
        device: 0x10d3,
    };

    #[test]
    fn a_pci_device_is_written_and_read_as_lspci_writes_it() {
        assert_eq!(E1000E.to_string(), "8086:10d3");
        for text in ["8086:10d3", "8086:10D3"] {
            assert_eq!(text.parse(), Ok(E1000E));
        }
        for text in [
            "",
            "8086",
            "8086:10d",
            "8086:10d3:1",
            "8086:+0d3",
            "80861:0d3",
        ] {
            assert_eq!(text.parse::<PciId>(), Err(NotAPciId), "{text}");
        }
    }

    #[test]
    fn the_bus_id_of_ipxe_is_a_pci_device_or_nothing() {
        assert_eq!(
            PciId::from_bus_id(&[1, 0x80, 0x86, 0x10, 0xd3]),
            Some(E1000E)
        );
        let others: [&[u8]; 6] = [
            // USB.
            &[10, 0x0b, 0xda, 0x81, 0x53],
            &[1, 0, 0, 0, 0],
            &[1, 0xff, 0xff, 0xff, 0xff],
            &[1, 0x80, 0x86, 0x10],
            &[1, 0x80, 0x86, 0x10, 0xd3, 0],
            &[],
        ];
        for bytes in others {
            assert_eq!(PciId::from_bus_id(bytes), None, "{bytes:?}");
        }
        for text in ["01:80:86:10:d3", "01-80-86-10-D3", "01808610d3"] {
            assert_eq!(PciId::from_bus_id_text(text), Some(E1000E), "{text}");
        }
        for text in [
            "",
            "8086:10d3",
            "01:80:86:10:d3:00",
            "+1808610d3",
            "0a0bda8153",
            "${netX/busid}",
            "00000000000000000000001808610d3",
        ] {
            assert_eq!(PciId::from_bus_id_text(text), None, "{text}");
        }
    }
}
