//! What `netroot serve DIR` can be told, which `netroot check` takes, too: whatever is to be served can be checked with the
//! same words.

mod settings_of;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use netroot_net::Prefix;
use netroot_nfs_export::HidePattern;
use netroot_proto::pxe::strategy::SecureBootMode;

use crate::option_value::{
    AddressRange, IsolatedInterface, appended, host, lease_time, network, nfsroot, secure_boot,
};
use crate::settings;

/// The options, as `--help` and the manual page group them.
const INTERFACES: &str = "Interfaces";
const DHCP: &str = "DHCP";
const BOOT: &str = "Kernel, initrd and root";
const ACCESS: &str = "What machines may read";
const SECURE_BOOT: &str = "Secure Boot";
const SERVER: &str = "Boot loaders, ports and folders";

/// Their names: what the configuration says where no directory is given.
pub(crate) const OF_A_DIRECTORY: [&str; 33] = [
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
    "secure_boot",
    "secure_boot_files",
    "state",
    "cache",
    "uki_key",
    "uki_cert",
];

/// Everything about one directory and the networks that it is served on; all have a default.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("gives-addresses").args(["dhcp", "isolated"]).multiple(true))]
pub(crate) struct ServeOptions {
    /// The interface to serve, with all of its addresses, or the label of one of them, such as eth0:1 [default: the only one that is up with an IPv4 address].
    /// May be given several times; --dhcp and --address are for the first.
    #[arg(long, value_name = "IF", help_heading = INTERFACES)]
    pub(crate) interface: Vec<String>,

    /// Serve this interface as a network of its own, with addresses from netroot: of NETWORK [default: the network of the address that the interface has, else a free one in 10.77.0.0/16]. The interface needs no address and may be down. Nothing is forwarded to or from it, but for --nat. May be given several times; without --interface no other one is served.
    #[arg(long, value_name = "IF[=NETWORK]", help_heading = INTERFACES)]
    pub(crate) isolated: Vec<IsolatedInterface>,

    /// With --isolated: let its machines reach the networks behind the other interfaces, under this server's address (masquerading); nothing there reaches them. Undone when netroot ends.
    #[arg(long, requires = "isolated", help_heading = INTERFACES)]
    pub(crate) nat: bool,

    /// The address of the interface by which machines know this server, unless they are in another one's network [default: the first one, or beside another DHCP server the one in the network of its leases].
    #[arg(long, value_name = "ADDR", help_heading = INTERFACES)]
    pub(crate) address: Option<Ipv4Addr>,

    /// Give addresses from this range, as the network's only DHCP server [default: ProxyDHCP]. A range in none of the interface's networks is for machines behind a relay, and needs the length of its prefix (or its netmask); their router is the relay unless one is named. May be given several times.
    #[arg(long, value_name = "A-B[/LENGTH][,router=ADDR]", help_heading = DHCP)]
    pub(crate) dhcp: Vec<AddressRange>,

    /// With --dhcp: give addresses even if another DHCP server answers on this network.
    #[arg(long, requires = "dhcp", help_heading = DHCP)]
    pub(crate) dhcp_anyway: bool,

    /// Do not look for other DHCP servers at start (saves up to 5 seconds).
    #[arg(long, help_heading = DHCP)]
    pub(crate) no_probe: bool,

    /// With --dhcp: the router to announce in its network [default: none].
    #[arg(long, value_name = "ADDR", requires = "dhcp", value_parser = host, help_heading = DHCP)]
    pub(crate) router: Option<IpAddr>,

    /// With --dhcp or --isolated: a name server to announce; may be given several times [default: none; with --nat this server's own].
    #[arg(long, value_name = "ADDR", requires = "gives-addresses", value_parser = host, help_heading = DHCP)]
    pub(crate) dns: Vec<IpAddr>,

    /// With --dhcp or --isolated: how long an address is lent: seconds, or a time such as 10m, 12h or 1d.
    #[arg(long, value_name = "TIME", requires = "gives-addresses", default_value = "1h",
          value_parser = lease_time, help_heading = DHCP)]
    pub(crate) lease_time: Duration,

    /// The kernel to boot: a version, or a file by its path in the root [default: the newest that has modules].
    #[arg(long, value_name = "VERSION|PATH", help_heading = BOOT)]
    pub(crate) kernel: Option<String>,

    /// The modules in the initrd: `netboot` (all wired NICs; a machine whose iPXE tells its own loads one for that), `this-machine`, a
    /// card such as `pci:8086:10d3`, or a list such as `virtio_net,e1000e`.
    #[arg(long, value_name = "LIST", default_value = settings::MODULES, help_heading = BOOT)]
    pub(crate) modules: String,

    /// The program that becomes /init in the initrd [default: the one built into netroot].
    #[arg(long, value_name = "FILE", help_heading = BOOT)]
    pub(crate) init: Option<PathBuf>,

    /// Use this initrd instead of building one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["modules", "init"], help_heading = BOOT)]
    pub(crate) initrd: Option<PathBuf>,

    /// Append this to the kernel's command line, for example 'console=ttyS0 quiet'.
    #[arg(long, value_name = "CMDLINE", value_parser = appended, help_heading = BOOT)]
    pub(crate) append: Option<String>,

    /// Do not enable the tmpfs overlay that makes the read-only root writable.
    #[arg(long, help_heading = BOOT)]
    pub(crate) no_overlay: bool,

    /// Mount the root from this export on another server; netroot does not export it then.
    #[arg(long, value_name = "ADDR:/PATH[,OPTS]", value_parser = nfsroot, help_heading = BOOT)]
    pub(crate) nfsroot: Option<String>,

    /// Allow this network to mount and to use TFTP, such as 10.88.0.0/24, beside the networks of the interface and of --dhcp; may be given several times.
    #[arg(long, value_name = "NETWORK", value_parser = network, help_heading = ACCESS)]
    pub(crate) allow: Vec<Prefix>,

    /// Allow only this network to mount, not the interface's unless they are named too; may be given several times.
    #[arg(long, value_name = "NETWORK", value_parser = network, conflicts_with = "allow", help_heading = ACCESS)]
    pub(crate) allow_only: Vec<Prefix>,

    /// Do not show machines the files that match, such as '/srv/**/*.key', and what is below them; may be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with = "nfsroot", help_heading = ACCESS)]
    pub(crate) hide: Vec<HidePattern>,

    /// Hide private keys (ssh host keys, /etc/ssl/private, VPN …), backups of /etc/shadow and other credentials of a machine; not /etc/shadow, which logins need.
    #[arg(long, conflicts_with = "nfsroot", help_heading = ACCESS)]
    pub(crate) hide_secrets: bool,

    /// Leave out the file systems that are mounted below the root (nfsd without crossmnt); what they cover is served.
    #[arg(long, conflicts_with = "nfsroot", help_heading = ACCESS)]
    pub(crate) no_submounts: bool,

    /// The port of the HTTP server.
    #[arg(long, value_name = "PORT", default_value_t = settings::HTTP_PORT, help_heading = SERVER)]
    pub(crate) http_port: u16,

    /// The port of the NFS server.
    #[arg(long, value_name = "PORT", default_value_t = settings::NFS_PORT, help_heading = SERVER)]
    pub(crate) nfs_port: u16,

    /// Also answer as portmapper on port 111 (for clients that are not given the ports).
    #[arg(long, conflicts_with = "nfsroot", help_heading = SERVER)]
    pub(crate) portmapper: bool,

    /// Also serve the world-readable files of this directory over TFTP and HTTP; its folders need o+x.
    #[arg(long, value_name = "DIR", help_heading = SERVER)]
    pub(crate) tftp_dir: Option<PathBuf>,

    /// The directory of iPXE's binaries, and of its signed shim and iPXE for machines with Secure Boot [default: where distributions install them].
    #[arg(long, value_name = "DIR", help_heading = SERVER)]
    pub(crate) ipxe: Option<PathBuf>,

    /// When machines are given what is signed (iPXE's own shim and iPXE, or the root's shim and GRUB) instead of iPXE alone: auto for those that refuse iPXE or report that Secure Boot is on; always; never.
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = secure_boot, help_heading = SECURE_BOOT)]
    pub(crate) secure_boot: SecureBootMode,

    /// The directory of the shim and the GRUB that machines with Secure Boot load, under the names that distributions give them (shimx64.efi.signed and grubnetx64.efi.signed, shimx64.efi and grubx64.efi, …); they have to trust who signed the root's kernel [default: those of the root].
    #[arg(long, value_name = "DIR", help_heading = SECURE_BOOT)]
    pub(crate) secure_boot_files: Option<PathBuf>,

    /// The directory for persistent state: the key of NFS handles, and the leases. It becomes the serving user's.
    #[arg(long, value_name = "DIR", default_value = settings::STATE, help_heading = SERVER)]
    pub(crate) state: PathBuf,

    /// The directory for initrds that were built. It becomes the serving user's.
    #[arg(long, value_name = "DIR", default_value = settings::CACHE, help_heading = SERVER)]
    pub(crate) cache: PathBuf,

    /// Give UEFI firmware a unified kernel image before any boot loader, signed with this private key (PEM, RSA, without a password): for machines with Secure Boot that have its certificate enrolled. The root needs systemd's stub (Debian: systemd-boot-efi).
    #[arg(long, value_name = "FILE", requires = "uki_cert", help_heading = SECURE_BOOT)]
    pub(crate) uki_key: Option<PathBuf>,

    /// The certificate of that key (PEM).
    #[arg(long, value_name = "FILE", requires = "uki_key", help_heading = SECURE_BOOT)]
    pub(crate) uki_cert: Option<PathBuf>,
}
