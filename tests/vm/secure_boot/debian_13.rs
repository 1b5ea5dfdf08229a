//! shim and GRUB of Debian 13 from a folder of their own, and Debian 12's root with its kernel: to the login, by PXE and by
//! UEFI HTTP boot, with netroot as the only DHCP server and beside dnsmasq.

use anyhow::Result;
use netroot_harness::{Firmware, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, paths};

use crate::lan::{Lan, MACHINE, RANGE, TIMEOUT};
use crate::several_dhcp_servers::router;

/// Who gives the addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dhcp {
    Ours,
    Dnsmasq,
}

fn boots_to_its_login(name: &str, firmware: Firmware, dhcp: Dhcp) -> Result<()> {
    let lan = Lan::new(name)?;
    let router = match dhcp {
        Dhcp::Ours => None,
        Dhcp::Dnsmasq => Some(router(&lan, name, &["--dhcp-option=3,10.77.0.254"])?),
    };
    let signed = paths::signed_loaders().join("x64").display().to_string();
    // Without iPXE, shim is what every machine is given.
    let no_loaders = lan.net.logs().join("no-loaders").display().to_string();
    let mut arguments = vec!["--interface", "br0", "--append", QUICK_KERNEL_PARAMETERS];
    arguments.extend(["--modules", "virtio_net"]);
    arguments.extend(["--secure-boot-files", &signed, "--ipxe", &no_loaders]);
    if dhcp == Dhcp::Ours {
        arguments.extend(["--dhcp", RANGE]);
    }
    let server = NetrootServe::start(&lan.net, &paths::debian_root(), &arguments)?;

    let nic = Nic::virtio(&lan.tap, MACHINE);
    let machine = lan.machine().memory_mib(1024).firmware(firmware).nic(nic);
    let vm = machine.start()?;
    let locked = "Kernel is locked down from EFI Secure Boot";
    // shim loads GRUB in blocks of 512 bytes, and both check what they start, on a processor that may be emulated.
    vm.wait_for(locked, "the kernel, which has Secure Boot on", TIMEOUT * 2)?;
    vm.wait_for("debian login:", "the login prompt", TIMEOUT)?;
    let booted = server.output();
    let booted = booted.wait_for("root mounted ", "its report", TIMEOUT)?;
    assert!(booted.line.contains(MACHINE), "{}", booted.line);

    let events = server.events();
    let has = |wanted: &dyn Fn(&netroot_harness::Event) -> bool| {
        events.iter().any(|(_, event)| wanted(event))
    };
    let loaded = has(&|event| event.kind == "loader" && event.text.contains("shimx64.efi"));
    assert!(loaded, "{events:#?}");
    let by_tftp = has(&|event| event.protocol.as_deref() == Some("tftp"));
    assert_eq!(by_tftp, firmware == Firmware::SecureBoot, "{events:#?}");
    let leased = has(&|event| event.kind == "dhcp-ack");
    assert_eq!(leased, dhcp == Dhcp::Ours, "{events:#?}");
    if let Some((_, dnsmasq)) = router {
        assert!(dnsmasq.log().contains("DHCPACK(lan) 10.77.0."));
    }
    Ok(())
}

#[test]
fn by_pxe_from_the_only_dhcp_server() -> Result<()> {
    boots_to_its_login("signed-pxe", Firmware::SecureBoot, Dhcp::Ours)
}

#[test]
fn by_pxe_beside_dnsmasq() -> Result<()> {
    boots_to_its_login("signed-pxe-proxy", Firmware::SecureBoot, Dhcp::Dnsmasq)
}

#[test]
fn by_http_boot_from_the_only_dhcp_server() -> Result<()> {
    boots_to_its_login("signed-http", Firmware::SecureBootHttp, Dhcp::Ours)
}

#[test]
fn by_http_boot_beside_dnsmasq() -> Result<()> {
    boots_to_its_login("signed-http-proxy", Firmware::SecureBootHttp, Dhcp::Dnsmasq)
}
