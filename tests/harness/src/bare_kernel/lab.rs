//! The network of such a boot, and the machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::net::Net;
use crate::nic::Nic;
use crate::peer::ganesha::{Clients, Ganesha};
use crate::peer::netroot::NetrootServe;
use crate::vm::{Vm, VmBuilder};

/// The server's address.
const SERVER: &str = "10.77.0.1";
const MACHINE: &str = "52:54:00:77:00:01";
const RANGE: &str = "10.77.0.100-10.77.0.199";

/// Who exports the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareExport {
    /// `netroot serve`, by NFSv3.
    Own,
    /// NFS-Ganesha, by NFSv4.
    Version4,
}

/// The network of a boot: `netroot serve`, which leases the address, and the export of the root.
#[derive(Debug)]
pub struct BareLab {
    net: Net,
    tap: crate::net::Tap,
    /// The parameters for the root.
    parameters: String,
    _server: NetrootServe,
    _ganesha: Option<Ganesha>,
}

/// The path of NFS-Ganesha's export.
const GANESHA_PATH: &str = "/srv/debian";

/// What is booted, and over what.
#[derive(Clone, Debug)]
pub struct Booted {
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The initrd.
    pub initrd: PathBuf,
    /// The size of both, in bytes.
    pub size: u64,
}

impl Booted {
    /// A kernel and its initrd.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn new(kernel: PathBuf, initrd: PathBuf) -> Result<Self> {
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
        })
    }
}

impl BareLab {
    /// Exports `root`. `name` names the directory of the logs.
    ///
    /// # Errors
    /// When this is not root, or the server does not become ready.
    pub fn start(name: &str, root: &Path, export: BareExport) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("machine", &bridge)?;
        // Nobody fetches it: QEMU loads kernel and initrd.
        let unused = net.logs().join("unused.img");
        std::fs::write(&unused, "an initrd")?;
        let unused = unused.display().to_string();
        let mut arguments = vec!["--interface", "br0", "--dhcp", RANGE, "--initrd", &unused];
        let elsewhere = format!("{SERVER}:{GANESHA_PATH}");
        let (ganesha, parameters) = match export {
            BareExport::Own => {
                let name = root.file_name().and_then(|name| name.to_str());
                let name = name.context("a root with a name")?;
                let ports = "port=2049,mountport=2049,nolock";
                let parameters = format!("nfsroot={SERVER}:/{name},vers=3,proto=tcp,{ports}");
                (None, parameters)
            }
            BareExport::Version4 => {
                arguments.extend(["--nfsroot", &elsewhere]);
                let ganesha = Ganesha::start(&net, root, GANESHA_PATH, &Clients::All)?;
                (Some(ganesha), format!("nfsroot={elsewhere},vers=4.2"))
            }
        };
        let server = NetrootServe::start(&net, root, &arguments)?;
        Ok(Self {
            net,
            tap,
            parameters,
            _server: server,
            _ganesha: ganesha,
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
            .nic(Nic::virtio(&self.tap, MACHINE))
            .kernel(
                &booted.kernel,
                &booted.initrd,
                &format!("root=/dev/nfs {parameters} ip=dhcp rd.overlay panic=-1"),
            )
            .start()
    }
}
