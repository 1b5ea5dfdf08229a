//! A virtual machine whose root is over NFS, from netroot.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use netroot_harness::{KERNEL_PARAMETERS, Net, NetrootServe, Nic, Tap, Vm, VmBuilder, paths};

use super::arena::Arena;
use crate::initrd;

/// The machine, and the server of its root.
pub(super) const MACHINE: &str = "10.92.0.60";
const BOOT: &str = "10.92.0.5";
/// The server's card, and the machine's.
const INTERFACE: &str = "eth3";
const TAP: &str = "machine";

/// A machine with a root over NFS, and the server of that root.
pub(super) struct Started {
    pub(super) vm: Vm,
    _tap: Tap,
    _serve: NetrootServe,
    _net: Net,
}

impl Started {
    /// Boots a root of these layers, the topmost first. `environment` is the boot server's.
    pub(super) fn boot(
        arena: &Arena,
        layers: &[PathBuf],
        environment: &[&str],
        command_line: &str,
        hardware: &str,
    ) -> Result<Self> {
        let net = Net::new("bench-nfs-boot")?;
        let address = format!("{BOOT}/16");
        arena.lan.cable(&arena.bridge, &net, INTERFACE, &address)?;
        let root = net.logs().join("root");
        fs::create_dir_all(&root)?;
        let lower: Vec<String> = layers.iter().map(|it| it.display().to_string()).collect();
        let (lower, place) = (lower.join(":"), root.display());
        net.shell(&format!(
            "mount -t overlay overlay -o lowerdir={lower} {place}"
        ))?;
        let append = ["--append", KERNEL_PARAMETERS, "--modules", "virtio_net"];
        let arguments = [&["--interface", INTERFACE][..], &append].concat();
        let serve = NetrootServe::start_by(&net, &root, &arguments, environment)?;
        let image = net.logs().join("initrd.img");
        initrd::make("virtio_net", &image)?;
        let (_, kernel) = paths::debian_kernel()?;
        let tap = arena.lan.tap(TAP, &arena.bridge)?;
        let line = format!(
            "{KERNEL_PARAMETERS} root=/dev/nfs \
             nfsroot={BOOT}:/root,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip={MACHINE}:::255.255.0.0:machine:eth0:off rd.overlay {command_line}"
        );
        let vm = VmBuilder::new(&arena.lan, "machine")
            .memory_mib(1024)
            .nic(Nic::virtio(&tap, "52:54:00:92:00:60"))
            .hardware(hardware)
            .kernel(&kernel, &image, &line)
            .start()?;
        Ok(Self {
            vm,
            _tap: tap,
            _serve: serve,
            _net: net,
        })
    }

    /// Ends it, so that another one can be booted.
    pub(super) fn end(self, arena: &Arena) -> Result<()> {
        drop(self);
        // Connections whose machine is gone keep their network for minutes, with the address that the next one has.
        arena.lan.shell(&format!(
            "ip link del {TAP}\nip link del to-{INTERFACE} 2> /dev/null || true"
        ))?;
        Ok(())
    }
}
