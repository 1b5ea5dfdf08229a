//! The server moves to another host, with its address and its key, over a copy of the image that the root is: a machine reads
//! its whole root again and again, and sees nothing of it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, TinyRoot};

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

#[test]
fn a_machine_keeps_its_root_when_the_server_moves_to_another_host_with_a_copy_of_the_image()
-> Result<()> {
    let lan = Lan::new("never-stale")?;
    let tiny = TinyRoot::with_few_modules()?;
    let whole = WholeRoot::of(tiny.path())?;
    let logs = lan.net.logs().to_owned();
    let text = |name: &str| logs.join(name).display().to_string();
    let tree = tiny.path().display().to_string();
    lan.net.run(&[
        "mksquashfs",
        &tree,
        &text("root.img"),
        "-quiet",
        "-no-progress",
        "-noI",
        "-noD",
    ])?;
    let place = logs.join("root");
    let mut first = serve(&lan.net, "br0", &place, &text("root.img"), &text("state"))?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let mut vm = lan.machine().nic(nic).start()?;
    whole.is_read_after(&vm, 0, TIMEOUT)?;

    // The host burns down while the machine reads.
    let begun = begins_to_read(&mut vm)?;
    first.program().kill()?;
    lan.net.shell(&format!("ip addr del {SERVER}/24 dev br0"))?;
    let host = Net::new("never-stale-second")?;
    lan.net
        .cable(&lan.bridge, &host, "eth0", &format!("{SERVER}/24"))?;
    std::fs::copy(text("root.img"), text("copy.img"))?;
    // What was backed up: the key, and the names by which its directories' handles are made.
    let copied = lan
        .net
        .run(&["cp", "-a", &text("state"), &text("state-copy")]);
    copied.context("copy the state")?;
    let second = serve(
        &host,
        "eth0",
        &place,
        &text("copy.img"),
        &text("state-copy"),
    )?;
    whole.is_read_after(&vm, begun, TIMEOUT)?;
    whole.is_read_once_more(&mut vm)?;
    ensure!(vm.running()?);
    let warned = second.events().into_iter();
    let warned: Vec<_> = warned
        .filter(|(_, event)| event.text.contains("another directory"))
        .collect();
    ensure!(warned.is_empty(), "{warned:?}");
    drop(second);
    Ok(())
}
