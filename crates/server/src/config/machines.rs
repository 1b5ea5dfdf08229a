//! `[machine.NAME]`: machines that are known by name.

use netroot_net::{Mac, Uuid};

use super::section::Section;
use super::values::{bytes, choice, secure_boot};
use crate::option_value::{appended, ipv4_host};
use crate::settings::MachineSettings;

/// The machines of a file, in its order.
pub(super) fn read_machines(whole: &mut Section<'_>) -> Vec<MachineSettings> {
    let machines = whole.named("machine").into_iter();
    machines
        .map(|(name, section)| read_machine(name, section))
        .collect()
}

fn read_machine(name: String, mut machine: Section<'_>) -> MachineSettings {
    let settings = MachineSettings {
        macs: machine.list("mac", "a hardware address", |text| text.parse::<Mac>()),
        uuid: machine.parsed("uuid", "a UUID", |text| text.parse::<Uuid>()),
        serial: machine.text("serial"),
        client_id: machine.parsed("client-id", "a client identifier", |text| bytes(&text)),
        address: machine.parsed("address", "an address", |text| ipv4_host(&text)),
        choice: machine.parsed("boot", "an image", choice),
        append: machine.parsed("append", "a command line", |text| appended(&text)),
        secure_boot: machine.parsed("secure-boot", "a mode", secure_boot),
        origin: machine.origin(),
        name,
    };
    machine.finish();
    settings
}
