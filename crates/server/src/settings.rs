//! What to serve, where and how: made once from the command line, and the only thing that the server reads.
//!
//! Nothing here looks at this machine: whether an interface exists or a directory holds a kernel is found out when
//! the server starts.

mod api;
mod catalog;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_nfs_export::{HiddenPaths, HidePattern};

pub use self::api::{
    ApiSettings, HookSettings, HookUrl, HookUrlError, TcpApiSettings, TlsSettings,
};
pub use self::catalog::{
    CatalogSettings, Choice, ImageSettings, ImageSource, InitrdSource, Location, MachineSettings,
    MenuSettings, Origin, RootSettings, Rule,
};
use crate::cli::{AddressRange, ServeArgs};

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
    /// Whether events are printed as JSON.
    pub json: bool,
    /// The folders in which the directories of images that are added while the server runs may be, beside those that are
    /// served from the start. A server that may mount (`CAP_SYS_ADMIN`) takes them from anywhere.
    pub roots: Vec<PathBuf>,
    /// Where the configuration was read from and is followed; `None` for the command line alone.
    pub config: Option<ConfigPlace>,
}

/// Where a configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPlace {
    /// The main file.
    pub file: PathBuf,
    /// The folder of the drop-ins, `*.toml`, which are read in the order of their names.
    pub drop_ins: PathBuf,
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

impl From<ServeArgs> for Settings {
    /// One directory is one image, each interface a network.
    fn from(args: ServeArgs) -> Self {
        let range = |range: &AddressRange| RangeSettings {
            first: range.first,
            last: range.last,
            length: range.length,
            router: range.router,
        };
        let lease_time = Duration::from_secs(u64::from(args.lease_time));
        let mode = match args.dhcp.as_slice() {
            [] => Mode::Proxy,
            ranges => Mode::Dhcp(DhcpSettings {
                ranges: ranges.iter().map(range).collect(),
                router: args.router,
                dns: args.dns.clone(),
                lease_time,
                anyway: args.dhcp_anyway,
            }),
        };
        let network = |interface, address, mode| NetworkSettings {
            interface,
            address,
            mode,
            probe: !args.no_probe,
        };
        let mut networks = Vec::new();
        // Where only isolated networks are asked for, no other is touched.
        let only_isolated = !args.isolated.is_empty()
            && args.interface.is_empty()
            && args.dhcp.is_empty()
            && args.address.is_none();
        if !only_isolated {
            let mut named = args.interface.into_iter();
            networks.push(network(named.next(), args.address, mode));
            networks.extend(named.map(|name| network(Some(name), None, Mode::Proxy)));
        }
        for isolated in args.isolated {
            let mode = Mode::Isolated(IsolatedSettings {
                subnet: isolated.subnet,
                ranges: Vec::new(),
                router: None,
                dns: args.dns.clone(),
                lease_time,
                nat: args.nat,
            });
            networks.push(network(Some(isolated.interface), None, mode));
        }
        let initrd = match args.initrd {
            Some(file) => InitrdSource::File(file),
            None => InitrdSource::Build {
                modules: args.modules,
                init: args.init,
            },
        };
        Self {
            networks,
            catalog: CatalogSettings::of_one(ImageSettings {
                name: None,
                title: None,
                source: ImageSource::Root(RootSettings {
                    directory: args.dir,
                    nfsroot: args.nfsroot,
                    kernel: args.kernel,
                    initrd,
                    overlay: !args.no_overlay,
                    hidden: hidden(args.hide, args.hide_secrets),
                    submounts: !args.no_submounts,
                    generations: false,
                }),
                append: args.append,
                origin: Origin::CommandLine,
            }),
            http_port: args.http_port,
            nfs_port: args.nfs_port,
            portmapper: args.portmapper,
            allow: match args.allow_only {
                none if none.is_empty() => Allow::Also(args.allow),
                only => Allow::Only(only),
            },
            tftp_dir: args.tftp_dir,
            ipxe: args.ipxe,
            state: args.state,
            cache: args.cache,
            control: args.control,
            api: ApiSettings::default(),
            json: args.json,
            roots: Vec::new(),
            config: None,
        }
    }
}

fn hidden(patterns: Vec<HidePattern>, secrets: bool) -> HiddenPaths {
    let secrets = secrets.then(HiddenPaths::secrets).unwrap_or_default();
    HiddenPaths::new(patterns.into_iter().chain(secrets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::serve;

    #[test]
    fn one_directory_is_one_image_on_one_network() {
        let settings = Settings::from(serve(&["/srv/debian", "--append", "quiet"]).unwrap());
        let [image] = settings.catalog.images.as_slice() else {
            panic!("{settings:?}")
        };
        let root = image.source.root().unwrap();
        assert_eq!(root.directory, PathBuf::from("/srv/debian"));
        assert!(root.overlay && image.append.as_deref() == Some("quiet"));
        let [network] = settings.networks.as_slice() else {
            panic!("{settings:?}")
        };
        assert!(network.interface.is_none() && network.probe);
        assert!(matches!(network.mode, Mode::Proxy));
    }

    #[test]
    fn what_is_hidden_is_given_and_the_usual_secrets() {
        let settings = |arguments: &[&str]| Settings::from(serve(arguments).unwrap());
        let hidden = |settings: &Settings| {
            let (_, root) = settings.catalog.roots().next().unwrap();
            root.hidden.clone()
        };
        let hides = |settings: &Settings, path: &str| hidden(settings).hide(path);
        let given = settings(&["/srv", "--hide", "/a*", "--hide", "/b/"]);
        assert!(hides(&given, "/abc/x") && hides(&given, "/b/y"));
        assert!(!hides(&given, "/etc/ssh/ssh_host_rsa_key"));
        let both = settings(&["/srv", "--hide-secrets", "--hide", "/etc/shadow"]);
        assert!(hides(&both, "/etc/ssh/ssh_host_rsa_key") && hides(&both, "/etc/shadow"));
        assert!(hidden(&settings(&["/srv"])).is_empty());
        let error = serve(&["/srv", "--hide", "id_rsa"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected a path below the root"), "{error}");
    }

    #[test]
    fn the_options_of_dhcp_belong_to_its_network() {
        let range = ["/srv", "--interface", "eth1", "--dhcp", "10.0.0.5-10.0.0.9"];
        let settings = Settings::from(serve(&range).unwrap());
        let [network] = settings.networks.as_slice() else {
            panic!("{settings:?}")
        };
        assert_eq!(network.interface.as_deref(), Some("eth1"));
        let Mode::Dhcp(dhcp) = &network.mode else {
            panic!("{network:?}")
        };
        assert_eq!(dhcp.ranges[0].last, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(dhcp.lease_time, Duration::from_secs(3600));
    }

    #[test]
    fn each_interface_has_its_own_way() {
        let networks = |arguments: &[&str]| -> Vec<String> {
            let all = [&["/srv"], arguments].concat();
            let networks = Settings::from(serve(&all).unwrap()).networks;
            let shown = |network: &NetworkSettings| {
                let way = match &network.mode {
                    Mode::Proxy => "proxy".to_owned(),
                    Mode::Dhcp(dhcp) => format!("dhcp {}", dhcp.ranges[0].first),
                    Mode::Isolated(isolated) => {
                        let subnet = isolated.subnet.map(|subnet| subnet.to_string());
                        format!("isolated {subnet:?} {}", isolated.nat)
                    }
                };
                format!("{}: {way}", network.interface.as_deref().unwrap_or("-"))
            };
            networks.iter().map(shown).collect()
        };
        assert_eq!(
            networks(&["--isolated", "eth1"]),
            ["eth1: isolated None false"]
        );
        let all = [
            "--interface",
            "eth0",
            "--interface",
            "eth2",
            "--dhcp",
            "10.0.0.5-10.0.0.9",
        ];
        let isolated = [
            "--isolated",
            "eth1=10.20.0.0/24",
            "--isolated",
            "eth3",
            "--nat",
        ];
        assert_eq!(
            networks(&[&all[..], &isolated].concat()),
            [
                "eth0: dhcp 10.0.0.5",
                "eth2: proxy",
                "eth1: isolated Some(\"10.20.0.0/24\") true",
                "eth3: isolated None true",
            ]
        );
        let unnamed = networks(&["--dhcp", "10.0.0.5-10.0.0.9", "--isolated", "eth1"]);
        assert_eq!(unnamed, ["-: dhcp 10.0.0.5", "eth1: isolated None false"]);
    }
}
