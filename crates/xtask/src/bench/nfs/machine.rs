//! Linux's nfsd beside netroot, both in one virtual machine, since this machine's kernel may lack nfsd. The clients are outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::nfsd::{self, MOUNT_DISK};
use netroot_harness::{KERNEL_PARAMETERS, Net, NetrootServe, Nic, Tap, Vm, VmBuilder, paths};

use super::arena::Arena;
use super::cells::Warm;
use super::load::Target;
use crate::initrd;

/// The machine, and the server of its root.
const MACHINE: &str = "10.92.0.60";
const BOOT: &str = "10.92.0.5";
/// How long a boot may take without KVM.
const TIMEOUT: Duration = Duration::from_secs(420);

/// How the tree is exported by nfsd.
const OPTIONS: &str = "ro,insecure,no_subtree_check,no_root_squash";

/// The rest of the machine's init: netroot on other ports than nfsd.
const SERVE: &str = r#"
mkdir -p /run/netroot-bench
echo an initrd > /run/netroot-bench/initrd
netroot serve /mnt/root --interface eth0 --no-probe --initrd /run/netroot-bench/initrd --nfs-port 3049 \
  --state /run/netroot-bench/state --cache /run/netroot-bench/cache > /run/netroot-bench/log 2>&1 &
for i in $(seq 300); do if grep -q ready /run/netroot-bench/log; then break; fi; sleep 1; done
if ! grep -q ready /run/netroot-bench/log; then tell "$(tail -n 3 /run/netroot-bench/log)"; exit 1; fi
tell "bench: ready"
while :; do sleep 1000; done
"#;

/// Measures netroot and nfsd.
pub(super) fn beside_nfsd(arena: &Arena, rounds: u32, seconds: f64) -> Result<()> {
    let layer = arena.lan.logs().join("layer");
    nfsd::configure(&layer, OPTIONS)?;
    let nfsd = nfsd::start(8);
    let script = format!("{MOUNT_DISK}cat /mnt/root/large > /dev/null\n{nfsd}{SERVE}");
    write(&layer.join("etc/serve"), &script, 0o755)?;
    let program = layer.join("usr/bin/netroot");
    fs::create_dir_all(layer.join("usr/bin"))?;
    fs::copy(paths::netroot()?, &program)?;
    let disk = format!(
        "-drive file={},format=raw,if=virtio,readonly=on",
        arena.image.display()
    );
    let layers = [layer, paths::tests_layer(), paths::debian_root()];
    let started = Started::boot(arena, &layers, &[], "init=/etc/serve", &disk)?;
    let said = started.vm.console();
    let ready = said.wait_for_any(0, &["bench: ready", "cannot start"], TIMEOUT);
    if !matches!(ready, Some((0, _))) {
        anyhow::bail!("nfsd and netroot did not start:\n{}", said.tail(15));
    }
    let target = |name, mount, nfs, path: &str| Target {
        name,
        address: MACHINE,
        mount,
        nfs,
        path: path.to_owned(),
        pid: None,
        processors: arena.processors,
    };
    // It has one processor, which both servers and its network card share by turns, whatever threads they have.
    arena.processors.give_server(started.vm.pid()?)?;
    let targets = [
        target("netroot", 3049, 3049, "/root"),
        target("nfsd", nfsd::MOUNTD, 2049, "/mnt/root"),
    ];
    let mut warm = Warm::default();
    for round in 1..=rounds {
        println!("NFS beside nfsd, round {round} of {rounds}");
        warm.round(arena, &targets, seconds)?;
    }
    warm.print("in a machine");
    Ok(())
}

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
        arena.lan.cable(&arena.bridge, &net, "eth3", &address)?;
        let root = net.logs().join("root");
        fs::create_dir_all(&root)?;
        let lower: Vec<String> = layers.iter().map(|it| it.display().to_string()).collect();
        let (lower, place) = (lower.join(":"), root.display());
        net.shell(&format!(
            "mount -t overlay overlay -o lowerdir={lower} {place}"
        ))?;
        let append = ["--append", KERNEL_PARAMETERS, "--modules", "virtio_net"];
        let arguments = [&["--interface", "eth3"][..], &append].concat();
        let serve = NetrootServe::start_by(&net, &root, &arguments, environment)?;
        let image = net.logs().join("initrd.img");
        initrd::make("virtio_net", &image)?;
        let (_, kernel) = paths::debian_kernel()?;
        let tap = arena.lan.tap("machine", &arena.bridge)?;
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
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(path, PermissionsExt::from_mode(mode))?)
}
