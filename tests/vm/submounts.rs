//! A root with file systems of their own for `/usr` and `/home`: the machine sees one tree, also below its overlay.

use std::time::Duration;

use anyhow::Result;
use netroot_harness::{Nic, Rom, TinyRoot};

use crate::lan::{Facts, Lan, MACHINE, TIMEOUT};

/// Makes `/usr` an ext4 and `/home` a tmpfs, with what was in the folders, which are empty below. `/etc/witness` is in
/// `/usr` now.
const PARTS: &str = "
truncate -s 1G /run/usr.img
mkfs.ext4 -q -d usr /run/usr.img
rm -r usr
mkdir usr
mount -o loop /run/usr.img usr
mkdir -p usr/share
mv etc/witness usr/share/witness
ln -s ../usr/share/witness etc/witness
mv home home.here
mkdir home
mount -t tmpfs -o mode=755 home home
cp -a home.here/. home
rm -r home.here";

#[test]
fn usr_and_home_on_file_systems_of_their_own_are_there_over_a_restart_of_the_server() -> Result<()>
{
    let lan = Lan::new("submounts")?;
    let root = TinyRoot::make()?;
    let place = root.path().display();
    lan.net.shell(&format!("cd {place}{PARTS}"))?;
    let serve = || lan.serve_appending(root.path(), "facts.stay", &[]);
    let mut server = serve()?;
    let told = server
        .events()
        .into_iter()
        .any(|(_, event)| event.text.contains("usr") && event.text.contains("home"));
    assert!(told, "{:#?}", server.events());

    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let mut vm = lan.machine().nic(nic).start()?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    for part in ["/usr", "/home"] {
        assert_eq!(facts.mount(part), "", "a mount of its own");
    }
    // A user reads a file in one part, and changes one in the other.
    assert_eq!(
        facts.all("user"),
        "reads the root's own words\nchanges succeeded\nmakes succeeded\nlists made note"
    );

    // It drops its caches each second and reads the file in `/usr`.
    vm.wait_for("facts: tick 2 the root's own words", "its root", TIMEOUT)?;
    server.program().kill()?;
    std::thread::sleep(Duration::from_secs(3));
    let silent = vm.console().text().len();
    server = serve()?;
    let seen =
        vm.console()
            .wait_after(silent, "facts: tick", "the machine reading again", TIMEOUT)?;
    assert!(seen.line.contains("the root's own words"), "{}", seen.line);
    assert!(!vm.console().contains("Stale file handle"));
    assert!(vm.running()?);
    drop(server);
    Ok(())
}
