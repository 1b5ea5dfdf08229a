//! Who this machine is: its firmware's words, and the names that NFSv4 servers tell clients apart by.

use std::fs;
use std::path::Path;

use netroot_proto::dhcp::Mac;
use netroot_proto::mount::MachineIdentity;

use crate::console::{debug, warn};

/// What the firmware says of the machine (`drivers/firmware/dmi-id.c`); absent on boards with a device tree.
const DMI: &str = "/sys/class/dmi/id";
/// Where such a board has its serial number.
const DEVICE_TREE_SERIAL: &str = "/proc/device-tree/serial-number";
/// The part of its identity that the kernel's NFSv4 client takes beside the host name (Linux 5.3).
const CLIENT_IDENTIFIER: &str = "/sys/fs/nfs/net/nfs_client/identifier";
/// A parameter of the module that is the same, and that somebody may have given on the command line.
const UNIQUE_ID: &str = "/sys/module/nfs/parameters/nfs4_unique_id";
/// What makers leave in the place of a serial number. In lower case.
const FILLERS: [&str; 9] = [
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

/// The machine, as reached through the NIC with this address.
pub(crate) fn of(mac: Mac) -> MachineIdentity {
    let dmi = |name: &str| read(&Path::new(DMI).join(name));
    let system = rustix::system::uname();
    MachineIdentity {
        mac: Some(mac.0),
        uuid: dmi("product_uuid").filter(|uuid| tells_apart(uuid)),
        serial: dmi("product_serial").or_else(|| read(Path::new(DEVICE_TREE_SERIAL))),
        arch: system.machine().to_str().ok().map(str::to_owned),
    }
}

/// A line of the firmware's, unless it says nothing.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let says_nothing = text.is_empty() || FILLERS.contains(&text.to_ascii_lowercase().as_str());
    (!says_nothing).then(|| text.to_owned())
}

/// Whether a UUID can be one machine's: boards have left the factory with all digits the same.
fn tells_apart(uuid: &str) -> bool {
    let mut digits = uuid.bytes().filter(u8::is_ascii_hexdigit);
    let first = digits.next();
    digits.any(|digit| Some(digit) != first)
}

/// Gives the machine a host name of its own if nobody named it. An NFSv4 server tells its clients apart by it, and
/// every machine without one is called the same.
pub(crate) fn name_host(machine: &MachineIdentity) {
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
        Ok(()) => debug!("the host name is {name}: neither the command line nor DHCP has one"),
        Err(e) => warn!("the host name {name} is refused: {e}"),
    }
}

/// Tells the kernel's NFSv4 client what is unique about this machine: two with the same host name would take each
/// other's files and locks. To be done once the module is there and before the first mount.
pub(crate) fn identify_client(machine: &MachineIdentity) {
    let given = fs::read_to_string(UNIQUE_ID).unwrap_or_default();
    if !given.trim().is_empty() {
        debug!(
            "the NFS client identifies itself by nfs4_unique_id={}",
            given.trim()
        );
        return;
    }
    let identifier = client_identifier(machine);
    if let Err(e) = fs::write(CLIENT_IDENTIFIER, &identifier) {
        debug!("{CLIENT_IDENTIFIER}: {e}; the host name alone identifies the NFS client");
    }
}

/// UUID and Ethernet address, since makers are careless with either. Shorter than the kernel's 64 bytes.
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

fn hexadecimal(mac: [u8; 6]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_identified_by_what_there_is() {
        let mut machine = MachineIdentity {
            mac: Some([0x52, 0x54, 0, 0xab, 0x34, 0x56]),
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
    fn a_uuid_of_one_digit_alone_is_nobodys() {
        assert!(!tells_apart("00000000-0000-0000-0000-000000000000"));
        assert!(!tells_apart("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"));
        assert!(tells_apart("4C4C4544-0042-3510-8052-B4C04F4D4E31"));
    }

    #[test]
    fn a_filler_is_no_serial_number() {
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
