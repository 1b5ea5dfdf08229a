//! dnsmasq as another DHCP server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::net::Net;
use crate::program::Program;
use crate::transcript::Transcript;

/// dnsmasq as a child ([`Dnsmasq::FOREGROUND`]) that logs each message and option.
pub(super) fn command() -> Vec<&'static str> {
    let mut argv = vec!["dnsmasq", "--log-dhcp"];
    argv.extend(Dnsmasq::FOREGROUND);
    argv
}

/// The arguments with which dnsmasq serves the files of a folder by TFTP.
fn tftp(files: &Path) -> [String; 2] {
    let root = format!("--tftp-root={}", files.display());
    ["--enable-tftp".to_owned(), root]
}

/// A running dnsmasq that does DHCP: no DNS, no configuration file, and TFTP only where it is told.
#[derive(Debug)]
pub struct Dnsmasq {
    program: Program,
}

impl Dnsmasq {
    /// The arguments of one that is a child, logs to its standard error, does no DNS and does not read the host's
    /// configuration.
    pub const FOREGROUND: [&str; 6] = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--log-facility=-",
        "--user=root",
        "--pid-file=/run/dnsmasq.pid",
    ];

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
        let mut argv = command();
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
        Self::spawn(net, &argv)
    }

    /// As a configuration file says, which is written for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn configured(net: &Net, config: &str) -> Result<Self> {
        let path = net.logs().join("dnsmasq.conf");
        std::fs::write(&path, config).with_context(|| format!("write {}", path.display()))?;
        let file = format!("--conf-file={}", path.display());
        let mut argv = command();
        argv.retain(|argument| !argument.starts_with("--conf-file"));
        argv.extend([file.as_str(), "--dhcp-leasefile=/run/dnsmasq.leases"]);
        // It may have nothing to do with DHCP.
        Self::spawn_until(net, &argv, "started, version")
    }

    /// A proxy beside another DHCP server, which gives no addresses and serves `files` by TFTP; `services` are the
    /// values of `--pxe-service`. It is in 10.77.0.0/24.
    ///
    /// # Errors
    /// When it does not start.
    pub fn proxy(net: &Net, interface: &str, files: &Path, services: &[&str]) -> Result<Self> {
        let mut argv: Vec<String> = command().into_iter().map(str::to_owned).collect();
        argv.push(format!("--interface={interface}"));
        argv.push("--bind-interfaces".to_owned());
        argv.push("--dhcp-range=10.77.0.0,proxy".to_owned());
        argv.extend(services.iter().map(|it| format!("--pxe-service={it}")));
        argv.extend(tftp(files));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        Self::spawn(net, &argv)
    }

    /// A TFTP server with `files`, and nothing else: beside a DHCP server that has none.
    ///
    /// # Errors
    /// When it does not start.
    pub fn tftp_alone(net: &Net, interface: &str, files: &Path) -> Result<Self> {
        let interface = format!("--interface={interface}");
        let [enable, root] = tftp(files);
        let mut argv = command();
        argv.extend(["--bind-interfaces", &interface, &enable, &root]);
        Self::spawn_until(net, &argv, "TFTP root is")
    }

    fn spawn(net: &Net, argv: &[&str]) -> Result<Self> {
        Self::spawn_until(net, argv, "DHCP, sockets bound")
    }

    fn spawn_until(net: &Net, argv: &[&str], line: &str) -> Result<Self> {
        let program = net.spawn(argv)?;
        let deadline = Duration::from_secs(120);
        program
            .stderr()
            .wait_for(line, "dnsmasq's sockets", deadline)?;
        Ok(Self { program })
    }

    /// Ends it, and waits for that: another one may then take its place.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<()> {
        self.program.terminate(Duration::from_secs(60))?;
        Ok(())
    }

    /// Its log, one line per message and option.
    pub fn log(&self) -> &Transcript {
        self.program.stderr()
    }
}
