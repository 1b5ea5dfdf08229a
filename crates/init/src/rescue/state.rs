//! The output of `show`: the state of the machine.

use std::net::IpAddr;

use crate::console::debug;
use crate::machine::Machine;
use crate::net::address::Address;
use crate::report;

/// A line's label and text.
pub(super) type Row = (String, String);

/// The width of the label column.
const LABEL: usize = 14;

/// Formats a line, with its label in a column of its own.
pub(super) fn row(label: &str, text: &str) -> String {
    format!("{label:LABEL$}{text}")
}

/// Everything that is known about the machine.
pub(super) fn of(machine: &Machine) -> Vec<Row> {
    let mut rows = Vec::new();
    for nic in machine.nics.iter() {
        let driver = crate::net::link::driver(&nic.name);
        let driver = driver.map_or_else(String::new, |driver| format!(", driver {driver}"));
        let link = if nic.carrier { "up" } else { "down" };
        rows.push((
            nic.name.clone(),
            format!("{}{driver}, link {link}", nic.mac),
        ));
    }
    if let Some(address) = &machine.address {
        rows.extend(of_address(address));
    }
    match report::root(&machine.plan, machine.address.as_deref()) {
        None => {}
        Some(Ok(root)) => {
            let text = format!("{}:{} ({})", root.server, root.path, root.why());
            rows.push(("root".to_owned(), text));
        }
        Some(Err(none)) => rows.push(("root".to_owned(), none.to_string())),
    }
    let mounts = report::mounts().into_iter();
    rows.extend(mounts.map(|mount| ("mounted".to_owned(), mount)));
    if let Some(failure) = machine.report.last_failure() {
        rows.push(("last failure".to_owned(), failure.to_owned()));
    }
    rows
}

/// Logs the address in the same form, at debug level.
pub(crate) fn log_address(address: &Address) {
    for (label, text) in of_address(address) {
        debug!("{}: {label}: {text}", address.nic.name);
    }
}

fn of_address(address: &Address) -> Vec<Row> {
    let name = &address.nic.name;
    let server = address.lease.as_ref().and_then(|lease| lease.server_id);
    let from = match (&address.lease, server) {
        (None, _) => "ip=".to_owned(),
        (Some(_), Some(server)) => format!("DHCP, {server}"),
        (Some(_), None) => "BOOTP".to_owned(),
    };
    let text = format!("{} on {name} ({from})", address.prefix);
    let mut rows = vec![("address".to_owned(), text)];
    for route in &address.routes {
        if let Some(gateway) = route.gateway {
            let to = match route.is_default() {
                true => "everything else".to_owned(),
                false => route.destination.to_string(),
            };
            rows.push(("router".to_owned(), format!("{gateway} for {to}")));
        }
    }
    if let Some(lease) = &address.lease {
        let time = lease
            .lease_time
            .map(|time| format!("for {} s", time.as_secs()));
        let root = lease.root_path.as_deref().map(String::from_utf8_lossy);
        let root = root.map(|path| format!("root-path {path}"));
        let next = lease
            .next_server
            .map(|server| format!("next server {server}"));
        let facts: Vec<String> = [time, root, next].into_iter().flatten().collect();
        rows.push(("lease".to_owned(), facts.join(", ")));
    }
    let dns: Vec<String> = address.dns.iter().map(IpAddr::to_string).collect();
    if !dns.is_empty() {
        rows.push(("name servers".to_owned(), dns.join(" ")));
    }
    rows
}
