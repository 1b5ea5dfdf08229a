//! What `netroot check` foretells, held against what real firmware then does.
//!
//! For each network: a check before netroot serves, then netroot beside it, and machines that boot through their
//! firmware. What is observed is cheap: whose file is fetched in the end, or the error on the console.

mod foreign_dhcp;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{
    Dnsmasq, Firmware, IsolatedLab, Net, NetrootServe, Nic, Rom, TinyRoot, Transcript, Vm,
    VmBuilder, paths,
};
use serde_json::Value;

use crate::lan::{Lan, MACHINE, RANGE, SERVER, TIMEOUT};

const ROUTER: &str = "10.77.0.254";
/// The file that the other server has: for BIOS and UEFI alike, and of neither.
const OTHER: &str = "other.0";

/// How a boot goes in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// netroot's script is fetched.
    Netroot,
    /// The other server's file is fetched.
    Other,
    /// Neither, and the console says this.
    Fails(String),
}

/// What the firmware shows when it gives up.
const GIVES_UP: [&str; 4] = [
    "PXE-E16: No valid offer received.",
    "PXE-E18: Server response timeout.",
    "Nothing to boot",
    "Error: ",
];

/// A kind of machine: its name in the check, and its firmware.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    firmware: Firmware,
    rom: Rom,
}

/// SeaBIOS with QEMU's ROM, which is iPXE.
const IPXE: Kind = Kind {
    name: "ipxe-bios",
    firmware: Firmware::Bios,
    rom: Rom::Ipxe,
};
/// OVMF's PXE client.
const PXE: Kind = Kind {
    name: "uefi-x64-pxe",
    firmware: Firmware::Uefi,
    rom: Rom::None,
};
/// OVMF's HTTP boot.
const HTTP: Kind = Kind {
    name: "uefi-x64-http-boot",
    firmware: Firmware::UefiHttp,
    rom: Rom::None,
};

/// The other servers of a network.
struct Others {
    dnsmasq: Dnsmasq,
    proxy: Option<Dnsmasq>,
    _nets: Vec<Net>,
}

impl Others {
    /// Whether a machine fetched the other server's file.
    fn sent(&self) -> bool {
        let all = [Some(&self.dnsmasq), self.proxy.as_ref()];
        let mut logs = all.into_iter().flatten().map(Dnsmasq::log);
        logs.any(|log| sent(log, OTHER))
    }
}

/// Whether dnsmasq sent a machine this file; the check has asked for it from this host's address.
fn sent(log: &Transcript, file: &str) -> bool {
    let to_machine = |line: &str| {
        let to = line.split_once(&format!("/{file} to ")).map(|(_, to)| to);
        to.is_some_and(|to| to.trim() != SERVER)
    };
    log.lines().iter().any(|(_, line)| to_machine(line))
}

/// What a proxy beside netroot has machines load.
const PROXY: [&str; 2] = ["x86PC,Other,other", "x86-64_EFI,Other,other.0"];

fn others(lan: &Lan, name: &str, options: &[&str], with_proxy: bool) -> Result<Others> {
    let files = lan.net.logs().join("tftp");
    std::fs::create_dir_all(&files)?;
    std::fs::write(files.join(OTHER), "no loader of anybody's")?;
    let root = format!("--tftp-root={}", files.display());
    let tftp = ["--enable-tftp", root.as_str()];
    let router = Net::new(&format!("{name}-router"))?;
    lan.net
        .cable(&lan.bridge, &router, "lan", &format!("{ROUTER}/24"))?;
    let options = [options, &tftp[..]].concat();
    let dnsmasq = Dnsmasq::start(&router, "lan", "10.77.0.100", "10.77.0.199", &options)?;
    let mut nets = vec![router];
    let mut proxy = None;
    if with_proxy {
        let net = Net::new(&format!("{name}-proxy"))?;
        lan.net.cable(&lan.bridge, &net, "other", "10.77.0.9/24")?;
        proxy = Some(Dnsmasq::proxy(&net, "other", &files, &PROXY)?);
        nets.push(net);
    }
    Ok(Others {
        dnsmasq,
        proxy,
        _nets: nets,
    })
}

/// What the check says of an interface.
fn foretold(net: &Net, root: &Path, interface: &[&str]) -> Result<Value> {
    let netroot = paths::netroot()?.display().to_string();
    let root = root.display().to_string();
    let argv = [&[netroot.as_str(), "check", &root, "--json"], interface].concat();
    let done = net.run_for(&argv, TIMEOUT)?;
    let said: Value = serde_json::from_str(&done.stdout)
        .with_context(|| format!("{}{}", done.stdout, done.stderr))?;
    let interface = said.pointer("/interfaces/0").cloned();
    interface.with_context(|| format!("no interface in {said:#}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    let list = value.get(key).and_then(Value::as_array);
    list.with_context(|| format!("no list {key} in {value:#}"))
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The end that is foretold for a machine: whose boot it is, and otherwise what it shows.
fn expected(said: &Value, kind: Kind) -> Result<(End, String)> {
    let machines = list(said, "machines")?;
    let one = machines
        .iter()
        .find(|one| text_of(one, "machine") == kind.name);
    let one = one.with_context(|| format!("no {} in {said:#}", kind.name))?;
    let then = one.get("then").filter(|then| then.is_object());
    let last = then.unwrap_or(one);
    let text = format!("{}; {}", text_of(one, "text"), text_of(last, "text"));
    // Where a file is there and is none that could be started, it is fetched all the same.
    let loads = text_of(last, "outcome") == "loads";
    let end = match (loads, text_of(last, "server") == SERVER) {
        (true, true) => End::Netroot,
        (true, false) => End::Other,
        (false, _) => End::Fails(match text_of(last, "screen") {
            "" => "Error: ".to_owned(),
            screen => screen.to_owned(),
        }),
    };
    Ok((end, text))
}

fn boot(machine: VmBuilder<'_>, nic: Nic, kind: Kind) -> Result<Vm> {
    let nic = nic.with_rom(kind.rom);
    machine.firmware(kind.firmware).nic(nic).start()
}

/// Watches a machine until it is clear how its boot ends; `other_sent` tells whether it fetched another server's file.
fn observed(vm: &Vm, server: &NetrootServe, other_sent: impl Fn() -> bool) -> Result<End> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let events = server.events();
        let mut events = events.iter();
        if events.any(|(_, event)| event.kind == "script") {
            return Ok(End::Netroot);
        }
        if other_sent() {
            return Ok(End::Other);
        }
        let console = vm.console();
        if let Some(shown) = GIVES_UP.iter().find(|shown| console.contains(shown)) {
            return Ok(End::Fails((*shown).to_owned()));
        }
        ensure!(
            Instant::now() < deadline,
            "it is not clear how the boot ends:\n{}",
            console.tail(40)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Checks a network, and boots each machine in it. `race`: of two boot servers, the one counts that answers first, and
/// so either is right.
fn compare(name: &str, options: &[&str], race: bool, kinds: &[Kind]) -> Result<()> {
    let root = TinyRoot::make()?;
    for kind in kinds {
        let name = format!("check-{name}-{}", kind.name);
        let lan = Lan::new(&name)?;
        let others = others(&lan, &name, options, race)?;
        // Before netroot serves.
        let said = foretold(&lan.net, root.path(), &["br0"])?;
        let (expected, text) = expected(&said, *kind)?;
        let server = lan.serve_beside(root.path())?;
        let vm = boot(lan.machine(), Nic::virtio(&lan.tap, MACHINE), *kind)?;
        let observed = observed(&vm, &server, || others.sent())?;
        println!("{name}: {observed:?}; foretold: {expected:?} ({text})");
        if race {
            let troubles = list(&said, "network")?;
            let mut troubles = troubles.iter();
            assert!(troubles.any(|one| text_of(one, "about") == "second-proxy"));
            let either = [End::Netroot, End::Other];
            assert!(either.contains(&observed), "{name}: {observed:?}");
            assert!(either.contains(&expected), "{name}: foretold: {text}");
        } else {
            assert_eq!(observed, expected, "{name}: foretold: {text}");
        }
    }
    Ok(())
}

#[test]
fn beside_a_router_that_knows_nothing() -> Result<()> {
    compare("nothing", &[], false, &[IPXE, PXE, HTTP])
}

#[test]
fn beside_a_router_with_a_file_of_its_own() -> Result<()> {
    let options = [format!("--dhcp-boot={OTHER}")];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    compare("file", &options, false, &[IPXE, PXE, HTTP])
}

#[test]
fn beside_a_router_with_option_60() -> Result<()> {
    let options = ["--dhcp-option-force=60,PXEClient"];
    compare("option-60", &options, false, &[IPXE, PXE, HTTP])
}

#[test]
fn beside_a_router_that_is_a_boot_server() -> Result<()> {
    let options = [
        "--pxe-service=x86PC,Other,other",
        "--pxe-service=x86-64_EFI,Other,other.0",
    ];
    compare("boot-server", &options, false, &[IPXE, PXE])
}

#[test]
fn beside_a_router_and_another_proxy() -> Result<()> {
    compare("proxy", &[], true, &[IPXE, PXE])
}

/// netroot gives the addresses, and nobody else does: checked before it serves.
#[test]
fn where_netroot_gives_the_addresses() -> Result<()> {
    let root = TinyRoot::make()?;
    for kind in [IPXE, PXE, HTTP] {
        let name = format!("check-dhcp-{}", kind.name);
        let lan = Lan::new(&name)?;
        let said = foretold(&lan.net, root.path(), &["br0", "--dhcp", RANGE])?;
        assert_eq!(text_of(&said, "mode"), "dhcp", "{said:#}");
        let server = lan.serve(root.path(), &[])?;
        let vm = boot(lan.machine(), Nic::virtio(&lan.tap, MACHINE), kind)?;
        assert_boots(&name, &said, kind, &observed(&vm, &server, || false)?)?;
    }
    Ok(())
}

/// A network of its own: checked before netroot brings it up, and again while it serves.
#[test]
fn in_an_isolated_network() -> Result<()> {
    let root = TinyRoot::make()?;
    for kind in [IPXE, PXE, HTTP] {
        let name = format!("check-isolated-{}", kind.name);
        let nets = IsolatedLab::new(&name)?;
        let tap = nets.server.tap("machine", &nets.lab)?;
        let isolated = ["--isolated", "lab"];
        let before = foretold(&nets.server, root.path(), &isolated)?;
        let arguments = [&isolated[..], &["--modules", "virtio_net"]].concat();
        let server = NetrootServe::start(&nets.server, root.path(), &arguments)?;
        let said = foretold(&nets.server, root.path(), &isolated)?;
        let vm = boot(
            VmBuilder::new(&nets.server, "console").quick_firmware(),
            Nic::virtio(&tap, MACHINE),
            kind,
        )?;
        let observed = observed(&vm, &server, || false)?;
        for said in [before, said] {
            assert_eq!(text_of(&said, "mode"), "isolated", "{said:#}");
            assert_boots(&name, &said, kind, &observed)?;
        }
    }
    Ok(())
}

/// The machine boots from netroot, and that was foretold.
fn assert_boots(name: &str, said: &Value, kind: Kind, observed: &End) -> Result<()> {
    let (expected, text) = expected(said, kind)?;
    println!("{name}: {observed:?}; foretold: {expected:?} ({text})");
    assert_eq!(*observed, expected, "{name}: foretold: {text}");
    assert_eq!(expected, End::Netroot, "{name}: {said:#}");
    Ok(())
}
