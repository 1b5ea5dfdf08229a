//! The command line of `netroot check`.

use std::path::PathBuf;

use clap::Args;
use netroot_proto::pxe::cures::Product;

use crate::option_value::AddressRange;

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
      If netroot is to give the addresses.
  netroot check --product openwrt
      With the lines to change for OpenWrt only.

It asks in the name of a machine that does not exist, takes no lease and changes nothing. A netroot that serves
already, here or elsewhere, is among those that are heard. Exits with 1 if something keeps machines from booting.";

/// The arguments of `netroot check`; all have a default.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The interfaces [default: those of the configuration, or the only one that is up with an IPv4 address], and the directory of a root; a directory has a slash.
    #[arg(value_name = "IF|DIR")]
    pub(super) what: Vec<String>,

    /// An interface, as in netroot serve; may be given several times.
    #[arg(long, value_name = "IF")]
    pub(super) interface: Vec<String>,

    /// Check what this configuration and its drop-ins say [default: /etc/netroot/netroot.toml if there is one and no directory is given].
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// As if netroot gave addresses from this range [default: ProxyDHCP].
    #[arg(long, value_name = "A-B", conflicts_with = "config")]
    pub(super) dhcp: Option<AddressRange>,

    /// The kernel to boot: a version, or a file by its path in the root [default: the newest that has modules].
    #[arg(long, value_name = "VERSION|PATH", conflicts_with = "config")]
    pub(super) kernel: Option<String>,

    /// The port of the HTTP server.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8069,
        conflicts_with = "config"
    )]
    pub(super) http_port: u16,

    /// The port of the NFS server.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 2049,
        conflicts_with = "config"
    )]
    pub(super) nfs_port: u16,

    /// The directory of iPXE's binaries [default: where distributions install them].
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(super) ipxe: Option<PathBuf>,

    /// The directory for persistent state.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/netroot",
        conflicts_with = "config"
    )]
    pub(super) state: PathBuf,

    /// The directory for initrds that were built.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/cache/netroot",
        conflicts_with = "config"
    )]
    pub(super) cache: PathBuf,

    /// Send nothing: look at this host only.
    #[arg(long)]
    pub(super) offline: bool,

    /// Tell what to change for this DHCP server only: dnsmasq, kea, isc-dhcpd, openwrt, pfsense, opnsense, mikrotik, unifi, windows-server or fritzbox.
    #[arg(long, value_name = "NAME", value_parser = product)]
    pub(super) product: Option<Product>,

    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(super) json: bool,
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
