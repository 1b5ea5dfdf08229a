//! What the server knows of its machines: `/metrics`, read by Prometheus's own parser, and why a boot stopped.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Bridge, Dnsmasq, Net, NetrootServe, TinyRoot};
use netroot_net::Mac;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::{MessageType, code};
use serde_json::Value;

use crate::firmware::{self, MACHINE};
use crate::lan::{HTTP, Lan, TIMEOUT};

/// Every sample of an OpenMetrics page, by its name and labels.
fn samples(page: &str) -> Result<BTreeMap<String, Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/openmetrics.py");
    let mut parser = Command::new("/usr/bin/python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start /usr/bin/python3")?;
    let mut input = parser.stdin.take().context("its input")?;
    input.write_all(page.as_bytes())?;
    drop(input);
    let read = parser.wait_with_output()?;
    ensure!(read.status.success(), "it is no OpenMetrics: {page}");
    let lines = String::from_utf8(read.stdout)?;
    let sample = |line: &str| -> Result<(String, Value)> {
        let sample: Value = serde_json::from_str(line)?;
        let name = sample.get("name").and_then(Value::as_str);
        let labels = sample.get("labels").context("labels")?;
        Ok((format!("{}{labels}", name.context("a name")?), sample))
    };
    lines.lines().map(sample).collect()
}

fn metrics(lan: &Lan) -> Result<BTreeMap<String, Value>> {
    samples(&lan.curl("/metrics", &["--fail"])?)
}

#[test]
fn prometheus_reads_what_the_server_counts() -> Result<()> {
    let lan = Lan::new("metrics")?;
    let head = lan.curl("/metrics", &["--fail", "-D", "-", "-o", "/dev/null"])?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ensure!(head.to_lowercase().contains(kind), "{head}");
    let before = metrics(&lan)?;
    let free = "netroot_dhcp_addresses{\"range\":\"10.77.0.100-10.77.0.199\",\"state\":\"free\"}";
    let value = |of: &BTreeMap<String, Value>, name: &str| {
        of.get(name).and_then(|sample| sample["value"].as_f64())
    };
    ensure!(value(&before, free) == Some(100.0), "{before:#?}");
    ensure!(
        before
            .keys()
            .any(|name| name.starts_with("netroot_build_info{"))
    );

    firmware::lease(&lan.client, &[])?;
    let name = format!("/boot/{}.ipxe", MACHINE.hyphenated());
    lan.curl(&name, &["--fail", "-o", "/dev/null"])?;
    lan.curl("/snponly.efi", &["--fail", "-o", "/dev/null"])?;
    // A page is shown for a moment as it was made.
    let began = Instant::now();
    let after = loop {
        let after = metrics(&lan)?;
        if value(&after, free) == Some(99.0) || began.elapsed() > TIMEOUT {
            break after;
        }
    };
    ensure!(value(&after, free) == Some(99.0), "{after:#?}");
    ensure!(value(&after, "netroot_dhcp_answered_total{}") >= Some(2.0));
    let booting = "netroot_machines{\"state\":\"booting\"}";
    // The machine, and the one with curl.
    ensure!(value(&after, booting) == Some(2.0), "{after:#?}");
    ensure!(after.len() < 400, "{} series", after.len());
    ensure!(!after.keys().any(|name| name.contains(&MACHINE.to_string())));
    let read = &after["netroot_nfs_read_bytes_total{}"];
    ensure!(
        read["unit"] == "bytes" && read["type"] == "counter",
        "{read}"
    );
    Ok(())
}

/// A machine of its own on the server's network, and its hardware address.
struct Client {
    net: Net,
    mac: Mac,
}

impl Client {
    fn new(net: &Net, bridge: &Bridge, name: &str, last: u8) -> Result<Self> {
        let machine = Net::new(&format!("seeing-{name}"))?;
        let device = format!("eth{last}");
        net.cable(bridge, &machine, &device, &format!("10.77.0.{last}/24"))?;
        machine.shell(&format!("ip route add default dev {device}"))?;
        let link = machine.run(&["ip", "-j", "link", "show", &device])?;
        let link: Value = serde_json::from_str(&link)?;
        let mac = link.pointer("/0/address").and_then(Value::as_str);
        let mac = mac.context("no hardware address")?.parse()?;
        Ok(Self { net: machine, mac })
    }

    /// Asks for an address as firmware of this class and architecture does, until it is offered something.
    fn asks(&self, class: &[u8], architecture: u16, more: &[(u8, &[u8])]) -> Result<()> {
        let mut draft = Draft::new(Header {
            flags: BROADCAST_FLAG,
            ..Header::of_client(self.mac, 0x5ee1)
        });
        draft.push(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
        draft.push(code::VENDOR_CLASS, class);
        draft.push(code::CLIENT_ARCH, &architecture.to_be_bytes());
        for (code, value) in more {
            draft.push(*code, value);
        }
        firmware::ask(&self.net, &draft.emit(LONGEST).bytes)?;
        Ok(())
    }

    fn fetches(&self, path: &str) -> Result<String> {
        let url = format!("{HTTP}/{path}");
        let file = "/dev/null";
        let argv = [
            "curl",
            "-sS",
            "--fail",
            "--max-time",
            "60",
            "-o",
            file,
            &url,
        ];
        self.net.run(&argv)
    }

    fn fetches_script(&self) -> Result<()> {
        self.fetches(&format!("boot/{}.ipxe", self.mac.hyphenated()))?;
        Ok(())
    }
}

/// Waits until the server tells why this machine's boot stopped.
fn stopped(server: &NetrootServe, client: &Client, cause: &str) -> Result<()> {
    let mac = client.mac;
    let began = Instant::now();
    loop {
        let lines = server.output().lines();
        let mut told = lines.iter().filter_map(|(_, line)| {
            let event: Value = serde_json::from_str(line).ok()?;
            let is = |name: &str, value: &str| event.get(name).is_some_and(|it| it == value);
            (is("kind", "boot-stopped") && is("machine", &mac.to_string())).then_some(event)
        });
        if let Some(event) = told.next() {
            let named = event.get("cause").and_then(Value::as_str);
            ensure!(named == Some(cause), "expected {cause}: {event}");
            return Ok(());
        }
        ensure!(began.elapsed() < TIMEOUT, "{mac}: {cause} is not told");
        std::thread::sleep(Duration::from_millis(200));
    }
}

const UEFI: &[u8] = b"PXEClient:Arch:00007:UNDI:003016";

#[test]
fn a_boot_that_stops_has_its_cause_at_each_stage() -> Result<()> {
    let lan = Lan::new("causes")?;
    let client = |name: &str, last| Client::new(&lan.net, &lan.bridge, name, last);
    let offered = client("offer", 11)?;
    offered.asks(UEFI, 7, &[])?;
    let http = client("http", 12)?;
    http.asks(b"HTTPClient:Arch:00016:UNDI:003016", 16, &[])?;
    let loaded = client("loader", 13)?;
    loaded.asks(UEFI, 7, &[])?;
    loaded.fetches("snponly.efi")?;
    let ipxe = client("ipxe", 14)?;
    let features = [0x13, 1, 1];
    let is_ipxe = [(code::USER_CLASS, &b"iPXE"[..]), (code::IPXE, &features)];
    ipxe.asks(UEFI, 7, &is_ipxe)?;
    let scripted = client("script", 15)?;
    scripted.fetches_script()?;
    let half = client("kernel", 16)?;
    half.fetches_script()?;
    half.fetches("vmlinuz")?;
    for (client, cause) in [
        (&offered, "offer-not-taken"),
        (&http, "http-not-asked"),
        (&ipxe, "script-not-asked"),
        (&scripted, "kernel-not-asked"),
        (&half, "initrd-not-asked"),
        (&loaded, "loader-silent"),
    ] {
        stopped(&lan.server, client, cause)?;
    }
    Ok(())
}

#[test]
fn a_dhcp_server_with_option_60_is_named_when_a_machine_stops_after_the_offer() -> Result<()> {
    let net = Net::new("seeing-60")?;
    let bridge = net.bridge("br0", "10.77.0.1/24")?;
    let other = Net::new("seeing-60-dhcp")?;
    net.cable(&bridge, &other, "eth0", "10.77.0.2/24")?;
    let claims = ["--dhcp-option-force=60,PXEClient"];
    let _dhcp = Dnsmasq::start(&other, "eth0", "10.77.0.100", "10.77.0.199", &claims)?;
    let root = TinyRoot::make()?;
    let arguments = ["--interface", "br0", "--modules", "virtio_net"];
    let server = NetrootServe::start(&net, root.path(), &arguments)?;
    let client = Client::new(&net, &bridge, "60-client", 11)?;
    client.asks(UEFI, 7, &[])?;
    stopped(&server, &client, "other-claims-boot")?;
    let told = server.output().text();
    let names = "stopped after OFFER of snponly.efi: 10.77.0.2 also sent option 60";
    ensure!(told.contains(names), "{told}");
    // Its detail has the step that was overheard, and the line to change.
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let state = net.logs().join("state").display().to_string();
    let mac = client.mac.to_string();
    let detail = net.run(&[&netroot, "machines", &mac, "--state", &state])?;
    for part in [
        "10.77.0.2 offers it 10.77.0.1",
        "option 60 is PXEClient",
        "dnsmasq (/etc/dnsmasq.conf",
        "remove  dhcp-option=60,PXEClient",
        "pfSense (",
    ] {
        ensure!(detail.contains(part), "{part}: {detail}");
    }
    Ok(())
}

#[test]
fn a_bundle_of_a_machine_has_its_boot_and_no_secrets() -> Result<()> {
    let lan = Lan::new("bundle")?;
    let client = Client::new(&lan.net, &lan.bridge, "bundle-client", 11)?;
    client.asks(UEFI, 7, &[])?;
    client.fetches("snponly.efi")?;
    client.fetches_script()?;
    client.fetches("vmlinuz")?;
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let state = lan.net.logs().join("state").display().to_string();
    let mac = client.mac.to_string();
    let argv = [&netroot, "bundle", &mac, "--state", &state, "-o", "-"];
    let bundle = lan.net.run(&argv)?;
    let lines = bundle.lines().map(serde_json::from_str::<Value>);
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let parts = |name: &str| -> Vec<&Value> {
        let named = |line: &&Value| line.get("part").is_some_and(|part| part == name);
        lines.iter().filter(named).collect()
    };
    for part in [
        "bundle",
        "host",
        "interface",
        "image",
        "machine",
        "boot",
        "script",
    ] {
        ensure!(parts(part).len() == 1, "{part}: {bundle}");
    }
    ensure!(parts("datagram").len() >= 2, "{bundle}");
    let files = parts("file");
    let sums = files
        .iter()
        .filter(|file| file.get("sha256").is_some_and(Value::is_string));
    ensure!(sums.count() == 2, "loader and kernel: {bundle}");
    let left_out = format!("/report/{}/(left out)", client.mac.hyphenated());
    ensure!(bundle.contains(&left_out), "{bundle}");
    ensure!(bundle.matches("/report/").count() == bundle.matches(&left_out).count());
    Ok(())
}
