//! Boots with the initrd for the network card that iPXE tells of, through real firmware and iPXE's drivers.

use std::time::Instant;

use anyhow::{Result, bail};
use netroot_harness::{Firmware, Net, NetrootServe, Nic, Rom, TinyRoot};

use crate::lan::{Facts, Lan, MACHINE, SERVER, TIMEOUT};

/// A network whose server has made the initrd for a card already: how long that takes must not decide about a test.
struct Ready {
    server: NetrootServe,
    _root: TinyRoot,
    lan: Lan,
}

impl Ready {
    fn for_card(name: &str, bus_id: &str, drivers: &str) -> Result<Self> {
        let lan = Lan::new(name)?;
        let root = TinyRoot::make()?;
        let server = lan.serve_for_every_card(root.path())?;
        let other = Net::new(&format!("{name}-other"))?;
        lan.net
            .cable(&lan.bridge, &other, "eth0", "10.77.0.250/24")?;
        let mac = other.shell("cat /sys/class/net/eth0/address")?;
        let mac = mac.trim().replace(':', "-");
        let url = format!("http://{SERVER}:8069/boot/{mac}.ipxe?busid={bus_id}");
        let began = Instant::now();
        while began.elapsed() < TIMEOUT {
            let script = other.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])?;
            if script.contains(&format!("/initrd-{drivers}.img-")) {
                return Ok(Self {
                    server,
                    _root: root,
                    lan,
                });
            }
        }
        bail!("no initrd for {drivers}: {:#?}", server.events())
    }

    /// The machine loaded this initrd, whose driver its root runs with, and reported.
    fn assert_booted_with(&self, facts: &Facts, drivers: &str, module: &str) -> Result<()> {
        facts.assert_overlay();
        let booted = self
            .server
            .output()
            .wait_for("root mounted ", "its report", TIMEOUT)?;
        assert!(booted.line.contains(MACHINE), "{}", booted.line);
        let events = self.server.events();
        let initrds = events.iter().filter(|(_, event)| event.kind == "initrd");
        let names: Vec<&str> = initrds.map(|(_, event)| event.text.as_str()).collect();
        assert!(
            names
                .iter()
                .all(|name| name.contains(&format!("initrd-{drivers}.img")))
                && !names.is_empty(),
            "{names:?}"
        );
        let loaded = facts.all("loaded");
        assert!(loaded.lines().any(|line| line == module), "{loaded}");
        Ok(())
    }
}

#[test]
fn bios_boots_from_an_intel_card_with_its_driver_alone() -> Result<()> {
    let ready = Ready::for_card("nic-e1000e", "01-80-86-10-d3", "e1000e")?;
    let lan = &ready.lan;
    let nic = Nic::model("e1000e", &lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let vm = lan.machine().nic(nic).start()?;
    ready.assert_booted_with(&Facts::of(&vm)?, "e1000e", "e1000e")
}

#[test]
fn bios_boots_from_a_virtio_card_beside_another_one_without_a_driver() -> Result<()> {
    let virtio = "virtio_net-virtio_pci";
    let ready = Ready::for_card("nic-virtio", "01-1a-f4-10-00", virtio)?;
    let lan = &ready.lan;
    let elsewhere = lan.net.bridge("br1", "10.78.0.1/24")?;
    let other = lan.net.tap("other", &elsewhere)?;
    let vm = lan
        .machine()
        .nic(Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe))
        .nic(Nic::model("e1000e", &other, "52:54:00:77:00:02"))
        .start()?;
    let facts = Facts::of(&vm)?;
    ready.assert_booted_with(&facts, virtio, "virtio_net")?;
    let loaded = facts.all("loaded");
    assert!(!loaded.lines().any(|line| line == "e1000e"), "{loaded}");
    Ok(())
}

#[test]
fn uefi_boots_by_snponly_with_the_driver_of_its_card_alone() -> Result<()> {
    let virtio = "virtio_net-virtio_pci";
    let ready = Ready::for_card("nic-snponly", "01-1a-f4-10-00", virtio)?;
    let lan = &ready.lan;
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let vm = lan.machine().firmware(Firmware::Uefi).nic(nic).start()?;
    ready.assert_booted_with(&Facts::of(&vm)?, virtio, "virtio_net")
}
