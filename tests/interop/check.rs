//! `netroot check` on networks with other servers: who is heard, what is foretold, and what is to be done.

mod cures;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use netroot_harness::{
    BootPart, Bridge, Dnsmasq, ForeignDhcp, IscServer, Net, NetrootServe, TinyRoot, paths,
};
use serde_json::Value;

/// The longest that a check may take. No test asserts a duration.
const TIMEOUT: Duration = Duration::from_secs(180);
const HOST: &str = "10.77.0.1";
const ROUTER: &str = "10.77.0.254";

/// This host, and a router beside it. Dropped in this order: the users of a network before the network.
struct Lab {
    router: Net,
    bridge: Bridge,
    net: Net,
}

impl Lab {
    fn new(name: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", &format!("{HOST}/24"))?;
        let router = Net::new(&format!("{name}-router"))?;
        net.cable(&bridge, &router, "lan", &format!("{ROUTER}/24"))?;
        Ok(Self {
            router,
            bridge,
            net,
        })
    }

    /// dnsmasq on the router, which gives addresses.
    fn dnsmasq(&self, more: &[&str]) -> Result<Dnsmasq> {
        Dnsmasq::start(&self.router, "lan", "10.77.0.100", "10.77.0.199", more)
    }

    fn check(&self, arguments: &[&str]) -> Result<Checked> {
        let netroot = paths::netroot()?.display().to_string();
        let argv = [netroot.as_str(), "check", "br0", "--json"];
        let (all, fine) = check(&self.net, &[&argv[..], arguments].concat())?;
        // Of one interface: what is said about it, and what is said about the host.
        let [section] = list(&all, "interfaces") else {
            bail!("not one interface in {all:#}")
        };
        let mut said = section.clone();
        let host = [list(section, "host"), list(&all, "host")].concat();
        if let Some(object) = said.as_object_mut() {
            object.insert("host".to_owned(), host.into());
        }
        Ok(Checked { said, fine })
    }
}

/// What a check prints, and whether all was well.
fn check(net: &Net, argv: &[&str]) -> Result<(Value, bool)> {
    let done = net.run_for(argv, TIMEOUT)?;
    let said = serde_json::from_str(&done.stdout);
    let said = said.with_context(|| format!("{}{}", done.stdout, done.stderr))?;
    Ok((said, done.status.success()))
}

/// What a check said.
struct Checked {
    said: Value,
    fine: bool,
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = value.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Checked {
    /// What a machine does: the outcome, the server, and whose boot it is in the end.
    fn machine(&self, name: &str) -> Option<(&str, &str, &str)> {
        let mut machines = list(&self.said, "machines").iter();
        let found = machines.find(|one| text(one, "machine") == name)?;
        Some((
            text(found, "outcome"),
            text(found, "server"),
            text(found, "boots"),
        ))
    }

    fn assert_machine(&self, name: &str, outcome: &str, server: &str, boots: &str) {
        let expected = Some((outcome, server, boots));
        assert_eq!(self.machine(name), expected, "{name}: {:#}", self.said);
    }

    /// A member of what is said about a server.
    fn server(&self, address: &str, member: &str) -> Option<bool> {
        let mut servers = list(&self.said, "servers").iter();
        let found = servers.find(|one| text(one, "address") == address)?;
        found.get(member)?.as_bool()
    }

    /// What is wrong on the network, as words.
    fn troubles(&self) -> Vec<&str> {
        let all = list(&self.said, "network").iter();
        all.map(|one| text(one, "about")).collect()
    }

    /// The lines of the cures of the first trouble.
    fn cure(&self) -> String {
        let troubles = list(&self.said, "network");
        let cures = troubles.iter().take(1).flat_map(|one| list(one, "cures"));
        let steps = cures.flat_map(|cure| list(cure, "steps"));
        let lines = steps.filter_map(|step| step.get(1)?.as_str());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The findings about this host of a kind and a level.
    fn host(&self, about: &str, level: &str) -> Vec<&str> {
        let all = list(&self.said, "host").iter();
        let these = all.filter(|one| text(one, "about") == about && text(one, "level") == level);
        these.map(|one| text(one, "text")).collect()
    }
}

const FIRMWARE: [&str; 5] = [
    "bios-pxe",
    "uefi-x64-pxe",
    "uefi-x64-http-boot",
    "ipxe-bios",
    "ipxe-uefi-x64",
];

#[test]
fn beside_a_router_that_knows_nothing_everything_boots_from_netroot_and_no_lease_is_taken()
-> Result<()> {
    let lab = Lab::new("check-router")?;
    let dnsmasq = lab.dnsmasq(&["--dhcp-option=3,10.77.0.254"])?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.server(ROUTER, "dhcp"), Some(true));
    assert_eq!(checked.server(ROUTER, "netroot"), Some(false));
    for machine in FIRMWARE {
        checked.assert_machine(machine, "loads", HOST, "netroot");
    }
    checked.assert_machine("operating-system", "address", ROUTER, "address");
    assert!(checked.troubles().is_empty(), "{:#}", checked.said);
    let log = dnsmasq.log();
    assert!(log.contains("DHCPOFFER"), "{}", log.text());
    assert!(!log.contains("DHCPREQUEST"), "{}", log.text());
    assert!(checked.fine, "{:#}", checked.said);
    Ok(())
}

#[test]
fn a_router_with_a_file_of_its_own_is_named_with_the_line_to_remove() -> Result<()> {
    let lab = Lab::new("check-file")?;
    let _dnsmasq = lab.dnsmasq(&["--dhcp-boot=pxelinux.0"])?;
    let checked = lab.check(&["--product", "dnsmasq"])?;
    assert_eq!(checked.troubles(), ["names-file"]);
    let cure = checked.cure();
    assert!(cure.starts_with("dhcp-boot=pxelinux.0"), "{cure}");
    // UEFI prefers the proxy; the iPXE that it loads does not.
    checked.assert_machine("uefi-x64-pxe", "loads", HOST, "other");
    // Nobody serves the file there.
    checked.assert_machine("ipxe-bios", "loads", ROUTER, "fails");
    assert!(!checked.fine);
    Ok(())
}

#[test]
fn a_router_with_option_60_is_named_with_what_machines_show() -> Result<()> {
    let lab = Lab::new("check-option-60")?;
    let _dnsmasq = lab.dnsmasq(&["--dhcp-option-force=60,PXEClient"])?;
    let checked = lab.check(&["--product", "openwrt"])?;
    assert_eq!(checked.troubles(), ["claims-boot"]);
    assert_eq!(checked.server(ROUTER, "port-4011"), Some(false));
    let cure = checked.cure();
    assert!(cure.contains("dhcp_option='60,PXEClient'"), "{cure}");
    for machine in ["bios-pxe", "uefi-x64-pxe"] {
        checked.assert_machine(machine, "boot-server-silent", ROUTER, "fails");
    }
    checked.assert_machine("ipxe-uefi-x64", "nothing-to-boot", ROUTER, "fails");
    Ok(())
}

#[test]
fn another_proxy_with_a_menu_is_followed_to_its_file() -> Result<()> {
    let lab = Lab::new("check-proxy")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let other = Net::new("check-proxy-other")?;
    lab.net
        .cable(&lab.bridge, &other, "other", "10.77.0.9/24")?;
    let files = lab.net.logs().join("tftp");
    std::fs::create_dir_all(&files)?;
    std::fs::write(files.join("undionly.0"), "a loader")?;
    let _proxy = Dnsmasq::proxy(&other, "other", &files, &["x86PC,Boot,undionly"])?;
    let checked = lab.check(&["--product", "dnsmasq"])?;
    assert_eq!(checked.troubles(), ["second-proxy"], "{:#}", checked.said);
    assert_eq!(checked.server("10.77.0.9", "dhcp"), Some(false));
    assert_eq!(checked.server("10.77.0.9", "port-4011"), Some(true));
    // It answers BIOS machines only.
    let server = checked.machine("uefi-x64-pxe").map(|(_, server, _)| server);
    assert_eq!(server, Some(HOST));
    Ok(())
}

#[test]
fn the_netroot_of_this_host_and_one_elsewhere_are_heard() -> Result<()> {
    let lab = Lab::new("check-netroot")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let before = lab.check(&[])?;
    let root = TinyRoot::make()?;
    let here = ["--interface", "br0", "--modules", "virtio_net"];
    let _here = NetrootServe::start(&lab.net, root.path(), &here)?;
    let checked = lab.check(&[])?;
    for member in ["netroot", "here"] {
        assert_eq!(checked.server(HOST, member), Some(true), "{member}");
    }
    for machine in FIRMWARE {
        checked.assert_machine(machine, "loads", HOST, "netroot");
    }
    checked.assert_machine("init", "root", HOST, "netroot");
    assert!(checked.troubles().is_empty(), "{:#}", checked.said);
    // What netroot has nothing for is as good as before it serves.
    let levels = |checked: &Checked| -> Vec<String> {
        let machines = list(&checked.said, "machines").iter();
        let of = |one| format!("{}: {}", text(one, "machine"), text(one, "level"));
        machines.map(of).collect()
    };
    assert_eq!(levels(&checked), levels(&before), "{:#}", checked.said);
    let notes = checked.host("port", "note");
    assert!(
        notes
            .iter()
            .any(|note| note.contains("serves on this host already")),
        "{notes:?}"
    );
    assert!(checked.fine, "{:#}", checked.said);

    let elsewhere = Net::new("check-netroot-elsewhere")?;
    lab.net
        .cable(&lab.bridge, &elsewhere, "eth0", "10.77.0.7/24")?;
    let there = [
        "--interface",
        "eth0",
        "--modules",
        "virtio_net",
        "--no-probe",
    ];
    let _there = NetrootServe::start(&elsewhere, root.path(), &there)?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.server("10.77.0.7", "netroot"), Some(true));
    assert_eq!(checked.server("10.77.0.7", "here"), Some(false));
    assert_eq!(checked.troubles(), ["second-proxy"]);
    Ok(())
}

#[test]
fn without_a_dhcp_server_the_range_to_give_is_told() -> Result<()> {
    let lab = Lab::new("check-nobody")?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.troubles(), ["no-address"]);
    for machine in FIRMWARE {
        checked.assert_machine(machine, "no-address", "", "fails");
    }
    let line = &checked.said["network"][0]["cure"][0];
    assert_eq!(
        line,
        "netroot serve DIR --interface br0 --dhcp 10.77.0.100-10.77.0.200"
    );
    assert!(!checked.fine);
    // With that range.
    let checked = lab.check(&["--dhcp", "10.77.0.100-10.77.0.200"])?;
    for machine in FIRMWARE {
        checked.assert_machine(machine, "loads", HOST, "netroot");
    }
    assert!(checked.fine, "{:#}", checked.said);
    Ok(())
}

#[test]
fn a_taken_port_a_firewall_and_a_root_without_a_kernel_are_found() -> Result<()> {
    let lab = Lab::new("check-host")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let root = TinyRoot::make()?;
    let fine = lab.check(&[&root.path().display().to_string()])?;
    assert!(fine.fine, "{:#}", fine.said);
    assert_eq!(fine.host("initrd", "ok").len(), 1, "{:#}", fine.said);

    let tftpd = lab.net.spawn(&[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--log-facility=-",
        "--user=root",
        "--pid-file=/run/tftpd.pid",
        "--enable-tftp",
        "--interface=br0",
    ])?;
    tftpd.stderr().wait_for("TFTP", "dnsmasq's TFTP", TIMEOUT)?;
    lab.net.shell(
        "nft add table inet filter
         nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
         nft add rule inet filter input ct state established,related accept
         nft add rule inet filter input udp dport { 67, 68, 69 } accept
         nft add rule inet filter input icmp type echo-request accept",
    )?;
    let empty = lab.net.logs().join("empty");
    std::fs::create_dir_all(&empty)?;
    let checked = lab.check(&[&empty.display().to_string()])?;
    let [port] = &checked.host("port", "problem")[..] else {
        panic!("{:#}", checked.said)
    };
    assert!(
        port.starts_with("UDP port 69 (TFTP) is taken by dnsmasq (process "),
        "{port}"
    );
    assert_eq!(
        checked.host("firewall", "problem"),
        ["the firewall drops what machines send to UDP 4011, TCP 8069, TCP 2049"]
    );
    assert_eq!(
        checked.host("kernel", "problem").len(),
        1,
        "{:#}",
        checked.said
    );
    assert!(!checked.fine);
    Ok(())
}

/// Kea or ISC dhcpd on the router, in each of three ways.
fn beside(server: IscServer, product: &str, [file, class]: [&str; 2]) -> Result<()> {
    let parts = [BootPart::Nothing, BootPart::OwnFile, BootPart::Option60];
    for part in parts {
        let lab = Lab::new(&format!("check-{product}-{part:?}"))?;
        let addresses = ("10.77.0.100", "10.77.0.199", ROUTER);
        let foreign = ForeignDhcp::start(server, &lab.router, "lan", addresses, part)?;
        let checked = lab.check(&["--product", product])?;
        let trouble = match part {
            BootPart::Nothing => None,
            BootPart::OwnFile => Some(("names-file", file)),
            BootPart::Option60 => Some(("claims-boot", class)),
        };
        let about: Vec<&str> = trouble.iter().map(|(about, _)| *about).collect();
        assert_eq!(checked.troubles(), about, "{part:?}: {:#}", checked.said);
        if let Some((_, line)) = trouble {
            assert!(checked.cure().contains(line), "{}", checked.cure());
        }
        let outcome = checked.machine("ipxe-uefi-x64").map(|(.., boots)| boots);
        let boots = if trouble.is_none() {
            "netroot"
        } else {
            "fails"
        };
        assert_eq!(outcome, Some(boots), "{part:?}: {:#}", checked.said);
        assert!(!foreign.has_acknowledged(), "a lease was taken");
        assert_eq!(checked.fine, trouble.is_none());
    }
    Ok(())
}

#[test]
fn kea_is_heard_and_mended_by_its_own_lines() -> Result<()> {
    let lines = [
        "\"boot-file-name\": \"elsewhere.efi\"",
        "\"name\": \"vendor-class-identifier\", \"data\": \"PXEClient\"",
    ];
    beside(IscServer::Kea, "kea", lines)
}

#[test]
fn isc_dhcpd_is_heard_and_mended_by_its_own_lines() -> Result<()> {
    let lines = [
        "filename \"elsewhere.efi\";",
        "option vendor-class-identifier \"PXEClient\";",
    ];
    beside(IscServer::Dhcpd, "isc-dhcpd", lines)
}

/// What is said about an interface.
fn section<'a>(said: &'a Value, interface: &str) -> Result<&'a Value> {
    let mut all = list(said, "interfaces").iter();
    let found = all.find(|one| text(one, "interface") == interface);
    found.with_context(|| format!("no {interface} in {said:#}"))
}

fn problems(value: &Value) -> Option<u64> {
    value.get("problems")?.as_u64()
}

/// A second interface, without a DHCP server.
fn with_second(lab: &Lab) -> Result<Bridge> {
    lab.net.bridge("br1", "10.78.0.1/24")
}

#[test]
fn several_interfaces_are_looked_at_each_with_what_is_its_own() -> Result<()> {
    let lab = Lab::new("check-several")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let _second = with_second(&lab)?;
    let netroot = paths::netroot()?.display().to_string();
    let netroot = netroot.as_str();

    let argv = [netroot, "check", "br0", "--interface", "br1", "--json"];
    let (said, fine) = check(&lab.net, &argv)?;
    assert_eq!(list(&said, "interfaces").len(), 2, "{said:#}");
    let (first, second) = (section(&said, "br0")?, section(&said, "br1")?);
    assert_eq!(problems(first), Some(0), "{said:#}");
    // No DHCP server: one cause, whichever machines suffer from it.
    assert_eq!(problems(second), Some(1), "{said:#}");
    assert_eq!(problems(&said), Some(1));
    let mut troubles = list(second, "network").iter();
    assert!(troubles.any(|one| text(one, "about") == "no-address"));
    assert!(list(first, "network").is_empty());
    assert!(!fine);

    // None named: both could be served, and both are looked at.
    let (said, fine) = check(&lab.net, &[netroot, "check", "--json"])?;
    assert_eq!(list(&said, "interfaces").len(), 2, "{said:#}");
    let mut host = list(&said, "host").iter();
    assert!(host.any(|one| text(one, "text").contains("name one, for example: --interface br")));
    assert!(!fine);

    // For people.
    let done = lab.net.run_for(&argv[..5], TIMEOUT)?;
    for line in [
        "Who answers on br0 (10.77.0.1/24):",
        "Who answers on br1 (10.78.0.1/24):",
        "This host, for br1:",
        "The network of br1:",
        "This host, for every interface:",
        "br0: nothing stands in the way",
        "br1: 1 problem, 0 warnings; 7 of 10 kinds of machines would not boot",
        "In all: 1 problem, ",
    ] {
        assert!(done.stdout.contains(line), "{line}: {}", done.stdout);
    }
    Ok(())
}

#[test]
fn all_networks_of_a_configuration_are_looked_at_before_and_while_it_is_served() -> Result<()> {
    let lab = Lab::new("check-config")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let _second = with_second(&lab)?;
    lab.net.shell("ip link add br2 type bridge")?;
    let root = TinyRoot::make()?;
    let folder = lab.net.logs().join("etc");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("netroot.toml");
    let config = format!(
        "default = \"tiny\"\n[server]\nstate = \"{0}/state\"\ncache = \"{0}/cache\"\n\
         [[network]]\ninterface = \"br0\"\n\
         [[network]]\ninterface = \"br1\"\nmode = \"dhcp\"\nrange = [\"10.78.0.100-10.78.0.199\"]\n\
         [[network]]\ninterface = \"br2\"\nmode = \"isolated\"\n\
         [image.tiny]\nroot = \"{1}\"\nmodules = \"virtio_net\"\n",
        lab.net.logs().display(),
        root.path().display(),
    );
    std::fs::write(&file, config)?;
    let (netroot, file_name) = (paths::netroot()?, file.display().to_string());
    let netroot = netroot.display().to_string();
    let argv = [netroot.as_str(), "check", "--config", &file_name, "--json"];

    let machines = |said: &Value, interface: &str, server: &str| -> Result<()> {
        for machine in list(section(said, interface)?, "machines") {
            if !FIRMWARE.contains(&text(machine, "machine")) {
                continue;
            }
            let boots = text(machine, "boots");
            assert_eq!(boots, "netroot", "{interface}: {machine:#}");
            assert_eq!(text(machine, "by"), server, "{machine:#}");
        }
        Ok(())
    };
    let (said, fine) = check(&lab.net, &argv)?;
    assert!(fine, "{said:#}");
    let modes: Vec<&str> = list(&said, "interfaces")
        .iter()
        .map(|one| text(one, "mode"))
        .collect();
    assert_eq!(modes, ["proxy", "dhcp", "isolated"]);
    machines(&said, "br0", HOST)?;
    machines(&said, "br1", "10.78.0.1")?;
    // It has no address yet, which is as it should be.
    assert_eq!(problems(section(&said, "br2")?), Some(0), "{said:#}");

    let server = NetrootServe::start_configured(&lab.net, &file, &[])?;
    let (said, fine) = check(&lab.net, &argv)?;
    assert!(fine, "{said:#}");
    for (interface, address) in [("br0", HOST), ("br1", "10.78.0.1")] {
        let servers = list(section(&said, interface)?, "servers");
        let own = servers.iter().find(|one| text(one, "address") == address);
        assert!(own.is_some_and(|own| own.get("netroot") == own.get("here")));
        machines(&said, interface, address)?;
    }
    let isolated = section(&said, "br2")?;
    let [only] = list(isolated, "servers") else {
        bail!("not one server: {isolated:#}")
    };
    machines(&said, "br2", text(only, "address"))?;
    drop(server);

    let only = [&argv[..2], &["br1"], &argv[2..]].concat();
    let (said, _) = check(&lab.net, &only)?;
    assert_eq!(list(&said, "interfaces").len(), 1, "{said:#}");
    let unknown = [&argv[..2], &["br7"], &argv[2..]].concat();
    let done = lab.net.run_for(&unknown, TIMEOUT)?;
    assert!(
        done.stderr
            .contains("does not serve br7; its interfaces are br0, br1, br2"),
        "{}",
        done.stderr
    );
    Ok(())
}

/// What stands in the way in each of many broken sites, looked at without asking on the network.
#[test]
fn each_answer_names_the_thing_its_holder_and_the_cure() -> Result<()> {
    let lab = Lab::new("check-newcomer")?;
    let netroot = paths::netroot()?.display().to_string();
    let said = |more: &[&str]| -> Result<String> {
        let argv = [&[netroot.as_str(), "check", "--offline"], more].concat();
        Ok(lab.net.run_for(&argv, TIMEOUT)?.stdout)
    };
    let holds = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(line), "{line}: {text}");
        }
    };
    // A DHCP server of this host on the same interface.
    let here = Dnsmasq::start(&lab.net, "br0", "10.77.0.50", "10.77.0.60", &[])?;
    holds(
        &said(&["br0"])?,
        &[
            "UDP port 67 (DHCP) is taken by dnsmasq (process ",
            "dnsmasq: interface= and bind-interfaces",
            "1 problem, ",
        ],
    );
    drop(here);
    lab.net.shell("ip link set br0 mtu 1400")?;
    holds(
        &said(&["br0"])?,
        &["packets of 1400 bytes only", "ip link set br0 mtu 1500"],
    );
    lab.net.shell(
        "ip link set br0 mtu 1500
         ip link add twin type bridge && ip addr add 10.77.0.2/24 dev twin && ip link set twin up
         sysctl -qw net.ipv4.conf.all.rp_filter=1",
    )?;
    holds(
        &said(&["br0"])?,
        &[
            "br0 and twin are in one network",
            "rp_filter is strict",
            "conf.br0.rp_filter=2",
        ],
    );
    lab.net
        .shell("ip link del twin; sysctl -qw net.ipv4.conf.all.rp_filter=0")?;
    let empty = lab.net.logs().join("no-loaders");
    std::fs::create_dir_all(&empty)?;
    let empty = empty.display().to_string();
    holds(
        &said(&["br0", "--ipxe", &empty])?,
        &[
            "BIOS machines cannot boot: iPXE's undionly.kpxe is not in ",
            "apt install ipxe",
        ],
    );
    holds(
        &said(&["br0", "./nowhere"])?,
        &["cannot open the root directory /nowhere: No such file or directory"],
    );
    holds(
        &said(&["brO"])?,
        &["there is no interface brO; this machine has lo"],
    );
    lab.net.shell("mkdir -p /run/debian")?;
    let in_run = format!("cd /run; {netroot} check --offline debian || true");
    holds(
        &lab.net.shell(&in_run)?,
        &["there is no interface debian", "of that name: ./debian"],
    );
    lab.net.shell("ip link set br0 down")?;
    holds(
        &said(&["br0"])?,
        &["the interface br0 is down; bring it up: ip link set br0 up"],
    );
    lab.net.shell("ip link set br0 up; ip addr flush dev br0")?;
    holds(
        &said(&["br0"])?,
        &["br0 has no IPv4 address; give it one, for example: ip address add"],
    );
    Ok(())
}

#[test]
fn without_root_the_reason_is_told_for_each_thing_that_could_not_be_looked_at() -> Result<()> {
    let lab = Lab::new("check-no-root")?;
    let root = TinyRoot::make()?;
    let path = root.path().display();
    lab.net.shell(&format!(
        "chmod 755 {path} && cd {path}/boot
         for kernel in vmlinuz-*; do cp $kernel k && rm $kernel && mv k $kernel && chmod 600 $kernel; done"
    ))?;
    let netroot = paths::netroot()?.display().to_string();
    let path = path.to_string();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let argv = [&nobody[..], &[&netroot, "check", "br0", &path]].concat();
    let done = lab.net.run_for(&argv, TIMEOUT)?;
    for line in [
        "cannot ask on the network: cannot open a packet socket: Operation not permitted",
        "serving needs root, for ports 67 and 69",
        ": Permission denied",
    ] {
        assert!(
            done.stdout.contains(line),
            "{line}: {}{}",
            done.stdout,
            done.stderr
        );
    }
    assert!(!done.status.success());
    Ok(())
}

/// What `netroot serve` refuses is a problem before it is tried, with the same words and options.
#[test]
fn what_serve_refuses_is_found_before() -> Result<()> {
    let lab = Lab::new("check-refused")?;
    let root = TinyRoot::make()?;
    let (netroot, path) = (paths::netroot()?, root.path().display().to_string());
    let netroot = netroot.display().to_string();
    lab.net.shell(
        "ip link add br2 type bridge
         ip route add default via 10.77.0.254",
    )?;
    let said = |more: &[&str]| -> Result<(String, bool)> {
        let argv = [&[netroot.as_str(), "check", "--offline"], more].concat();
        let done = lab.net.run_for(&argv, TIMEOUT)?;
        Ok((done.stdout + &done.stderr, done.status.success()))
    };
    let holds = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(line), "{line}: {text}");
        }
    };
    // README's third line, on a card that is down: all of it could be served.
    let isolated = [path.as_str(), "--isolated", "br2", "--nat"];
    let (text, fine) = said(&isolated)?;
    holds(
        &text,
        &[
            "br2 has no address yet, or is down",
            "free: UDP 67, UDP 69, UDP 4011, TCP 8069, TCP 2049",
            "nf_tables answers, and no firewall drops what is forwarded (NAT)",
        ],
    );
    assert!(fine, "{text}");

    // Its ports are looked at though it has no address: a TFTP server has one of them on every interface.
    let tftp = lab.net.logs().join("tftp");
    std::fs::create_dir_all(&tftp)?;
    let other = Dnsmasq::start(
        &lab.net,
        "br0",
        "10.77.0.50",
        "10.77.0.60",
        &["--enable-tftp", &format!("--tftp-root={}", tftp.display())],
    )?;
    let (text, fine) = said(&isolated)?;
    holds(&text, &["UDP port 69 (TFTP) is taken by dnsmasq"]);
    assert!(!fine, "{text}");
    drop(other);

    let (text, fine) = said(&[&path, "--isolated", "br0"])?;
    holds(&text, &["br0", "default route"]);
    assert!(!fine && !text.contains("loads "), "{text}");
    let (text, fine) = said(&["br0", &path, "--dhcp", "10.99.0.1-10.99.0.9"])?;
    holds(
        &text,
        &[
            "is in none of br0's networks",
            "--dhcp 10.99.0.1-10.99.0.9/24",
        ],
    );
    assert!(!fine);
    lab.net.shell(
        "nft add table ip mine
         nft add chain ip mine fw '{ type filter hook forward priority 0; policy drop; }'",
    )?;
    let (text, _) = said(&isolated)?;
    holds(
        &text,
        &[
            "drops what machines on br2 send to the outside",
            "nft insert rule ip mine fw iifname br2 accept",
        ],
    );

    // The same in a file, in whose words the advice is.
    let folder = lab.net.logs().join("etc");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("netroot.toml");
    let config = format!(
        "[api]\nlisten = \"127.0.0.1:8070\"\ntoken-file = \"/nowhere/tokens\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"10.99.0.1-10.99.0.9\"\n\
         [image.tiny]\nroot = \"{path}\"\nmodules = \"virtio_net\"\n"
    );
    std::fs::write(&file, config)?;
    let file = file.display().to_string();
    let (text, fine) = said(&["--config", &file])?;
    holds(
        &text,
        &[
            "netroot.toml:3: api.token-file: ",
            "range = \"10.99.0.1-10.99.0.9/24\"",
        ],
    );
    assert!(!fine && !text.contains("--dhcp"), "{text}");
    Ok(())
}
