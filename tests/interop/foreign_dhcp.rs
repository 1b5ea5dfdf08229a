//! Our proxy beside the DHCP servers that sites have: one that knows nothing of booting is beside the point, one that
//! names a file or claims to be a boot server is told of with the lines to change.

use anyhow::{Result, bail, ensure};
use netroot_harness::{BootPart, Dnsmasq, ForeignDhcp, IscServer, Net, NetrootServe, TinyRoot};

const ROUTER: &str = "10.77.0.254";
const ADDRESSES: (&str, &str, &str) = ("10.77.0.100", "10.77.0.149", ROUTER);

/// What the proxy warns of at start beside a server that `beside` starts on `lan` in the network of the router.
fn warnings<T>(name: &str, beside: impl FnOnce(&Net) -> Result<T>) -> Result<Vec<String>> {
    let net = Net::new(name)?;
    let bridge = net.bridge("br0", "10.77.0.1/24")?;
    let router = Net::new(&format!("{name}-router"))?;
    net.cable(&bridge, &router, "lan", &format!("{ROUTER}/24"))?;
    let _beside = beside(&router)?;
    let root = TinyRoot::make()?;
    let initrd = root.path().join("initrd");
    std::fs::write(&initrd, "never loaded")?;
    let initrd = initrd.display().to_string();
    let arguments = ["--interface", "br0", "--initrd", &initrd];
    let server = NetrootServe::start(&net, root.path(), &arguments)?;
    let events = server.events().into_iter();
    let warnings = events.filter(|(_, event)| event.kind == "warning");
    let texts = warnings.map(|(_, event)| event.text);
    // Of the boot loaders that this host lacks, and the like.
    Ok(texts
        .filter(|text| text.contains(ROUTER) || text.contains("DHCP"))
        .collect())
}

fn isc(name: &str, server: IscServer, boot: BootPart) -> Result<Vec<String>> {
    warnings(name, |router| {
        ForeignDhcp::start(server, router, "lan", ADDRESSES, boot)
    })
}

fn dnsmasq(name: &str, options: &[&str]) -> Result<Vec<String>> {
    let (first, last, _) = ADDRESSES;
    warnings(name, |router| {
        Dnsmasq::start(router, "lan", first, last, options)
    })
}

/// One warning with all of these parts.
fn ensure_told(warnings: &[String], parts: &[&str]) -> Result<()> {
    let [only] = warnings else {
        bail!("{warnings:#?}")
    };
    for part in parts {
        ensure!(only.contains(part), "{part}: {only}");
    }
    Ok(())
}

const OPTION_60: [&str; 4] = [
    "10.77.0.254 gives addresses and claims to be a boot server (option 60 is PXEClient)",
    "dnsmasq: remove dhcp-option=60,PXEClient",
    "Kea: remove { \"name\": \"vendor-class-identifier\", \"data\": \"PXEClient\" }",
    "ISC dhcpd: remove option vendor-class-identifier \"PXEClient\";",
];
const OWN_FILE: [&str; 4] = [
    "10.77.0.254 names a boot file of its own, elsewhere.efi",
    "dnsmasq: remove dhcp-boot=elsewhere.efi",
    "Kea: remove \"boot-file-name\": \"elsewhere.efi\"",
    "ISC dhcpd: remove filename \"elsewhere.efi\";",
];

#[test]
fn kea() -> Result<()> {
    let told = isc("foreign-kea", IscServer::Kea, BootPart::Nothing)?;
    ensure!(told.is_empty(), "{told:#?}");
    ensure_told(
        &isc("foreign-kea-file", IscServer::Kea, BootPart::OwnFile)?,
        &OWN_FILE,
    )?;
    ensure_told(
        &isc("foreign-kea-60", IscServer::Kea, BootPart::Option60)?,
        &OPTION_60,
    )
}

#[test]
fn isc_dhcpd() -> Result<()> {
    let told = isc("foreign-dhcpd", IscServer::Dhcpd, BootPart::Nothing)?;
    ensure!(told.is_empty(), "{told:#?}");
    ensure_told(
        &isc("foreign-dhcpd-file", IscServer::Dhcpd, BootPart::OwnFile)?,
        &OWN_FILE,
    )?;
    ensure_told(
        &isc("foreign-dhcpd-60", IscServer::Dhcpd, BootPart::Option60)?,
        &OPTION_60,
    )
}

#[test]
fn dnsmasq_with_each_boot_part() -> Result<()> {
    let told = dnsmasq("foreign-dnsmasq", &[])?;
    ensure!(told.is_empty(), "{told:#?}");
    let file = ["--dhcp-boot=elsewhere.efi"];
    ensure_told(&dnsmasq("foreign-dnsmasq-file", &file)?, &OWN_FILE)?;
    let class = ["--dhcp-option=60,PXEClient"];
    ensure_told(&dnsmasq("foreign-dnsmasq-60", &class)?, &OPTION_60)
}
