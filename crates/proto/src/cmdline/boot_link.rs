//! `BOOTIF=`, `hwaddr=`: the NIC that the firmware booted from.

use crate::reading::{LinkAddress, LinkAddressError, Reading, parse_link_address};

/// The value of `BOOTIF=` or `hwaddr=`.
pub(super) fn read(value: &str, reading: &mut Reading<'_>) -> Option<LinkAddress> {
    let error = match parse_link_address(value) {
        Ok(address) => return Some(address),
        Err(error) => error,
    };
    let (position, expected) = match error {
        LinkAddressError::Octet { position } => (position, "two hexadecimal digits"),
        LinkAddressError::Length { .. } => (0, "an Ethernet address such as 01-52-54-00-12-34-56"),
        LinkAddressError::NotANic => (0, "the Ethernet address of a NIC"),
    };
    let found = value.get(position..).unwrap_or_default();
    reading.complain(position, expected, found, "left out: every NIC is tried");
    None
}
