//! The rules of iptables' older kernel part, as `iptables-legacy -S` prints them.

use super::packet::{Fate, Packet};

/// How deep chains may call each other.
const DEPTH: usize = 16;

/// What becomes of the packet in the chain INPUT.
pub(super) fn fate(rules: &str, packet: Packet<'_>) -> Fate {
    let policy = rules
        .lines()
        .find_map(|line| line.strip_prefix("-P INPUT "));
    match walk(rules, "INPUT", packet, 0) {
        Some(fate) => fate,
        None if policy == Some("DROP") => Fate::Dropped,
        None => Fate::Accepted,
    }
}

/// `None` if the chain comes to its end.
fn walk(rules: &str, chain: &str, packet: Packet<'_>, depth: usize) -> Option<Fate> {
    if depth > DEPTH {
        return Some(Fate::Unknown);
    }
    let own = rules.lines().filter_map(|line| {
        let (of, rule) = line.strip_prefix("-A ")?.split_once(' ')?;
        (of == chain).then_some(rule)
    });
    let mut doubt = false;
    for rule in own {
        let (applies, target) = read(rule, packet);
        let fate = match target {
            Some("ACCEPT") => Some(Fate::Accepted),
            Some("DROP" | "REJECT") => Some(Fate::Dropped),
            Some("RETURN") if applies == Some(true) && !doubt => return None,
            Some("RETURN") => Some(Fate::Unknown),
            Some("LOG" | "NFLOG") | None => None,
            Some(other) => walk(rules, other, packet, depth + 1),
        };
        match (applies, fate) {
            (Some(false), _) | (_, None) => {}
            (Some(true), Some(fate)) if !doubt => return Some(fate),
            (Some(true), Some(_)) => return Some(Fate::Unknown),
            (None, Some(_)) => doubt = true,
        }
    }
    doubt.then_some(Fate::Unknown)
}

/// Whether a rule applies (`None` if that is not known), and its target.
fn read<'a>(rule: &'a str, packet: Packet<'_>) -> (Option<bool>, Option<&'a str>) {
    let mut words = rule.split_whitespace();
    let (mut applies, mut target) = (Some(true), None);
    let mut not = false;
    while let Some(word) = words.next() {
        let mut is = |value: Option<bool>| {
            let value = value.map(|value| value != not);
            applies = match (applies, value) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (None, _) | (_, None) => None,
                _ => Some(true),
            };
        };
        match word {
            "!" => {
                not = true;
                continue;
            }
            "-p" => is(words.next().map(|protocol| protocol == packet.protocol)),
            "-i" => is(words.next().map(|name| match name.strip_suffix('+') {
                Some(prefix) => packet.interface.starts_with(prefix),
                None => name == packet.interface,
            })),
            "--dport" | "--dports" => is(words.next().and_then(|ports| has(ports, packet.port))),
            "--ctstate" | "--state" => {
                is(words
                    .next()
                    .map(|states| states.split(',').any(|state| state == "NEW")));
            }
            "-m" | "--reject-with" | "--comment" | "--log-prefix" | "--log-level" => {
                let _ = words.next();
            }
            "-j" | "-g" => target = words.next(),
            // A source, a limit, an extension.
            _ => is(None),
        }
        not = false;
    }
    (applies, target)
}

/// Whether `67`, `67:69` or `53,67` has the port.
fn has(ports: &str, port: u16) -> Option<bool> {
    let mut found = false;
    for part in ports.split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        found |= (first..=last).contains(&port);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rules: &str, protocol: &'static str, port: u16) -> Fate {
        fate(
            rules,
            Packet {
                interface: "eth0",
                protocol,
                port,
            },
        )
    }

    const RULES: &str = "-P INPUT DROP
-P FORWARD ACCEPT
-N lan
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth+ -j lan
-A lan -p udp -m multiport --dports 67:69,4011 -j ACCEPT
-A lan -p tcp -m tcp --dport 8069 -j ACCEPT";

    #[test]
    fn a_packet_goes_through_the_chains_to_the_policy() {
        assert_eq!(judged(RULES, "udp", 67), Fate::Accepted);
        assert_eq!(judged(RULES, "tcp", 8069), Fate::Accepted);
        assert_eq!(judged(RULES, "tcp", 2049), Fate::Dropped);
        assert_eq!(judged("-P INPUT ACCEPT", "tcp", 2049), Fate::Accepted);
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        let by_source = "-P INPUT DROP\n-A INPUT -s 10.0.0.0/24 -j ACCEPT";
        assert_eq!(judged(by_source, "udp", 67), Fate::Unknown);
        let except = "-P INPUT ACCEPT\n-A INPUT ! -i eth0 -j DROP";
        assert_eq!(judged(except, "udp", 67), Fate::Accepted);
    }
}
