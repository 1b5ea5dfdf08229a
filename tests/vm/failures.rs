//! Boots that cannot work: each ends in one sentence that names the cause and the remedy, and then in the configured
//! policy, never in a kernel panic. From the NIC to the root's init:
//!
//! | what is wrong | the sentence | test |
//! |---|---|---|
//! | no driver for the card | the initrd has no driver for PCI device … | [`network`] |
//! | no cable | no carrier: nothing is at the other end of eth0 … | [`network`] |
//! | the command line names another card | no network card to use … | [`network`] |
//! | no DHCP server | no DHCP server answered on eth0 … | [`network`] |
//! | the kernel has no packet sockets | the kernel has no packet sockets, which DHCP needs … | [`network`] |
//! | a lease without a root | neither the command line nor DHCP option 17 names a root | [`network`] |
//! | no route | there is no route from … to … | [`network`] |
//! | the router is silent | the router … does not even answer ARP | [`network`] |
//! | the router is in another network | the router … is not in this machine's own network | [`network`] |
//! | the server behind the router is silent | the router … is up (it answers ARP) | [`network`] |
//! | the server is silent | … does not even answer ARP | [`network`] |
//! | a firewall drops port 111, or 2049 | … is up (it answers ARP): check that no firewall … | [`server`] |
//! | the network loses frames | the network loses frames (… answers … of 10 ARP requests) | [`server`] |
//! | the port is closed | … refuses connections on port … | [`server`] |
//! | the port accepts connections and sends nothing | … not even an empty call (NULL) | [`server`] |
//! | another program listens there | … does not speak RPC | [`server`] |
//! | another RPC program listens there | … speaks RPC but is not the … | [`server`] |
//! | NFS is not registered | the portmapper of … does not know the NFS server | [`server`] |
//! | the path is not exported | … does not export …; it exports … | [`root`] |
//! | the client is not allowed | … but not to this machine's address … | [`root`] |
//! | there is no init | the root … has no /sbin/init, … | [`root`] |
//! | the init is for another processor | … is for aarch64 and this machine is x86_64 | [`root`] |
//! | the init is not a program, or its loader is missing | … is neither a program nor a script; … is run by … | [`root`] |
//! | the export is for Kerberos alone | … exports … to clients with Kerberos (sec=krb5) only | `unfit_roots.rs` |
//! | a live image, a link to nothing, another file system | … has no /sbin/init, …: it is the folder of a live image | `unfit_roots.rs` |
//! | /dev, /proc, /sys or /run is missing | cannot switch to the root …: it has no /dev … to mount on | `unfit_roots.rs` |
//! | the root is mounted noexec | cannot switch to the root …: it is mounted noexec | `unfit_roots.rs` |

mod network;
mod root;
mod server;

use anyhow::Result;
use netroot_harness::{NetrootServe, TinyRoot, Vm};

use crate::lan::{Facts, Lan, SERVER, STATIC, TIMEOUT};

/// A server's ports as mount options, so that no portmapper is asked.
const PORTS: &str = "vers=3,proto=tcp,port=2049,mountport=2049,nolock";

/// Waits for the failure's sentence, then for the next attempt.
pub(crate) fn assert_fails_with(vm: &mut Vm, sentence: &str) -> Result<()> {
    let seen = vm.wait_for(sentence, "the failure's sentence", TIMEOUT)?;
    assert!(
        seen.line.contains("netroot: boot failed: "),
        "{}",
        seen.line
    );
    // What failed and why, then what to do.
    let advice = seen.line.split_once("; ").map_or("", |(_, advice)| advice);
    assert!(!advice.is_empty(), "no advice: {}", seen.line);
    vm.console().wait_after(
        seen.end,
        "netroot: trying again in ",
        "another attempt",
        TIMEOUT,
    )?;
    assert!(!vm.console().contains("Kernel panic"));
    assert!(vm.running()?);
    Ok(())
}

#[test]
fn a_failure_with_panic_set_reboots_instead_of_waiting() -> Result<()> {
    let lan = Lan::new("panic-reboots")?;
    let mut vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot=10.77.0.77:/srv/root {STATIC} panic=3"
    ))?;
    vm.wait_for("netroot: rebooting in 3 s (panic=3)", "the policy", TIMEOUT)?;
    // QEMU exits where a machine would reboot (-no-reboot).
    vm.wait(TIMEOUT)?;
    assert!(!vm.console().contains("Kernel panic"));
    Ok(())
}

#[test]
fn a_failed_machine_boots_as_soon_as_the_server_starts() -> Result<()> {
    let lan = Lan::new("server-after-failure")?;
    let root = TinyRoot::make()?;
    let image = root
        .path()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let nfsroot = format!("nfsroot={SERVER}:/{image},{PORTS}");
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} ro"))?;
    vm.wait_for("netroot: trying again in ", "a first failure", TIMEOUT)?;
    let _server: NetrootServe = lan.serve_beside(root.path())?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn quiet_silences_everything_but_failures() -> Result<()> {
    let lan = Lan::new("quiet-failure")?;
    let line =
        format!("root=/dev/nfs nfsroot=10.77.0.77:/srv/root {STATIC} rd.route=nonsense quiet");
    let mut vm = lan.boot(&line)?;
    assert_fails_with(&mut vm, "10.77.0.77 does not even answer ARP")?;
    let said = vm.console().text();
    let first = said.lines().find(|line| line.contains("netroot: "));
    let failed = first.is_some_and(|line| line.contains("netroot: boot failed: "));
    assert!(failed, "said before the failure: {first:?}");
    Ok(())
}
