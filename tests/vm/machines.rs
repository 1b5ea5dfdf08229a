//! A machine with a name, an address and an image for one boot, through real firmware.

use std::path::Path;

use anyhow::Result;
use netroot_harness::{NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, TinyRoot, paths};

use crate::lan::{Facts, Lan, MACHINE, RANGE, write};

#[test]
fn a_machine_has_its_name_and_its_address_in_its_root_and_boots_an_image_once() -> Result<()> {
    let lan = Lan::new("machine")?;
    let (debian, lab) = (TinyRoot::make()?, TinyRoot::make()?);
    write(&lab.path().join("etc/witness"), "the lab's own words\n")?;
    let image = |name: &str, root: &Path| {
        let root = root.display();
        format!(
            "[image.{name}]\nroot = \"{root}\"\nmodules = \"virtio_net\"\nappend = \"{QUICK_KERNEL_PARAMETERS}\"\n"
        )
    };
    let state = lan.net.logs().join("state");
    let config = format!(
        "default = \"debian\"\n[server]\nstate = \"{}\"\ncache = \"{}\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = [\"{RANGE}\"]\n{}{}\
         [machine.ada]\nmac = \"{MACHINE}\"\naddress = \"10.77.0.9\"\n",
        state.display(),
        paths::target().join("netroot-initrds").display(),
        image("debian", debian.path()),
        image("lab", lab.path()),
    );
    let orders = format!("{{\"{MACHINE}\": {{\"once\": \"lab\"}}}}");
    write(&state.join("orders.json"), &orders)?;
    let file = lan.net.logs().join("etc/netroot.toml");
    write(&file, &config)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    for witness in ["the lab's own words", "the root's own words"] {
        let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let facts = Facts::of(&lan.machine().nic(nic).start()?)?;
        assert_eq!(facts.all("witness"), witness);
        assert_eq!(facts.all("hostname"), "ada");
        let addresses = facts.all("fib");
        let has = |address: &str| addresses.split_whitespace().any(|word| word == address);
        assert!(has("10.77.0.9"), "{addresses}");
    }
    let events = server.events().into_iter();
    let taken = events.filter(|(_, event)| event.kind == "boots-once");
    assert_eq!(taken.count(), 1);
    Ok(())
}
