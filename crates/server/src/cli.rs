//! The command line: what can be asked of `netroot`, with examples.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use netroot_net::Prefix;

use crate::initrd_command::InitrdArgs;

/// Boots machines without disks from a directory that holds a root file system.
#[derive(Debug, Parser)]
#[command(name = "netroot", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  netroot serve /srv/debian                                beside the DHCP server that is there (ProxyDHCP)
  netroot serve /srv/debian --dhcp 10.0.0.100-10.0.0.200   where there is none
  netroot initrd --root /srv/debian -o initrd.img          the image alone
  netroot check-kernel /boot/config-6.1.0-50-amd64         is this kernel fit to boot from NFS?
  netroot explain 'root=/dev/nfs ip=dhcp'                  what would the init do with this?";

/// The tools in this binary.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer every machine that network-boots, and give it this directory as its root.
    Serve(Box<ServeArgs>),
    /// Make the initrd for a root, as a file.
    Initrd(InitrdArgs),
    /// Tell what of an NFS root a kernel has built in, has as a module, or lacks.
    CheckKernel(CheckKernelArgs),
    /// Tell what the init would do with a kernel command line, and where each value comes from.
    Explain(ExplainArgs),
}

const CHECK_KERNEL_EXAMPLES: &str = "\
Examples:
  netroot check-kernel /srv/debian/boot/config-6.1.0-50-amd64
  netroot check-kernel /proc/config.gz

Ends with 1 when the kernel lacks something that a boot from NFS cannot do without.";

/// What `netroot check-kernel` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_KERNEL_EXAMPLES)]
pub(crate) struct CheckKernelArgs {
    /// The kernel's configuration: a config-* file, or /proc/config.gz.
    pub(crate) file: PathBuf,

    /// One JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  netroot explain 'root=/dev/nfs ip=dhcp'
  netroot explain 'root=nfs:10.0.0.1:/srv/debian,vers=3 ip=10.0.0.7::10.0.0.1:255.255.255.0::eth0:off'
  netroot explain \"$(cat /proc/cmdline)\"

Ends with 1 when a parameter makes no sense.";

/// What `netroot explain` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Print one JSON object, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// The command line, quoted.
    #[arg(value_name = "CMDLINE", allow_hyphen_values = true)]
    pub(crate) command_line: String,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  netroot serve /srv/debian
      One interface is up: that one. Another machine (the router) gives addresses; netroot adds the boot part.
  netroot serve /srv/debian --interface eth1 --dhcp 10.0.0.100-10.0.0.200
      A wire of its own: netroot gives the addresses too.
  netroot serve /srv/debian --append 'console=ttyS0'
      The machines have serial consoles.
  netroot serve /srv/debian --nfsroot 10.0.0.5:/srv/debian,vers=3
      Another server exports the root (writable, perhaps); netroot does all but that.

Ports: UDP 67 and 4011 (DHCP, PXE), UDP 69 (TFTP), TCP 8069 (HTTP), TCP 2049 (NFS and MOUNT).
Nothing is ever written to the directory, and no machine can write through this server.";

/// What `netroot serve` is told; everything but the directory has a default.
#[derive(Debug, Clone, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The directory that holds the root file system: its kernel in /boot, its modules in /lib/modules.
    pub(crate) dir: PathBuf,

    /// The interface to answer on [default: the only one that is up with an IPv4 address].
    #[arg(long, value_name = "IF")]
    pub(crate) interface: Option<String>,

    /// Give addresses from this range, as the wire's only DHCP server [default: ProxyDHCP].
    #[arg(long, value_name = "A-B")]
    pub(crate) dhcp: Option<AddressRange>,

    /// With --dhcp: give addresses although another DHCP server answers on this wire.
    #[arg(long, requires = "dhcp")]
    pub(crate) dhcp_anyway: bool,

    /// Do not look for other DHCP servers at start (saves up to 5 seconds).
    #[arg(long)]
    pub(crate) no_probe: bool,

    /// With --dhcp: the router that machines are told [default: none].
    #[arg(long, value_name = "ADDR", requires = "dhcp")]
    pub(crate) router: Option<Ipv4Addr>,

    /// With --dhcp: a name server that machines are told; may be given several times.
    #[arg(long, value_name = "ADDR", requires = "dhcp")]
    pub(crate) dns: Vec<Ipv4Addr>,

    /// With --dhcp: how long an address is lent, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "dhcp", default_value_t = 3600,
          value_parser = clap::value_parser!(u32).range(60..))]
    pub(crate) lease_time: u32,

    /// Boot this kernel [default: the newest in the directory's /boot].
    #[arg(long, value_name = "VERSION")]
    pub(crate) kernel: Option<String>,

    /// The modules in the initrd: `netboot` (all wired NICs), or a list such as `virtio_net,e1000e`.
    #[arg(long, value_name = "LIST", default_value = "netboot")]
    pub(crate) modules: String,

    /// The program that is /init in the initrd [default: the one that netroot carries].
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,

    /// Hand out this initrd instead of making one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["modules", "init"])]
    pub(crate) initrd: Option<PathBuf>,

    /// Added to the kernel's command line, for example 'console=ttyS0 quiet'.
    #[arg(long, value_name = "CMDLINE", value_parser = one_line)]
    pub(crate) append: Option<String>,

    /// Do not ask for the tmpfs overlay that makes an untouched root come up writable.
    #[arg(long)]
    pub(crate) no_overlay: bool,

    /// Machines mount this export instead of ours, which is then off.
    #[arg(long, value_name = "ADDR:/PATH[,OPTS]", value_parser = nfsroot)]
    pub(crate) nfsroot: Option<String>,

    /// Who may mount: a network such as 10.0.0.0/24; may be given several times [default: the interface's].
    #[arg(long, value_name = "NETWORK", conflicts_with = "nfsroot", value_parser = ipv4_network)]
    pub(crate) allow: Vec<Prefix>,

    /// The HTTP server's port.
    #[arg(long, value_name = "PORT", default_value_t = 8069)]
    pub(crate) http_port: u16,

    /// The NFS server's port.
    #[arg(long, value_name = "PORT", default_value_t = 2049)]
    pub(crate) nfs_port: u16,

    /// Answer the portmapper's questions on port 111 too (for clients that were not told our ports).
    #[arg(long, conflicts_with = "nfsroot")]
    pub(crate) portmapper: bool,

    /// Also give, over TFTP and HTTP, the world-readable files of this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) tftp_dir: Option<PathBuf>,

    /// Where iPXE's binaries are [default: where distributions' packages put them].
    #[arg(long, value_name = "DIR")]
    pub(crate) ipxe: Option<PathBuf>,

    /// What has to outlive a restart: the export's key and the leases.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/netroot")]
    pub(crate) state: PathBuf,

    /// Where made initrds are kept.
    #[arg(long, value_name = "DIR", default_value = "/var/cache/netroot")]
    pub(crate) cache: PathBuf,

    /// One JSON object per event on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Two addresses, the first not above the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressRange {
    /// The lowest address.
    pub(crate) first: Ipv4Addr,
    /// The highest address.
    pub(crate) last: Ipv4Addr,
}

/// Why an option's value makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// Not `A-B`.
    #[error("expected two addresses such as 10.0.0.100-10.0.0.200")]
    NotARange,
    /// `B-A`.
    #[error("the range ends before it begins: {first} is above {last}")]
    Backwards {
        /// The first address as written.
        first: Ipv4Addr,
        /// The second.
        last: Ipv4Addr,
    },
    /// Not `A/N`.
    #[error("expected a network such as 10.0.0.0/24, or one address")]
    NotANetwork,
    /// Would end the script's line.
    #[error("a command line has no control characters")]
    ControlCharacter,
    /// Not `ADDR:/PATH`.
    #[error(
        "expected an address, a colon and an absolute path, such as 10.0.0.5:/srv/debian,vers=3"
    )]
    NotAnExport,
}

impl FromStr for AddressRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (first, last) = text.split_once('-').ok_or(ValueError::NotARange)?;
        let first: Ipv4Addr = first.trim().parse().map_err(|_| ValueError::NotARange)?;
        let last: Ipv4Addr = last.trim().parse().map_err(|_| ValueError::NotARange)?;
        if first > last {
            return Err(ValueError::Backwards { first, last });
        }
        Ok(Self { first, last })
    }
}

fn ipv4_network(text: &str) -> Result<Prefix, ValueError> {
    let network: Prefix = text.parse().map_err(|_| ValueError::NotANetwork)?;
    match network.address() {
        IpAddr::V4(_) => Ok(network),
        IpAddr::V6(_) => Err(ValueError::NotANetwork),
    }
}

fn one_line(text: &str) -> Result<String, ValueError> {
    if text.chars().any(char::is_control) {
        return Err(ValueError::ControlCharacter);
    }
    Ok(text.trim().to_owned())
}

fn nfsroot(text: &str) -> Result<String, ValueError> {
    let (server, path) = text.split_once(":/").ok_or(ValueError::NotAnExport)?;
    let odd = |text: &str| text.chars().any(|c| c.is_control() || c.is_whitespace());
    if server.parse::<Ipv4Addr>().is_err() || odd(path) {
        return Err(ValueError::NotAnExport);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::CommandFactory;

    use super::*;

    pub(crate) fn serve(arguments: &[&str]) -> Result<ServeArgs, clap::Error> {
        let all = ["netroot", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(all)?.command {
            Command::Serve(serve) => Ok(*serve),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_options_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_directory_is_all_that_serve_needs() {
        let told = serve(&["/srv/debian"]).unwrap();
        assert_eq!((told.http_port, told.nfs_port), (8069, 2049));
        assert_eq!(told.modules, "netboot");
        assert!(told.dhcp.is_none() && !told.no_overlay && !told.json);
        assert!(serve(&[]).is_err());
    }

    #[test]
    fn a_range_is_two_addresses_in_order() {
        let range: AddressRange = "10.0.0.100-10.0.0.200".parse().unwrap();
        assert_eq!(range.last, Ipv4Addr::new(10, 0, 0, 200));
        assert_eq!(
            "10.0.0.100".parse::<AddressRange>(),
            Err(ValueError::NotARange)
        );
        assert_eq!(
            "10.0.0.9-x".parse::<AddressRange>(),
            Err(ValueError::NotARange)
        );
        let backwards = "10.0.0.9-10.0.0.1".parse::<AddressRange>().unwrap_err();
        assert_eq!(
            backwards.to_string(),
            "the range ends before it begins: 10.0.0.9 is above 10.0.0.1"
        );
    }

    #[test]
    fn what_belongs_to_dhcp_alone_needs_it() {
        assert!(serve(&["/srv", "--dhcp-anyway"]).is_err());
        assert!(serve(&["/srv", "--router", "10.0.0.1"]).is_err());
        let told = serve(&[
            "/srv",
            "--dhcp",
            "10.0.0.2-10.0.0.9",
            "--dns",
            "9.9.9.9",
            "--dns",
            "1.1.1.1",
        ]);
        assert_eq!(told.unwrap().dns.len(), 2);
    }

    #[test]
    fn an_export_elsewhere_is_an_address_and_an_absolute_path() {
        assert!(serve(&["/srv", "--nfsroot", "10.0.0.5:/srv/debian,vers=3"]).is_ok());
        for wrong in ["10.0.0.5", "10.0.0.5:srv", "server:/srv", "10.0.0.5:/a b"] {
            assert!(serve(&["/srv", "--nfsroot", wrong]).is_err(), "{wrong}");
        }
        assert!(serve(&["/srv", "--append", "a\nb"]).is_err());
    }
}
