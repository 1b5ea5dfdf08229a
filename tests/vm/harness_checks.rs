//! Tests of the harness itself: without them a failure would mean nothing.

use std::time::Duration;

use anyhow::Result;
use netroot_harness::{
    Accel, Clients, Dnsmasq, Firmware, Ganesha, Net, Nic, Rom, TinyRoot, VmBuilder, paths,
};

const TIMEOUT: Duration = Duration::from_secs(180);

#[test]
fn dropping_a_net_ends_its_programs() -> Result<()> {
    let net = Net::new("dropped-net")?;
    net.spawn(&["sleep", "12345.678"])?;
    let sleeper = net.spawn(&["sleep", "12345.678"])?;
    assert!(sleeper.resident_kib()? > 0);
    drop(net);
    let mut sleeper = sleeper;
    assert!(!sleeper.wait(TIMEOUT)?.status.success());
    Ok(())
}

#[test]
fn ganesha_exports_a_root_to_its_configured_clients() -> Result<()> {
    let net = Net::new("ganesha")?;
    net.bridge("br0", "10.77.0.1/24")?;
    let root = TinyRoot::make()?;
    let clients = Clients::Only("10.77.0.0/24".into());
    let _ganesha = Ganesha::start(&net, root.path(), "/srv/root", &clients)?;
    let services = net.run(&["rpcinfo", "-p", "10.77.0.1"])?;
    assert!(services.contains("20048"), "{services}");
    Ok(())
}

#[test]
fn a_panicking_machine_fails_its_test_at_once() -> Result<()> {
    let net = Net::new("kernel-panic")?;
    let (_, kernel) = paths::debian_kernel()?;
    let nothing = net.logs().join("nothing.img");
    std::fs::write(&nothing, "")?;
    let vm = VmBuilder::new(&net, "console")
        .quick_kernel(&kernel, &nothing, "")?
        .start()?;
    let error = vm
        .wait_for("login:", "a prompt", TIMEOUT)
        .expect_err("there is no root");
    assert!(format!("{error:#}").contains("Kernel panic"), "{error:#}");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(vm)));
    assert!(dropped.is_err());
    Ok(())
}

#[test]
fn both_firmwares_ask_for_a_lease() -> Result<()> {
    let net = Net::new("firmwares")?;
    let bridge = net.bridge("br0", "10.77.0.1/24")?;
    let dnsmasq = Dnsmasq::start(&net, "br0", "10.77.0.100", "10.77.0.200", &[])?;
    let (bios, uefi) = (net.tap("bios", &bridge)?, net.tap("uefi", &bridge)?);
    let _bios = VmBuilder::new(&net, "bios")
        .nic(Nic::virtio(&bios, "52:54:00:00:00:01").with_rom(Rom::Ipxe))
        .start()?;
    let _uefi = VmBuilder::new(&net, "uefi")
        .firmware(Firmware::Uefi)
        .nic(Nic::virtio(&uefi, "52:54:00:00:00:02"))
        .start()?;
    for machine in ["52:54:00:00:00:01", "52:54:00:00:00:02"] {
        let text = format!("DHCPDISCOVER(br0) {machine}");
        dnsmasq
            .log()
            .wait_for(&text, "a DISCOVER of each firmware", TIMEOUT)?;
    }
    Ok(())
}

#[test]
fn firmware_that_begins_where_an_earlier_one_was_asks_for_a_lease() -> Result<()> {
    let net = Net::new("quick-firmware")?;
    let bridge = net.bridge("br0", "10.77.0.1/24")?;
    let dnsmasq = Dnsmasq::start(&net, "br0", "10.77.0.100", "10.77.0.200", &[])?;
    let mac = "52:54:00:00:00:03";
    // No machine before has it, so that there is no state of it yet.
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let uuid = format!(
        "{:08x}-0000-4000-8000-{:012x}",
        std::process::id(),
        since_1970.as_micros() & 0xffff_ffff_ffff
    );
    let mut asked = 0;
    // A state is not kept where a busy host stops a machine too late.
    for attempt in 0..5 {
        let tap = net.tap(&format!("tap{attempt}"), &bridge)?;
        let vm = VmBuilder::new(&net, &tap.0)
            .firmware(Firmware::Uefi)
            .quick_firmware()
            .uuid(&uuid)
            .nic(Nic::virtio(&tap, mac))
            .start()?;
        let text = format!("DHCPDISCOVER(br0) {mac}");
        let what = "a DISCOVER of the machine";
        asked = dnsmasq.log().wait_after(asked, &text, what, TIMEOUT)?.end;
        // The console of one that begins from a state was reset in an earlier machine.
        let reset = b"\x1b[=3h";
        let console = std::fs::read(vm.log())?;
        let is_reset = console.windows(reset.len()).any(|text| text == reset);
        assert_eq!(is_reset, !vm.has_quick_firmware());
        assert!(attempt > 0 || is_reset);
        if vm.has_quick_firmware() || Accel::probe() != Accel::Tcg {
            return Ok(());
        }
    }
    panic!("no machine begins where an earlier one was");
}
