//! The iPXE scripts: what the loader fetches and boots.
//!
//! Pure. Every URL is absolute and has the address at which the machine reached the server: iPXE's own
//! `${next-server}` is the *main* DHCP server's, which is another machine in proxy mode.

use std::fmt::Write;
use std::net::SocketAddr;

use netroot_net::Mac;

use crate::catalog::{INITRD, Image};

/// The script that iPXE requests from the folder of its own binary.
pub(crate) const AUTOEXEC: &str = "autoexec.ipxe";
/// The script for a machine that does not identify itself.
pub(crate) const GENERIC: &str = "boot.ipxe";

/// The script that boots a machine; `server` is the HTTP server's address as the machine reaches it, `report` the path
/// of its boot reports.
pub(crate) fn boot(
    image: &Image,
    server: SocketAddr,
    mac: Option<Mac>,
    report: Option<&str>,
) -> String {
    let Image { name, kernel, .. } = image;
    let linux = &kernel.version;
    let line = image.command_line(server, report);
    let (kernel, initrd) = (image.kernel_name(), image.initrd_name());
    let whom = mac.map_or_else(|| "any machine".to_owned(), |mac| mac.to_string());
    let mut script = format!("#!ipxe\n# netroot: {whom} boots {name} with Linux {linux}\n");
    // A failed attempt may have left a partial image (iPXE's word for a loaded file): each attempt starts without any.
    let _ = write!(
        script,
        "\
:start
echo netroot: {name}, Linux {linux}, from {server}
imgfree
kernel http://{server}/{kernel} {line} || goto no_kernel
initrd --name {INITRD} http://{server}/{initrd} || goto no_initrd
boot || goto no_boot

:no_kernel
echo netroot: the kernel http://{server}/{kernel} could not be loaded (the line above says why)
goto again

:no_initrd
echo netroot: the initrd http://{server}/{initrd} could not be loaded (the line above says why)
goto again

:no_boot
echo netroot: the kernel was loaded but does not start: is it built for this machine's processor and firmware?
goto again

:again
echo netroot: trying again in 10 s; press s for a shell
prompt --key s --timeout 10000 && shell ||
goto start
"
    );
    script
}
/// The script that iPXE runs before any other: it fetches the machine's own.
pub(crate) fn autoexec(server: SocketAddr) -> String {
    format!(
        "\
#!ipxe
:start
isset ${{netX/ip}} || dhcp || goto no_address
chain http://{server}/boot/${{netX/mac:hexhyp}}.ipxe || goto no_script

:no_address
echo netroot: no DHCP server gave this machine an address
goto again

:no_script
echo netroot: http://{server} did not give this machine its script (the line above says why)
goto again

:again
echo netroot: trying again in 10 s; press s for a shell
prompt --key s --timeout 10000 && shell ||
goto start
"
    )
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::catalog::tests::image;

    const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 8069);
    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn every_url_in_a_script_is_absolute_and_every_jump_has_its_label() {
        for script in [
            boot(&image("bookworm"), SERVER, Some(MAC), None),
            autoexec(SERVER),
        ] {
            assert!(script.starts_with("#!ipxe\n"), "{script}");
            for (position, _) in script.match_indices("http://") {
                assert!(
                    script[position..].starts_with("http://10.0.0.1:8069"),
                    "{script}"
                );
            }
            for jump in script.split("goto ").skip(1) {
                let label = jump.split_whitespace().next().unwrap();
                assert!(
                    script.contains(&format!("\n:{label}\n")),
                    "no label {label}: {script}"
                );
            }
            assert!(script.is_ascii(), "iPXE's console knows ASCII only");
        }
    }

    #[test]
    fn a_machine_is_named_in_its_script() {
        let script = boot(&image("bookworm"), SERVER, Some(MAC), None);
        assert!(
            script.contains("# netroot: 52:54:00:12:34:56 boots bookworm"),
            "{script}"
        );
        assert!(script.contains(
            "\nkernel http://10.0.0.1:8069/images/bookworm/vmlinuz initrd=initrd.img root="
        ));
        assert!(script.contains(
            "\ninitrd --name initrd.img http://10.0.0.1:8069/images/bookworm/initrd.img ||"
        ));
    }
}
