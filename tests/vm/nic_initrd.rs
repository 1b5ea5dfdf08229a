//! Boots with the initrd for the network card that iPXE tells of, through real firmware and iPXE's drivers.

use std::time::Instant;

use anyhow::{Result, ensure};
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
        Self::for_cards(name, &[(bus_id, drivers)])
    }

    fn for_cards(name: &str, cards: &[(&str, &str)]) -> Result<Self> {
        let lan = Lan::new(name)?;
        let root = TinyRoot::make()?;
        let server = lan.serve_for_every_card(root.path())?;
        let other = Net::new(&format!("{name}-other"))?;
        lan.net
            .cable(&lan.bridge, &other, "eth0", "10.77.0.250/24")?;
        let mac = other.shell("cat /sys/class/net/eth0/address")?;
        let mac = mac.trim().replace(':', "-");
        let began = Instant::now();
        for (bus_id, drivers) in cards {
            let url = format!("http://{SERVER}:8069/boot/{mac}.ipxe?busid={bus_id}");
            loop {
                let script = other.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])?;
                if script.contains(&format!("/initrd-{drivers}.img-")) {
                    break;
                }
                let late = began.elapsed() > TIMEOUT;
                ensure!(
                    !late,
                    "no initrd for {drivers}: {script} {:#?}",
                    server.events()
                );
            }
        }
        Ok(Self {
            server,
            _root: root,
            lan,
        })
    }

    /// How many bytes the machine at the tap has been sent.
    fn bytes_to_machine(&self) -> Result<u64> {
        let sent = self
            .lan
            .net
            .shell("cat /sys/class/net/machine/statistics/tx_bytes")?;
        Ok(sent.trim().parse()?)
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

#[test]
fn bios_boots_from_older_cards_each_with_its_driver_alone() -> Result<()> {
    // QEMU's, and what iPXE says of them: e1000 is an 82540EM, and of the two drivers for a Realtek 8139 one refuses.
    let cards = [
        ("e1000", "01-80-86-10-0e", "e1000", &["e1000"][..]),
        (
            "rtl8139",
            "01-10-ec-81-39",
            "8139cp-8139too",
            &["8139cp", "8139too"],
        ),
    ];
    let made = cards.map(|(_, bus_id, drivers, _)| (bus_id, drivers));
    let ready = Ready::for_cards("nic-older", &made)?;
    for (card, _, drivers, modules) in cards {
        let nic = Nic::model(card, &ready.lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let vm = ready.lan.machine().nic(nic).start()?;
        let facts = Facts::of(&vm)?;
        facts.assert_overlay();
        let loaded = facts.all("loaded");
        let is_loaded = |module: &&str| loaded.lines().any(|line| line == *module);
        assert!(modules.iter().any(is_loaded), "{card}: {loaded}");
        let events = ready.server.events();
        let mut initrds = events.iter().filter(|(_, event)| event.kind == "initrd");
        let last = initrds.next_back().map(|(_, event)| event.text.clone());
        let last = last.unwrap_or_default();
        assert!(
            last.contains(&format!("initrd-{drivers}.img")),
            "{card}: {last}"
        );
    }
    Ok(())
}

#[test]
fn the_driver_of_one_card_saves_most_of_the_bytes_of_a_boot() -> Result<()> {
    let virtio = "virtio_net-virtio_pci";
    let ready = Ready::for_card("nic-bytes", "01-1a-f4-10-00", virtio)?;
    let boot = || -> Result<u64> {
        let before = ready.bytes_to_machine()?;
        let nic = Nic::virtio(&ready.lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let vm = ready.lan.machine().nic(nic).start()?;
        Facts::of(&vm)?.assert_overlay();
        Ok(ready.bytes_to_machine()? - before)
    };
    let of_one = boot()?;
    drop(ready);
    // A bond takes the initrd for every card; this one has only the card that there is.
    let lan = Lan::new("nic-bytes-all")?;
    let root = TinyRoot::make()?;
    let bond = "bond=bond0:eth0:mode=active-backup";
    let server = lan.serve_appending_for_every_card(root.path(), bond)?;
    let ready = Ready {
        server,
        _root: root,
        lan,
    };
    let before = ready.bytes_to_machine()?;
    let nic = Nic::virtio(&ready.lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let vm = ready.lan.machine().nic(nic).start()?;
    Facts::of(&vm)?.assert_overlay();
    let of_all = ready.bytes_to_machine()? - before;
    println!(
        "bytes to the machine: {of_one} with the initrd for its card, {of_all} with that for every card"
    );
    assert!(of_one * 3 < of_all * 2, "{of_one} of {of_all}");
    Ok(())
}
