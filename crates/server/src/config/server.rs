//! What is fixed while the server runs: `[server]`, `[[network]]`, `[api]` and `[hook]`.

use std::time::Duration;

use super::section::Section;
use super::values::absolute;
use crate::catalog::is_host_name;
use crate::option_value::{AddressRange, LEASE_TIMES, host, ipv4_host, isolated_subnet, network};
use crate::settings::{
    self, Allow, ApiSettings, DhcpSettings, HookSettings, HookUrl, IsolatedSettings, Mode,
    NetworkSettings, Origin, RangeSettings, Settings, TcpApiSettings, TlsSettings, UkiSettings,
};

/// How long a hook may take. Firmware and iPXE give up on a server that is silent for some ten seconds.
const DEADLINES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// The keys of the main file alone.
pub(super) const KEYS: [&str; 7] = [
    "server",
    "network",
    "api",
    "hook",
    "default",
    "secure-boot",
    "menu",
];

/// Reads all of them. Returns where each network is.
pub(super) fn read(whole: &mut Section<'_>, settings: &mut Settings) -> Vec<Origin> {
    if let Some(server) = whole.table("server") {
        read_server(server, settings);
    }
    let networks = whole.tables("network").into_iter();
    let networks = networks.map(|network| (network.origin(), read_network(network)));
    let (places, networks): (Vec<_>, Vec<_>) = networks.unzip();
    if !networks.is_empty() {
        settings.networks = networks;
    }
    if let Some(api) = whole.table("api") {
        read_api(api, &mut settings.api);
    }
    if let Some(hook) = whole.table("hook") {
        settings.api.hook = read_hook(hook);
    }
    places
}

fn read_api(mut api: Section<'_>, settings: &mut ApiSettings) {
    settings.hosts = api.list("hosts", "a host name", |text| match is_host_name(&text) {
        true => Ok(text),
        false => Err("expected a host name such as boot.example.org, without a scheme or a port"),
    });
    for (one, other) in [
        ("listen", "token-file"),
        ("token-file", "listen"),
        ("certificate", "key"),
        ("key", "certificate"),
        ("certificate", "listen"),
    ] {
        if api.has(one) && !api.has(other) {
            api.mistake_of(one, format!("needs {other}"));
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
    let deadline = hook.time("deadline", DEADLINES, "\"300ms\"");
    let deadline = deadline.unwrap_or(HookSettings::DEADLINE);
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
            let why = "excludes allow, which is there, too: name all networks in one of them";
            server.mistake_of("allow-only", why);
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
    for (one, other) in [("uki-key", "uki-cert"), ("uki-cert", "uki-key")] {
        if server.has(one) && !server.has(other) {
            server.mistake_of(one, format!("needs {other}"));
        }
    }
    let pair = server.path("uki-key").zip(server.path("uki-cert"));
    settings.uki = pair.map(|(key, certificate)| UkiSettings { key, certificate });
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
        address: network.parsed("address", "an address", |text| ipv4_host(&text)),
        mode,
        probe: network.boolean("probe").unwrap_or(true),
    };
    network.finish();
    settings
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
    let time = network.time("lease-time", LEASE_TIMES, "\"12h\"");
    time.unwrap_or(settings::LEASE_TIME)
}
