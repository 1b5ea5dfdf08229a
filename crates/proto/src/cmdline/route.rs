//! `rd.route=`: a route beside those of `ip=` and DHCP (dracut).

use std::net::Ipv4Addr;

use super::complaint::Reading;
use super::ip_fields::{could_be_device, dotted_quad, split, text_from};

/// A static route (`rd.route=<net>[/<length>]:<gateway>[:<device>]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// The network, without host bits.
    pub destination: Ipv4Addr,
    /// Length of its prefix, 0 to 32.
    pub prefix: u8,
    /// The next router; `None` for a network on the device's own link.
    pub gateway: Option<Ipv4Addr>,
    /// The device; `None` leaves it to the gateway. One of the two is there.
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
            "default" if length.is_none() => Some((Ipv4Addr::UNSPECIFIED, 0)),
            _ => dotted_quad(address).and_then(|a| Some((a, length.map_or(Some(32), prefix)?))),
        };
        let Some((written, prefix)) = parsed else {
            let expected = if network.starts_with('[') {
                "an IPv4 network such as 10.1.0.0/16 (IPv6 is not supported)"
            } else {
                "an IPv4 network such as 10.1.0.0/16"
            };
            reading.complain(0, expected, network, NO_ROUTE);
            return None;
        };
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let destination = Ipv4Addr::from_bits(written.to_bits() & mask);
        if destination != written {
            let outcome = format!("taken as {destination}/{prefix}");
            reading.complain(0, "a network without host bits", network, outcome);
        }
        let gateway = match fields.get(1).filter(|field| !field.text.is_empty()) {
            None => None,
            Some(field) => match dotted_quad(field.text) {
                Some(gateway) => Some(gateway).filter(|gateway| !gateway.is_unspecified()),
                None => {
                    reading.complain(field.position, "an IPv4 address", field.text, NO_ROUTE);
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
        Some(Self {
            destination,
            prefix,
            gateway,
            device,
        })
    }
}

/// A prefix length or a network mask.
fn prefix(text: &str) -> Option<u8> {
    if let Some(mask) = dotted_quad(text) {
        let bits = u32::from(mask);
        let length = bits.leading_ones();
        let contiguous = length + bits.trailing_zeros() == u32::BITS || bits == u32::MAX;
        return u8::try_from(length).ok().filter(|_| contiguous);
    }
    let decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|length| decimal && *length <= 32)
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
            assert_eq!(format!("{}/{}", route.destination, route.prefix), network);
            assert_eq!(
                route.gateway,
                gateway.map(|g| g.parse().unwrap()),
                "{value}"
            );
            assert_eq!(route.device.as_deref(), device, "{value}");
        }
    }

    #[test]
    fn a_route_that_makes_no_sense_is_named_at_its_place() {
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
        assert_eq!(route.unwrap().destination, Ipv4Addr::new(10, 1, 0, 0));
        assert_eq!(complaints[0].outcome, "taken as 10.1.0.0/16");
        let (route, complaints) = read("10.1.0.0/16:10.0.0.1:eth0:more:still");
        assert!(route.is_some());
        assert_eq!(
            (complaints[0].position, complaints[0].found.as_str()),
            (26, "more:still")
        );
    }
}
