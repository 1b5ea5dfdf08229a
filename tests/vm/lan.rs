//! The network of every test here: a bridge with the server's address, and the cable of
//! one machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{
    Bridge, Net, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Tap, Vm, VmBuilder, paths,
};

/// The server's address, on the bridge `br0`.
pub(crate) const SERVER: &str = "10.77.0.1";
/// The machine's hardware address.
pub(crate) const MACHINE: &str = "52:54:00:77:00:01";
/// The range of the DHCP server.
pub(crate) const RANGE: &str = "10.77.0.100-10.77.0.199";

/// An initrd with one driver is quick to build.
const ONE_CARD: [&str; 2] = ["--modules", "virtio_net"];

/// The longest that a boot may take, on an emulated machine on a busy host. No test
/// asserts a duration.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(420);

pub(crate) struct Lan {
    pub(crate) net: Net,
    pub(crate) bridge: Bridge,
    pub(crate) tap: Tap,
}

impl Lan {
    /// `name` names the directory of the logs.
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

    /// The same by default options: with an initrd for every NIC.
    pub(crate) fn serve_for_every_card(&self, root: &Path) -> Result<NetrootServe> {
        self.serve_appending_for_every_card(root, "")
    }

    /// The same, with additions to the machine's command line.
    pub(crate) fn serve_appending_for_every_card(
        &self,
        root: &Path,
        append: &str,
    ) -> Result<NetrootServe> {
        let append = format!("{QUICK_KERNEL_PARAMETERS} {append}");
        let arguments = ["--interface", "br0", "--dhcp", RANGE, "--append", &append];
        NetrootServe::start(&self.net, root, &arguments)
    }

    /// The same, with additions to the machine's command line.
    pub(crate) fn serve_appending(
        &self,
        root: &Path,
        append: &str,
        more: &[&str],
    ) -> Result<NetrootServe> {
        let append = format!("{QUICK_KERNEL_PARAMETERS} {append}");
        let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE, "--append", &append];
        arguments.extend(ONE_CARD);
        arguments.extend(more);
        NetrootServe::start(&self.net, root, &arguments)
    }

    /// `netroot serve ROOT` on this network, beside another DHCP server.
    pub(crate) fn serve_beside(&self, root: &Path) -> Result<NetrootServe> {
        let mut arguments = vec!["--interface", "br0", "--append", QUICK_KERNEL_PARAMETERS];
        arguments.extend(ONE_CARD);
        NetrootServe::start(&self.net, root, &arguments)
    }

    /// A Debian root with network managers and servers in it, all disabled, below the files in `layer`. It
    /// ends with the network.
    pub(crate) fn debian_root_below(&self, layer: &Path) -> Result<PathBuf> {
        self.layers(&[layer, &paths::tests_layer(), &paths::debian_root()])
    }

    /// A root from these directories, the topmost first. It is visible to this network's programs only, and ends with
    /// the network.
    pub(crate) fn layers(&self, layers: &[&Path]) -> Result<PathBuf> {
        let root = self.net.logs().join("root");
        std::fs::create_dir_all(&root)?;
        // The topmost layer's directory becomes the root directory.
        if let Some(layer) = layers.first() {
            std::fs::set_permissions(layer, PermissionsExt::from_mode(0o755))?;
        }
        let layers: Vec<String> = layers
            .iter()
            .map(|layer| layer.display().to_string())
            .collect();
        let options = format!("lowerdir={}", layers.join(":"));
        let place = root.display().to_string();
        self.net
            .run(&["mount", "-t", "overlay", "overlay", "-o", &options, &place])?;
        Ok(root)
    }

    /// `netroot.report=` as the server's script for `MACHINE` has it, for a command line of our own. Only the machine
    /// itself is told, so another one takes its hardware address for a moment.
    pub(crate) fn report_parameter(&self) -> Result<String> {
        let name = self.net.logs().file_name().unwrap_or_default();
        let stand_in = Net::new(&format!("{}-stand-in", name.to_string_lossy()))?;
        self.net
            .cable(&self.bridge, &stand_in, "eth0", "10.77.0.250/24")?;
        stand_in.shell(&format!("ip link set eth0 address {MACHINE}"))?;
        let script = stand_in.within(|| {
            let mut stream = TcpStream::connect((SERVER, 8069))?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            let mac = MACHINE.replace(':', "-");
            let request = format!(
                "GET /boot/{mac}.ipxe HTTP/1.1\r\nHost: {SERVER}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes())?;
            let mut script = String::new();
            stream.read_to_string(&mut script)?;
            Ok(script)
        })?;
        let mut words = script.split_whitespace();
        let found = words.find(|word| word.starts_with("netroot.report="));
        Ok(found.with_context(|| script.clone())?.to_owned())
    }

    /// A machine's configuration, without NICs.
    pub(crate) fn machine(&self) -> VmBuilder<'_> {
        VmBuilder::new(&self.net, "console").quick_firmware()
    }

    /// Boots kernel and initrd directly, without network boot by the firmware: `MACHINE` on
    /// the network's cable.
    pub(crate) fn boot(&self, command_line: &str) -> Result<Vm> {
        self.boot_with(
            self.machine().nic(Nic::virtio(&self.tap, MACHINE)),
            command_line,
        )
    }

    /// The same with the NICs of `machine`.
    pub(crate) fn boot_with(&self, machine: VmBuilder<'_>, command_line: &str) -> Result<Vm> {
        let (_, kernel) = paths::debian_kernel()?;
        machine
            .quick_kernel(&kernel, initrd()?, command_line)?
            .start()
    }
}

/// Parameters for our own export of `root`.
pub(crate) fn own_export(root: &Path) -> Result<String> {
    let image = root
        .file_name()
        .and_then(|name| name.to_str())
        .context("a root with a name")?;
    Ok(format!(
        "root=/dev/nfs nfsroot={SERVER}:/{image},vers=3,proto=tcp,port=2049,mountport=2049,nolock"
    ))
}

/// A static address for the machine, without DHCP.
pub(crate) const STATIC: &str = "ip=10.77.0.50::10.77.0.254:255.255.255.0:fixed-name:eth0:off";

/// An initrd with the virtio driver, built once for all tests.
fn initrd() -> Result<&'static PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || make_initrd("virtio_net");
    MADE.get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// An initrd for the Debian kernel with these modules. It is made once for all test programs, each of which is another
/// process, and again for another build of netroot.
pub(crate) fn make_initrd(modules: &str) -> Result<PathBuf> {
    let program = std::fs::metadata(paths::netroot()?)?;
    let (version, _) = paths::debian_kernel()?;
    let folder = paths::target().join("test-initrds");
    std::fs::create_dir_all(&folder)?;
    let image = folder.join(format!(
        "{}-{version}-{:x}-{:x}.img",
        modules.replace(',', "+"),
        program.size(),
        program.mtime_nsec() ^ program.mtime()
    ));
    if !image.exists() {
        let unfinished = tempfile::TempDir::new_in(&folder)?;
        let made = unfinished.path().join("initrd.img");
        write_initrd(&paths::debian_root(), modules, &made)?;
        std::fs::rename(&made, &image)?;
    }
    Ok(image)
}

/// The same for the kernel of another root.
pub(crate) fn make_initrd_of(root: &Path, name: &str, modules: &str) -> Result<PathBuf> {
    let folder = paths::all_logs();
    std::fs::create_dir_all(&folder)?;
    let image = folder.join(format!("{name}.img"));
    write_initrd(root, modules, &image)?;
    Ok(image)
}

fn write_initrd(root: &Path, modules: &str, image: &Path) -> Result<()> {
    let done = Command::new(paths::netroot()?)
        .args(["initrd", "--root"])
        .arg(root)
        // How small it is counts elsewhere.
        .args(["--level", "3", "--modules", modules, "-o"])
        .arg(image)
        .output()
        .context("start netroot initrd")?;
    ensure!(
        done.status.success(),
        "netroot initrd: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

/// Writes a file, and creates its parent directories.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// What the tiny root's init printed (`tests/facts`).
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    /// Waits until everything is printed.
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

    /// All facts of a kind, one per line.
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

    /// The line of `/proc/self/mounts` for a mount point.
    pub(crate) fn mount(&self, place: &str) -> String {
        self.all("mount")
            .lines()
            .rfind(|line| line.split_whitespace().nth(1) == Some(place))
            .unwrap_or_default()
            .to_owned()
    }

    /// The root is an overlay: writable, with the original's content.
    pub(crate) fn assert_overlay(&self) {
        let mount = self.mount("/");
        let kind = mount.split_whitespace().nth(2);
        assert_eq!(kind, Some("overlay"), "{}", self.all("mount"));
        assert_eq!(self.all("write"), "succeeded: by the machine");
        self.assert_witness();
    }

    /// The root is on NFS and read-only.
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

/// Waits until the kernel says that Secure Boot has locked it down.
pub(crate) fn wait_for_lockdown(vm: &Vm) -> Result<()> {
    vm.wait_for(
        "Lockdown: ",
        "the kernel, which is locked down by Secure Boot",
        TIMEOUT,
    )?;
    Ok(())
}
