//! The wire that every test here begins with: a bridge, on it the server's address, and
//! the cable of one machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Bridge, Net, NetrootServe, Nic, Tap, Vm, VmBuilder, paths};

/// The server's address, on the bridge `br0`.
pub(crate) const SERVER: &str = "10.77.0.1";
/// The machine's hardware address.
pub(crate) const MACHINE: &str = "52:54:00:77:00:01";
/// A range for whoever leases addresses.
pub(crate) const RANGE: &str = "10.77.0.100-10.77.0.199";

/// What every machine here is told: to speak on the serial line, and not to defend a
/// translated processor.
const CONSOLE: &str = "console=ttyS0 mitigations=off";

/// An initrd with one driver is made in a moment.
const ONE_CARD: [&str; 2] = ["--modules", "virtio_net"];

/// No test measures time: this is how long a machine on a translated, shared processor
/// may take for all of a boot before the test gives up on it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(420);

pub(crate) struct Lan {
    pub(crate) net: Net,
    pub(crate) bridge: Bridge,
    pub(crate) tap: Tap,
}

impl Lan {
    /// `name` names the folder of the logs.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("machine", &bridge)?;
        Ok(Self { net, bridge, tap })
    }

    /// `netroot serve ROOT` on this network, leasing addresses.
    pub(crate) fn serve(&self, root: &Path, more: &[&str]) -> Result<NetrootServe> {
        self.serve_appending(root, "", more)
    }

    /// The same as a person would: with an initrd for every card.
    pub(crate) fn serve_for_every_card(&self, root: &Path) -> Result<NetrootServe> {
        let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE];
        arguments.extend(["--append", CONSOLE]);
        NetrootServe::start(&self.net, root, &arguments)
    }

    /// The same, with more for the machine's command line.
    pub(crate) fn serve_appending(
        &self,
        root: &Path,
        append: &str,
        more: &[&str],
    ) -> Result<NetrootServe> {
        let append = format!("{CONSOLE} {append}");
        let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE, "--append", &append];
        arguments.extend(ONE_CARD);
        arguments.extend(more);
        NetrootServe::start(&self.net, root, &arguments)
    }

    /// `netroot serve ROOT` on this network, beside whoever leases addresses.
    pub(crate) fn serve_beside(&self, root: &Path) -> Result<NetrootServe> {
        let mut arguments = vec!["--interface", "br0", "--append", CONSOLE];
        arguments.extend(ONE_CARD);
        NetrootServe::start(&self.net, root, &arguments)
    }

    /// A Debian root with network managers and servers in it, all switched off, below what is in `layer`; it is
    /// seen by this network's programs only, and goes with the network.
    pub(crate) fn debian_root_below(&self, layer: &Path) -> Result<PathBuf> {
        let root = self.net.logs().join("root");
        std::fs::create_dir_all(&root)?;
        // The topmost layer's own folder is what the root itself is.
        std::fs::set_permissions(layer, PermissionsExt::from_mode(0o755))?;
        let layers = [layer, &paths::tests_layer(), &paths::debian_root()];
        let layers = layers.map(|layer| layer.display().to_string());
        let options = format!("lowerdir={}", layers.join(":"));
        let place = root.display().to_string();
        self.net
            .run(&["mount", "-t", "overlay", "overlay", "-o", &options, &place])?;
        Ok(root)
    }

    /// A machine with one card, before it is switched on.
    pub(crate) fn machine(&self) -> VmBuilder<'_> {
        VmBuilder::new(&self.net, "console")
    }

    /// A machine that is given kernel, initrd and command line without any firmware's
    /// help: `MACHINE` on the wire's cable.
    pub(crate) fn boot(&self, command_line: &str) -> Result<Vm> {
        self.boot_with(
            self.machine().nic(Nic::virtio(&self.tap, MACHINE)),
            command_line,
        )
    }

    /// The same with the cards that `machine` has.
    pub(crate) fn boot_with(&self, machine: VmBuilder<'_>, command_line: &str) -> Result<Vm> {
        let (_, kernel) = paths::debian_kernel()?;
        machine.kernel(&kernel, initrd()?, command_line).start()
    }
}

/// Our export of `root`, as a machine is told of it.
pub(crate) fn own_export(root: &Path) -> Result<String> {
    let image = root
        .file_name()
        .and_then(|name| name.to_str())
        .context("a root with a name")?;
    Ok(format!(
        "root=/dev/nfs nfsroot={SERVER}:/{image},vers=3,proto=tcp,port=2049,mountport=2049,nolock"
    ))
}

/// A static address for the machine: no DHCP server is asked.
pub(crate) const STATIC: &str = "ip=10.77.0.50::10.77.0.254:255.255.255.0:fixed-name:eth0:off";

/// An initrd with the virtio card's driver, made once for all tests.
fn initrd() -> Result<&'static PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || make_initrd("virtio_net", "virtio_net");
    MADE.get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// An initrd for the Debian kernel with these modules, called `name` among the logs.
pub(crate) fn make_initrd(name: &str, modules: &str) -> Result<PathBuf> {
    let folder = paths::target().join("netroot-logs");
    std::fs::create_dir_all(&folder)?;
    let image = folder.join(format!("{name}.img"));
    let done = Command::new(paths::netroot()?)
        .args(["initrd", "--root"])
        .arg(paths::debian_root())
        .args(["--modules", modules, "-o"])
        .arg(&image)
        .output()
        .context("start netroot initrd")?;
    ensure!(
        done.status.success(),
        "netroot initrd: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(image)
}

/// Writes a file, and makes the folders that it is in.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// What the tiny root's init printed (`tests/facts`).
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    /// Waits until it printed everything.
    pub(crate) fn of(vm: &Vm) -> Result<Self> {
        vm.wait_for("facts: end", "the end of the root's facts", TIMEOUT)?;
        let text = vm.console().text();
        Ok(Self(
            text.lines()
                .filter_map(|line| line.split_once("facts: "))
                .map(|(_, fact)| fact.split_once(' ').unwrap_or((fact, "")))
                .map(|(what, fact)| (what.to_owned(), fact.trim().to_owned()))
                .collect(),
        ))
    }

    /// All facts of a kind, one a line.
    pub(crate) fn all(&self, kind: &str) -> String {
        let facts: Vec<&str> = self
            .0
            .iter()
            .filter(|(what, _)| what == kind)
            .map(|(_, fact)| fact.as_str())
            .collect();
        facts.join("\n")
    }

    /// The init's own report of the boot.
    pub(crate) fn report(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.all("report")).context("read the boot's report")
    }

    /// The line of `/proc/self/mounts` for a place.
    pub(crate) fn mount(&self, place: &str) -> String {
        self.all("mount")
            .lines()
            .rfind(|line| line.split_whitespace().nth(1) == Some(place))
            .unwrap_or_default()
            .to_owned()
    }

    /// The root is an untouched one below a tmpfs: writable, with its own words in it.
    pub(crate) fn assert_overlay(&self) {
        let mount = self.mount("/");
        let kind = mount.split_whitespace().nth(2);
        assert_eq!(kind, Some("overlay"), "{}", self.all("mount"));
        assert_eq!(self.all("write"), "succeeded: by the machine");
        self.assert_witness();
    }

    /// The root came over NFS and cannot be written.
    pub(crate) fn assert_read_only_nfs(&self) {
        let mount = self.mount("/");
        assert!(mount.contains(" nfs ro"), "{mount}");
        let write = self.all("write");
        assert!(
            write.starts_with("failed: Read-only file system"),
            "{write}"
        );
        self.assert_witness();
    }

    fn assert_witness(&self) {
        assert_eq!(self.all("pid"), "1");
        assert_eq!(self.all("witness"), "the root's own words");
    }
}
