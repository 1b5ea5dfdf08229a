//! What a machine boots by rules, of what its DHCP messages say and of the network it is in: near the server, and behind a relay.

use std::fs;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, NetrootServe, RelayedNetwork, TinyRoot};
use netroot_net::Mac;
use netroot_proto::dhcp::code;

use super::site::{image, script};
use crate::firmware::lease_of;
use crate::lan::SERVER;

const ARM64: (u8, &[u8]) = (code::VENDOR_CLASS, b"PXEClient:Arch:00011:UNDI:003000");

/// The first rule that matches decides. Who no rule is for is refused.
const CONFIGURATION: &str = r#"default = "refuse"
[server]
state = "FOLDER/state"
cache = "FOLDER/cache"
control = "FOLDER/control"
[[network]]
interface = "br0"
mode = "dhcp"
range = ["10.77.0.100-10.77.0.110", "10.88.0.100-10.88.0.110/24"]
probe = false
[image.by-circuit]
kernel-file = "FOLDER/kernel"
[image.by-class]
kernel-file = "FOLDER/kernel"
[image.by-subnet]
kernel-file = "FOLDER/kernel"
append = "asset=${asset} maker=${manufacturer} model=${product} to=${report}"
[image.elsewhere]
root = "ROOT"
nfsroot = "10.77.0.9:/srv/debian,vers=4.2"
initrd = "FOLDER/kernel"
[machine.own]
mac = "02:00:00:00:00:05"
boot = "elsewhere"
[[rule]]
circuit = "rack-3"
boot = "by-circuit"
[[rule]]
vendor-class = "PXEClient:Arch:00011"
boot = "by-class"
[[rule]]
subnet = "10.88.0.0/24"
boot = "by-subnet"
"#;

/// Dropped in this order: who uses a network before the network.
struct Lab {
    _server: NetrootServe,
    near: Net,
    far: Net,
    _relayed: RelayedNetwork,
    _folder: tempfile::TempDir,
    _root: TinyRoot,
    _net: Net,
}

impl Lab {
    fn new(name: &str) -> Result<Self> {
        let root = TinyRoot::without_init()?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("kernel"), "the bytes of a kernel")?;
        let configuration = CONFIGURATION
            .replace("FOLDER", &folder.path().display().to_string())
            .replace("ROOT", &root.path().display().to_string());
        let file = folder.path().join("netroot.toml");
        fs::write(&file, configuration)?;
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let relayed = RelayedNetwork::new(name, &net, &bridge, &["10.77.0.1"])?;
        let near = Net::new(&format!("{name}-near"))?;
        net.cable(&bridge, &near, "eth0", "10.77.0.66/24")?;
        near.shell("ip route add default dev eth0")?;
        let far = Net::new(&format!("{name}-machine"))?;
        relayed
            .far
            .cable(&relayed.bridge, &far, "eth0", "10.88.0.50/24")?;
        far.shell(&format!("ip route add default via {}", RelayedNetwork::FAR))?;
        let server = NetrootServe::start_configured(&net, &file, &[])?;
        Ok(Self {
            _server: server,
            near,
            far,
            _relayed: relayed,
            _folder: folder,
            _root: root,
            _net: net,
        })
    }
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// The script of a machine after it has got an address with these options.
fn boots(machine: &Net, last: u8, options: &[(u8, &[u8])], query: &str) -> Result<String> {
    let address = lease_of(machine, mac(last), options)?.header.your_ip;
    let [a, b, c, _] = address.octets();
    let is_far = [a, b, c] == [10, 88, 0];
    let router = match is_far {
        true => format!("via {}", RelayedNetwork::FAR),
        false => "dev eth0".to_owned(),
    };
    machine.shell(&format!(
        "ip addr flush dev eth0
         ip link set eth0 address {}
         ip addr add {address}/24 dev eth0
         ip route add default {router}",
        mac(last)
    ))?;
    script(machine, &SERVER.to_string(), mac(last), query)
}

#[test]
fn rules_hold_by_circuit_vendor_class_and_subnet_behind_a_relay_and_before_it() -> Result<()> {
    let lab = Lab::new("rules")?;
    // A switch inserts it, and the relay passes it on.
    let circuit: (u8, &[u8]) = (code::RELAY_AGENT, b"\x01\x06rack-3");
    let other: (u8, &[u8]) = (code::RELAY_AGENT, b"\x01\x06rack-4");
    for (machine, last, options, wanted) in [
        (&lab.far, 1, &[ARM64, circuit][..], "by-circuit"),
        (&lab.far, 2, &[ARM64, other], "by-class"),
        (&lab.far, 3, &[other], "by-subnet"),
        (&lab.near, 4, &[circuit], "by-circuit"),
        (&lab.near, 6, &[ARM64], "by-class"),
    ] {
        let script = boots(machine, last, options, "")?;
        ensure!(
            image(&script) == wanted,
            "{last} boots no {wanted}:\n{script}"
        );
    }
    // Nothing is for this one.
    let script = boots(&lab.near, 7, &[other], "")?;
    ensure!(
        script.contains("does not boot 02:00:00:00:00:07") && script.ends_with("exit 1\n"),
        "{script}"
    );
    // By its entry, a root on another server.
    let script = boots(&lab.near, 5, &[], "")?;
    ensure!(
        image(&script) == "elsewhere"
            && script.contains(" root=/dev/nfs nfsroot=10.77.0.9:/srv/debian,vers=4.2 "),
        "{script}"
    );
    Ok(())
}

#[test]
fn what_a_machine_says_of_itself_is_in_its_command_line() -> Result<()> {
    let lab = Lab::new("rules-append")?;
    let query = "?asset=IT-0042&manufacturer=Dell%20Inc.&product=OptiPlex%209020";
    let script = boots(&lab.far, 1, &[], query)?;
    for word in [
        " asset=IT-0042 ",
        " maker=Dell-Inc. ",
        " model=OptiPlex-9020 ",
        " to=http://10.77.0.1:8069/report/02-00-00-00-00-01/",
    ] {
        ensure!(script.contains(word), "{word}: {script}");
    }
    // It is where a report is taken, which only the machine itself can send.
    super::posts(
        &lab.far,
        &script.replace(" to=", " netroot.report="),
        include_str!("../../reports/booted.json"),
    )?;
    // What another one does not say is left out.
    let script = boots(&lab.far, 2, &[], "?asset=IT-0043")?;
    let kernel = script.lines().find(|line| line.starts_with("kernel "));
    let kernel = kernel.context(script.clone())?;
    ensure!(
        kernel.contains(" asset=IT-0043 to=") && script.contains("without maker=${manufacturer}"),
        "{script}"
    );
    Ok(())
}
