//! `rd.route=`: a route beside those of `ip=` and DHCP (dracut).

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::{Prefix, Route};

use super::ip_fields::{could_be_device, split, text_from};
use crate::address::{AddressError, dotted_quad, read_address};
use crate::reading::Reading;

/// A static route (`rd.route=<net>[/<length>]:<gateway>[:<device>]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// The network, without host bits, and its router.
    pub route: Route,
    /// The device; `None` only with a gateway, which then decides.
    pub device: Option<String>,
}

impl StaticRoute {
    /// Reads `<net>[/<length or mask>]:[<gateway>][:<device>]`; `default` is `0.0.0.0/0`.
    pub(super) fn read(value: &str, reading: &mut Reading<'_>) -> Option<Self> {
        const NO_ROUTE: &str = "the route is left out";
        let fields = split(value);
        let network = fields.first().map_or("", |field| field.text);
        let (address, length) = match network.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (network, None),
        };
        let parsed = match address {
            "default" if length.is_none() => Ok(Prefix::clamped(Ipv4Addr::UNSPECIFIED, 0)),
            _ => read_address(address)
                .and_then(|address| prefix(address, length).ok_or(AddressError::Syntax)),
        };
        let written = match parsed {
            Ok(written) => written,
            Err(error) => {
                let expected = match error {
                    AddressError::Ipv6 => {
                        "an IPv4 network such as 10.1.0.0/16 (IPv6 is not supported)"
                    }
                    AddressError::Syntax | AddressError::NotAHost => {
                        "an IPv4 network such as 10.1.0.0/16"
                    }
                };
                reading.complain(0, expected, network, NO_ROUTE);
                return None;
            }
        };
        let destination = written.network();
        if destination != written {
            let outcome = format!("taken as {destination}");
            reading.complain(0, "a network without host bits", network, outcome);
        }
        let gateway = match fields.get(1).filter(|field| !field.text.is_empty()) {
            None => None,
            Some(field) => match read_address(field.text) {
                Ok(gateway) => Some(gateway).filter(|gateway| !gateway.is_unspecified()),
                Err(error) => {
                    reading.complain(field.position, error.to_string(), field.text, NO_ROUTE);
                    return None;
                }
            },
        };
        let device = match fields.get(2).filter(|field| !field.text.is_empty()) {
            None => None,
            Some(field) if could_be_device(field.text) => Some(field.text.to_owned()),
            Some(field) => {
                let expected = "the name of a network device, at most 15 bytes";
                reading.complain(field.position, expected, field.text, NO_ROUTE);
                return None;
            }
        };
        if gateway.is_none() && device.is_none() {
            reading.complain(value.len(), "a gateway or a device", "", NO_ROUTE);
            return None;
        }
        if let Some(extra) = fields.get(3) {
            let found = text_from(extra, &fields);
            reading.complain(
                extra.position,
                "nothing more",
                &found,
                "the rest is left out",
            );
        }
        let route = Route {
            destination,
            gateway,
        };
        Some(Self { route, device })
    }
}

/// An address with its prefix length or network mask; with neither, it is one host.
fn prefix(address: IpAddr, length: Option<&str>) -> Option<Prefix> {
    match length {
        None => Some(Prefix::host(address)),
        Some(text) => Prefix::new(address, prefix_length(text)?).ok(),
    }
}

fn prefix_length(text: &str) -> Option<u8> {
    if let Some(mask) = dotted_quad(text) {
        let bits = u32::from(mask);
        let length = bits.leading_ones();
        let contiguous = length + bits.trailing_zeros() == u32::BITS || bits == u32::MAX;
        return u8::try_from(length).ok().filter(|_| contiguous);
    }
    let decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| decimal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::Complaint;

    fn read(value: &str) -> (Option<StaticRoute>, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let route = StaticRoute::read(
            value,
            &mut Reading::new("rd.route", Some(value), &mut complaints),
        );
        (route, complaints)
    }

    #[test]
    fn a_route_has_a_network_and_a_gateway_or_a_device() {
        for (value, network, gateway, device) in [
            (
                "192.168.200.0/24:192.168.100.222:ens10",
                "192.168.200.0/24",
                Some("192.168.100.222"),
                Some("ens10"),
            ),
            (
                "10.9.0.0/255.255.0.0:10.0.0.1",
                "10.9.0.0/16",
                Some("10.0.0.1"),
                None,
            ),
            ("10.9.8.7:10.0.0.1", "10.9.8.7/32", Some("10.0.0.1"), None),
            ("10.9.0.0/16::eth1", "10.9.0.0/16", None, Some("eth1")),
            (
                "10.9.0.0/16:0.0.0.0:eth1",
                "10.9.0.0/16",
                None,
                Some("eth1"),
            ),
            ("default:10.0.0.1", "0.0.0.0/0", Some("10.0.0.1"), None),
            ("0.0.0.0/0:10.0.0.1", "0.0.0.0/0", Some("10.0.0.1"), None),
        ] {
            let (route, complaints) = read(value);
            let route = route.unwrap();
            assert_eq!(complaints, [], "{value}");
            assert_eq!(route.route.destination.to_string(), network);
            assert_eq!(
                route.route.gateway,
                gateway.map(|g| g.parse().unwrap()),
                "{value}"
            );
            assert_eq!(route.device.as_deref(), device, "{value}");
        }
    }

    #[test]
    fn an_invalid_route_is_reported_with_its_position() {
        for (value, position, found) in [
            ("", 0, ""),
            ("10.0.0.0/33:10.0.0.1", 0, "10.0.0.0/33"),
            ("[2001:db8::]/32:[fe80::1]", 0, "[2001:db8::]/32"),
            ("10.1.0.0/16:gw", 12, "gw"),
            ("10.1.0.0/16:10.0.0.1:a/b", 21, "a/b"),
            ("10.1.0.0/16", 11, ""),
            ("10.1.0.0/16:", 12, ""),
        ] {
            let (route, complaints) = read(value);
            assert_eq!(route, None, "{value}");
            let [complaint] = complaints.as_slice() else {
                panic!("{value}: {complaints:?}")
            };
            assert_eq!(
                (complaint.position, complaint.found.as_str()),
                (position, found),
                "{value}"
            );
        }
        let (route, complaints) = read("10.1.2.3/16:10.0.0.1");
        let destination = route.unwrap().route.destination;
        assert_eq!(destination.to_string(), "10.1.0.0/16");
        assert_eq!(complaints[0].outcome, "taken as 10.1.0.0/16");
        let (route, complaints) = read("10.1.0.0/16:10.0.0.1:eth0:more:still");
        assert!(route.is_some());
        assert_eq!(
            (complaints[0].position, complaints[0].found.as_str()),
            (26, "more:still")
        );
    }
}
