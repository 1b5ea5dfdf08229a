//! Applies an address: sets the address, MTU, routes, host name and name servers.

use std::fmt::Write;
use std::fs;
use std::io;

use netroot_net::Prefix;

use crate::console::{debug, warn};
use crate::directory;
use crate::error_chain::causes;
use crate::net::address::Address;
use crate::net::netlink::{NetlinkError, RouteSocket};
use crate::run_directory::RUN;

/// Why an address cannot be set. Failures of the rest (MTU, routes, names) are only logged: the server may be in this
/// network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigureError {
    /// No netlink socket.
    #[error("no netlink socket: {}", causes(.0))]
    Socket(#[source] NetlinkError),
    /// The address itself.
    #[error("its address {own} is refused: {}", causes(.source))]
    Address {
        /// The address.
        own: Prefix,
        /// Why.
        #[source]
        source: NetlinkError,
    },
}

/// Sets the address, and removes the one that an earlier attempt set.
pub(crate) fn configure(address: &Address, before: Option<&Address>) -> Result<(), ConfigureError> {
    let mut socket = RouteSocket::open().map_err(ConfigureError::Socket)?;
    let (index, name) = (address.nic.index, &address.nic.name);
    if let Some(old) = before
        && (old.nic.index, old.prefix) != (index, address.prefix)
        && let Err(e) = socket.remove_address(old.nic.index, old.prefix)
    {
        debug!("{}: {e}: {}", old.nic.name, causes(&e));
    }
    // Before the mount: a connection keeps the segment size with which it started.
    if let Some(mtu) = address.mtu.filter(|mtu| u32::from(*mtu) != address.nic.mtu)
        && let Err(e) = socket.set_mtu(index, mtu)
    {
        warn!("{name}: an MTU of {mtu} is refused: {}", causes(&e));
    }
    let own = address.prefix;
    socket
        .add_address(index, own, address.broadcast)
        .map_err(|source| ConfigureError::Address { own, source })?;
    let by_dhcp = address.lease.is_some();
    for route in address.routes_in_order() {
        if let Err(e) = socket.add_route(index, &route, own.address(), by_dhcp) {
            warn!("{name}: the route {route} is refused: {}", causes(&e));
        }
    }
    // Before the mount too: NFSv4 servers identify clients by it.
    if let Some(host) = &address.host_name
        && let Err(e) = rustix::system::sethostname(host.as_bytes())
    {
        warn!("cannot set the host name {host}: {e}");
    }
    if let Some(domain) = address.request.as_ref().and_then(|r| r.nis_domain.as_ref())
        && let Err(e) = rustix::system::setdomainname(domain.as_bytes())
    {
        warn!("the NIS domain {domain} is refused: {e}");
    }
    let resolver = resolver(address);
    if let Err(e) = write_resolver(&resolver) {
        warn!("cannot write resolv.conf: {e}");
    }
    Ok(())
}

fn write_resolver(text: &str) -> io::Result<()> {
    directory::make("/etc")?;
    directory::make(RUN)?;
    fs::write("/etc/resolv.conf", text)?;
    fs::write(format!("{RUN}/resolv.conf"), text)
}

/// The text of resolv.conf(5), within the three servers and the line length that every resolver accepts.
pub(crate) fn resolver(address: &Address) -> String {
    let mut text = String::from("# written by netroot's init\n");
    let mut search: Vec<&str> = address.search.iter().map(String::as_str).collect();
    if let Some(domain) = &address.domain
        && !search.contains(&domain.as_str())
    {
        search.insert(0, domain);
    }
    let mut line = String::from("search");
    for name in search {
        if line.len() + 1 + name.len() <= 255 {
            line.push(' ');
            line.push_str(name);
        }
    }
    if line != "search" {
        let _ = writeln!(text, "{line}");
    }
    for server in address.dns.iter().take(3) {
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::address::tests::nic;
    use netroot_proto::cmdline::BootPlan;

    #[test]
    fn a_resolver_file_names_the_domain_first_and_three_servers() {
        let plan = BootPlan::parse(
            "ip=10.0.0.7:::24::eth0:off nameserver=10.0.0.1 nameserver=10.0.0.2 \
             nameserver=10.0.0.3 nameserver=10.0.0.4",
        );
        let mut address =
            Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap();
        address.domain = Some("lab".into());
        address.search = vec!["a.lab".into(), "x".repeat(250)];
        assert_eq!(
            resolver(&address),
            "# written by netroot's init\nsearch lab a.lab\n\
             nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
        );
    }
}
