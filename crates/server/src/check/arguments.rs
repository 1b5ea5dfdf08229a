//! The command line of `netroot check`.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use netroot_proto::pxe::cures::Product;

use crate::serve_options::{OF_A_DIRECTORY, ServeOptions};

const EXAMPLES: &str = "\
Examples:
  netroot check
      On the only interface that is up: who answers, and what each firmware will do. Where there is an
      /etc/netroot/netroot.toml, that is what is checked, on all of its interfaces.
  netroot check eth1 /srv/debian
      The same on eth1, and whether this root can be served: its kernel, modules and initrd.
  netroot check eth0 eth1
      On both, at the same time.
  netroot check eth1 /srv/debian --dhcp 10.0.0.100-10.0.0.200
      If netroot is to give the addresses. Whatever `netroot serve` takes can be checked before.
  netroot check /srv/debian --isolated eth1 --nat
      A network of its own, which needs no address yet: whether this host can make it.
  netroot check --product openwrt
      With the lines to change for OpenWrt only.

It asks in the name of a machine that does not exist, takes no lease and changes nothing. A netroot that serves
already, here or elsewhere, is among those that are heard. Exits with 1 if something keeps machines from booting, or
keeps netroot serve from starting.

--json prints one object: \"interfaces\", a list with \"interface\", \"mode\" (proxy, dhcp or isolated), \"servers\" that
answer there, \"machines\" with the \"outcome\" of each firmware and whose boot it is (\"boots\": netroot, other, address
or fails), \"network\" with what is wrong there and its \"cures\", and \"host\"; \"host\", what was looked at on this host:
\"level\" (ok, note, warning or problem), \"about\", \"text\" and \"cure\"; and the numbers of \"problems\" and \"warnings\".
servers, machines and network are null where nothing could be asked; in a network that netroot is to make is nobody yet.";

/// The arguments of `netroot check`; all have a default.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The interfaces [default: those of the configuration, or the only one that is up with an IPv4 address], and the directory of a root; a directory has a slash.
    #[arg(value_name = "IF|DIR")]
    pub(super) what: Vec<String>,

    /// Check what this configuration and its drop-ins say [default: /etc/netroot/netroot.toml if there is one and no directory is given; the options below are for a directory].
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_A_DIRECTORY.into_iter().skip(1))]
    pub(super) config: Option<PathBuf>,

    /// What would be served, as in netroot serve.
    #[command(flatten)]
    pub(super) options: ServeOptions,

    /// Send nothing: look at this host only.
    #[arg(long)]
    pub(super) offline: bool,

    /// Tell what to change for this DHCP server only: dnsmasq, kea, isc-dhcpd, openwrt, pfsense, opnsense, mikrotik, unifi, windows-server or fritzbox.
    #[arg(long, value_name = "NAME", value_parser = product)]
    pub(super) product: Option<Product>,

    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(super) json: bool,

    /// The options for a directory that are on the command line, but for the interfaces.
    #[arg(skip)]
    pub(super) given: Vec<&'static str>,
}

impl CheckArgs {
    /// The same, with which options were given: where a configuration is checked, it says all of that.
    pub(crate) fn given(self, matches: &ArgMatches) -> Self {
        let of_a_directory = OF_A_DIRECTORY.into_iter().skip(1);
        let given = of_a_directory
            .filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine))
            .collect();
        Self { given, ..self }
    }
}

fn product(text: &str) -> Result<Product, String> {
    let found = Product::ALL.into_iter().find(|it| it.word() == text);
    found.ok_or_else(|| {
        format!(
            "expected one of {}",
            Product::ALL.map(Product::word).join(", ")
        )
    })
}
