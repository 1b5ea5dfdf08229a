//! The lines that a cure prints are applied to the configuration of the server that they are for, as they are printed, and
//! a second check sees that the problem is gone.

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Dnsmasq, ForeignDhcp, IscServer};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::cures::{Netroot, Problem, Product, cure};
use netroot_proto::pxe::inputs::Loader;
use serde_json::{Map, Value};

use super::FIRMWARE;
use super::lab::{Checked, HOST, Lab, ROUTER, list, text};

/// A step: its word, and its text.
type Step = (String, String);

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

/// The configuration after the steps of a cure.
fn apply(product: Product, config: &str, steps: &[Step]) -> Result<String> {
    let of = |word: &str| {
        let these = steps.iter().filter(move |(it, _)| it == word);
        these.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    let removed: Vec<String> = of("remove").into_iter().flat_map(patterns).collect();
    let added: Vec<&str> = of("add").into_iter().map(|it| remark(it).0).collect();
    match product {
        Product::Dnsmasq => {
            let kept = config.lines().filter(|line| {
                let line = plain(line);
                !removed.iter().any(|it| is_like(&plain(it), &line))
            });
            let all: Vec<&str> = kept.chain(added).collect();
            Ok(all.join("\n") + "\n")
        }
        Product::Kea => {
            let mut config: Value = serde_json::from_str(config)?;
            let server = config.get_mut("Dhcp4").context("Dhcp4")?;
            for pattern in &removed {
                if let Some(key) = pattern.strip_suffix(": [ … ]") {
                    let server = server.as_object_mut().context("an object")?;
                    server.remove(key.trim_matches('"')).context("a list")?;
                    continue;
                }
                remove_from_json(server, &JsonPattern::read(pattern)?);
            }
            for text in added {
                let text = format!("{{ {} }}", text.trim_end_matches(','));
                let added: Map<String, Value> =
                    serde_json::from_str(&text).with_context(|| text.clone())?;
                server.as_object_mut().context("an object")?.extend(added);
            }
            Ok(serde_json::to_string_pretty(&config)?)
        }
        _ => Ok(added.join("\n") + "\n" + &without_statements(config, &removed)),
    }
}

/// A step's lines, and the remark after four spaces.
fn remark(step: &str) -> (&str, &str) {
    let (lines, remark) = step.split_once("    (").unwrap_or((step, ""));
    (lines, remark.strip_suffix(')').unwrap_or(remark))
}

/// What is to be removed, with what the remark tells is as good.
fn patterns(step: &str) -> Vec<String> {
    let (lines, remark) = remark(step);
    let remark = remark.split("; ").next().unwrap_or_default();
    let also = ["or ", "and every other "];
    let also = also.iter().find_map(|it| remark.strip_prefix(it));
    let mut all = listed(lines);
    all.extend(also.map(listed).unwrap_or_default());
    all
}

/// The parts between `, `, outside of braces.
fn listed(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    for part in text.split(", ") {
        match all.last_mut() {
            Some(last) if open => {
                last.push_str(", ");
                last.push_str(part);
            }
            _ => all.push(part.to_owned()),
        }
        let last = all.last().map(String::as_str).unwrap_or_default();
        open = last.matches('{').count() > last.matches('}').count();
    }
    all
}

/// Whether `…` of a pattern can stand for something that makes it the text.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('…') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_like(after, rest)))
}

/// A line of dnsmasq's configuration without its comment, spaces, quotation marks and tags.
fn plain(line: &str) -> String {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.replace([' ', '"'], "");
    let Some((option, value)) = line.split_once('=') else {
        return line;
    };
    let values = value.split(',').filter(|it| !it.starts_with("tag:"));
    format!("{option}={}", values.collect::<Vec<_>>().join(","))
}

/// dhcpd's configuration without statements like these.
fn without_statements(config: &str, removed: &[String]) -> String {
    let mut kept = String::new();
    for statement in config.split_inclusive([';', '{', '}']) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let plain = words.join(" ");
        if !removed.iter().any(|it| is_like(it, &plain)) {
            kept.push_str(statement);
        }
    }
    kept
}

/// What is to be removed from Kea's configuration.
enum JsonPattern {
    /// A member of any object.
    Member(String, String),
    /// Elements of arrays that have these members.
    Element(Map<String, Value>),
}

impl JsonPattern {
    fn read(pattern: &str) -> Result<Self> {
        let element = pattern.starts_with('{');
        let pattern = match element {
            true => pattern.replace(", … }", " }"),
            false => format!("{{ {pattern} }}"),
        };
        let members: Map<String, Value> =
            serde_json::from_str(&pattern).with_context(|| pattern.clone())?;
        if element {
            return Ok(Self::Element(members));
        }
        let only = members.into_iter().next();
        let (key, value) = only.with_context(|| pattern.clone())?;
        let value = value.as_str().context("a text")?.to_owned();
        Ok(Self::Member(key, value))
    }
}

fn remove_from_json(value: &mut Value, pattern: &JsonPattern) {
    match value {
        Value::Object(members) => {
            if let JsonPattern::Member(key, like) = pattern {
                members.retain(|name, value| {
                    let is_it = value.as_str().is_some_and(|it| is_like(like, it));
                    !(name == key && is_it)
                });
            }
            members
                .values_mut()
                .for_each(|it| remove_from_json(it, pattern));
        }
        Value::Array(elements) => {
            if let JsonPattern::Element(wanted) = pattern {
                let is_it = |one: &Value| wanted.iter().all(|(key, it)| one.get(key) == Some(it));
                elements.retain(|one| !is_it(one));
            }
            elements
                .iter_mut()
                .for_each(|it| remove_from_json(it, pattern));
        }
        _ => {}
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
