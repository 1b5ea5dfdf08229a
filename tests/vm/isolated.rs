//! Machines in an isolated network: a bridge that has no address, beside the house's network.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{
    Dnsmasq, Firmware, IsolatedLab, KeptState, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom,
    Tap, TinyRoot, Vm, VmBuilder,
};

use crate::lan::{Facts, MACHINE, TIMEOUT};

const OUTSIDE: &str = "192.168.7.1:7777";
/// A machine in the house.
const IN_HOUSE: &str = "52:54:00:77:00:02";

/// Dropped in this order: who uses a network before the network.
struct Site {
    lab: Tap,
    nets: IsolatedLab,
    root: TinyRoot,
}

impl Site {
    fn new(name: &str) -> Result<Self> {
        let nets = IsolatedLab::new(name)?;
        Ok(Self {
            lab: nets.server.tap("machine", &nets.lab)?,
            nets,
            root: TinyRoot::make()?,
        })
    }

    fn serve(&self, more: &[&str]) -> Result<NetrootServe> {
        let append = format!("{QUICK_KERNEL_PARAMETERS} facts.reach={OUTSIDE}");
        let mut arguments = vec!["--isolated", "lab", "--modules", "virtio_net"];
        arguments.extend(["--append", &append]);
        arguments.extend(more);
        NetrootServe::start(&self.nets.server, self.root.path(), &arguments)
    }

    fn machine(&self) -> VmBuilder<'_> {
        VmBuilder::new(&self.nets.server, "console").quick_firmware()
    }

    /// What is to be as it was.
    fn state(&self) -> Result<KeptState<'_>> {
        KeptState::of(
            &self.nets.server,
            "ip -o link show lab | grep -o '<.*UP.*>' || true
             ip -4 -o addr show
             for device in all house lab; do cat /proc/sys/net/ipv4/conf/$device/forwarding; done
             nft list ruleset",
        )
    }

    /// Tells everybody who connects in the house from where. Ends with the sender that it returns.
    fn answer_outside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let listener = self.nets.house.within(|| Ok(TcpListener::bind(OUTSIDE)?))?;
        listener.set_nonblocking(true)?;
        let (done, end) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while end.recv_timeout(Duration::from_millis(20))
                    != Err(mpsc::RecvTimeoutError::Disconnected)
                {
                    if let Ok((mut stream, peer)) = listener.accept() {
                        let _ = write!(stream, "welcome from {}", peer.ip());
                    }
                }
            });
            let result = work();
            drop(done);
            result
        })
    }
}

/// Boots a machine with NAT, which reaches the house; then everything is as before.
fn boots(
    name: &str,
    machine: impl FnOnce(VmBuilder<'_>, Nic) -> VmBuilder<'_> + Send,
) -> Result<()> {
    let site = Site::new(name)?;
    let before = site.state()?;
    let house = IsolatedLab::HOUSE.to_string();
    let mut server = site.serve(&["--nat", "--dns", &house])?;
    site.answer_outside(|| {
        let vm = machine(site.machine(), Nic::virtio(&site.lab, MACHINE)).start()?;
        let facts = Facts::of(&vm)?;
        facts.assert_overlay();
        let reached = facts.all("reach");
        // Under the server's address.
        ensure!(
            reached == format!("welcome from {}", IsolatedLab::SERVER),
            "{reached}"
        );
        ensure!(
            facts.all("resolv.conf").contains(&house),
            "{}",
            facts.all("resolv.conf")
        );
        // The server is the router: 10.77.0.1.
        ensure!(
            facts.all("route").contains("00000000\t01004D0A"),
            "{}",
            facts.all("route")
        );
        Ok(())
    })?;
    server.terminate()?;
    before.ensure()
}

#[test]
fn bios_boots_in_an_isolated_network_and_reaches_the_outside() -> Result<()> {
    boots("isolated-bios", |machine, nic| {
        machine.nic(nic.with_rom(Rom::Ipxe))
    })
}

#[test]
fn uefi_boots_in_an_isolated_network_and_reaches_the_outside() -> Result<()> {
    boots("isolated-uefi", |machine, nic| {
        machine.firmware(Firmware::Uefi).nic(nic)
    })
}

#[test]
fn uefi_boots_by_http_in_an_isolated_network_and_reaches_the_outside() -> Result<()> {
    boots("isolated-http", |machine, nic| {
        machine.firmware(Firmware::UefiHttp).nic(nic)
    })
}

#[test]
fn a_server_that_is_killed_takes_the_way_outside_with_it() -> Result<()> {
    let site = Site::new("isolated-kill")?;
    let before = site.state()?;
    let mut server = site.serve(&["--nat"])?;
    let vm = site
        .machine()
        .nic(Nic::virtio(&site.lab, MACHINE).with_rom(Rom::Ipxe))
        .start()?;
    vm.wait_for(
        "netroot: switch_root to ",
        "the init's switch of root",
        TIMEOUT,
    )?;
    server.program().kill()?;
    before.wait(TIMEOUT)
}

#[test]
fn two_interfaces_at_once_have_each_its_own_way() -> Result<()> {
    let site = Site::new("isolated-two")?;
    let range = ("192.168.7.100", "192.168.7.149");
    let router = Dnsmasq::start(&site.nets.house, "lan", range.0, range.1, &[])?;
    let server = site.serve(&["--interface", "house"])?;
    let house = netroot_harness::Bridge("house".to_owned());
    let in_house = site.nets.server.tap("second", &house)?;
    let start = |tap: &Tap, mac: &str, console: &str| -> Result<Vm> {
        let nic = Nic::virtio(tap, mac).with_rom(Rom::Ipxe);
        VmBuilder::new(&site.nets.server, console).nic(nic).start()
    };
    let (lab, house) = (
        start(&site.lab, MACHINE, "lab")?,
        start(&in_house, IN_HOUSE, "house")?,
    );
    let lab = Facts::of(&lab)?;
    lab.assert_overlay();
    ensure!(lab.all("fib").contains("10.77.0."), "{}", lab.all("fib"));
    // No NAT was asked for.
    ensure!(
        lab.all("reach").starts_with("failed"),
        "{}",
        lab.all("reach")
    );
    let house = Facts::of(&house)?;
    house.assert_overlay();
    ensure!(
        house.all("fib").contains("192.168.7.1"),
        "{}",
        house.all("fib")
    );
    ensure!(router.log().contains("DHCPACK(lan) 192.168.7.1"));
    let given: Vec<_> = server
        .events()
        .into_iter()
        .filter(|(_, event)| event.kind == "dhcp-ack")
        .collect();
    ensure!(
        given
            .iter()
            .all(|(_, event)| event.machine.as_deref() == Some(MACHINE)),
        "{given:#?}"
    );
    let first = given.first().context("no address in the lab")?;
    ensure!(first.1.text.contains("10.77.0."), "{first:?}");
    Ok(())
}
