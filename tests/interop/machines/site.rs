//! Three machines on two networks, and the configuration that they boot by.

use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

use anyhow::Result;
use netroot_harness::{Event, Net, NetrootServe, TinyRoot};
use netroot_net::Mac;

use crate::lan::TIMEOUT;

pub(super) const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
pub(super) const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);
pub(super) const C: Mac = Mac([2, 0, 0, 0, 0, 0xc]);
pub(super) const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// Machines and rules of every test.
pub(super) const MACHINES: &str = "
[machine.ada]
mac = \"02:00:00:00:00:0a\"
boot = \"first\"
[machine.bob]
uuid = \"1b4e28ba-2fa1-11d2-883f-0016d3cca427\"
boot = \"second\"
address = \"10.77.0.9\"
append = \"who=${name}\"
[machine.cora]
serial = \"MXL 1\"
boot = \"bare\"

[[rule]]
mac = \"02:00:00:00:01\"
boot = \"menu\"
[[rule]]
mac = \"02:00:00:00:02\"
boot = \"wait\"
[[rule]]
mac = \"02:00:00:00:03\"
boot = \"refuse\"
";

/// Dropped in this order: who uses a network before the network.
pub(super) struct Site {
    pub(super) server: NetrootServe,
    /// On br0, where netroot gives addresses: A's and B's.
    pub(super) near: [Net; 2],
    /// On br1, beside another DHCP server: C's.
    pub(super) far: Net,
    pub(super) folder: tempfile::TempDir,
    pub(super) net: Net,
    _roots: [TinyRoot; 2],
}

impl Site {
    /// `orders` is what was ordered before the server starts.
    pub(super) fn new(name: &str, orders: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let br0 = net.bridge("br0", "10.77.0.1/24")?;
        let br1 = net.bridge("br1", "10.79.0.1/24")?;
        let machine = |suffix: &str, bridge, mac: Mac, address: &str| {
            let machine = Net::new(&format!("{name}-{suffix}"))?;
            let nic = format!("eth{suffix}");
            net.cable(bridge, &machine, &nic, address)?;
            machine.shell(&format!(
                "ip link set {nic} address {mac}; ip route add default dev {nic}"
            ))?;
            anyhow::Ok(machine)
        };
        let near = [
            machine("a", &br0, A, "10.77.0.66/24")?,
            machine("b", &br0, B, "10.77.0.67/24")?,
        ];
        let far = machine("c", &br1, C, "10.79.0.66/24")?;
        let roots = [TinyRoot::without_init()?, TinyRoot::without_init()?];
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::write(path.join("kernel"), "the bytes of a kernel")?;
        fs::write(path.join("initrd"), "the bytes of an initrd")?;
        fs::create_dir(path.join("state"))?;
        fs::write(path.join("state/orders.json"), orders)?;
        let file = path.join("netroot.toml");
        fs::write(&file, configuration(path, &roots))?;
        let server = NetrootServe::start_configured(&net, &file, &[])?;
        Ok(Self {
            server,
            near,
            far,
            folder,
            net,
            _roots: roots,
        })
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.server.program().terminate(TIMEOUT)?;
        let file = self.folder.path().join("netroot.toml");
        self.server = NetrootServe::start_configured(&self.net, &file, &[])?;
        Ok(())
    }

    /// The events of this kind, once there is one.
    pub(super) fn wait_for(&self, kind: &str) -> Result<Vec<Event>> {
        self.wait_for_text(kind, "")
    }

    /// The same, until one of them says this.
    pub(super) fn wait_for_text(&self, kind: &str, text: &str) -> Result<Vec<Event>> {
        for _ in 0..TIMEOUT.as_secs() {
            let events = self.server.events().into_iter().map(|(_, event)| event);
            let events: Vec<Event> = events.filter(|event| event.kind == kind).collect();
            if events.iter().any(|event| event.text.contains(text)) {
                return Ok(events);
            }
            thread::sleep(Duration::from_secs(1));
        }
        anyhow::bail!("no event {kind}")
    }
}

pub(super) fn configuration(path: &Path, roots: &[TinyRoot; 2]) -> String {
    let (path, [first, second]) = (
        path.display(),
        roots.each_ref().map(|root| root.path().display()),
    );
    format!(
        "default = \"first\"
[server]
state = \"{path}/state\"
cache = \"{path}/cache\"
control = \"{path}/control\"
[[network]]
interface = \"br0\"
mode = \"dhcp\"
probe = false
range = [\"10.77.0.100-10.77.0.199\"]
[[network]]
interface = \"br1\"
probe = false
[image.first]
root = \"{first}\"
initrd = \"{path}/initrd\"
[image.second]
root = \"{second}\"
initrd = \"{path}/initrd\"
[image.bare]
kernel-file = \"{path}/kernel\"
initrds = [\"{path}/initrd\"]
append = \"console=ttyS0\"
{MACHINES}"
    )
}

pub(super) fn curl(client: &Net, url: &str) -> Result<String> {
    client.run(&["curl", "-sS", "--fail", "--max-time", "60", url])
}

pub(super) fn script(client: &Net, server: &str, mac: Mac, query: &str) -> Result<String> {
    let url = format!("http://{server}:8069/boot/{}.ipxe{query}", mac.hyphenated());
    curl(client, &url)
}

/// The image whose kernel a script names.
pub(super) fn image(script: &str) -> &str {
    let after = script.split_once("/images/").map(|(_, after)| after);
    after
        .and_then(|after| after.split('/').next())
        .unwrap_or("none")
}
