//! dnsmasq as another DHCP server.

use std::time::Duration;

use anyhow::Result;

use crate::net::Net;
use crate::program::Program;
use crate::transcript::Transcript;

/// dnsmasq as a child that logs to its standard error, without DNS and without the host's configuration.
pub(super) const FOREGROUND: [&str; 8] = [
    "dnsmasq",
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--port=0",
    "--log-dhcp",
    "--log-facility=-",
    "--user=root",
    "--pid-file=/run/dnsmasq.pid",
];

/// A running dnsmasq that only does DHCP: no DNS, no TFTP, no configuration file.
#[derive(Debug)]
pub struct Dnsmasq {
    program: Program,
}

impl Dnsmasq {
    /// Answers on `interface` with addresses from `first` to `last`; further arguments
    /// (`--dhcp-option=17,10.0.0.1:/srv`) as dnsmasq takes them.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        net: &Net,
        interface: &str,
        first: &str,
        last: &str,
        more: &[&str],
    ) -> Result<Self> {
        let interface = format!("--interface={interface}");
        let range = format!("--dhcp-range={first},{last},255.255.255.0,1h");
        let mut argv = FOREGROUND.to_vec();
        argv.extend([
            "--dhcp-leasefile=/run/dnsmasq.leases",
            "--dhcp-authoritative",
            // Pinging for three seconds before an offer tests nothing.
            "--no-ping",
            "--bind-interfaces",
            &interface,
            &range,
        ]);
        argv.extend(more);
        let program = net.spawn(&argv)?;
        program.stderr().wait_for(
            "DHCP, sockets bound",
            "dnsmasq's sockets",
            Duration::from_secs(120),
        )?;
        Ok(Self { program })
    }

    /// Its log, one line per message and option.
    pub fn log(&self) -> &Transcript {
        self.program.stderr()
    }
}
