//! What the init does to get an address.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use netroot_proto::cmdline::{
    Bond, BondMode, BootPlan, IpRequest, Method, NetworkPlan, Origin, Setting, StaticRoute,
};
use netroot_proto::mount::MachineIdentity;
use netroot_proto::root::{self, LeaseFacts, Missing};

use super::page::Page;

/// The rows about the network.
pub(super) fn add_to_page(plan: &BootPlan, page: &mut Page) {
    let network = &plan.network;
    page.heading("the network");
    devices(network, page);
    if network.addressing.is_empty() {
        page.row("every NIC", &"asks a DHCP server", &Origin::Default);
    }
    for request in &network.addressing {
        let named = network.addressing.len() > 1;
        let device = request.device.as_ref().map(ToString::to_string);
        let label = match device.as_deref() {
            Some(device) => device,
            // Two NICs do not get the same address: only the first one with a carrier does.
            None if request.method == Method::Static => "first NIC",
            None if named => "other NICs",
            None => "every NIC",
        };
        page.row(label, &address(plan, request), &request.origin);
    }
    if let Some(boot) = &network.boot_link {
        let nic = boot.value;
        let text = format!("only {nic}; every NIC if none with that address appears within 20 s");
        page.row("boot NIC", &text, &boot.origin);
    }
    if let Some(device) = &network.boot_device {
        let text = format!("{} determines the root", device.value);
        page.row("boot NIC", &text, &device.origin);
    }
    around(network, page);
    limits(network, page);
}

/// What is created or renamed before an address is requested, in that order.
fn devices(network: &NetworkPlan, page: &mut Page) {
    for Setting { value, origin } in &network.renames {
        let text = format!("is the new name of {}", value.address);
        page.row(&value.name, &text, origin);
    }
    for Setting { value, origin } in &network.bonds {
        page.row(&value.name, &bond(value), origin);
    }
    for Setting { value, origin } in &network.vlans {
        let text = format!("is created: VLAN {} on {}", value.id, value.link);
        page.row(&value.name, &text, origin);
    }
    for Setting { value, origin } in &network.bridges {
        let text = format!("is created: a bridge of {}", value.ports.join(" and "));
        page.row(&value.name, &text, origin);
    }
}

fn bond(bond: &Bond) -> String {
    let lacp = match bond.mode {
        BondMode::Lacp => " (LACP)",
        _ => "",
    };
    let mode = bond.mode.word();
    let mut text = format!(
        "is created: a bond of {}, {mode}{lacp}",
        bond.ports.join(" and ")
    );
    if let Some(primary) = &bond.primary {
        let _ = write!(text, ", {primary} before the others");
    }
    match bond.attributes.len() {
        0 => {}
        1 => text.push_str(", 1 more setting"),
        more => {
            let _ = write!(text, ", {more} more settings");
        }
    }
    if !bond.arp_targets.is_empty() {
        let targets: Vec<String> = bond.arp_targets.iter().map(ToString::to_string).collect();
        let _ = write!(text, ", watched by ARP to {}", targets.join(" and "));
    }
    if let Some(mtu) = bond.mtu {
        let _ = write!(text, ", MTU {mtu}");
    }
    text
}

/// How a request gets its address, and what it adds.
fn address(plan: &BootPlan, request: &IpRequest) -> String {
    let mut text = match (request.method, request.address()) {
        (Method::Off, _) => return "is left alone".to_owned(),
        (Method::Unreadable, _) => return "gets no address: it cannot be read".to_owned(),
        (Method::Static, Some(address)) => {
            let classful = if request.prefix.is_none() {
                ", the classful network"
            } else {
                ""
            };
            let has = match request.device {
                Some(_) => "has",
                None => "with a carrier has",
            };
            let asked = match missing(plan, request) {
                Some(missing) => format!("a DHCP server is asked for {missing} (DHCPINFORM)"),
                None => "no server is asked".to_owned(),
            };
            format!("{has} the address {address}{classful}; {asked}")
        }
        (Method::Bootp, _) => "asks a BOOTP server".to_owned(),
        (Method::Any, _) => {
            "asks a DHCP server, and a BOOTP server as well after 7 s of silence".to_owned()
        }
        _ => "asks a DHCP server".to_owned(),
    };
    if request.method != Method::Static
        && let Some(client) = request.client
    {
        let _ = write!(text, " for {client}");
    }
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, ", {what} {value}");
        }
    };
    if let Some(id) = &request.client_identifier {
        let value = String::from_utf8_lossy(&id.value);
        add(
            "as client",
            Some(format!("\"{value}\" of type {}", id.kind)),
        );
    }
    add("router", request.gateway.map(|gateway| gateway.to_string()));
    add("host name", request.host_name.clone());
    add("NIS domain", request.nis_domain.clone());
    let dns: Vec<String> = request.dns.iter().map(ToString::to_string).collect();
    add("DNS", (!dns.is_empty()).then(|| dns.join(" and ")));
    add("time server", request.ntp.map(|ntp| ntp.to_string()));
    add("MTU", request.mtu.map(|mtu| mtu.to_string()));
    let own = request.link_address.as_ref();
    add("Ethernet address", own.map(|mac| mac.to_string()));
    text
}

/// What a static address lacks for the root.
fn missing(plan: &BootPlan, request: &IpRequest) -> Option<Missing> {
    let own = request.address()?;
    let facts = LeaseFacts {
        address: Some(own.address()),
        request: Some(request),
        ..LeaseFacts::default()
    };
    let routes = &plan.network.routes;
    let reaches = |server: IpAddr| {
        let routed = |s: &Setting<StaticRoute>| s.value.route.destination.contains(server);
        request.gateway.is_some() || own.contains(server) || routes.iter().any(routed)
    };
    let names = !(request.dns.is_empty() && plan.network.name_servers.is_empty());
    root::missing(plan, &facts, &MachineIdentity::default(), names, reaches)
}

/// Routes, name servers, and what is sent to DHCP servers.
fn around(network: &NetworkPlan, page: &mut Page) {
    for Setting { value, origin } in &network.routes {
        let mut text = value.route.destination.to_string();
        if let Some(gateway) = value.route.gateway {
            let _ = write!(text, " by {gateway}");
        }
        if let Some(device) = &value.device {
            let _ = write!(text, " on {device}");
        }
        page.row("route", &text, origin);
    }
    for server in &network.name_servers {
        let text = format!("{}, before those from DHCP", server.value);
        page.row("DNS", &text, &server.origin);
    }
    if !network.peer_dns.value {
        let text = "name servers from DHCP are not used";
        page.row("DNS", &text, &network.peer_dns.origin);
    }
    if let Some(class) = &network.dhcp_class {
        let text = format!(
            "\"{}\" is sent to DHCP servers as vendor class",
            class.value
        );
        page.row("DHCP", &text, &class.origin);
    }
}

fn limits(network: &NetworkPlan, page: &mut Page) {
    let timeouts = &network.timeouts;
    let mut limit = |label: &str, what: &str, limit: &Option<Setting<Duration>>| {
        if let Some(limit) = limit {
            let text = format!("{} s {what}", limit.value.as_secs());
            page.row(label, &text, &limit.origin);
        }
    };
    limit("NIC", "for one to appear", &timeouts.link);
    limit("link", "for it to come up", &timeouts.up);
    limit("DHCP", "for a lease", &timeouts.dhcp);
    if let Some(tries) = &timeouts.dhcp_tries {
        let text = format!("{} tries", tries.value);
        page.row("DHCP", &text, &tries.origin);
    }
    let carrier = &network.carrier_timeout;
    let text = format!(
        "{} s without a carrier is a failure",
        carrier.value.as_secs()
    );
    page.row("carrier", &text, &carrier.origin);
}
