//! The iPXE scripts: what the loader is told to fetch and to boot.
//!
//! Pure text from values. Every URL is absolute and holds the address that the machine reached us at: iPXE's own
//! `${next-server}` is the *main* DHCP server's, which is another machine in proxy mode.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_proto::dhcp::Mac;

/// The kernel's name over TFTP and HTTP.
pub(crate) const KERNEL: &str = "vmlinuz";
/// The initrd's name over TFTP and HTTP; the same word is its `initrd=` name in the kernel's command line, which
/// the kernel's EFI stub looks for.
pub(crate) const INITRD: &str = "initrd.img";
/// The script that iPXE asks for beside its own binary.
pub(crate) const AUTOEXEC: &str = "autoexec.ipxe";
/// The script for a machine that did not say which one it is.
pub(crate) const GENERIC: &str = "boot.ipxe";
/// Where the init posts its boot reports; the machine's hardware address follows.
pub(crate) const REPORT: &str = "/report/";

/// Where a machine's root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// Our own export, at the address that the machine reached us at.
    Own {
        /// The image's name: the path of the export.
        image: String,
        /// The TCP port of NFS and MOUNT.
        port: u16,
    },
    /// An export elsewhere, word for word as `--nfsroot` has it: `ADDR:/PATH[,options]`.
    Elsewhere(String),
}

/// What the command line and the scripts are made from.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    /// The image's name, for people.
    pub(crate) image: String,
    /// The kernel's version, for people.
    pub(crate) kernel: String,
    /// Where the root is.
    pub(crate) root: Root,
    /// Whether the root is to come up writable under a tmpfs (`rd.overlay`).
    pub(crate) overlay: bool,
    /// Added at the end, where it overrides what stands before it.
    pub(crate) append: Option<String>,
}

impl Boot {
    /// Where the root is, as `nfsroot=` and DHCP's option 17 spell it, for a machine that reaches us at `server`.
    pub(crate) fn nfsroot(&self, server: Ipv4Addr) -> String {
        match &self.root {
            // Both ports, so that no machine has to ask a portmapper that may not be there.
            Root::Own { image, port } => {
                format!("{server}:/{image},vers=3,proto=tcp,port={port},mountport={port},nolock")
            }
            Root::Elsewhere(nfsroot) => nfsroot.clone(),
        }
    }

    /// The kernel's command line, for a machine that reaches us at `server`.
    ///
    /// `${netX/mac:hexhyp}` is iPXE's: the NIC that it booted from, so that the init takes the same one.
    pub(crate) fn command_line(&self, server: SocketAddrV4) -> String {
        let nfsroot = self.nfsroot(*server.ip());
        let mut line = format!("initrd={INITRD} root=/dev/nfs nfsroot={nfsroot}");
        line += " ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro";
        if self.overlay {
            line += " rd.overlay";
        }
        // Read by our init alone: it tells us there how the boot went.
        let _ = write!(
            line,
            " netroot.report=http://{server}{REPORT}${{netX/mac:hexhyp}}"
        );
        if let Some(append) = &self.append {
            line += " ";
            line += append;
        }
        line
    }

    /// The script that boots a machine; `server` is our HTTP address as the machine reaches it.
    pub(crate) fn script(&self, server: SocketAddrV4, mac: Option<Mac>) -> String {
        let Self { image, kernel, .. } = self;
        let line = self.command_line(server);
        let whom = mac.map_or_else(|| "any machine".to_owned(), |mac| mac.to_string());
        let mut script = format!("#!ipxe\n# netroot: {whom} boots {image} with Linux {kernel}\n");
        // A failed attempt may have left half an image behind: each attempt starts without any.
        let _ = write!(
            script,
            "\
:start
echo netroot: {image}, Linux {kernel}, from {server}
imgfree
kernel http://{server}/{KERNEL} {line} || goto no_kernel
initrd --name {INITRD} http://{server}/{INITRD} || goto no_initrd
boot || goto no_boot

:no_kernel
echo netroot: the kernel http://{server}/{KERNEL} could not be loaded (the line above says why)
goto again

:no_initrd
echo netroot: the initrd http://{server}/{INITRD} could not be loaded (the line above says why)
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
}

/// The script that iPXE runs before it asks anybody: it fetches the machine's own.
pub(crate) fn autoexec(server: SocketAddrV4) -> String {
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
    use super::*;

    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 8069);
    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn boot() -> Boot {
        Boot {
            image: "bookworm".to_owned(),
            kernel: "6.1.0-56-amd64".to_owned(),
            root: Root::Own {
                image: "bookworm".to_owned(),
                port: 2049,
            },
            overlay: true,
            append: None,
        }
    }

    #[test]
    fn the_command_line_is_the_one_that_the_init_and_other_initrds_read() {
        assert_eq!(
            boot().command_line(SERVER),
            "initrd=initrd.img root=/dev/nfs \
             nfsroot=10.0.0.1:/bookworm,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro rd.overlay \
             netroot.report=http://10.0.0.1:8069/report/${netX/mac:hexhyp}"
        );
    }

    #[test]
    fn what_is_appended_comes_last_and_an_export_elsewhere_is_handed_out_word_for_word() {
        let elsewhere = Boot {
            root: Root::Elsewhere("192.0.2.9:/srv/debian,vers=3".to_owned()),
            overlay: false,
            append: Some("console=ttyS0 quiet".to_owned()),
            ..boot()
        };
        assert_eq!(
            elsewhere.command_line(SERVER),
            "initrd=initrd.img root=/dev/nfs nfsroot=192.0.2.9:/srv/debian,vers=3 \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro \
             netroot.report=http://10.0.0.1:8069/report/${netX/mac:hexhyp} console=ttyS0 quiet"
        );
    }

    #[test]
    fn every_url_of_a_script_is_absolute_and_every_jump_has_its_label() {
        for script in [boot().script(SERVER, Some(MAC)), autoexec(SERVER)] {
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
        let script = boot().script(SERVER, Some(MAC));
        assert!(
            script.contains("# netroot: 52:54:00:12:34:56 boots bookworm"),
            "{script}"
        );
        assert!(script.contains("\nkernel http://10.0.0.1:8069/vmlinuz initrd=initrd.img root="));
        assert!(script.contains("\ninitrd --name initrd.img http://10.0.0.1:8069/initrd.img ||"));
    }
}
