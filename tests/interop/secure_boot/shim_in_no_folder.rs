//! What shim asks for where its firmware does not tell it from which folder it was loaded.

use std::fs;

use anyhow::Result;
use netroot_harness::{NetrootServe, TinyRoot, paths};

use super::{offered, signed_by_vendor};
use crate::firmware::MACHINE;
use crate::lan::{Network, TIMEOUT};

/// An iPXE that nobody signed has the same name, and is what the machine would be given without Secure Boot.
#[test]
fn ipxes_shim_is_given_the_ipxe_that_it_starts_in_no_folder_too() -> Result<()> {
    let Network {
        net,
        client: machine,
        ..
    } = Network::new("shim-in-no-folder")?;
    // It is known by its network card.
    machine.shell(&format!("ip link set eth0 address {MACHINE}"))?;
    let (root, folder) = (TinyRoot::signed()?, tempfile::tempdir()?);
    let unsigned = fs::read(paths::signed_loaders().join("ipxe/snponly.efi"))?;
    let signed = signed_by_vendor(&unsigned)?;
    let shim = signed_by_vendor(&fs::read(paths::ipxe_shim().join("shimx64.efi"))?)?;
    // As in iPXE's archive.
    for (file, content) in [
        ("x86_64/snponly.efi", &unsigned),
        ("x86_64/ipxe.efi", &unsigned),
        ("x86_64-sb/shimx64.efi", &shim),
        ("x86_64-sb/snponly.efi", &signed),
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.with_file_name(""))?;
        fs::write(path, content)?;
    }
    let named = folder.path().display().to_string();
    let range = ["--interface", "br0", "--dhcp", "10.77.0.100-10.77.0.199"];
    let more = ["--ipxe", &named, "--secure-boot", "always"];
    let server = NetrootServe::start(&net, root.path(), &[&range[..], &more].concat())?;
    let loads = |name: &str| -> Result<Vec<u8>> {
        let to = folder.path().join("loaded").display().to_string();
        let url = format!("tftp://10.77.0.1/{name}");
        machine.run(&["curl", "-sS", "--max-time", "60", "-o", &to, &url])?;
        Ok(fs::read(to)?)
    };
    let names = ["ipxe.efi", "snponly.efi"];
    let given = offered(&machine)?;
    assert_eq!(given, "x86_64-sb/ipxe-shim.efi");
    for name in names {
        assert!(loads(name)? == unsigned, "{name} before the shim");
    }
    assert!(loads(&given)? == shim);
    let loaded = format!("\"name\":\"{given}\"");
    let output = server.output();
    output.wait_for(&loaded, "that shim was loaded", TIMEOUT)?;
    for name in names {
        assert!(loads(name)? == signed, "{name} after the shim");
    }
    Ok(())
}
