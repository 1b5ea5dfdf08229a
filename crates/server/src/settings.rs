//! What to serve, where and how: made once from the command line, and the only thing that the server reads.
//!
//! Nothing here looks at this machine: whether an interface exists or a directory holds a kernel is found out when
//! the server starts.

mod api;
mod catalog;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_nfs_export::{HiddenPaths, HidePattern};

pub use self::api::{
    ApiSettings, HookSettings, HookUrl, HookUrlError, TcpApiSettings, TlsSettings,
};
pub(crate) use self::catalog::Kind;
pub use self::catalog::{
    CatalogSettings, Choice, Generations, ImageSettings, ImageSource, InitrdSource, Location,
    MachineSettings, MenuSettings, Origin, RootSettings, Rule, SwappedRoot,
};
use crate::option_value::AddressRange;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The interfaces to serve, each with its mode.
    pub networks: Vec<NetworkSettings>,
    /// Which machine boots what. This may change while the server runs.
    pub catalog: CatalogSettings,
    /// The HTTP server's TCP port.
    pub http_port: u16,
    /// The TCP port of NFS and MOUNT.
    pub nfs_port: u16,
    /// Whether to answer on the portmapper's port 111 too.
    pub portmapper: bool,
    /// Who may mount, and who may use TFTP.
    pub allow: Allow,
    /// A folder whose files are served over TFTP and HTTP too.
    pub tftp_dir: Option<PathBuf>,
    /// The folder with iPXE's binaries; `None` for where distributions' packages install them.
    pub ipxe: Option<PathBuf>,
    /// The folder for what outlives a restart: the export's key and the leases.
    pub state: PathBuf,
    /// The folder where built initrds are kept.
    pub cache: PathBuf,
    /// The Unix socket for commands; `None` for the usual place.
    pub control: Option<PathBuf>,
    /// The API over TCP, and the web hook.
    pub api: ApiSettings,
    /// The key that signs unified kernel images.
    pub uki: Option<UkiSettings>,
    /// Whether events are printed as JSON.
    pub json: bool,
    /// The folders in which the directories of images that are added while the server runs may be, beside those that are
    /// served from the start. A server that may mount (`CAP_SYS_ADMIN`) takes them from anywhere.
    pub roots: Vec<PathBuf>,
    /// The swaps of roots that were written for the start of this server (`netroot image swap --at-restart`), by their numbers.
    pub swaps_at_start: BTreeSet<u64>,
    /// Where the configuration was read from and is followed; `None` for the command line alone.
    pub config: Option<ConfigPlace>,
}

/// A private key of the administrator's, whose certificate machines have enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UkiSettings {
    /// Its file, as PEM.
    pub key: PathBuf,
    /// The file of its certificate, as PEM.
    pub certificate: PathBuf,
}

/// Where a configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The main file.
    pub file: PathBuf,
    /// The folder of the drop-ins, `*.toml`, which are read in the order of their names.
    pub drop_ins: PathBuf,
}

impl ConfigPlace {
    /// The main file at `file`, and its drop-ins in `conf.d` beside it.
    #[must_use]
    pub fn of_file(file: PathBuf) -> Self {
        let drop_ins = file.with_file_name("conf.d");
        Self { file, drop_ins }
    }
}

/// Where the main file usually is.
pub(crate) const CONFIG: &str = "/etc/netroot/netroot.toml";
/// The HTTP server's TCP port where none is configured.
pub(crate) const HTTP_PORT: u16 = 8069;
/// The TCP port of NFS where none is configured (RFC 1813).
pub(crate) const NFS_PORT: u16 = 2049;
/// The folder for what outlives a restart where none is configured.
pub(crate) const STATE: &str = "/var/lib/netroot";
/// The folder for initrds where none is configured.
pub(crate) const CACHE: &str = "/var/cache/netroot";
/// The modules in the initrd where none are configured.
pub(crate) const MODULES: &str = "netboot";
/// How many generations of a root are images where no number is configured: each has an initrd of its own, and the newest
/// are what somebody goes back to.
pub(crate) const GENERATIONS: u16 = 5;
/// How many can be configured.
pub(crate) const MOST_GENERATIONS: u16 = 100;
/// How long an address is lent where nothing is configured.
pub(crate) const LEASE_TIME: Duration = Duration::from_secs(3600);

impl Default for Settings {
    /// What is served where nothing is said: the only interface, beside another DHCP server.
    fn default() -> Self {
        Self {
            networks: vec![NetworkSettings {
                interface: None,
                address: None,
                mode: Mode::Proxy,
                probe: true,
            }],
            catalog: CatalogSettings::default(),
            http_port: HTTP_PORT,
            nfs_port: NFS_PORT,
            portmapper: false,
            allow: Allow::default(),
            tftp_dir: None,
            ipxe: None,
            state: STATE.into(),
            cache: CACHE.into(),
            control: None,
            api: ApiSettings::default(),
            uki: None,
            json: false,
            roots: Vec::new(),
            swaps_at_start: BTreeSet::new(),
            config: None,
        }
    }
}

/// Who may mount the roots. The networks of the served interfaces may use TFTP in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// The networks of the served interfaces, and these.
    Also(Vec<Prefix>),
    /// These, and no others.
    Only(Vec<Prefix>),
}

impl Allow {
    /// The networks that are named.
    pub(crate) fn named(&self) -> &[Prefix] {
        match self {
            Self::Also(networks) | Self::Only(networks) => networks,
        }
    }
}

impl Default for Allow {
    fn default() -> Self {
        Self::Also(Vec::new())
    }
}

/// One interface to serve.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// Its name, or the label of one of its addresses; `None` for the only one that is up with an address.
    pub interface: Option<String>,
    /// The address by which machines know the server; `None` for the one that most of them can reach.
    pub address: Option<Ipv4Addr>,
    /// Who gives addresses there.
    pub mode: Mode,
    /// Whether to look for other DHCP servers at start.
    pub probe: bool,
}

/// The networks whose interface another one before has, too, and which that is, by their places.
pub(crate) fn doubled(networks: &[NetworkSettings]) -> Vec<(usize, usize)> {
    // Of a label, the interface that it is on.
    let device = |network: &NetworkSettings| {
        let name = network.interface.as_deref()?;
        Some(name.split(':').next().unwrap_or(name).to_owned())
    };
    let devices: Vec<Option<String>> = networks.iter().map(device).collect();
    let named = devices
        .iter()
        .enumerate()
        .filter(|(_, name)| name.is_some());
    named
        .filter_map(|(number, name)| {
            let first = devices.iter().position(|other| other == name)?;
            (first < number).then_some((number, first))
        })
        .collect()
}

/// An interface is named twice.
#[derive(Debug, thiserror::Error)]
#[error("{0} is to be served twice; name it once")]
pub(crate) struct NamedTwice(String);

/// Whether each interface is named once.
///
/// # Errors
/// One that is not.
pub(crate) fn once_each(settings: &Settings) -> Result<(), NamedTwice> {
    let Some((number, _)) = doubled(&settings.networks).first().copied() else {
        return Ok(());
    };
    let network = settings.networks.get(number);
    let name = network.and_then(|network| network.interface.clone());
    Err(NamedTwice(name.unwrap_or_default()))
}

/// Who gives addresses on a network.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Another server; netroot adds the boot part.
    Proxy,
    /// netroot.
    Dhcp(DhcpSettings),
    /// netroot, in a network that only this interface has, apart from the host's other networks.
    Isolated(IsolatedSettings),
}

/// A network of its own: its interface needs no address.
#[derive(Debug, Clone)]
pub struct IsolatedSettings {
    /// The network, of 16 to 29 bits, or the server's address with the length of its prefix: in `10.20.0.0/24` the server is
    /// 10.20.0.1. `None` for the network of the address that the interface has, or else for one that is free.
    pub subnet: Option<Prefix>,
    /// The ranges that are given, in the network; none for all of it.
    pub ranges: Vec<RangeSettings>,
    /// The default gateway; `None` for the server if `nat`, else for none.
    pub router: Option<IpAddr>,
    /// The name servers; none for the host's own if `nat`, else for none.
    pub dns: Vec<IpAddr>,
    /// How long an address is lent.
    pub lease_time: Duration,
    /// Whether its machines reach the networks behind the host's other interfaces, under the host's address.
    pub nat: bool,
}

/// Addresses that are given, all in one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeSettings {
    /// The lowest address that is given.
    pub first: Ipv4Addr,
    /// The highest.
    pub last: Ipv4Addr,
    /// The length of their network's prefix, in bits: for machines behind a relay. `None` in a network of the interface.
    pub length: Option<u8>,
    /// The default gateway there; `None` for [`DhcpSettings::router`] if that is in their network, else behind a relay
    /// the relay.
    pub router: Option<Ipv4Addr>,
}

/// What is handed out with an address.
#[derive(Debug, Clone)]
pub struct DhcpSettings {
    /// DHCPv4's ranges, at least one.
    pub ranges: Vec<RangeSettings>,
    /// The default gateway, in the network of one of the ranges.
    pub router: Option<IpAddr>,
    /// The name servers.
    pub dns: Vec<IpAddr>,
    /// How long an address is lent.
    pub lease_time: Duration,
    /// Give addresses although another DHCP server answers.
    pub anyway: bool,
}

impl From<AddressRange> for RangeSettings {
    fn from(range: AddressRange) -> Self {
        Self {
            first: range.first,
            last: range.last,
            length: range.length,
            router: range.router,
        }
    }
}

/// What is hidden by these patterns, and with the usual secrets.
pub(crate) fn hidden(patterns: Vec<HidePattern>, secrets: bool) -> HiddenPaths {
    let secrets = secrets.then(HiddenPaths::secrets).unwrap_or_default();
    HiddenPaths::new(patterns.into_iter().chain(secrets))
}
