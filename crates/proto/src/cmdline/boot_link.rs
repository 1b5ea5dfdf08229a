//! `BOOTIF=`, `hwaddr=`: the NIC that the firmware booted from.

use netroot_net::Mac;

use crate::reading::{MacError, Reading, read_mac};

/// The value of `BOOTIF=` or `hwaddr=`.
pub(super) fn read(value: &str, reading: &mut Reading<'_>) -> Option<Mac> {
    let error = match read_mac(value) {
        Ok(address) => return Some(address),
        Err(error) => error,
    };
    let (position, expected) = match error {
        MacError::Octet { position } => (position, "two hexadecimal digits"),
        MacError::Length { .. } => (0, "an Ethernet address such as 01-52-54-00-12-34-56"),
        MacError::NotANic => (0, "the Ethernet address of a NIC"),
    };
    let found = value.get(position..).unwrap_or_default();
    reading.complain(position, expected, found, "left out: every NIC is tried");
    None
}
