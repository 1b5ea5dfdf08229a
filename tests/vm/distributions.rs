//! Roots as other distributions make them, from our export, by our own boot: their init, the way they look for their
//! programs, what they do to `/`, `/run` and the NIC.
//!
//! None of those distributions can be had where the tests run. Their layouts are rebuilt from Debian's packages: BusyBox,
//! systemd, OpenRC, ifupdown-ng, runit, dhcpcd are the programs themselves, and the scripts are short ones that do what the
//! distribution's own do to what the machine's root depends on. What is Debian's is libc, and the kernel.

mod alpine;
mod nixos;
mod systemd;
mod void;

use anyhow::{Result, ensure};
use netroot_harness::{NetrootServe, Nic, Rom, ShapedRoot, Vm};

use crate::lan::{Lan, MACHINE, TIMEOUT};

/// A machine that has booted such a root from our server, until its init says that all is told.
struct Booted {
    _lan: Lan,
    server: NetrootServe,
    vm: Vm,
}

impl Booted {
    fn boot(name: &str, root: &ShapedRoot) -> Result<Self> {
        let lan = Lan::new(name)?;
        let server = lan.serve(root.path(), &[])?;
        let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let vm = lan.machine().nic(nic).start()?;
        vm.wait_for("netroot: switch_root to ", "the switch of root", TIMEOUT)?;
        vm.wait_for("told: end", "the root's own report", TIMEOUT)?;
        Ok(Self {
            _lan: lan,
            server,
            vm,
        })
    }

    /// What the root told of a kind, one per line.
    fn told(&self, kind: &str) -> String {
        let prefix = format!("told: {kind} ");
        let text = self.vm.console().text();
        let lines = text.lines().filter_map(|line| line.split_once(&prefix));
        let lines: Vec<&str> = lines.map(|(_, rest)| rest.trim_end()).collect();
        lines.join("\n")
    }

    /// The NIC has the address that the init got and no other, and no other program has asked for one.
    fn assert_has_its_address_alone(&self) -> Result<()> {
        let text = self.vm.console().text();
        let address = text.split_once("netroot: eth0: lease ");
        let address = address.and_then(|(_, rest)| rest.split(' ').next());
        let told = self.told("address");
        ensure!(address == Some(told.as_str()), "{address:?}, and {told}");
        let events = self.server.events().into_iter();
        // A busy machine may have asked twice before that.
        let since = events.skip_while(|(_, event)| event.kind != "mount");
        let asked: Vec<_> = since
            .filter(|(_, event)| event.kind.starts_with("dhcp-"))
            .collect();
        ensure!(asked.is_empty(), "somebody asks for a lease: {asked:?}");
        Ok(())
    }
}

/// One directory for all programs, and one for libraries: links, each with its target.
const ONE_DIRECTORY: [(&str, &str); 6] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/bin"),
    ("usr/sbin", "bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib"),
    ("usr/lib64", "lib"),
];

/// The beginning of a small distribution's root: mount points, who it is, and its one user.
fn small_root(id: &str, name: &str) -> Result<ShapedRoot> {
    let root = ShapedRoot::new()?;
    root.directories(&["dev", "proc", "sys", "run", "tmp"])?;
    root.write("etc/hostname", &format!("{id}\n"))?;
    root.write("etc/passwd", "root::0:0:root:/root:/bin/sh\n")?;
    root.write("etc/os-release", &format!("NAME=\"{name}\"\nID={id}\n"))?;
    Ok(root)
}

/// Tells the NIC's addresses, the kinds of mounts, and processes, on the console through the kernel's log. It is followed
/// by what the distribution has of its own.
const TELL: &str = r#"
echo on > /proc/sys/kernel/printk_devkmsg
tell() { sed 's/^/<1>told: /' | while IFS= read -r line; do echo "$line" > /dev/kmsg; done; }
"#;

/// The facts that every root tells, and the end.
const FACTS: &str = r#"
ip -4 -o addr show dev eth0 | sed 's/.*inet \([^ ]*\) .*/address \1/' | tell
while read -r source place kind rest; do echo "mount $place $kind $rest"; done < /proc/self/mounts | tell
echo "init $(cat /proc/1/comm)" | tell
for file in /proc/[0-9]*/comm; do echo "process $(cat "$file" 2> /dev/null)"; done | tell
echo end | tell
"#;
