//! Saves sixteen seconds of every iPXE boot.
//!
//! iPXE configures IPv4 and IPv6 in parallel and continues only when both have finished. On a
//! network without an IPv6 router it solicits one after 0.25, 0.5, 1, 2, 4 and 8 seconds and then
//! gives up: measured in QEMU, 16.1 s between the DHCP ACK and the first packet to the server of
//! the script; with the answer built here, 0.08 s. No DHCP option changes that.
//!
//! The answer is a router advertisement (RFC 4861 §4.2) that says "this is not a router": zero
//! lifetime, no prefix, no DHCPv6. iPXE then ends its IPv6 configuration. The answer is unicast
//! to the soliciting machine, and should be sent only to one that was given the URL of its
//! script within the last half minute and has not fetched it yet: an operating system stops
//! soliciting after any advertisement. If a real router exists, it answers as well, and
//! nothing is lost.
//!
//! # Driving it
//!
//! Open a raw ICMPv6 socket on the interface, join `ff02::2`, and set the unicast hop limit to
//! 255 (receivers drop anything else). For each message, with its source and hop limit,
//! [`solicitor`] identifies the machine; send [`advertisement`] back to the source. The kernel
//! fills in the checksum on raw ICMPv6 sockets.

use std::net::Ipv6Addr;

use netroot_net::Mac;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;

/// The machine that sent a router solicitation; `None` if the message is something else, or is
/// not from a neighbour (RFC 4861 §6.1.1).
///
/// `message` begins with the ICMPv6 type.
pub fn solicitor(message: &[u8], source: Ipv6Addr, hop_limit: u8) -> Option<Mac> {
    // Without a source address the answer could not be unicast.
    if hop_limit != 255 || !source.is_unicast_link_local() {
        return None;
    }
    let [ROUTER_SOLICITATION, 0, _, _, _, _, _, _, options @ ..] = message else {
        return None;
    };
    let mac = link_layer_address(options).or_else(|| from_interface_id(source))?;
    mac.is_unicast().then_some(mac)
}

fn link_layer_address(options: &[u8]) -> Option<Mac> {
    let mut rest = options;
    // An option's length counts units of eight bytes; zero would loop forever.
    while let [kind, units @ 1..=255, ..] = rest {
        let (option, after) = rest.split_at_checked(usize::from(*units) * 8)?;
        if *kind == SOURCE_LINK_LAYER_ADDRESS {
            return option.get(2..)?.first_chunk().copied().map(Mac);
        }
        rest = after;
    }
    None
}

/// The MAC from which an interface identifier was made (RFC 4291, appendix A).
fn from_interface_id(address: Ipv6Addr) -> Option<Mac> {
    match address.octets() {
        [.., a, b, c, 0xff, 0xfe, d, e, f] => Some(Mac([a ^ 2, b, c, d, e, f])),
        _ => None,
    }
}

/// The ICMPv6 message "this is not a router", with a checksum of zero. `own` is this server's
/// MAC on that interface, so that the machine need not resolve it.
pub fn advertisement(own: Mac) -> [u8; 24] {
    let [a, b, c, d, e, f] = own.0;
    [
        ROUTER_ADVERTISEMENT,
        0,
        0,
        0, // type, code, checksum
        0,
        0,
        0,
        0, // hop limit unspecified; neither managed nor other; router lifetime 0
        0,
        0,
        0,
        0, // reachable time unspecified
        0,
        0,
        0,
        0, // retransmission timer unspecified
        SOURCE_LINK_LAYER_ADDRESS,
        1,
        a,
        b,
        c,
        d,
        e,
        f,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    /// A solicitation recorded from iPXE.
    const SOLICITATION: [u8; 16] = [
        133, 0, 0x71, 0xb5, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56,
    ];

    fn source() -> Ipv6Addr {
        "fe80::5054:ff:fe12:3456".parse().unwrap()
    }

    #[test]
    fn the_machine_is_identified_by_the_option_or_by_its_address() {
        assert_eq!(solicitor(&SOLICITATION, source(), 255), Some(MAC));
        assert_eq!(solicitor(&SOLICITATION[..8], source(), 255), Some(MAC));
        let private = "fe80::1234:5678:9abc:def0".parse().unwrap();
        assert_eq!(solicitor(&SOLICITATION, private, 255), Some(MAC));
        assert_eq!(solicitor(&SOLICITATION[..8], private, 255), None);
    }

    #[test]
    fn other_packets_are_not_solicitations() {
        assert_eq!(solicitor(&SOLICITATION, source(), 64), None);
        assert_eq!(solicitor(&SOLICITATION, Ipv6Addr::UNSPECIFIED, 255), None);
        assert_eq!(
            solicitor(&SOLICITATION, "2001:db8::1".parse().unwrap(), 255),
            None
        );
        assert_eq!(solicitor(&advertisement(MAC), source(), 255), None);
        for length in 0..8 {
            assert_eq!(solicitor(&SOLICITATION[..length], source(), 255), None);
        }
        // Options with length zero, and longer than the message.
        for bad in [[1, 0, 0, 0, 0, 0, 0, 0], [1, 9, 0, 0, 0, 0, 0, 0]] {
            let mut message = SOLICITATION[..8].to_vec();
            message.extend_from_slice(&bad);
            assert_eq!(
                solicitor(&message, source(), 255),
                Some(MAC),
                "by its address"
            );
        }
    }

    #[test]
    fn the_advertisement_offers_no_router() {
        let message = advertisement(MAC);
        assert_eq!(message[..2], [134, 0]);
        assert!(message[2..16].iter().all(|byte| *byte == 0));
        assert_eq!(message[16..], SOLICITATION[8..]);
    }
}
