//! What the loader fetches and boots: the iPXE scripts, and the same in PXELINUX's syntax.
//!
//! Pure. Every URL of an iPXE script is absolute and has the address at which the machine reached the server: iPXE's own
//! `${next-server}` is the *main* DHCP server's, which is another machine in proxy mode.

use std::fmt::Write;
use std::net::SocketAddr;

use netroot_net::Mac;

use crate::catalog::{Assigned, Boots, Image, ImageFile};

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
    let name = &image.name;
    let linux = image.linux().unwrap_or_default();
    let again = again(image.offers_shell());
    let initrd_name = ImageFile::INITRD;
    let line = image.command_line(server, report);
    let (kernel, initrd) = (
        image.file_name(ImageFile::Kernel),
        image.file_name(ImageFile::INITRD),
    );
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
initrd --name {initrd_name} http://{server}/{initrd} || goto no_initrd
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
{again}
goto start
"
    );
    script
}

/// The script of a machine that boots no image.
pub(crate) fn no_image(assigned: &Assigned<'_>) -> String {
    let what = match assigned.boots {
        Boots::Refuse => "this server does not boot this machine",
        _ => "nothing is chosen for this machine yet",
    };
    let why = &assigned.why;
    format!("#!ipxe\necho netroot: {what} ({why})\nexit 1\n")
}

/// What [`boot`] does, as a configuration in PXELINUX's syntax, for U-Boot and Petitboot. Absolute paths are of the
/// server and protocol that it came by. Without `mac` the loader adds `BOOTIF` itself (`ipappend 2`).
pub(crate) fn pxelinux(
    image: &Image,
    server: SocketAddr,
    mac: Option<Mac>,
    report: Option<&str>,
) -> String {
    let (name, title) = (&image.name, image.title());
    let linux = image.linux().unwrap_or_default();
    let (kernel, initrd) = (
        image.file_name(ImageFile::Kernel),
        image.file_name(ImageFile::INITRD),
    );
    let whom = mac.map_or_else(|| "any machine".to_owned(), |mac| mac.to_string());
    let nic = mac.map(Mac::hyphenated);
    let line = image.arguments(server, nic.as_deref(), report);
    let ipappend = if mac.is_none() { "\tipappend 2\n" } else { "" };
    format!(
        "\
# netroot: {whom} boots {name} with Linux {linux}
default {name}
prompt 0

label {name}
\tmenu label netroot: {title}, Linux {linux}
\tkernel /{kernel}
\tinitrd /{initrd}
\tappend {line}
{ipappend}"
    )
}

/// The kernel's command line alone, as the ROM of a Raspberry Pi reads it: one line.
pub(crate) fn command_line(
    image: &Image,
    server: SocketAddr,
    mac: Option<Mac>,
    report: Option<&str>,
) -> String {
    let nic = mac.map(Mac::hyphenated);
    image.arguments(server, nic.as_deref(), report) + "\n"
}

/// The machine for which a name is PXELINUX's configuration: `None` in it for any (`default`, and U-Boot's
/// `default-arm` and `default-arm-<processor>`). Its other names, by UUID or address, are not served: it goes on to these.
pub(crate) fn pxelinux_machine(name: &str) -> Option<Option<Mac>> {
    let name = name.strip_prefix("pxelinux.cfg/")?;
    match name.strip_prefix("01-") {
        Some(mac) => mac.parse().ok().map(Some),
        None => (name == "default" || name.starts_with("default-")).then_some(None),
    }
}

/// What a script does before it tries again. iPXE's shell can load anything from anywhere, so it is not offered where
/// the command line forbids the init's (`netroot.shell=0`). Ctrl-C ends each line early, and never the script.
const fn again(shell: bool) -> &'static str {
    if shell {
        "echo netroot: trying again in 10 s; press s for a shell\n\
         prompt --key s --timeout 10000 && shell ||"
    } else {
        "echo netroot: trying again in 10 s\n\
         sleep 10 ||"
    }
}

/// The script that iPXE runs before any other: it fetches the machine's own. `shell`: it may offer iPXE's shell.
pub(crate) fn autoexec(server: SocketAddr, shell: bool) -> String {
    let again = again(shell);
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
{again}
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
            autoexec(SERVER, true),
            autoexec(SERVER, false),
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
    fn no_script_offers_a_shell_where_the_command_line_forbids_it() {
        let script = |append: &str| {
            let append = Some(append.to_owned());
            let image = Image {
                append,
                ..image("bookworm")
            };
            boot(&image, SERVER, Some(MAC), None)
        };
        let commands = |script: &str| {
            let mut words = script.split([' ', '\n']);
            words.any(|word| matches!(word, "shell" | "prompt" | "config" | "login"))
        };
        for append in ["quiet", "netroot.shell", "rd.shell=1"] {
            assert!(commands(&script(append)), "{append}");
        }
        for append in ["netroot.shell=0", "quiet rd.shell=0", "rd.shell=no"] {
            assert!(!commands(&script(append)), "{append}");
        }
        assert!(commands(&autoexec(SERVER, true)) && !commands(&autoexec(SERVER, false)));
    }

    #[test]
    fn pxelinux_gets_what_ipxe_gets_without_the_words_of_ipxe() {
        let config = pxelinux(&image("bookworm"), SERVER, Some(MAC), Some("/report/x"));
        assert_eq!(
            config,
            "# netroot: 52:54:00:12:34:56 boots bookworm with Linux 6.1.0\n\
             default bookworm\n\
             prompt 0\n\
             \n\
             label bookworm\n\
             \tmenu label netroot: bookworm, Linux 6.1.0\n\
             \tkernel /images/bookworm/vmlinuz\n\
             \tinitrd /images/bookworm/initrd.img\n\
             \tappend root=/dev/nfs \
             nfsroot=10.0.0.1:/bookworm,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-52-54-00-12-34-56 ro rd.overlay \
             netroot.report=http://10.0.0.1:8069/report/x\n"
        );
        let any = pxelinux(&image("bookworm"), SERVER, None, None);
        assert!(
            any.ends_with(" ip=dhcp ro rd.overlay\n\tipappend 2\n"),
            "{any}"
        );
        for (name, machine) in [
            ("pxelinux.cfg/01-52-54-00-12-34-56", Some(Some(MAC))),
            ("pxelinux.cfg/default", Some(None)),
            ("pxelinux.cfg/default-arm-bcm283x", Some(None)),
            ("pxelinux.cfg/01-52-54", None),
            ("pxelinux.cfg/0A000065", None),
            ("pxelinux.cfg", None),
            ("default", None),
        ] {
            assert_eq!(pxelinux_machine(name), machine, "{name}");
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
