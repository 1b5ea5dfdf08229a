//! Option values with an inner grammar: classless routes (RFC 3442) and the DNS search
//! list (RFC 3397, names compressed as in RFC 1035 §4.1.4).

use std::net::Ipv4Addr;

use netroot_net::{Prefix, Route};

/// Routes of option 121. The second value is false if the tail made no sense: an entry's
/// length comes from its own first byte, so nothing after a bad one can be trusted.
pub(super) fn classless(bytes: &[u8]) -> (Vec<Route>, bool) {
    let mut routes = Vec::new();
    let mut rest = bytes;
    while let [prefix, after @ ..] = rest {
        let octets = usize::from(prefix.div_ceil(8));
        let Some((destination, after)) = after.split_at_checked(octets) else {
            return (routes, false);
        };
        let Some((gateway, after)) = after.split_first_chunk::<4>() else {
            return (routes, false);
        };
        let mut address = [0; 4];
        for (to, from) in address.iter_mut().zip(destination) {
            *to = *from;
        }
        let Ok(prefix) = Prefix::new(Ipv4Addr::from(address), *prefix) else {
            return (routes, false);
        };
        let gateway = Ipv4Addr::from(*gateway);
        routes.push(Route {
            // RFC 3442: bits right of the mask are to be masked away, not refused.
            destination: prefix.network(),
            gateway: (!gateway.is_unspecified()).then_some(gateway.into()),
        });
        rest = after;
    }
    (routes, true)
}

/// Most names of a search list that anybody's resolver uses (glibc had 6 for decades).
const MOST_NAMES: usize = 16;

/// Names of option 119. The second value is false if a part made no sense.
pub(super) fn search_list(bytes: &[u8]) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some((name, next)) = name_at(bytes, at) else {
            return (names, false);
        };
        if names.len() == MOST_NAMES {
            return (names, false);
        }
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        at = next;
    }
    (names, true)
}

/// The name at `at`, and where the next one begins. A pointer must point backwards,
/// which bounds the walk.
fn name_at(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut next = None;
    let (mut at, mut bound) = (at, at);
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((name, next.unwrap_or(at + 1))),
            1..=63 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                if !label
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                {
                    return None;
                }
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().map(|b| char::from(*b)));
                if name.len() > 253 {
                    return None;
                }
                at += 1 + usize::from(length);
            }
            0xc0.. => {
                let low = *bytes.get(at + 1)?;
                next = next.or(Some(at + 2));
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                if target >= bound {
                    return None;
                }
                (at, bound) = (target, target);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_a_network_and_an_on_link_host_are_read() {
        let bytes = [
            0, 10, 0, 0, 1, // default via 10.0.0.1
            20, 172, 16, 0x1f, 10, 0, 0, 2, // 172.16.16.0/20, stray bits masked
            32, 192, 0, 2, 9, 0, 0, 0, 0, // 192.0.2.9 on link
        ];
        let (routes, whole) = classless(&bytes);
        assert!(whole);
        let text: Vec<String> = routes.iter().map(Route::to_string).collect();
        assert_eq!(
            text,
            [
                "0.0.0.0/0 via 10.0.0.1",
                "172.16.16.0/20 via 10.0.0.2",
                "192.0.2.9/32 on link"
            ]
        );
    }

    #[test]
    fn routes_before_a_bad_entry_are_kept() {
        for tail in [
            &[33, 1, 2, 3, 4, 5, 10, 0, 0, 1][..],
            &[24, 10, 0],
            &[8, 10, 10, 0, 0],
        ] {
            let mut bytes = vec![0, 10, 0, 0, 1];
            bytes.extend_from_slice(tail);
            let (routes, whole) = classless(&bytes);
            assert_eq!((routes.len(), whole), (1, false), "{tail:?}");
        }
    }

    #[test]
    fn a_search_list_follows_a_pointer_back() {
        // The example of RFC 3397 §2, in one piece.
        let bytes = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04";
        assert_eq!(
            search_list(bytes),
            (
                vec!["eng.apple.com".into(), "marketing.apple.com".into()],
                true
            )
        );
    }

    #[test]
    fn a_search_list_with_a_loop_or_control_characters_ends_there() {
        assert_eq!(search_list(b"\x01a\xc0\x00"), (vec![], false));
        assert_eq!(search_list(b"\x01a\x00\xc0\x03"), (vec!["a".into()], false));
        assert_eq!(
            search_list(b"\x01a\x00\x02\x1b[\x00"),
            (vec!["a".into()], false)
        );
        assert_eq!(search_list(b"\x01a\x00\x05ab"), (vec!["a".into()], false));
    }
}
