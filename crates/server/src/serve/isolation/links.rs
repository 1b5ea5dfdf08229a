//! What is changed of an interface: whether it is up, its address, and whether it forwards.

use std::fs;
use std::io;
use std::net::IpAddr;

use netroot_net::Prefix;
use netroot_proto::netlink::{ACK, CREATE, REQUEST, Request};

use crate::serve::listen::interface::{Candidate, RouteSocket};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
/// `NLM_F_EXCL`: what exists is an error.
const EXCLUSIVE: u16 = 0x200;
const AF_INET: u8 = 2;
const IFF_UP: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_PROTO: u16 = 11;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_FORWARDING: u16 = 1;
const NESTED: u16 = 0x8000;
/// The longest label, in bytes (`IFNAMSIZ` with its zero).
const LONGEST_LABEL: usize = 15;

/// By which number netroot's own addresses are known (`ip address show` prints it as `proto`).
const SETTER: u8 = b'n';

/// Takes an interface up or down.
///
/// # Errors
/// The kernel's.
pub(super) fn set_up(routes: &RouteSocket, index: u32, up: bool) -> io::Result<()> {
    // struct ifinfomsg: family, padding, type, index, flags, which of them change.
    let flags = if up { IFF_UP } else { 0 };
    let numbers = [index, flags, IFF_UP].map(u32::to_ne_bytes).concat();
    let fixed = [&[0; 4][..], &numbers].concat();
    routes.change(&Request::new(RTM_NEWLINK, REQUEST | ACK, 1, &fixed).finish())
}

/// Gives an interface an address that is known as netroot's.
///
/// # Errors
/// The kernel's.
pub(super) fn add_address(
    routes: &RouteSocket,
    (name, index): (&str, u32),
    address: Prefix,
) -> io::Result<()> {
    let mut label = label(name).into_bytes();
    label.push(0);
    let request = address_request(RTM_NEWADDR, CREATE | EXCLUSIVE, index, address)
        .attribute(IFA_LABEL, &label)
        .attribute(IFA_PROTO, &[SETTER]);
    let request = match address.broadcast() {
        Some(broadcast) => request.address(IFA_BROADCAST, broadcast.into()),
        None => request,
    };
    routes.change(&request.finish())
}

/// Takes every address of netroot's from an interface.
///
/// # Errors
/// The kernel's.
pub(super) fn remove_own_addresses(routes: &RouteSocket, interface: &Candidate) -> io::Result<()> {
    for address in interface.set_by(&label(interface.name()), SETTER) {
        let request = address_request(RTM_DELADDR, 0, interface.index(), address);
        routes.change(&request.finish())?;
    }
    Ok(())
}

/// The addresses of netroot's on an interface.
pub(super) fn own_addresses(interface: &Candidate) -> Vec<Prefix> {
    interface.set_by(&label(interface.name()), SETTER).collect()
}

fn address_request(kind: u16, flags: u16, index: u32, address: Prefix) -> Request {
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    let fixed = [&[AF_INET, address.length(), 0, 0][..], &index.to_ne_bytes()].concat();
    let local: IpAddr = address.address();
    Request::new(kind, REQUEST | ACK | flags, 1, &fixed)
        .address(IFA_LOCAL, local)
        .address(IFA_ADDRESS, local)
}

/// `eth1:netroot`, cut to what the kernel takes: what tells the own addresses apart before Linux 5.18.
fn label(interface: &str) -> String {
    let label = format!("{interface}:netroot");
    label.get(..LONGEST_LABEL).unwrap_or(&label).to_owned()
}

fn forwarding_file(interface: &str) -> String {
    format!("/proc/sys/net/ipv4/conf/{interface}/forwarding")
}

/// Whether an interface forwards what comes in there by IPv4; `all` for the host as a whole. `None` if it is gone.
pub(super) fn forwards(interface: &str) -> Option<bool> {
    let text = fs::read_to_string(forwarding_file(interface)).ok()?;
    Some(text.trim() != "0")
}

/// Whether it has the switch at all: a kernel without IPv4 forwarding has none. Who has `CAP_NET_ADMIN` may switch it.
///
/// # Errors
/// The kernel's.
pub(super) fn can_forward(interface: &str) -> io::Result<()> {
    fs::metadata(forwarding_file(interface)).map(|_| ())
}

/// Switches that.
///
/// # Errors
/// The kernel's.
pub(super) fn set_forwarding(
    routes: &RouteSocket,
    (name, index): (&str, u32),
    on: bool,
) -> io::Result<()> {
    if fs::write(forwarding_file(name), if on { "1" } else { "0" }).is_ok() {
        return Ok(());
    }
    // Where /proc/sys is read-only, as in a container and under ProtectKernelTunables=.
    let value = u32::from(on).to_ne_bytes();
    let attribute = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    };
    let forwarding = attribute(IPV4_DEVCONF_FORWARDING, &value);
    let inet = attribute(NESTED | IFLA_INET_CONF, &forwarding);
    let inet = attribute(NESTED | u16::from(AF_INET), &inet);
    let fixed = [&[0; 4][..], &index.to_ne_bytes(), &[0; 8]].concat();
    let request = Request::new(RTM_NEWLINK, REQUEST | ACK, 1, &fixed);
    routes.change(&request.attribute(NESTED | IFLA_AF_SPEC, &inet).finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_cut_to_what_the_kernel_takes() {
        assert_eq!(label("eth1"), "eth1:netroot");
        assert_eq!(label("enp130s0f0np0"), "enp130s0f0np0:n");
        assert_eq!(label("abcdefghijklmno"), "abcdefghijklmno");
    }

    #[test]
    fn the_loopback_has_a_switch_and_a_missing_interface_has_none() {
        assert!(forwards("lo").is_some());
        assert_eq!(forwards("nonexistent"), None);
    }
}
