//! The machine's identity: what its firmware provides, and the names by which NFSv4 servers distinguish clients.

use std::fs;
use std::path::Path;

use netroot_net::Mac;
use netroot_proto::mount::MachineIdentity;

use crate::console::{debug, warn};

/// The firmware's data about the machine (`drivers/firmware/dmi-id.c`); absent on boards with a device tree.
const DMI: &str = "/sys/class/dmi/id";
/// Exists only after a boot by UEFI (`drivers/firmware/efi/efi.c`).
const EFI: &str = "/sys/firmware/efi";
/// The serial number of a board with a device tree.
const DEVICE_TREE_SERIAL: &str = "/proc/device-tree/serial-number";
/// The part of the kernel's NFSv4 client identifier that is added to the host name (Linux 5.3).
const CLIENT_IDENTIFIER: &str = "/sys/fs/nfs/net/nfs_client/identifier";
/// A module parameter with the same effect, which may be set on the command line.
const UNIQUE_ID: &str = "/sys/module/nfs/parameters/nfs4_unique_id";
/// What manufacturers leave in place of a serial number, in lower case.
const PLACEHOLDERS: [&str; 9] = [
    "none",
    "n/a",
    "not specified",
    "not available",
    "to be filled by o.e.m.",
    "default string",
    "system serial number",
    "0",
    "unknown",
];

/// Whether the machine booted by UEFI.
pub(crate) fn is_efi() -> bool {
    Path::new(EFI).exists()
}

/// The identity of the machine, as reached through the NIC with this address.
pub(crate) fn of(mac: Mac) -> MachineIdentity {
    let dmi = |name: &str| read(&Path::new(DMI).join(name));
    let system = rustix::system::uname();
    MachineIdentity {
        mac: Some(mac),
        uuid: dmi("product_uuid").filter(|uuid| is_unique(uuid)),
        serial: dmi("product_serial").or_else(|| read(Path::new(DEVICE_TREE_SERIAL))),
        arch: system.machine().to_str().ok().map(str::to_owned),
    }
}

/// Reads a value of the firmware, unless it is empty or a placeholder.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let is_placeholder =
        text.is_empty() || PLACEHOLDERS.contains(&text.to_ascii_lowercase().as_str());
    (!is_placeholder).then(|| text.to_owned())
}

/// Whether a UUID can be unique: boards have been shipped with all digits the same.
fn is_unique(uuid: &str) -> bool {
    let mut digits = uuid.bytes().filter(u8::is_ascii_hexdigit);
    let first = digits.next();
    digits.any(|digit| Some(digit) != first)
}

/// Sets a unique host name if none is configured. NFSv4 servers distinguish clients by it, and machines without one all
/// have the same.
pub(crate) fn set_host_name(machine: &MachineIdentity) {
    let system = rustix::system::uname();
    let named = !matches!(
        system.nodename().to_bytes(),
        b"" | b"(none)" | b"localhost" | b"localhost.localdomain"
    );
    let Some(mac) = machine.mac.filter(|_| !named) else {
        return;
    };
    let name = format!("netroot-{}", hexadecimal(mac));
    match rustix::system::sethostname(name.as_bytes()) {
        Ok(()) => debug!("the host name is {name}: neither the command line nor DHCP sets one"),
        Err(e) => warn!("cannot set the host name {name}: {e}"),
    }
}

/// Gives the kernel's NFSv4 client a unique identifier: two machines with the same host name would take over each other's
/// files and locks. To be called once the module is loaded and before the first mount.
pub(crate) fn set_nfs_client_identifier(machine: &MachineIdentity) {
    let given = fs::read_to_string(UNIQUE_ID).unwrap_or_default();
    if !given.trim().is_empty() {
        debug!(
            "the NFS client is identified by nfs4_unique_id={}",
            given.trim()
        );
        return;
    }
    let identifier = client_identifier(machine);
    if let Err(e) = fs::write(CLIENT_IDENTIFIER, &identifier) {
        debug!("{CLIENT_IDENTIFIER}: {e}; the NFS client is identified by the host name alone");
    }
}

/// UUID and Ethernet address, since manufacturers are careless with either. Shorter than the kernel's 64 bytes.
fn client_identifier(machine: &MachineIdentity) -> String {
    let mac = machine.mac.map(hexadecimal);
    let uuid = machine.uuid.as_deref().map(|uuid| {
        let plain = |b: &u8| b.is_ascii_hexdigit() || *b == b'-';
        let bytes = uuid.bytes().filter(plain).take(36);
        bytes.map(|b| char::from(b.to_ascii_lowercase())).collect()
    });
    let parts: Vec<String> = uuid.into_iter().chain(mac).collect();
    parts.join("-")
}

fn hexadecimal(mac: Mac) -> String {
    mac.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_identified_by_what_is_available() {
        let mut machine = MachineIdentity {
            mac: Some(Mac([0x52, 0x54, 0, 0xab, 0x34, 0x56])),
            uuid: Some("4C4C4544-0042-3510-8052-B4C04F4D4E31\n".into()),
            ..MachineIdentity::default()
        };
        let identifier = client_identifier(&machine);
        assert_eq!(
            identifier,
            "4c4c4544-0042-3510-8052-b4c04f4d4e31-525400ab3456"
        );
        assert!(identifier.len() < 64);
        machine.uuid = None;
        assert_eq!(client_identifier(&machine), "525400ab3456");
    }

    #[test]
    fn a_uuid_of_a_single_repeated_digit_is_ignored() {
        assert!(!is_unique("00000000-0000-0000-0000-000000000000"));
        assert!(!is_unique("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"));
        assert!(is_unique("4C4C4544-0042-3510-8052-B4C04F4D4E31"));
    }

    #[test]
    fn a_placeholder_is_no_serial_number() {
        let file = std::env::temp_dir().join(format!("netroot-serial-{}", std::process::id()));
        for (text, expected) in [
            ("To Be Filled By O.E.M.\n", None),
            ("5B5RMN1\n", Some("5B5RMN1")),
            ("100000009a\0", Some("100000009a")),
            ("\n", None),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(read(&file).as_deref(), expected);
        }
        fs::remove_file(file).unwrap();
    }
}
