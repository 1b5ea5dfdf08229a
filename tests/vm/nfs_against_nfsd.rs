//! Our export and Linux's nfsd on the same tree, call by call (`nfs_compared/compared.rs`); and what a machine sees that
//! mounts our export, file by file, beside the same tree on a disk of its own.
//!
//! nfsd runs in a machine, since this test's own kernel may lack NFS. The tree is on a disk of the machine.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use netroot_harness::nfsd::{self, MOUNT_DISK};
use netroot_harness::{Net, NetrootServe, Nic, Program, Tap, Vm, VmBuilder};

use crate::lan::{Lan, TIMEOUT, own_export, write};
use crate::nfs_compared::{ask, assert_equal, faults, tree};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const NFSD: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 60);
const NFSD_MAC: &str = "52:54:00:77:00:60";

/// Where our copy is.
const OUR_ROOT: &str = "/run/root";

/// How the tree is exported by nfsd.
const OPTIONS: &str = "ro,no_subtree_check,no_root_squash";

fn start() -> String {
    let (lease, nfsd) = (faults::lease_in_shell("/mnt/root"), nfsd::start(4));
    format!(
        "{lease}{nfsd}tell \"server: ready: $(cat /proc/fs/nfsd/versions)\"\nwhile :; do sleep 1000; done\n"
    )
}

/// Everything that can be seen of a tree, on the disk and over NFS: type, mode, owner, size, links, inode number, blocks,
/// times (that of the last access, too), targets, devices, contents, access lists and extended attributes.
const LOOK: &str = r#"
mkdir /mnt/nfs
cat > /mnt/attributes.py <<'END'
import os
for folder, folders, files in os.walk(b"."):
    for path in [os.path.join(folder, name) for name in folders + files]:
        for name in os.listxattr(path, follow_symlinks=False):
            value = os.getxattr(path, name, follow_symlinks=False).hex()
            print(os.fsdecode(path) + ": " + name + "|" + value)
END
mount -t nfs -o ro,vers=3,proto=tcp,nolock,port=2049,mountport=2049 10.77.0.2:/root /mnt/nfs
look() (
    cd "$1"
    find . -xdev -printf '%P|%y|%m|%U|%G|%s|%n|%i|%b|%A@|%T@|%C@|%l\n' | LC_ALL=C sort
    find . -xdev '(' -type b -o -type c ')' -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort
    find . -xdev -type f -size -64M -exec sha256sum {} + | LC_ALL=C sort
    head -c 4096 sparse | sha256sum
    tail -c 4096 sparse | sha256sum
    dd if=sparse bs=4096 skip=1048575 count=3 2>&- | sha256sum
    getfacl -R -P -n -p . | LC_ALL=C sort
    PYTHONIOENCODING=utf-8:surrogateescape python3 -B /mnt/attributes.py | LC_ALL=C sort -u
)
look /mnt/root > /mnt/here
look /mnt/nfs > /mnt/there
tell "look: lines $(wc -l < /mnt/here)"
tell "look: lines $(wc -l < /mnt/there)"
diff /mnt/here /mnt/there | grep '^[<>]' | cut -c3- | cut -d'|' -f1 | LC_ALL=C sort | head -50 > /mnt/different || true
while read -r name; do tell "look: differs $name"; done < /mnt/different
refused=$(python3 -B -c 'import os; os.getxattr("/mnt/nfs/plain", "user.comment")' 2>&1 | tail -1)
tell "look: attribute $refused"
tell "look: end"
while :; do sleep 1000; done
"#;

/// The extended attributes of the tree that no client sees: those that are not access lists.
const NOT_CARRIED: [&str; 3] = [
    "./folder: trusted.note",
    "./plain: user.comment",
    "./setgid: security.capability",
];

/// `netroot serve` with the tree, on a machine of its own.
fn serve_tree(net: &Net, image: &str) -> Result<NetrootServe> {
    net.shell(&format!(
        "mkdir {OUR_ROOT}; mount -o loop,ro {image} {OUR_ROOT}"
    ))?;
    let initrd = net.logs().join("initrd.img");
    // Nobody boots from it.
    std::fs::write(&initrd, "an initrd")?;
    let initrd = initrd.display().to_string();
    let arguments = [
        "--interface",
        "eth1",
        "--no-probe",
        "--portmapper",
        "--initrd",
        &initrd,
    ];
    NetrootServe::start(net, Path::new(OUR_ROOT), &arguments)
}

/// What the tree is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Sound,
    /// Not all of it can be read.
    Damaged,
}

/// A machine that has the tree on a disk, and our export on the same network.
pub(crate) struct Lab {
    vm: Vm,
    clients: Net,
    _tap: Tap,
    _boot: NetrootServe,
    _ours: NetrootServe,
    /// Who has a lease on a file of our copy.
    holder: Program,
    _other: Net,
    _lan: Lan,
}

impl Lab {
    /// `script` is the machine's init.
    pub(crate) fn new(name: &str, script: &str) -> Result<Self> {
        Self::with(name, script, Disk::Sound)
    }

    fn with(name: &str, script: &str, state: Disk) -> Result<Self> {
        let lan = Lan::new(name)?;
        let image = lan.net.logs().join("tree.img").display().to_string();
        tree::make_image(&lan.net, &image)?;
        let other = Net::new(&format!("{name}-ours"))?;
        lan.net.cable(&lan.bridge, &other, "eth1", "10.77.0.2/24")?;
        let clients = Net::new(&format!("{name}-clients"))?;
        lan.net
            .cable(&lan.bridge, &clients, "eth2", "10.77.0.3/24")?;
        if state == Disk::Damaged {
            faults::damage(&lan.net, &image)?;
        }
        let copy = lan.net.logs().join("copy.img").display().to_string();
        lan.net.run(&["cp", "--sparse=always", &image, &copy])?;
        let ours = serve_tree(&other, &copy)?;
        let disk = match state {
            Disk::Sound => format!("-drive file={image},format=raw,if=virtio,readonly=on"),
            Disk::Damaged => {
                faults::cut(&copy)?;
                faults::disk(&image)
            }
        };
        let holder = faults::lease(&other, OUR_ROOT)?;

        let layer = lan.net.logs().join("layer");
        nfsd::configure(&layer, OPTIONS)?;
        let start = layer.join("etc/serve");
        write(&start, &format!("{MOUNT_DISK}{script}"))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&start, mode)?;
        let root = lan.debian_root_below(&layer)?;
        let boot = lan.serve_beside(&root)?;
        let tap = lan.net.tap("server", &lan.bridge)?;
        let command_line = format!(
            "{} ip={NFSD}:::255.255.255.0:server:eth0:off rd.overlay init=/etc/serve",
            own_export(&root)?
        );
        let machine = VmBuilder::new(&lan.net, "server")
            .nic(Nic::virtio(&tap, NFSD_MAC))
            .hardware(&disk);
        let vm = lan.boot_with(machine, &command_line)?;
        Ok(Self {
            vm,
            clients,
            _tap: tap,
            _boot: boot,
            _ours: ours,
            holder,
            _other: other,
            _lan: lan,
        })
    }

    /// Waits until the machine has said `text`.
    pub(crate) fn wait_for(&self, text: &str, what: &str, timeout: Duration) -> Result<()> {
        self.vm.wait_for(text, what, timeout)?;
        Ok(())
    }

    /// All that the machine has said.
    pub(crate) fn console(&self) -> String {
        self.vm.console().text()
    }
}

#[test]
fn every_answer_is_nfsds_but_for_the_differences_that_are_explained() -> Result<()> {
    let lab = Lab::with("nfs-against-nfsd", &start(), Disk::Damaged)?;
    lab.vm
        .wait_for("server: ready", "the server at work", TIMEOUT)?;
    let ours = lab.clients.within(|| ask("netroot", OURS, "/root"))?;
    let theirs = lab.clients.within(|| ask("nfsd", NFSD, "/mnt/root"))?;
    faults::is_given_back(&lab.holder)?;
    assert_equal("nfsd", &ours, &theirs)
}

#[test]
fn a_machine_that_mounts_the_tree_sees_every_file_as_it_is() -> Result<()> {
    let lab = Lab::new("nfs-seen", LOOK)?;
    lab.vm
        .wait_for("look: end", "the end of the comparison", TIMEOUT)?;
    // It was asked to come back later for that file, and did.
    faults::is_given_back(&lab.holder)?;
    let console = lab.vm.console().text();
    let told = |what: &str| -> Vec<String> {
        let lines = console.lines();
        let lines = lines.filter_map(|line| line.split_once(what));
        lines.map(|(_, told)| told.trim().to_owned()).collect()
    };
    let counts = told("look: lines ");
    println!("{counts:?}");
    let lines: Vec<usize> = counts.iter().flat_map(|count| count.parse()).collect();
    assert!(
        matches!(*lines, [here, there] if here == there + NOT_CARRIED.len() && there > 1000),
        "{counts:?}"
    );
    // What NFSv3 cannot tell: times before 1970 and after 2106 (RFC 1813 §2.6), and extended attributes other than access lists.
    let different = told("look: differs ");
    let times = ["after-2106", "after-2106", "past", "past"];
    let expected = [&NOT_CARRIED[..], &times].concat();
    assert_eq!(different, expected);
    let refused = told("look: attribute ");
    assert!(
        matches!(&*refused, [error] if error.contains("Operation not supported")),
        "{refused:?}"
    );
    Ok(())
}
