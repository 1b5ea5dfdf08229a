//! The kernel's command line.

use std::fmt::Write;
use std::net::SocketAddr;

use super::image::{Image, ImageFile, ImageKind, RootLocation};
use crate::append::{self, Expanded, Values};

/// Where the list of what an image's boots read is over HTTP, with the image's name behind it.
pub(crate) const READAHEAD: &str = "/readahead/";

/// Who boots an image, as far as its command line depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipient<'a> {
    /// The HTTP server as the machine reaches it.
    pub(crate) server: SocketAddr,
    /// The path of its boot reports, if it may send any.
    pub(crate) report: Option<&'a str>,
    /// What is known of it. The image, the server and the URL of its reports are filled in from the rest.
    pub(crate) values: Values<'a>,
}

impl Image {
    /// The kernel's command line in an iPXE script: [`Image::arguments`] of the NIC that iPXE booted from.
    pub(crate) fn command_line(&self, to: &Recipient<'_>) -> Expanded {
        let mut to = *to;
        to.values.by_ipxe = true;
        let arguments = self.arguments(&to, Some("${netX/mac:hexhyp}"));
        let initrds = self.files().into_iter();
        let initrds = initrds.filter(|file| matches!(file, ImageFile::Initrd(_)));
        // The kernel's EFI stub looks for them by these names.
        let mut words: Vec<String> = initrds.map(|file| format!("initrd={file}")).collect();
        words.push(arguments.line);
        Expanded {
            line: words.join(" "),
            ..arguments
        }
    }

    /// The kernel's command line, for a machine that reaches the HTTP server at `server`. `nic` is the MAC, as
    /// `52-54-00-12-34-56`, of the NIC that it boots from, so that the init uses the same one. Without a root of ours it
    /// is what is appended.
    pub(crate) fn arguments(&self, to: &Recipient<'_>, nic: Option<&str>) -> Expanded {
        let (server, report) = (to.server, to.report);
        let url = report.map(|path| format!("http://{server}{path}"));
        let ours = match (&self.kind, self.nfsroot(server.ip())) {
            (ImageKind::Root(root), Some(nfsroot)) => {
                let own = RootArguments {
                    nfsroot: Some(&nfsroot),
                    name: to.values.name,
                    nic,
                    overlay: root.overlay,
                    report: url.as_deref(),
                    start: root.kernel.start.as_deref(),
                };
                let mut line = own.line();
                // Only netroot's init reads it, and only of our own export it is known what a boot reads.
                if let (true, RootLocation::Own { .. }) = (report.is_some(), &root.location) {
                    let name = &self.name;
                    let _ = write!(line, " netroot.readahead=http://{server}{READAHEAD}{name}");
                }
                Some(line)
            }
            _ => None,
        };
        let values = Values {
            image: &self.name,
            server: Some(server.ip()),
            report: url.as_deref(),
            ..to.values
        };
        let appended = self.append.as_deref().unwrap_or_default();
        let appended = append::expand(appended, &values);
        // What is appended overrides the system's own start.
        let words = [ours.as_deref(), Some(&appended.line)]
            .into_iter()
            .flatten();
        let words: Vec<&str> = words.filter(|words| !words.is_empty()).collect();
        Expanded {
            line: words.join(" "),
            ..appended
        }
    }
}

/// What mounts a root, and starts the system in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RootArguments<'a> {
    /// The root, as `nfsroot=` has it; `None` where DHCP's option 17 says so.
    pub(crate) nfsroot: Option<&'a str>,
    /// The machine's host name.
    pub(crate) name: Option<&'a str>,
    /// The MAC of the NIC that it boots from, as [`Image::arguments`] has it.
    pub(crate) nic: Option<&'a str>,
    /// Whether there is a tmpfs over the root.
    pub(crate) overlay: bool,
    /// Where it reports how the boot went.
    pub(crate) report: Option<&'a str>,
    /// The parameters that start the root's system, where `/sbin/init` does not.
    pub(crate) start: Option<&'a str>,
}

impl RootArguments<'_> {
    /// The command line.
    pub(crate) fn line(&self) -> String {
        let mut line = "root=/dev/nfs".to_owned();
        if let Some(nfsroot) = self.nfsroot {
            let _ = write!(line, " nfsroot={nfsroot}");
        }
        line += " ip=";
        if let Some(name) = self.name {
            // The fifth field is the host name (the kernel's nfsroot.rst).
            let _ = write!(line, "::::{name}::");
        }
        line += "dhcp";
        if let Some(nic) = self.nic {
            let _ = write!(line, " BOOTIF=01-{nic}");
        }
        line += " ro";
        if self.overlay {
            line += " rd.overlay";
        }
        // Only netroot's init reads it: it reports there how the boot went.
        if let Some(report) = self.report {
            let _ = write!(line, " netroot.report={report}");
        }
        if let Some(start) = self.start {
            line += " ";
            line += start;
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::super::image::{KernelImage, RootImage, RootLocation};
    use super::*;
    use crate::catalog::tests::{image, root_image};

    const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 8069);

    fn to(server: SocketAddr, report: Option<&'static str>) -> Recipient<'static> {
        Recipient {
            server,
            report,
            values: Values::default(),
        }
    }

    #[test]
    fn a_kernel_of_its_own_gets_what_is_appended_and_its_initrds_by_their_names() {
        let kernel = Image {
            append: Some(
                "console=ttyS0 host=${name} netroot.report=${report} ip=${mac:hexhyp}".to_owned(),
            ),
            kind: ImageKind::Kernel(KernelImage {
                kernel: "/k".into(),
                initrds: vec!["/a".into(), "/b".into()],
            }),
            ..image("installer")
        };
        let line = kernel.command_line(&to(SERVER, Some("/report/x")));
        assert_eq!(
            line.line,
            "initrd=initrd.img initrd=initrd2.img console=ttyS0 \
             netroot.report=http://10.0.0.1:8069/report/x ip=${netX/mac:hexhyp}"
        );
        assert_eq!(line.left_out, ["host=${name}"]);
        let plain = kernel.arguments(&to(SERVER, None), None);
        assert_eq!(plain.line, "console=ttyS0");
    }

    #[test]
    fn the_command_line_is_the_one_that_the_init_and_other_initrds_read() {
        assert_eq!(
            image("bookworm")
                .command_line(&to(SERVER, Some("/report/52-54-00-12-34-56/0123")))
                .line,
            "initrd=initrd.img root=/dev/nfs \
             nfsroot=10.0.0.1:/bookworm,vers=3,proto=tcp,port=2049,mountport=2049,nolock,nocto,acregmin=30 \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} ro rd.overlay \
             netroot.report=http://10.0.0.1:8069/report/52-54-00-12-34-56/0123 \
             netroot.readahead=http://10.0.0.1:8069/readahead/bookworm"
        );
    }

    #[test]
    fn an_ipv6_address_is_in_brackets_in_urls_and_in_nfsroot() {
        let server = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
        let server = SocketAddr::new(server, 8069);
        let line = image("bookworm")
            .command_line(&to(server, Some("/report/x")))
            .line;
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
            elsewhere.command_line(&to(SERVER, None)).line,
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
        let line = guix.command_line(&to(SERVER, None)).line;
        assert!(
            line.ends_with(" ro rd.overlay gnu.system=/s gnu.load=/s/boot init=/bin/sh"),
            "{line}"
        );
    }
}
