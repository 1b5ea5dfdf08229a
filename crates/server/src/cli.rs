//! The command line of `netroot`, with examples.

mod serve_settings;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use netroot_net::Prefix;
use netroot_nfs_export::HidePattern;

use crate::check::CheckArgs;
use crate::client::bundle::BundleArgs;
use crate::client::machines::{ImagesArgs, MachinesArgs};
use crate::client::order::{ASSIGN_EXAMPLES, BOOT_ONCE_EXAMPLES, OrderArgs};
use crate::client::reload::ReloadArgs;
use crate::client::status::StatusArgs;
use crate::initrd_command::InitrdArgs;
use crate::option_value::{
    AddressRange, IsolatedInterface, appended, host, lease_time, network, nfsroot,
};
use crate::settings;

/// Boots diskless machines from a directory with a root file system.
#[derive(Debug, Parser)]
#[command(name = "netroot", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  netroot serve /srv/debian                                beside an existing DHCP server (ProxyDHCP)
  netroot serve /srv/debian --dhcp 10.0.0.100-10.0.0.200   without another DHCP server
  netroot serve                                            what /etc/netroot/netroot.toml says
  netroot status --watch                                   the machines, as they boot
  netroot boot-once lab-1 rescue                           another image, next time only
  netroot reload                                           after an upgrade: take it over now
  netroot initrd --root /srv/debian -o initrd.img          only the initrd
  netroot check eth0 /srv/debian                           before anything boots: will it?
  netroot check-kernel /boot/config-6.1.0-50-amd64         can this kernel boot from NFS?
  netroot explain 'root=/dev/nfs ip=dhcp'                  what would the init do with this?";

impl Cli {
    /// The command line of this process. `-- ""` at its end is no directory: the variable of a unit that is not set.
    pub(crate) fn of_process() -> Self {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        if let [.., end, last] = arguments.as_slice()
            && end == "--"
            && last.is_empty()
        {
            arguments.truncate(arguments.len() - 2);
        }
        Self::parse_from(arguments)
    }
}

/// The tools in this binary.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Boot machines over the network, with a directory as their root or as the configuration says.
    Serve(Box<ServeArgs>),
    /// Show the running server: interfaces, images, and machines with how far they have come.
    Status(StatusArgs),
    /// List the machines that the running server has heard of, or everything that happened to one.
    Machines(MachinesArgs),
    /// List the images of the running server.
    Images(ImagesArgs),
    /// Have a machine boot another image, next time only.
    #[command(after_help = BOOT_ONCE_EXAMPLES)]
    BootOnce(OrderArgs),
    /// Have a machine boot an image from now on.
    #[command(after_help = ASSIGN_EXAMPLES)]
    Assign(OrderArgs),
    /// Write everything about a machine's last boot into one file, for a bug report.
    Bundle(BundleArgs),
    /// Have the running server look at its configuration, roots and boot loaders now, and wait until it is done.
    Reload(ReloadArgs),
    /// Build the initrd for a root, as a file.
    Initrd(InitrdArgs),
    /// Check whether machines will boot here: who answers on the network, what each firmware will do, and this host.
    Check(CheckArgs),
    /// Check the configuration, and show what each machine in it would boot.
    CheckConfig(CheckConfigArgs),
    /// Check whether a kernel has everything that an NFS root needs, built in or as a module.
    CheckKernel(CheckKernelArgs),
    /// Explain what the init would do with a kernel command line, and where each value comes from.
    Explain(ExplainArgs),
}

const CHECK_CONFIG_EXAMPLES: &str = "\
Examples:
  netroot check-config
  netroot check-config --config /srv/lab/netroot.toml

Reads the file and the *.toml files of conf.d beside it, as `netroot serve` does; a running server is not asked.
Exits with 1 if anything is wrong, and names the file, the line and what was expected.";

/// The arguments of `netroot check-config`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_CONFIG_EXAMPLES)]
pub(crate) struct CheckConfigArgs {
    /// The main file.
    #[arg(long, value_name = "FILE", default_value = settings::CONFIG)]
    pub(crate) config: PathBuf,

    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECK_KERNEL_EXAMPLES: &str = "\
Examples:
  netroot check-kernel /srv/debian/boot/config-6.1.0-50-amd64
  netroot check-kernel /proc/config.gz

Exits with 1 if the kernel lacks something that a boot from NFS requires.";

/// The arguments of `netroot check-kernel`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_KERNEL_EXAMPLES)]
pub(crate) struct CheckKernelArgs {
    /// The kernel's configuration: a config-* file, or /proc/config.gz.
    pub(crate) file: PathBuf,

    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  netroot explain 'root=/dev/nfs ip=dhcp'
  netroot explain 'root=nfs:10.0.0.1:/srv/debian,vers=3 ip=10.0.0.7::10.0.0.1:255.255.255.0::eth0:off'
  netroot explain \"$(cat /proc/cmdline)\"

Exits with 1 if a parameter is invalid.";

/// The arguments of `netroot explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The command line, quoted.
    #[arg(value_name = "CMDLINE", allow_hyphen_values = true)]
    pub(crate) command_line: String,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  netroot serve /srv/debian
      On the only interface that is up. Another machine (the router) gives addresses;
      netroot adds only what to boot (ProxyDHCP).
  netroot serve /srv/debian --interface eth1 --dhcp 10.0.0.100-10.0.0.200
      On a network of its own: netroot gives the addresses too.
  netroot serve /srv/debian --isolated eth1 --nat
      On a second card: a network of its own, from which machines reach the outside.
  netroot serve /srv/debian --interface eth0 --isolated eth1
      Two networks at once, each with its own way.
  netroot serve /srv/debian --dhcp 10.0.0.100-10.0.0.200 --dhcp 10.88.0.100-10.88.0.200/24
      The same, and for machines behind a relay in the network 10.88.0.0/24.
  netroot serve /srv/debian --allow 10.88.0.0/24
      The DHCP server gives addresses behind a relay, too: machines there may boot.
  netroot serve /srv/debian --append 'console=ttyS0'
      For machines with serial consoles.
  netroot serve /srv/debian --nfsroot 10.0.0.5:/srv/debian,vers=3
      Another server exports the root (perhaps writable); netroot does everything else.

Ports: UDP 67 and 4011 (DHCP, PXE), UDP 69 (TFTP), TCP 8069 (HTTP), TCP 2049 (NFS and MOUNT).
netroot never writes to the directory, and no machine can write through it. Started as root, it serves as
the user netroot, or as an unused number where there is no such user.";

/// What the configuration says where no directory is given.
const OF_A_DIRECTORY: [&str; 29] = [
    "interface",
    "isolated",
    "nat",
    "address",
    "dhcp",
    "dhcp_anyway",
    "no_probe",
    "router",
    "dns",
    "lease_time",
    "kernel",
    "modules",
    "init",
    "initrd",
    "append",
    "no_overlay",
    "nfsroot",
    "allow",
    "allow_only",
    "hide",
    "hide_secrets",
    "no_submounts",
    "http_port",
    "nfs_port",
    "portmapper",
    "tftp_dir",
    "ipxe",
    "state",
    "cache",
];

/// The arguments of `netroot serve`; all have a default, the directory in the configuration.
#[derive(Debug, Clone, Args)]
#[command(after_help = SERVE_EXAMPLES)]
#[command(group = ArgGroup::new("gives-addresses").args(["dhcp", "isolated"]).multiple(true))]
#[command(group = ArgGroup::new("of-a-directory").args(OF_A_DIRECTORY).multiple(true).requires("dir"))]
pub(crate) struct ServeArgs {
    /// The directory of the root file system, with its kernel and modules where its distribution has them [default: what the configuration says].
    pub(crate) dir: Option<PathBuf>,

    /// Serve what this file and the *.toml files of conf.d beside it say [default without a directory: /etc/netroot/netroot.toml].
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) config: Option<PathBuf>,

    /// The interface to serve, with all of its addresses, or the label of one of them, such as eth0:1 [default: the only one that is up with an IPv4 address].
    /// May be given several times; --dhcp and --address are for the first.
    #[arg(long, value_name = "IF")]
    pub(crate) interface: Vec<String>,

    /// Serve this interface as a network of its own, with addresses from netroot: of NETWORK [default: the network of the address that the interface has, else a free one in 10.77.0.0/16]. The interface needs no address and may be down. Nothing is forwarded to or from it, but for --nat. May be given several times; without --interface no other one is served.
    #[arg(long, value_name = "IF[=NETWORK]")]
    pub(crate) isolated: Vec<IsolatedInterface>,

    /// With --isolated: let its machines reach the networks behind the other interfaces, under this server's address (masquerading); nothing there reaches them. Undone when netroot ends.
    #[arg(long, requires = "isolated")]
    pub(crate) nat: bool,

    /// The address of the interface by which machines know this server, unless they are in another one's network [default: the first one, or beside another DHCP server the one in the network of its leases].
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: Option<Ipv4Addr>,

    /// Give addresses from this range, as the network's only DHCP server [default: ProxyDHCP]. A range in none of the interface's networks is for machines behind a relay, and needs the length of its prefix (or its netmask); their router is the relay unless one is named. May be given several times.
    #[arg(long, value_name = "A-B[/LENGTH][,router=ADDR]")]
    pub(crate) dhcp: Vec<AddressRange>,

    /// With --dhcp: give addresses even if another DHCP server answers on this network.
    #[arg(long, requires = "dhcp")]
    pub(crate) dhcp_anyway: bool,

    /// Do not look for other DHCP servers at start (saves up to 5 seconds).
    #[arg(long)]
    pub(crate) no_probe: bool,

    /// With --dhcp: the router to announce in its network [default: none].
    #[arg(long, value_name = "ADDR", requires = "dhcp", value_parser = host)]
    pub(crate) router: Option<IpAddr>,

    /// With --dhcp or --isolated: a name server to announce; may be given several times [default: none; with --nat this server's own].
    #[arg(long, value_name = "ADDR", requires = "gives-addresses", value_parser = host)]
    pub(crate) dns: Vec<IpAddr>,

    /// With --dhcp or --isolated: how long an address is lent: seconds, or a time such as 10m, 12h or 1d.
    #[arg(long, value_name = "TIME", requires = "gives-addresses", default_value = "1h",
          value_parser = lease_time)]
    pub(crate) lease_time: Duration,

    /// The kernel to boot: a version, or a file by its path in the root [default: the newest that has modules].
    #[arg(long, value_name = "VERSION|PATH")]
    pub(crate) kernel: Option<String>,

    /// The modules in the initrd: `netboot` (all wired NICs; a machine whose iPXE tells its own loads one for that), `this-machine`, a
    /// card such as `pci:8086:10d3`, or a list such as `virtio_net,e1000e`.
    #[arg(long, value_name = "LIST", default_value = settings::MODULES)]
    pub(crate) modules: String,

    /// The program that becomes /init in the initrd [default: the one built into netroot].
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,

    /// Use this initrd instead of building one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["modules", "init"])]
    pub(crate) initrd: Option<PathBuf>,

    /// Append this to the kernel's command line, for example 'console=ttyS0 quiet'.
    #[arg(long, value_name = "CMDLINE", value_parser = appended)]
    pub(crate) append: Option<String>,

    /// Do not enable the tmpfs overlay that makes the read-only root writable.
    #[arg(long)]
    pub(crate) no_overlay: bool,

    /// Mount the root from this export on another server; netroot does not export it then.
    #[arg(long, value_name = "ADDR:/PATH[,OPTS]", value_parser = nfsroot)]
    pub(crate) nfsroot: Option<String>,

    /// Allow this network to mount and to use TFTP, such as 10.88.0.0/24, beside the networks of the interface and of --dhcp; may be given several times.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub(crate) allow: Vec<Prefix>,

    /// Allow only this network to mount, not the interface's unless they are named too; may be given several times.
    #[arg(long, value_name = "NETWORK", value_parser = network, conflicts_with = "allow")]
    pub(crate) allow_only: Vec<Prefix>,

    /// Do not show machines the files that match, such as '/srv/**/*.key', and what is below them; may be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with = "nfsroot")]
    pub(crate) hide: Vec<HidePattern>,

    /// Hide private keys (ssh host keys, /etc/ssl/private, VPN …), backups of /etc/shadow and other credentials of a machine; not /etc/shadow, which logins need.
    #[arg(long, conflicts_with = "nfsroot")]
    pub(crate) hide_secrets: bool,

    /// Leave out the file systems that are mounted below the root (nfsd without crossmnt); what they cover is served.
    #[arg(long, conflicts_with = "nfsroot")]
    pub(crate) no_submounts: bool,

    /// The port of the HTTP server.
    #[arg(long, value_name = "PORT", default_value_t = settings::HTTP_PORT)]
    pub(crate) http_port: u16,

    /// The port of the NFS server.
    #[arg(long, value_name = "PORT", default_value_t = settings::NFS_PORT)]
    pub(crate) nfs_port: u16,

    /// Also answer as portmapper on port 111 (for clients that are not given the ports).
    #[arg(long, conflicts_with = "nfsroot")]
    pub(crate) portmapper: bool,

    /// Also serve the world-readable files of this directory over TFTP and HTTP; its folders need o+x.
    #[arg(long, value_name = "DIR")]
    pub(crate) tftp_dir: Option<PathBuf>,

    /// The directory of iPXE's binaries [default: where distributions install them].
    #[arg(long, value_name = "DIR")]
    pub(crate) ipxe: Option<PathBuf>,

    /// The directory for persistent state: the key of NFS handles, and the leases. It becomes the serving user's.
    #[arg(long, value_name = "DIR", default_value = settings::STATE)]
    pub(crate) state: PathBuf,

    /// The directory for initrds that were built. It becomes the serving user's.
    #[arg(long, value_name = "DIR", default_value = settings::CACHE)]
    pub(crate) cache: PathBuf,

    /// The Unix socket for `netroot status`, `reload` and the other commands [default: /run/netroot-server/control, or control in the state directory].
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,

    /// Log one JSON object per event instead of text (documented in EVENTS.md).
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::option_value::ValueError;

    pub(crate) fn serve(arguments: &[&str]) -> Result<ServeArgs, clap::Error> {
        let all = ["netroot", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(all)?.command {
            Command::Serve(serve) => Ok(*serve),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_needs_only_a_directory() {
        let args = serve(&["/srv/debian"]).unwrap();
        assert_eq!((args.http_port, args.nfs_port), (8069, 2049));
        assert_eq!(args.modules, "netboot");
        assert!(args.dhcp.is_empty() && !args.no_overlay && !args.json);
    }

    #[test]
    fn without_a_directory_the_configuration_says_everything_else() {
        let args = serve(&["--json", "--control", "/run/x"]).unwrap();
        assert!(args.dir.is_none() && args.config.is_none());
        assert!(
            serve(&["--config", "/srv/netroot.toml"])
                .unwrap()
                .config
                .is_some()
        );
        assert!(serve(&["/srv/debian", "--config", "/srv/netroot.toml"]).is_err());
        let own = ["help", "version", "dir", "config", "control", "json"];
        let serve_command = Cli::command();
        let serve_command = serve_command.find_subcommand("serve").unwrap();
        for argument in serve_command.get_arguments() {
            let name = argument.get_id().as_str();
            let of_a_directory = OF_A_DIRECTORY.contains(&name);
            assert!(of_a_directory != own.contains(&name), "{name}");
        }
        let error = serve(&["--append", "quiet"]).unwrap_err().to_string();
        assert!(error.contains("<DIR>"), "{error}");
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
    fn a_range_behind_a_relay_has_a_prefix_and_perhaps_a_router() {
        let range = |text: &str| text.parse::<AddressRange>();
        for text in [
            "10.88.0.100-10.88.0.200/24",
            "10.88.0.100-10.88.0.200/255.255.255.0",
        ] {
            let range = range(text).unwrap();
            assert_eq!((range.length, range.router), (Some(24), None), "{text}");
        }
        let routed = range("10.88.0.100-10.88.0.200/24,router=10.88.0.254").unwrap();
        assert_eq!(routed.router, Some(Ipv4Addr::new(10, 88, 0, 254)));
        for (text, why) in [
            ("10.88.0.1-10.88.0.9/33", "not /33"),
            ("10.88.0.1-10.88.0.9/255.0.255.0", "not /255.0.255.0"),
            ("10.88.0.1-10.88.0.9/24,10.88.0.254", "not ,10.88.0.254"),
            ("10.88.0.1-10.88.0.9/24,router=x", "not ,router=x"),
            (
                "10.88.0.1-10.88.1.9/24",
                "10.88.0.1 and 10.88.1.9 are not in one network with a prefix of 24 bits",
            ),
        ] {
            let error = range(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let several = [
            "/srv",
            "--dhcp",
            "10.0.0.2-10.0.0.9",
            "--dhcp",
            "10.1.0.2-10.1.0.9/16",
        ];
        assert_eq!(serve(&several).unwrap().dhcp.len(), 2);
    }

    #[test]
    fn options_for_dhcp_require_the_option_dhcp() {
        assert!(serve(&["/srv", "--dhcp-anyway"]).is_err());
        assert!(serve(&["/srv", "--router", "10.0.0.1"]).is_err());
        let args = serve(&[
            "/srv",
            "--dhcp",
            "10.0.0.2-10.0.0.9",
            "--dns",
            "9.9.9.9",
            "--dns",
            "1.1.1.1",
        ]);
        assert_eq!(args.unwrap().dns.len(), 2);
    }

    #[test]
    fn a_lease_time_is_written_as_in_the_file() {
        let dhcp = ["/srv", "--dhcp", "10.0.0.2-10.0.0.9", "--lease-time"];
        let with = |time: &str| serve(&[&dhcp[..], &[time]].concat());
        for (time, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("1h", 3600),
            ("1d", 86400),
        ] {
            assert_eq!(with(time).unwrap().lease_time, Duration::from_secs(seconds));
        }
        for (time, why) in [
            ("59", "expected a time from 1m to 366d"),
            ("never", "a number with a unit such as \"300ms\""),
            ("1w", "\"12h\" or \"1d\""),
            ("+5m", "expected seconds"),
        ] {
            let error = with(time).unwrap_err().to_string();
            assert!(error.contains(why), "{time}: {error}");
        }
        assert_eq!(serve(&dhcp[..3]).unwrap().lease_time, settings::LEASE_TIME);
    }

    #[test]
    fn ipv6_is_refused_with_one_sentence() {
        let dhcp = ["/srv", "--dhcp", "10.0.0.2-10.0.0.9"];
        for (option, value) in [
            ("--router", "2001:db8::1"),
            ("--dns", "2001:db8::1"),
            ("--allow", "2001:db8::/64"),
            ("--allow-only", "2001:db8::/64"),
            ("--nfsroot", "[2001:db8::1]:/srv/debian"),
        ] {
            let error = serve(&[&dhcp[..], &[option, value]].concat()).unwrap_err();
            let sentence = "expected an IPv4 address (IPv6 is not supported)";
            assert!(error.to_string().contains(sentence), "{error}");
        }
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
