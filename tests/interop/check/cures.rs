//! The lines that a cure prints are applied to the configuration of the server that they are for, as they are printed, and
//! a second check sees that the problem is gone.

mod apply;
mod openwrt;

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Dnsmasq, ForeignDhcp, IscServer};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::cures::{Netroot, Problem, Product, cure};
use netroot_proto::pxe::inputs::Loader;
use serde_json::Value;

use self::apply::{Step, apply};
use super::FIRMWARE;
use super::lab::{Checked, HOST, Lab, ROUTER, list, text};

/// A running server.
enum Running {
    Dnsmasq(Dnsmasq),
    Isc(ForeignDhcp),
}

impl Running {
    fn stop(self) -> Result<()> {
        match self {
            Self::Dnsmasq(it) => it.stop(),
            Self::Isc(it) => it.stop(),
        }
    }
}

fn start(product: Product, lab: &Lab, config: &str) -> Result<Running> {
    let isc = |server| -> Result<Running> {
        let it = ForeignDhcp::configured(server, &lab.router, "lan", config)?;
        Ok(Running::Isc(it))
    };
    match product {
        Product::Dnsmasq => {
            let it = Dnsmasq::configured(&lab.router, config)?;
            Ok(Running::Dnsmasq(it))
        }
        Product::Kea => isc(IscServer::Kea),
        Product::IscDhcpd => isc(IscServer::Dhcpd),
        other => bail!("{other} is not installed"),
    }
}

/// The steps that a check prints.
fn printed(checked: &Checked) -> Result<Vec<Step>> {
    let word = |step: &Value, at: usize| Some(step.get(at)?.as_str()?.to_owned());
    let mut all = Vec::new();
    for trouble in list(&checked.said, "network") {
        let [cure] = list(trouble, "cures") else {
            bail!("not one cure: {trouble:#}")
        };
        for step in list(cure, "steps") {
            let step = word(step, 0).zip(word(step, 1));
            all.push(step.context("a word and a text")?);
        }
    }
    Ok(all)
}

/// The server has the troubles, gets the lines, and has none any more. `running` is whether it can be started before.
fn cured_of(troubles: &[&str], product: Product, (config, running): (&str, bool)) -> Result<()> {
    let lab = Lab::new(&format!("cures-{}", product.word()))?;
    let server = running.then(|| start(product, &lab, config)).transpose()?;
    let sick = lab.check(&["--product", product.word()])?;
    assert_eq!(sick.troubles(), troubles, "{config}: {:#}", sick.said);
    assert!(!sick.fine);
    server.map_or(Ok(()), Running::stop)?;
    let steps = printed(&sick)?;
    let config = apply(product, config, &steps)?;
    let _server = start(product, &lab, &config).with_context(|| config.clone())?;
    let cured = lab.check(&["--product", product.word()])?;
    let troubles = cured.troubles();
    assert!(troubles.is_empty(), "{steps:#?}\n{config}\n{troubles:?}");
    for machine in FIRMWARE {
        cured.assert_machine(machine, "loads", HOST, "netroot");
    }
    let mut servers = list(&cured.said, "servers").iter();
    let router = servers.find(|one| text(one, "address") == ROUTER);
    let files = router.map(|router| list(router, "files"));
    assert_eq!(files, Some(&[][..]), "{config}");
    assert!(cured.fine, "{:#}", cured.said);
    Ok(())
}

/// netroot's range where it gives addresses beside the server.
const OWN: &str = "10.77.0.50-10.77.0.60";

/// The server is one too many beside a netroot that gives the addresses, gets the lines, and is none any more.
fn cured_beside_dhcp(trouble: &str, product: Product, config: &str) -> Result<()> {
    let word = product.word();
    let lab = Lab::new(&format!("cures-{word}-{trouble}"))?;
    let server = start(product, &lab, config)?;
    let arguments = ["--product", word, "--dhcp", OWN];
    let sick = lab.check(&arguments)?;
    assert_eq!(sick.troubles(), [trouble], "{config}: {:#}", sick.said);
    server.stop()?;
    let steps = printed(&sick)?;
    let server = match product {
        // Its own subnet is all that it has.
        Product::IscDhcpd => {
            let without = config.split("subnet ").next().unwrap_or_default();
            ensure!(
                start(product, &lab, without).is_err(),
                "it starts all the same"
            );
            let instead = steps.last().context("a step")?;
            ensure!(
                instead
                    .1
                    .starts_with("systemctl disable --now isc-dhcp-server")
            );
            None
        }
        _ => {
            let config = apply(product, config, &steps)?.replace("=eth0", "=lan");
            Some(start(product, &lab, &config).with_context(|| config.clone())?)
        }
    };
    let cured = lab.check(&arguments)?;
    let troubles = cured.troubles();
    assert!(troubles.is_empty(), "{steps:#?}\n{troubles:?}");
    for machine in FIRMWARE {
        cured.assert_machine(machine, "loads", HOST, "netroot");
    }
    assert!(cured.fine, "{:#}", cured.said);
    server.map_or(Ok(()), Running::stop)
}

/// netroot's own files come from this server, by the lines for machines that do not hear a proxy.
fn names_netroots_files(product: Product, config: &str) -> Result<()> {
    let loader = |platform, first: &str| Loader {
        platform,
        first: first.to_owned(),
        second: None,
        signed: None,
    };
    let loaders = [
        loader(Platform::Bios, "undionly.kpxe"),
        loader(Platform::EfiX64, "snponly.efi"),
        loader(Platform::EfiArm64, "snponly-arm64.efi"),
    ];
    let netroot = Netroot {
        address: HOST.parse()?,
        http_port: 8069,
        loaders: &loaders,
    };
    let cure = cure(product, &Problem::ProxyNotHeard, &netroot).context("a cure")?;
    let step = |step: &netroot_proto::pxe::cures::Step| {
        let (word, text) = (step.word(), step.text());
        (word.to_owned(), text.to_owned())
    };
    let steps: Vec<Step> = cure.steps.iter().map(step).collect();
    let config = apply(product, config, &steps)?;
    let lab = Lab::new(&format!("cures-{}-unheard", product.word()))?;
    let _server = start(product, &lab, &config).with_context(|| config.clone())?;
    let checked = lab.check(&["--product", product.word()])?;
    let troubles = checked.troubles();
    assert!(troubles.is_empty(), "{config}\n{:#}", checked.said);
    let mut servers = list(&checked.said, "servers").iter();
    let router = servers.find(|one| text(one, "address") == ROUTER);
    let files = router
        .map(|router| list(router, "files"))
        .unwrap_or_default();
    let script = format!("http://{HOST}:8069/autoexec.ipxe");
    for (machine, file) in [
        ("bios-pxe", "undionly.kpxe"),
        ("uefi-x64-pxe", "snponly.efi"),
        ("uefi-arm64-pxe", "snponly-arm64.efi"),
        ("ipxe-bios", &script),
        ("ipxe-uefi-x64", &script),
    ] {
        let named = files.iter().any(|one| {
            let machines = list(one, "for").iter();
            text(one, "file") == file && machines.clone().any(|it| it == machine)
        });
        ensure!(named, "{machine} is not told {file}: {files:#?}\n{config}");
    }
    for machine in FIRMWARE {
        let boots = checked.machine(machine).map(|(.., boots)| boots);
        assert_eq!(boots, Some("netroot"), "{machine}: {:#}", checked.said);
    }
    // iPXE takes what the server of its address names.
    checked.assert_machine("ipxe-uefi-x64", "loads", ROUTER, "netroot");
    Ok(())
}

const DNSMASQ: &str = "\
interface=lan
bind-interfaces
dhcp-authoritative
no-ping
dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h
dhcp-option=3,10.77.0.254
";

#[test]
fn dnsmasq() -> Result<()> {
    let with = |more: &str| format!("{DNSMASQ}{more}");
    let cured =
        |troubles: &[&str], config: &str| cured_of(troubles, Product::Dnsmasq, (config, true));
    let claims = "dhcp-option=60,PXEClient
dhcp-option-force=tag:lan,option:vendor-class,\"PXEClient\"
dhcp-option=vendor:PXEClient,6,2b
";
    cured(&["claims-boot"], &with(claims))?;
    // It sends the client's own class back.
    let vendor = "dhcp-option=vendor:PXEClient,6,2b\n";
    cured(&["claims-boot"], &with(vendor))?;
    let http = "dhcp-match=set:http,option:client-arch,16
dhcp-option-force=tag:http,60,HTTPClient
dhcp-option-force=tag:!http,60,PXEClient
dhcp-boot=tag:http,http://10.77.0.254/boot.efi
";
    let all = ["claims-boot", "claims-boot", "names-file"];
    cured(&all, &with(http))?;
    let menu = "pxe-prompt=\"Boot\",1
pxe-service=x86PC,\"Boot\",0
pxe-service=X86-64_EFI,\"Boot\",0
";
    cured(&["claims-boot"], &with(menu))?;
    let file = "dhcp-match=set:efi64,option:client-arch,7
dhcp-boot=tag:efi64,efi/elsewhere.efi,,10.77.0.254
dhcp-boot=pxelinux.0,router,10.77.0.254
dhcp-option=66,\"10.77.0.254\"
dhcp-option=option:bootfile-name,pxelinux.0
dhcp-option=encap:175, 176, 1b # no-proxydhcp
";
    cured(&["names-file"], &with(file))?;
    cured(
        &["forbids-proxy"],
        &with("dhcp-option-force=encap:175,176,1b\n"),
    )?;
    let known = DNSMASQ.replace(
        "10.77.0.100,10.77.0.199,255.255.255.0,1h",
        "10.77.0.0,static",
    );
    cured(&["no-address"], &known)?;
    cured_beside_dhcp("second-server", Product::Dnsmasq, DNSMASQ)?;
    let proxy = "interface=lan
bind-interfaces
dhcp-range=10.77.0.0,proxy
dhcp-match=set:ipxe,175
pxe-service=tag:!ipxe,x86PC,\"Other\",other
pxe-service=tag:!ipxe,X86-64_EFI,\"Other\",other.efi
";
    cured_beside_dhcp("second-proxy", Product::Dnsmasq, proxy)?;
    names_netroots_files(Product::Dnsmasq, DNSMASQ)
}

/// `more` are members of Dhcp4, `subnet` members of its subnet.
fn kea_config(more: &str, options: &str, subnet: &str) -> String {
    format!(
        r#"{{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": [ "lan" ] }},
  "lease-database": {{ "type": "memfile", "persist": false }},
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "INFO", "output_options": [ {{ "output": "stdout" }} ] }} ],
  {more}
  "subnet4": [ {{
    "id": 1, "subnet": "10.77.0.0/24", "pools": [ {{ "pool": "10.77.0.100 - 10.77.0.199" }} ],
    {subnet}
    "option-data": [ {{ "name": "routers", "data": "10.77.0.254" }}{options} ]
  }} ]
}} }}
"#
    )
}

#[test]
fn kea() -> Result<()> {
    let cured = |troubles: &[&str], config: &str| cured_of(troubles, Product::Kea, (config, true));
    let claims = kea_config(
        r#""option-data": [ { "code": 60, "data": "PXEClient" } ],
  "client-classes": [ { "name": "pxe", "test": "substring(option[60].hex,0,9) == 'PXEClient'",
    "option-data": [ { "name": "vendor-class-identifier", "data": "PXEClient" } ] } ],"#,
        r#", { "name": "vendor-class-identifier", "code": 60, "space": "dhcp4", "csv-format": true, "data": "PXEClient", "always-send": true }"#,
        "",
    );
    cured(&["claims-boot"], &claims)?;
    let file = kea_config(
        r#""client-classes": [
    { "name": "efi64", "test": "option[93].hex == 0x0007", "next-server": "10.77.0.254", "boot-file-name": "efi/elsewhere.efi" } ],"#,
        r#", { "name": "boot-file-name", "data": "pxelinux.0" }, { "code": 66, "data": "10.77.0.254" }"#,
        r#""boot-file-name": "pxelinux.0", "next-server": "10.77.0.254", "server-hostname": "router","#,
    );
    cured(&["names-file"], &file)?;
    let mut nobody: Value = serde_json::from_str(&kea_config("", "", ""))?;
    let server = nobody.get_mut("Dhcp4").and_then(Value::as_object_mut);
    server.context("Dhcp4")?.remove("subnet4");
    cured(&["no-address"], &nobody.to_string())?;
    let alone = kea_config("", "", "");
    cured_beside_dhcp("second-server", Product::Kea, &alone)?;
    names_netroots_files(Product::Kea, &alone)
}

/// `more` is for all, `subnet` in the subnet.
fn dhcpd_config(more: &str, subnet: &str) -> String {
    format!(
        "authoritative;
ddns-update-style none;
ping-check off;
{more}
subnet 10.77.0.0 netmask 255.255.255.0 {{
  range 10.77.0.100 10.77.0.199;
  option routers 10.77.0.254;
  {subnet}
}}
"
    )
}

#[test]
fn isc_dhcpd() -> Result<()> {
    let cured =
        |troubles: &[&str], config: &str| cured_of(troubles, Product::IscDhcpd, (config, true));
    let claims = dhcpd_config(
        r#"option space PXE;
option PXE.discovery-control code 6 = unsigned integer 8;
class "pxeclients" {
  match if substring (option vendor-class-identifier, 0, 9) = "PXEClient";
  option vendor-class-identifier "PXEClient";
  vendor-option-space PXE;
  option PXE.discovery-control 8;
}"#,
        "option vendor-class-identifier \"PXEClient\";",
    );
    cured(&["claims-boot"], &claims)?;
    let ipxe = "option space ipxe;
option ipxe-encap-opts code 175 = encapsulate ipxe;
option ipxe.no-pxedhcp code 176 = unsigned integer 8;";
    let file = dhcpd_config(
        &format!("{ipxe}\noption arch code 93 = unsigned integer 16;\noption ipxe.no-pxedhcp 1;"),
        r#"next-server 10.77.0.254;
  server-name "router";
  option tftp-server-name "10.77.0.254";
  if exists user-class and option user-class = "iPXE" {
    filename "http://10.77.0.254/menu.ipxe";
  } elsif option arch = 00:07 {
    filename "efi/elsewhere.efi";
  } else {
    filename "pxelinux.0";
  }"#,
    );
    cured(&["names-file"], &file)?;
    let forbids = dhcpd_config(
        ipxe,
        "if exists user-class and option user-class = \"iPXE\" {\n    option ipxe.no-pxedhcp 1;\n  }",
    );
    cured(&["forbids-proxy"], &forbids)?;
    // Without the subnet it does not even start.
    let nobody = "authoritative;\nddns-update-style none;\nping-check off;\n";
    let config = (nobody, false);
    cured_of(&["no-address"], Product::IscDhcpd, config)?;
    let alone = dhcpd_config("", "");
    cured_beside_dhcp("second-server", Product::IscDhcpd, &alone)?;
    names_netroots_files(Product::IscDhcpd, &alone)
}
