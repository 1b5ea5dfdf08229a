//! `DIALECTS.md` is a table of tests: each line names the tool whose spelling it is, a
//! command line, and what this init makes of it. The table is checked against the parser.

use super::*;
use crate::mount::Version;

const TABLE: &str = include_str!("../../DIALECTS.md");

/// The lines of the table: the tool, the command line, its meaning.
fn lines() -> Vec<(String, String, String)> {
    let cells = |line: &str| -> Option<(String, String, String)> {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let mut cells = inner.split(" | ");
        let line = (cells.next()?, cells.next()?, cells.next()?);
        let cmdline = line.1.strip_prefix('`')?.strip_suffix('`')?;
        // A `|` within a table has to be escaped.
        let plain = |text: &str| text.replace("\\|", "|");
        Some((line.0.to_owned(), plain(cmdline), plain(line.2)))
    };
    TABLE.lines().filter_map(cells).collect()
}

/// What the init makes of a command line, without what holds for every one of them.
fn meaning(plan: &BootPlan) -> String {
    let mut parts: Vec<String> = plan.network.addressing.iter().map(nic).collect();
    devices(&plan.network, &mut parts);
    limits(&plan.network, &mut parts);
    modules(&plan.modules, &mut parts);
    parts.extend(root(&plan.root));
    if plan.access.origin != Origin::Default {
        parts.push(plan.access.value.to_string());
    }
    if plan.overlay.origin != Origin::Default {
        parts.push(match &plan.overlay.value {
            Overlay::Off => "no overlay".into(),
            Overlay::Tmpfs { size: None } => "a tmpfs over it".into(),
            Overlay::Tmpfs { size: Some(size) } => format!("a tmpfs of {size} over it"),
        });
    }
    ending(plan, &mut parts);
    let passed_over = |i: &Ignored| format!("without {}: {}", i.parameter, i.why);
    parts.extend(plan.ignored.iter().map(passed_over));
    let complaint = |c: &Complaint| format!("{} expected at {}", c.expected, c.position);
    parts.extend(plan.complaints.iter().map(complaint));
    if !plan.foreign.is_empty() {
        parts.push(format!("others' {}", plan.foreign.join(" ")));
    }
    parts.join("; ")
}

fn nic(request: &IpRequest) -> String {
    let mut text = request
        .device
        .as_ref()
        .map_or("every NIC".into(), ToString::to_string);
    text += match request.method {
        Method::Dhcp => " asks DHCP",
        Method::Bootp => " asks BOOTP",
        Method::Any => " asks DHCP or BOOTP",
        Method::Static => " is set",
        Method::Off => " is left alone",
        Method::Unreadable => " gets no address",
    };
    let mut add = |what: &str, value: Option<String>| {
        text.extend(value.map(|value| format!(" {what} {value}")));
    };
    match request.method {
        Method::Static => add("to", request.address().map(|own| own.to_string())),
        _ => add("for", request.client.map(|own| own.to_string())),
    }
    add("router", request.gateway.map(|a| a.to_string()));
    add("server", request.server.map(|a| a.to_string()));
    add("host", request.host_name.clone());
    add("domain", request.nis_domain.clone());
    let dns: Vec<String> = request.dns.iter().map(ToString::to_string).collect();
    add("DNS", (!dns.is_empty()).then(|| dns.join(" ")));
    add("NTP", request.ntp.map(|a| a.to_string()));
    add("MTU", request.mtu.map(|mtu| mtu.to_string()));
    add("address", request.link_address.map(|mac| mac.to_string()));
    let id = request.client_identifier.as_ref();
    add(
        "as",
        id.map(|id| format!("{} {}", id.kind, String::from_utf8_lossy(&id.value))),
    );
    text
}

fn devices(network: &NetworkPlan, parts: &mut Vec<String>) {
    for Setting { value: bond, .. } in &network.bonds {
        let options: Vec<String> = bond
            .attributes
            .iter()
            .map(|(attribute, number)| format!(", {attribute:?} {number}"))
            .collect();
        let mtu = bond
            .mtu
            .map(|mtu| format!(", MTU {mtu}"))
            .unwrap_or_default();
        parts.push(format!(
            "{} bonds {} ({:?}{}{mtu})",
            bond.name,
            bond.ports.join(" "),
            bond.mode,
            options.concat()
        ));
    }
    for Setting { value: vlan, .. } in &network.vlans {
        parts.push(format!(
            "{} is VLAN {} of {}",
            vlan.name, vlan.id, vlan.link
        ));
    }
    for Setting { value: bridge, .. } in &network.bridges {
        parts.push(format!(
            "{} bridges {}",
            bridge.name,
            bridge.ports.join(" ")
        ));
    }
    for Setting { value: rename, .. } in &network.renames {
        let address = rename.address;
        parts.push(format!("{address} is called {}", rename.name));
    }
    for Setting { value: route, .. } in &network.routes {
        let mut text = format!("route {}", route.route.destination);
        text.extend(route.route.gateway.map(|gateway| format!(" by {gateway}")));
        text.extend(route.device.as_ref().map(|device| format!(" on {device}")));
        parts.push(text);
    }
}

fn modules(orders: &ModuleOrders, parts: &mut Vec<String>) {
    let wanted = orders.wanted.iter();
    parts.extend(wanted.map(|module| format!("loads {}", module.value)));
    let unwanted = orders.unwanted.iter();
    parts.extend(unwanted.map(|module| format!("no device loads {}", module.value)));
}

fn limits(network: &NetworkPlan, parts: &mut Vec<String>) {
    if let Some(boot) = &network.boot_link {
        parts.push(format!("the NIC is {}", boot.value));
    }
    if let Some(device) = &network.boot_device {
        parts.push(format!("{} finds the root", device.value));
    }
    for server in &network.name_servers {
        parts.push(format!("DNS {}", server.value));
    }
    if !network.peer_dns.value {
        parts.push("no DNS of DHCP".into());
    }
    if let Some(class) = &network.dhcp_class {
        parts.push(format!("vendor class {}", class.value));
    }
    let timeouts = &network.timeouts;
    if network.carrier_timeout.origin != Origin::Default {
        parts.push(format!(
            "carrier within {:?}",
            network.carrier_timeout.value
        ));
    }
    for (what, limit) in [
        ("NIC", &timeouts.link),
        ("link up", &timeouts.up),
        ("lease", &timeouts.dhcp),
    ] {
        parts.extend(
            limit
                .iter()
                .map(|limit| format!("{what} within {:?}", limit.value)),
        );
    }
    if let Some(tries) = &timeouts.dhcp_tries {
        parts.push(format!("{} tries of DHCP", tries.value));
    }
}

fn root(root: &RootRequest) -> Option<String> {
    let (text, options) = match root {
        RootRequest::Missing => return None,
        RootRequest::Unsupported { value, .. } => return Some(format!("{value} is not on NFS")),
        RootRequest::FromDhcp {
            kernel_default,
            options,
            ..
        } => {
            let or = if *kernel_default {
                ", else /tftpboot/%s"
            } else {
                ""
            };
            (format!("root from DHCP{or}"), options)
        }
        RootRequest::Nfs(request) => {
            let servers: Vec<String> = request
                .server
                .iter()
                .chain(&request.others)
                .map(ToString::to_string)
                .collect();
            let server = match servers.as_slice() {
                [] => "DHCP's server".into(),
                servers => servers.join(", then "),
            };
            let path = request.path.as_deref().unwrap_or("DHCP's path");
            (format!("root {path} on {server}"), &request.options)
        }
    };
    let mut parts = vec![text];
    if !options.versions.is_empty() {
        let versions: Vec<String> = options.versions.iter().map(Version::to_string).collect();
        parts.push(format!("NFS {}", versions.join(", ")));
    }
    parts.extend(options.port.map(|port| format!("port {port}")));
    parts.extend(options.mount_port.map(|port| format!("mountport {port}")));
    parts.extend(
        options
            .lock
            .map(|lock| if lock { "lock" } else { "nolock" }.to_owned()),
    );
    parts.extend(options.access.map(|access| access.to_string()));
    parts.extend(options.rest.iter().map(|option| match &option.value {
        Some(value) => format!("{}={value}", option.key),
        None => option.key.clone(),
    }));
    Some(parts.join(", "))
}

fn ending(plan: &BootPlan, parts: &mut Vec<String>) {
    if !plan.root_delay.value.is_zero() {
        parts.push(format!("{:?} before the mount", plan.root_delay.value));
    }
    if let Some(wait) = &plan.root_wait {
        parts.push(match wait.value {
            Some(limit) => format!("root within {limit:?}"),
            None => "root awaited".into(),
        });
    }
    parts.extend(
        plan.breaks
            .iter()
            .map(|stage| format!("stops {}", stage.value.before())),
    );
    if plan.rescue.origin != Origin::Default {
        parts.push(match plan.rescue.value {
            Rescue::Never => "never a prompt".into(),
            Rescue::OnKey => "a prompt on a key".into(),
            Rescue::OnFailure => "a prompt when it fails".into(),
        });
    }
    if let Some(report) = &plan.report {
        parts.push(format!("a report to {}", report.value));
    }
    if plan.fstab.origin != Origin::Default {
        parts.push(match plan.fstab.value {
            Fstab::Keep => "fstab as it is".into(),
            Fstab::Mask => "fstab without disks".into(),
        });
    }
    match &plan.program.value {
        InitProgram::Usual => {}
        InitProgram::Path(path) => parts.push(format!("runs {path}")),
        guix @ InitProgram::GuixSystem {
            guile, activate, ..
        } => {
            parts.push(format!(
                "runs {guile}, else the interpreter of {activate}, with {}",
                guix.leading_arguments().join(" ")
            ));
        }
    }
    match plan.after_failure.value {
        AfterFailure::TryAgain => {}
        AfterFailure::RebootAfter(pause) => {
            parts.push(format!("reboots {pause:?} after a failure"))
        }
        AfterFailure::RebootNow => parts.push("reboots after a failure".into()),
    }
    if plan.console_level.origin != Origin::Default {
        parts.push(format!("console level {}", plan.console_level.value));
    }
}

#[test]
fn every_line_of_the_dialect_table_holds() {
    let lines = lines();
    let mut wrong = String::new();
    for (tool, cmdline, expected) in &lines {
        let found = meaning(&BootPlan::parse(cmdline));
        if found != *expected {
            let escaped = |text: &str| text.replace('|', "\\|");
            wrong += &format!(
                "| {tool} | `{}` | {} |\n",
                escaped(cmdline),
                escaped(&found)
            );
        }
    }
    assert!(wrong.is_empty(), "these lines should read:\n{wrong}");
}

#[test]
fn the_dialect_table_is_complete() {
    let lines = lines();
    let rows = TABLE.lines().filter(|line| line.starts_with('|'));
    // Each part of the table has a line of titles and one of dashes.
    let parts = TABLE.lines().filter(|line| line.starts_with("|--")).count();
    assert_eq!(lines.len(), rows.count() - 2 * parts);
    for tool in [
        "kernel",
        "klibc",
        "initramfs-tools",
        "Ubuntu",
        "dracut",
        "Arch",
        "LTSP",
        "Guix",
        "xCAT",
        "FAI",
        "netroot",
    ] {
        assert!(lines.iter().any(|(name, ..)| name == tool), "{tool}");
    }
    let mut all: Vec<&String> = lines.iter().map(|(_, cmdline, _)| cmdline).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), lines.len(), "a command line stands there twice");
}
