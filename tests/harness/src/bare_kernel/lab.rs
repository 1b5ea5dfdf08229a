//! The network of such a boot, and the machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::net::{Bridge, Net, Tap};
use crate::nic::Nic;
use crate::paths;
use crate::peer::ganesha::{Clients, Ganesha};
use crate::peer::netroot::NetrootServe;
use crate::peer::nfsd;
use crate::processor::Processor;
use crate::vm::{Vm, VmBuilder};

/// The server's address.
const SERVER: &str = "10.77.0.1";
const MACHINE: &str = "52:54:00:77:00:01";
const RANGE: &str = "10.77.0.100-10.77.0.199";

/// Who exports the root.
#[derive(Clone, Copy, Debug)]
pub enum BareExport<'a> {
    /// `netroot serve`, by NFSv3.
    Own,
    /// NFS-Ganesha, by NFSv4.
    Ganesha,
    /// Linux's nfsd, by NFSv4: in a machine that boots this, since this machine's kernel may lack it.
    Nfsd(&'a Booted),
}

/// The network of a boot: `netroot serve`, which leases the address, and the export of the root.
#[derive(Debug)]
pub struct BareLab {
    // Dropped in this order: the machine's own root is the server's.
    _peer: Peer,
    _server: NetrootServe,
    net: Net,
    tap: Tap,
    /// The parameters for the root.
    parameters: String,
}

/// Another server of the root.
#[derive(Debug)]
enum Peer {
    None,
    Ganesha { _running: Ganesha },
    Nfsd { _machine: Vm, _tap: Tap },
}

/// The path of NFS-Ganesha's export.
const GANESHA_PATH: &str = "/srv/debian";

/// The machine with nfsd: its addresses, and how long it may take to start.
const NFSD: &str = "10.77.0.60";
const NFSD_MAC: &str = "52:54:00:77:00:60";
const NFSD_TIMEOUT: Duration = Duration::from_secs(420);

/// What is booted.
#[derive(Clone, Debug)]
pub struct Booted {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The initrd.
    pub initrd: PathBuf,
    /// The size of both, in bytes.
    pub size: u64,
    /// What they are for.
    pub processor: Processor,
}

impl Booted {
    /// A kernel and its initrd, for machines with this processor.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn new(processor: Processor, kernel: PathBuf, initrd: PathBuf) -> Result<Self> {
        let length = |path: &Path| -> Result<u64> {
            let file = std::fs::metadata(path);
            Ok(file
                .with_context(|| format!("look at {}", path.display()))?
                .len())
        };
        let size = length(&kernel)? + length(&initrd)?;
        Ok(Self {
            kernel,
            initrd,
            size,
            processor,
        })
    }
}

impl BareLab {
    /// Exports `root`. `name` names the directory of the logs.
    ///
    /// # Errors
    /// When this is not root, or a server does not become ready.
    pub fn start(name: &str, root: &Path, export: BareExport<'_>) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("machine", &bridge)?;
        let (server, peer, parameters) = match export {
            BareExport::Own => {
                let server = serve(&net, root, &[])?;
                (server, Peer::None, own_export(root)?)
            }
            BareExport::Ganesha => {
                let elsewhere = format!("{SERVER}:{GANESHA_PATH}");
                let running = Ganesha::start(&net, root, GANESHA_PATH, &Clients::All)?;
                let server = serve(&net, root, &["--nfsroot", &elsewhere])?;
                let parameters = format!("nfsroot={elsewhere},vers=4.2");
                (server, Peer::Ganesha { _running: running }, parameters)
            }
            BareExport::Nfsd(booted) => {
                let (server, peer) = with_nfsd(&net, &bridge, root, booted)?;
                (server, peer, format!("nfsroot={NFSD}:/,vers=4.2"))
            }
        };
        Ok(Self {
            _peer: peer,
            _server: server,
            net,
            tap,
            parameters,
        })
    }

    /// The folder for what a boot needs.
    pub fn folder(&self) -> &Path {
        self.net.logs()
    }

    /// Powers a machine on: called `name` in the logs, with a virtio NIC. A failed boot ends, rather than wait.
    ///
    /// # Errors
    /// When QEMU is missing.
    pub fn boot(&self, name: &str, booted: &Booted) -> Result<Vm> {
        let parameters = &self.parameters;
        VmBuilder::new(&self.net, name)
            .may_panic()
            .processor(booted.processor)
            .nic(Nic::virtio(&self.tap, MACHINE))
            .kernel(
                &booted.kernel,
                &booted.initrd,
                &format!("root=/dev/nfs {parameters} ip=dhcp rd.overlay panic=-1"),
            )
            .start()
    }
}

/// `netroot serve ROOT`, with leases.
fn serve(net: &Net, root: &Path, more: &[&str]) -> Result<NetrootServe> {
    // Nobody fetches it: QEMU loads kernel and initrd.
    let unused = net.logs().join("unused.img");
    std::fs::write(&unused, "an initrd")?;
    let unused = unused.display().to_string();
    let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE, "--initrd", &unused];
    arguments.extend(more);
    NetrootServe::start(net, root, &arguments)
}

/// The parameters for the root by `netroot serve`.
fn own_export(root: &Path) -> Result<String> {
    let name = root.file_name().and_then(|name| name.to_str());
    let name = name.context("a root with a name")?;
    Ok(format!(
        "nfsroot={SERVER}:/{name},vers=3,proto=tcp,port=2049,mountport=2049,nolock"
    ))
}

/// A machine that exports a copy of `root` by nfsd, from a disk, and `netroot serve` with the root of that machine.
fn with_nfsd(
    net: &Net,
    bridge: &Bridge,
    root: &Path,
    booted: &Booted,
) -> Result<(NetrootServe, Peer)> {
    let layer = net.logs().join("layer");
    // The top of version 4's tree: the machine's own root, an overlay, cannot be exported.
    nfsd::configure(&layer, "ro,fsid=0,no_subtree_check,no_root_squash")?;
    let init = layer.join("etc/serve");
    let start = nfsd::start(8);
    let script = format!(
        "{}{start}tell \"nfsd: ready\"\nwhile :; do sleep 1000; done\n",
        nfsd::MOUNT_DISK
    );
    std::fs::write(&init, script).with_context(|| format!("write {}", init.display()))?;
    std::fs::set_permissions(&init, PermissionsExt::from_mode(0o755))?;
    std::fs::set_permissions(&layer, PermissionsExt::from_mode(0o755))?;
    let [own, image] = ["nfsd-root", "root.img"].map(|name| net.logs().join(name));
    std::fs::create_dir_all(&own).with_context(|| format!("create {}", own.display()))?;
    let layers = [layer, paths::tests_layer(), paths::debian_root()];
    let layers = layers.map(|layer| layer.display().to_string()).join(":");
    net.shell(&format!(
        "mount -t overlay overlay -o lowerdir={layers} {}
         mkfs.ext4 -q -O ^has_journal -d {} {} 2G",
        own.display(),
        root.display(),
        image.display()
    ))?;
    let server = serve(net, &own, &[])?;
    let tap = net.tap("nfsd", bridge)?;
    let machine = VmBuilder::new(net, "nfsd")
        .nic(Nic::virtio(&tap, NFSD_MAC))
        .hardware(&format!(
            "-drive file={},format=raw,if=virtio,readonly=on",
            image.display()
        ))
        .kernel(
            &booted.kernel,
            &booted.initrd,
            &format!(
                "root=/dev/nfs {} ip={NFSD}:::255.255.255.0:nfsd:eth0:off rd.overlay init=/etc/serve",
                own_export(&own)?
            ),
        )
        .start()?;
    machine.wait_for("nfsd: ready", "nfsd", NFSD_TIMEOUT)?;
    Ok((
        server,
        Peer::Nfsd {
            _machine: machine,
            _tap: tap,
        },
    ))
}
