//! The server moves to another host, with its key, over a copy of the image that the root is: a machine reads its whole root
//! again and again, and sees nothing of it. So it does where the address moves along, and where it is another one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, TinyRoot, Vm};

use crate::lan::{Lan, MACHINE, RANGE, SERVER, TIMEOUT};
use crate::whole_root::{WholeRoot, begins_to_read};

/// Serves the image, which is mounted where every host has it.
fn serve(
    net: &Net,
    interface: &str,
    place: &Path,
    image: &str,
    state: &str,
) -> Result<NetrootServe> {
    std::fs::create_dir_all(place)?;
    let root = place.display().to_string();
    net.run(&["mount", "-t", "squashfs", "-o", "loop,ro", image, &root])?;
    let append = format!("{QUICK_KERNEL_PARAMETERS} facts.stay facts.sum");
    let arguments = [
        ["--interface", interface],
        ["--dhcp", RANGE],
        ["--append", &append],
        ["--modules", "virtio_net"],
    ];
    let mut arguments = arguments.concat();
    arguments.push("--no-overlay");
    NetrootServe::start_with_state(net, place, state, &arguments)
}

/// A machine that reads its root over and over, and the image that this is.
struct Moving {
    lan: Lan,
    whole: WholeRoot,
    server: NetrootServe,
    vm: Vm,
    /// For how much of its console's text the root was read before.
    begun: usize,
}

impl Moving {
    fn boot(name: &str) -> Result<Self> {
        let lan = Lan::new(name)?;
        let tiny = TinyRoot::with_few_modules()?;
        let whole = WholeRoot::of(tiny.path())?;
        let tree = tiny.path().display().to_string();
        let image = text(&lan, "root.img");
        lan.net.run(&[
            "mksquashfs",
            &tree,
            &image,
            "-quiet",
            "-no-progress",
            "-noI",
            "-noD",
        ])?;
        let state = text(&lan, "state");
        let server = serve(&lan.net, "br0", &place(&lan), &image, &state)?;
        let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let mut vm = lan.machine().nic(nic).start()?;
        whole.is_read_after(&vm, 0, TIMEOUT)?;
        let begun = begins_to_read(&mut vm)?;
        Ok(Self {
            lan,
            whole,
            server,
            vm,
            begun,
        })
    }

    /// The host burns down while the machine reads. What is left is a copy of the image, and of what was backed up: the key, and
    /// the names by which its directories' handles are made.
    fn lose_the_host(&mut self) -> Result<()> {
        self.server.program().kill()?;
        let lan = &self.lan;
        lan.net.shell(&format!("ip addr del {SERVER}/24 dev br0"))?;
        std::fs::copy(text(lan, "root.img"), text(lan, "copy.img"))?;
        let (state, copy) = (text(lan, "state"), text(lan, "state-copy"));
        let copied = lan.net.run(&["cp", "-a", &state, &copy]);
        copied.context("copy the state")?;
        Ok(())
    }

    /// A server of the copied image on another host.
    fn serve_on(&self, host: &Net, interface: &str, state: &str) -> Result<NetrootServe> {
        let (image, state) = (text(&self.lan, "copy.img"), text(&self.lan, state));
        serve(host, interface, &place(&self.lan), &image, &state)
    }

    /// The machine reads on to the end, and once more.
    fn reads_on(&mut self) -> Result<()> {
        self.whole.is_read_after(&self.vm, self.begun, TIMEOUT)?;
        self.whole.is_read_once_more(&mut self.vm)?;
        ensure!(self.vm.running()?);
        Ok(())
    }
}

fn text(lan: &Lan, name: &str) -> String {
    lan.net.logs().join(name).display().to_string()
}

/// Every host has the root there.
fn place(lan: &Lan) -> PathBuf {
    lan.net.logs().join("root")
}

#[test]
fn a_machine_keeps_its_root_when_the_server_moves_to_another_host_with_a_copy_of_the_image()
-> Result<()> {
    let mut moving = Moving::boot("never-stale")?;
    moving.lose_the_host()?;
    let host = Net::new("never-stale-second")?;
    let bridge = &moving.lan.bridge;
    moving
        .lan
        .net
        .cable(bridge, &host, "eth0", &format!("{SERVER}/24"))?;
    let second = moving.serve_on(&host, "eth0", "state-copy")?;
    moving.reads_on()?;
    let warned = second.events().into_iter();
    let warned: Vec<_> = warned
        .filter(|(_, event)| event.text.contains("another directory"))
        .collect();
    ensure!(warned.is_empty(), "{warned:?}");
    Ok(())
}

#[test]
fn a_machine_follows_its_server_to_another_address_and_no_other_server_of_that_name() -> Result<()>
{
    let mut moving = Moving::boot("other-address")?;
    moving.lose_the_host()?;
    // It has the same files under the same name, and another key.
    let stranger = Net::new("other-address-stranger")?;
    let bridge = &moving.lan.bridge;
    let net = &moving.lan.net;
    net.cable(bridge, &stranger, "eth1", "10.77.0.3/24")?;
    let impostor = moving.serve_on(&stranger, "eth1", "state-of-another")?;
    impostor.wait_for_kind("dhcp-inform", TIMEOUT)?;
    drop(impostor);
    let host = Net::new("other-address-second")?;
    net.cable(bridge, &host, "eth0", "10.77.0.2/24")?;
    let second = moving.serve_on(&host, "eth0", "state-copy")?;
    let moved = "the root's server is at 10.77.0.2 now, and no longer at 10.77.0.1";
    moving
        .vm
        .wait_for(moved, "the machine to follow its server", TIMEOUT)?;
    moving.reads_on()?;
    let console = moving.vm.console().text();
    ensure!(!console.contains("10.77.0.3 now"), "{console}");
    drop(second);
    Ok(())
}
