//! Kea and ISC dhcpd, as distributions package them, as another DHCP server.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::net::Net;
use crate::program::Program;
use crate::transcript::Transcript;

/// What a DHCP server says of booting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootPart {
    /// Nothing: it knows no PXE.
    Nothing,
    /// A boot file of its own, [`BootPart::FILE`], on the router.
    OwnFile,
    /// Option 60, `PXEClient`, as if it were a boot server.
    Option60,
}

impl BootPart {
    /// The boot file of [`BootPart::OwnFile`]. Whether it is there is another server's affair: these have no TFTP.
    pub const FILE: &str = "elsewhere.efi";
}

/// A program of ISC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IscServer {
    /// `kea-dhcp4`.
    Kea,
    /// `dhcpd`.
    Dhcpd,
}

/// A running server.
#[derive(Debug)]
pub struct ForeignDhcp {
    program: Program,
    server: IscServer,
}

impl ForeignDhcp {
    /// Answers on `interface`, in a network of 256 addresses, with addresses from `first` to `last` and `router`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        server: IscServer,
        net: &Net,
        interface: &str,
        (first, last, router): (&str, &str, &str),
        boot: BootPart,
    ) -> Result<Self> {
        let (network, _) = first.rsplit_once('.').context("an IPv4 address")?;
        let subnet = format!("{network}.0");
        let text = match server {
            IscServer::Kea => kea(interface, &subnet, (first, last, router), boot),
            IscServer::Dhcpd => dhcpd(&subnet, (first, last, router), boot),
        };
        Self::configured(server, net, interface, &text)
    }

    /// The same, as a configuration file says, which is written for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn configured(server: IscServer, net: &Net, interface: &str, config: &str) -> Result<Self> {
        let path = net.logs().join("foreign-dhcp.conf");
        let file = path.display().to_string();
        let leases = net.logs().join("foreign-dhcp.leases");
        let leases = leases.display().to_string();
        let (argv, ready): (Vec<&str>, &str) = match server {
            IscServer::Kea => (
                // Its lock and process files go to the network's own /run.
                vec![
                    "env",
                    "KEA_LOCKFILE_DIR=/run",
                    "KEA_PIDFILE_DIR=/run",
                    "kea-dhcp4",
                    "-c",
                    &file,
                ],
                "DHCP4_STARTED",
            ),
            IscServer::Dhcpd => {
                std::fs::write(&leases, "").context("make dhcpd's file of leases")?;
                let argv = vec![
                    "dhcpd", "-4", "-f", "-d", "--no-pid", "-cf", &file, "-lf", &leases, interface,
                ];
                (argv, "Server starting service.")
            }
        };
        std::fs::write(&path, config).with_context(|| format!("write {file}"))?;
        let program = net.spawn(&argv)?;
        let started = Self { program, server };
        let deadline = Duration::from_secs(120);
        started.log().wait_for(ready, "the DHCP server", deadline)?;
        Ok(started)
    }

    /// Ends it, and waits for that: another one may then take its place.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.program.terminate(Duration::from_secs(60))?;
        Ok(())
    }

    /// Its log.
    pub fn log(&self) -> &Transcript {
        match self.server {
            IscServer::Kea => self.program.stdout(),
            IscServer::Dhcpd => self.program.stderr(),
        }
    }

    /// Whether it has acknowledged an address.
    pub fn has_acknowledged(&self) -> bool {
        self.log().contains(match self.server {
            IscServer::Kea => "DHCP4_LEASE_ALLOC",
            IscServer::Dhcpd => "DHCPACK on ",
        })
    }
}

fn kea(
    interface: &str,
    subnet: &str,
    (first, last, router): (&str, &str, &str),
    boot: BootPart,
) -> String {
    let (mut option, mut file) = (String::new(), String::new());
    match boot {
        BootPart::Nothing => {}
        BootPart::OwnFile => {
            file = format!(
                "\"boot-file-name\": \"{}\", \"next-server\": \"{router}\",",
                BootPart::FILE
            );
        }
        BootPart::Option60 => {
            option =
                ", { \"name\": \"vendor-class-identifier\", \"data\": \"PXEClient\" }".to_owned();
        }
    }
    format!(
        r#"{{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": [ "{interface}" ] }},
  "lease-database": {{ "type": "memfile", "persist": false }},
  "valid-lifetime": 3600,
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "INFO", "output_options": [ {{ "output": "stdout" }} ] }} ],
  "subnet4": [ {{
    "subnet": "{subnet}/24", "pools": [ {{ "pool": "{first} - {last}" }} ], {file}
    "option-data": [ {{ "name": "routers", "data": "{router}" }}{option} ]
  }} ]
}} }}
"#
    )
}

fn dhcpd(subnet: &str, (first, last, router): (&str, &str, &str), boot: BootPart) -> String {
    let part = match boot {
        BootPart::Nothing => String::new(),
        BootPart::OwnFile => {
            let file = BootPart::FILE;
            format!("filename \"{file}\";\n  next-server {router};")
        }
        BootPart::Option60 => "option vendor-class-identifier \"PXEClient\";".to_owned(),
    };
    format!(
        "authoritative;
ddns-update-style none;
ping-check off;
default-lease-time 3600;
subnet {subnet} netmask 255.255.255.0 {{
  range {first} {last};
  option routers {router};
  {part}
}}
"
    )
}
