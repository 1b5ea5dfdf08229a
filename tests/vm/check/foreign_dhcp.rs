//! Real firmware beside Kea and ISC dhcpd: what the check foretells, what the firmware then does, and whom netroot blames.
//!
//! Each of the two knows nothing of booting, names a boot file of its own, or sends option 60. Where the machine boots from
//! netroot beside one that knows nothing, it is followed to its root, whose address that server has given, too.

use anyhow::{Result, ensure};
use netroot_harness::{
    BootPart, Dnsmasq, ForeignDhcp, IscServer, Net, NetrootServe, Nic, TinyRoot,
};

use super::{End, HTTP, IPXE, Kind, PXE, ROUTER, boot, expected, foretold, observed, sent};
use crate::lan::{Facts, Lan, MACHINE, TIMEOUT};

const ADDRESSES: (&str, &str, &str) = ("10.77.0.100", "10.77.0.199", ROUTER);

/// Checks the network, boots each machine in it, and compares with each other what is foretold, what is seen, and this list.
fn compare(server: IscServer, part: BootPart, ends: &[(Kind, End)]) -> Result<()> {
    let root = TinyRoot::make()?;
    for (kind, end) in ends {
        let name = format!("check-{server:?}-{part:?}-{}", kind.name).to_lowercase();
        let lan = Lan::new(&name)?;
        let router = Net::new(&format!("{name}-router"))?;
        let address = format!("{ROUTER}/24");
        lan.net.cable(&lan.bridge, &router, "lan", &address)?;
        let other = ForeignDhcp::start(server, &router, "lan", ADDRESSES, part)?;
        let files = router.logs().join("tftp");
        std::fs::create_dir_all(&files)?;
        std::fs::write(files.join(BootPart::FILE), "no loader of anybody's")?;
        let files = Dnsmasq::tftp_alone(&router, "lan", &files)?;
        // Before netroot serves.
        let said = foretold(&lan.net, root.path(), &["br0"])?;
        let (expected, text) = expected(&said, *kind)?;
        let netroot = lan.serve_beside(root.path())?;
        let vm = boot(lan.machine(), Nic::virtio(&lan.tap, MACHINE), *kind)?;
        let observed = observed(&vm, &netroot, || sent(files.log(), BootPart::FILE))?;
        println!("{name}: {observed:?}; foretold: {expected:?} ({text})");
        assert_eq!(observed, expected, "{name}: foretold: {text}");
        assert_eq!(observed, *end, "{name}: {}", vm.console().tail(40));
        if part == BootPart::Nothing {
            Facts::of(&vm)?.assert_overlay();
        }
        ensure!(other.has_acknowledged(), "{}", other.log().text());
        // One that fails would go on with IPv6, and poll its card for half a minute.
        drop(vm);
        if *end != End::Netroot {
            told_of(&netroot, server, part)?;
        }
    }
    Ok(())
}

/// The other server is told of with the lines to change in it, and blamed for the boot that stopped.
fn told_of(netroot: &NetrootServe, server: IscServer, part: BootPart) -> Result<()> {
    let product = match server {
        IscServer::Kea => "Kea: remove",
        IscServer::Dhcpd => "ISC dhcpd: remove",
    };
    let (warning, blame) = match part {
        BootPart::Option60 => ("dhcp-claims-boot", "option 60"),
        _ => ("dhcp-names-file", BootPart::FILE),
    };
    let wait = |text| netroot.output().wait_for(text, text, TIMEOUT);
    for (text, parts) in [
        (warning, [ROUTER, product]),
        ("boot-stopped", [ROUTER, blame]),
    ] {
        let line = wait(text)?.line;
        ensure!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    Ok(())
}

fn fails(screen: &str) -> End {
    End::Fails(screen.to_owned())
}

fn knows_nothing_of_booting(server: IscServer) -> Result<()> {
    let all = [IPXE, PXE, HTTP].map(|kind| (kind, End::Netroot));
    compare(server, BootPart::Nothing, &all)
}

/// UEFI takes the proxy's file, by PXE and by HTTP, which is iPXE; and iPXE takes that of the server of its address.
fn names_a_file_of_its_own(server: IscServer) -> Result<()> {
    let all = [IPXE, PXE, HTTP].map(|kind| (kind, End::Other));
    compare(server, BootPart::OwnFile, &all)
}

/// iPXE and UEFI's PXE take it for the boot server, and ask it in vain. HTTP boot heeds only a class of its own, and loads iPXE.
fn sends_option_60(server: IscServer) -> Result<()> {
    let ends = [
        (IPXE, fails("Nothing to boot")),
        (PXE, fails("PXE-E16: No valid offer received.")),
        (HTTP, fails("Nothing to boot")),
    ];
    compare(server, BootPart::Option60, &ends)
}

#[test]
fn beside_kea_that_knows_nothing_of_booting() -> Result<()> {
    knows_nothing_of_booting(IscServer::Kea)
}

#[test]
fn beside_kea_with_a_file_of_its_own() -> Result<()> {
    names_a_file_of_its_own(IscServer::Kea)
}

#[test]
fn beside_kea_with_option_60() -> Result<()> {
    sends_option_60(IscServer::Kea)
}

#[test]
fn beside_isc_dhcpd_that_knows_nothing_of_booting() -> Result<()> {
    knows_nothing_of_booting(IscServer::Dhcpd)
}

#[test]
fn beside_isc_dhcpd_with_a_file_of_its_own() -> Result<()> {
    names_a_file_of_its_own(IscServer::Dhcpd)
}

#[test]
fn beside_isc_dhcpd_with_option_60() -> Result<()> {
    sends_option_60(IscServer::Dhcpd)
}
