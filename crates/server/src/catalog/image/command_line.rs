//! The kernel's command line.

use std::fmt::Write;
use std::net::SocketAddr;

use super::{Image, ImageFile, ImageKind, RootImage};

impl Image {
    /// The kernel's command line in an iPXE script: [`Image::arguments`] of the NIC that iPXE booted from.
    pub(crate) fn command_line(&self, server: SocketAddr, report: Option<&str>) -> String {
        let initrds = self.files().into_iter();
        let initrds = initrds.filter(|file| matches!(file, ImageFile::Initrd(_)));
        // The kernel's EFI stub looks for them by these names.
        let mut words: Vec<String> = initrds.map(|file| format!("initrd={file}")).collect();
        words.push(self.arguments(server, Some("${netX/mac:hexhyp}"), report));
        words.join(" ")
    }

    /// The kernel's command line, for a machine that reaches the HTTP server at `server`. `nic` is the MAC, as
    /// `52-54-00-12-34-56`, of the NIC that it boots from, so that the init uses the same one; `report` is the path of
    /// its boot reports, if it may send any. Without a root of ours it is what is appended.
    pub(crate) fn arguments(
        &self,
        server: SocketAddr,
        nic: Option<&str>,
        report: Option<&str>,
    ) -> String {
        let ours = match (&self.kind, self.nfsroot(server.ip())) {
            (ImageKind::Root(root), Some(nfsroot)) => {
                Some(root.arguments(&nfsroot, server, nic, report))
            }
            _ => None,
        };
        // What is appended overrides the system's own start.
        let words: Vec<&str> = ours
            .iter()
            .chain(&self.append)
            .map(String::as_str)
            .collect();
        words.join(" ")
    }
}

impl RootImage {
    fn arguments(
        &self,
        nfsroot: &str,
        server: SocketAddr,
        nic: Option<&str>,
        report: Option<&str>,
    ) -> String {
        let mut line = format!("root=/dev/nfs nfsroot={nfsroot} ip=dhcp");
        if let Some(nic) = nic {
            let _ = write!(line, " BOOTIF=01-{nic}");
        }
        line += " ro";
        if self.overlay {
            line += " rd.overlay";
        }
        // Only netroot's init reads it: it reports there how the boot went.
        if let Some(report) = report {
            let _ = write!(line, " netroot.report=http://{server}{report}");
        }
        if let Some(start) = &self.kernel.start {
            line += " ";
            line += start;
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::super::RootLocation;
    use super::*;
    use crate::catalog::tests::{image, root_image};

    const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 8069);

    #[test]
    fn the_command_line_is_the_one_that_the_init_and_other_initrds_read() {
        assert_eq!(
            image("bookworm").command_line(SERVER, Some("/report/52-54-00-12-34-56/0123")),
            "initrd=initrd.img root=/dev/nfs \
             nfsroot=10.0.0.1:/bookworm,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro rd.overlay \
             netroot.report=http://10.0.0.1:8069/report/52-54-00-12-34-56/0123"
        );
    }

    #[test]
    fn an_ipv6_address_is_in_brackets_in_urls_and_in_nfsroot() {
        let server = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
        let line = image("bookworm").command_line(SocketAddr::new(server, 8069), Some("/report/x"));
        for part in [
            " nfsroot=[2001:db8::1]:/bookworm,vers=3,",
            " netroot.report=http://[2001:db8::1]:8069/report/x",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn what_is_appended_comes_last_and_an_export_elsewhere_is_handed_out_word_for_word() {
        let elsewhere = Image {
            kind: ImageKind::Root(RootImage {
                location: RootLocation::Elsewhere("192.0.2.9:/srv/debian,vers=3".to_owned()),
                overlay: false,
                ..root_image("bookworm")
            }),
            append: Some("console=ttyS0 quiet".to_owned()),
            ..image("bookworm")
        };
        assert_eq!(
            elsewhere.command_line(SERVER, None),
            "initrd=initrd.img root=/dev/nfs nfsroot=192.0.2.9:/srv/debian,vers=3 \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro console=ttyS0 quiet"
        );
    }

    #[test]
    fn a_system_with_a_start_of_its_own_is_started_unless_something_else_is_appended() {
        let mut root = root_image("guix");
        root.kernel.start = Some("gnu.system=/s gnu.load=/s/boot".to_owned());
        let mut guix = image("guix");
        guix.kind = ImageKind::Root(root);
        guix.append = Some("init=/bin/sh".to_owned());
        let line = guix.command_line(SERVER, None);
        assert!(
            line.ends_with(" ro rd.overlay gnu.system=/s gnu.load=/s/boot init=/bin/sh"),
            "{line}"
        );
    }
}
