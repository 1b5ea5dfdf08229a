//! What is fixed while the server runs: `[server]`, `[[network]]`, `[api]` and `[hook]`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::section::{Section, absolute};
use crate::option_value::{AddressRange, host, isolated_subnet, network};
use crate::settings::{
    self, Allow, ApiSettings, CatalogSettings, DhcpSettings, HookSettings, HookUrl,
    IsolatedSettings, Mode, NetworkSettings, RangeSettings, Settings, TcpApiSettings, TlsSettings,
};

/// The keys of the main file alone.
pub(super) const KEYS: [&str; 6] = ["server", "network", "api", "hook", "default", "menu"];

/// What is served where a file says nothing: the only interface, beside another DHCP server.
pub(super) fn defaults() -> Settings {
    Settings {
        networks: vec![NetworkSettings {
            interface: None,
            address: None,
            mode: Mode::Proxy,
            probe: true,
        }],
        catalog: CatalogSettings::default(),
        http_port: settings::HTTP_PORT,
        nfs_port: settings::NFS_PORT,
        portmapper: false,
        allow: Allow::default(),
        tftp_dir: None,
        ipxe: None,
        state: PathBuf::from(settings::STATE),
        cache: PathBuf::from(settings::CACHE),
        control: None,
        json: false,
        roots: Vec::new(),
        config: None,
        api: ApiSettings::default(),
    }
}

/// Reads all of them.
pub(super) fn read(whole: &mut Section<'_>, settings: &mut Settings) {
    if let Some(server) = whole.table("server") {
        read_server(server, settings);
    }
    let networks = whole.tables("network");
    if !networks.is_empty() {
        settings.networks = networks.into_iter().map(read_network).collect();
    }
    if let Some(api) = whole.table("api") {
        read_api(api, &mut settings.api);
    }
    if let Some(hook) = whole.table("hook") {
        settings.api.hook = read_hook(hook);
    }
}

fn read_api(mut api: Section<'_>, settings: &mut ApiSettings) {
    settings.hosts = api.list("hosts", "a host name", Ok::<_, String>);
    for (one, other) in [
        ("listen", "token-file"),
        ("token-file", "listen"),
        ("certificate", "key"),
        ("key", "certificate"),
        ("certificate", "listen"),
    ] {
        if api.has(one) && !api.has(other) {
            api.mistake(format!("{one} needs {other}"));
        }
    }
    let listen = api.parsed("listen", "an address with a port", |text| {
        let expected = "expected an address with a port, such as 0.0.0.0:8070";
        text.parse().map_err(|_| expected)
    });
    let token_file = api.path("token-file");
    let (certificate, key) = (api.path("certificate"), api.path("key"));
    let pair = certificate.zip(key);
    let tls = pair.map(|(certificate, key)| TlsSettings { certificate, key });
    settings.tcp = listen
        .zip(token_file)
        .map(|(listen, token_file)| TcpApiSettings {
            listen,
            token_file,
            tls,
        });
    api.finish();
}

fn read_hook(mut hook: Section<'_>) -> Option<HookSettings> {
    if !hook.has("url") {
        hook.mistake("needs a url, such as url = \"http://127.0.0.1:9000/assign\"");
    }
    let url = hook.parsed("url", "a URL", |text| text.parse::<HookUrl>());
    let ca = hook.path("ca");
    let deadline = hook.time("deadline").unwrap_or(HookSettings::DEADLINE);
    hook.finish();
    Some(HookSettings {
        url: url?,
        ca,
        deadline,
    })
}

fn read_server(mut server: Section<'_>, settings: &mut Settings) {
    settings.http_port = server.port("http-port").unwrap_or(settings.http_port);
    settings.nfs_port = server.port("nfs-port").unwrap_or(settings.nfs_port);
    settings.portmapper = server.boolean("portmapper").unwrap_or_default();
    let also = server.list("allow", "a network", |text| network(&text));
    if server.has("allow-only") {
        if !also.is_empty() {
            server.mistake("allow-only excludes allow: who is not named there may not mount");
        }
        let only = server.list("allow-only", "a network", |text| network(&text));
        settings.allow = Allow::Only(only);
    } else {
        settings.allow = Allow::Also(also);
    }
    settings.tftp_dir = server.path("tftp-dir");
    settings.ipxe = server.path("ipxe");
    settings.state = server.path("state").unwrap_or(settings.state.clone());
    settings.cache = server.path("cache").unwrap_or(settings.cache.clone());
    settings.control = server.path("control");
    settings.json = server.boolean("json").unwrap_or_default();
    settings.roots = server.list("roots", "a path", |text| absolute(&text));
    server.finish();
}

/// What goes with giving addresses, and with one of the modes that do.
const OF_BOTH: [&str; 4] = ["range", "router", "dns", "lease-time"];
const OF_DHCP: [&str; 1] = ["anyway"];
const OF_ISOLATED: [&str; 2] = ["subnet", "nat"];

fn read_network(mut network: Section<'_>) -> NetworkSettings {
    let mode = network.parsed("mode", "a mode", |text| match text.as_str() {
        "proxy" | "dhcp" | "isolated" => Ok(text),
        _ => Err("expected proxy (another server gives addresses), dhcp or isolated"),
    });
    let mode = match mode.as_deref() {
        Some("dhcp") => {
            network.refuse(&OF_ISOLATED, "is for mode = \"isolated\"");
            Mode::Dhcp(read_dhcp(&mut network))
        }
        Some("isolated") => {
            network.refuse(&OF_DHCP, "is for mode = \"dhcp\"");
            network.refuse(
                &["address"],
                "is not for mode = \"isolated\"; its subnet may be an address with a length",
            );
            Mode::Isolated(read_isolated(&mut network))
        }
        _ => {
            network.refuse(&OF_BOTH, "is for mode = \"dhcp\" or mode = \"isolated\"");
            network.refuse(&OF_DHCP, "is for mode = \"dhcp\"");
            network.refuse(&OF_ISOLATED, "is for mode = \"isolated\"");
            Mode::Proxy
        }
    };
    let settings = NetworkSettings {
        interface: network.text("interface"),
        address: network.parsed("address", "an address", |text| address(&text)),
        mode,
        probe: network.boolean("probe").unwrap_or(true),
    };
    network.finish();
    settings
}

fn address(text: &str) -> Result<Ipv4Addr, &'static str> {
    text.parse().map_err(|_| "expected an IPv4 address")
}

fn read_dhcp(network: &mut Section<'_>) -> DhcpSettings {
    if !network.has("range") {
        network.mistake("mode dhcp needs a range, such as range = \"10.0.0.100-10.0.0.200\"");
    }
    DhcpSettings {
        ranges: ranges(network),
        router: network.parsed("router", "an address", |text| host(&text)),
        dns: network.list("dns", "an address", |text| host(&text)),
        lease_time: lease_time(network),
        anyway: network.boolean("anyway").unwrap_or_default(),
    }
}

fn read_isolated(network: &mut Section<'_>) -> IsolatedSettings {
    if !network.has("interface") {
        network.mistake("mode isolated needs an interface: none is taken by itself");
    }
    IsolatedSettings {
        subnet: network.parsed("subnet", "a network", |text| isolated_subnet(&text)),
        ranges: ranges(network),
        router: network.parsed("router", "an address", |text| host(&text)),
        dns: network.list("dns", "an address", |text| host(&text)),
        lease_time: lease_time(network),
        nat: network.boolean("nat").unwrap_or_default(),
    }
}

fn ranges(network: &mut Section<'_>) -> Vec<RangeSettings> {
    let ranges = network.list("range", "a range", |text| text.parse::<AddressRange>());
    ranges.into_iter().map(Into::into).collect()
}

fn lease_time(network: &mut Section<'_>) -> Duration {
    let shortest = Duration::from_secs(settings::SHORTEST_LEASE.into());
    let time = network.time("lease-time");
    if time.is_some_and(|time| time < shortest) {
        let shortest = shortest.as_secs();
        network.mistake(format!("lease-time has to be {shortest} s at least"));
    }
    time.unwrap_or(Duration::from_secs(settings::LEASE_TIME.into()))
}
