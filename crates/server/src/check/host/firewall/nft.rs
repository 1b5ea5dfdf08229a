//! A packet's way through the kernel's rules, from the JSON of libnftables (`libnftables-json(5)`).

use serde_json::Value;

use super::packet::{Fate, Packet};

/// How deep chains may call each other.
const DEPTH: usize = 16;

/// Whether a statement applies to the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applies {
    Yes,
    No,
    Unknown,
}

/// What a chain does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    /// It came to the end, or `return`.
    Continue,
    Unknown,
}

/// What becomes of the packet: every chain of the hook `input` has to accept it.
pub(super) fn fate(json: &str, packet: Packet<'_>) -> Fate {
    let Ok(Value::Object(root)) = serde_json::from_str::<Value>(json) else {
        return Fate::Unknown;
    };
    let none = Vec::new();
    let items = root.get("nftables").and_then(Value::as_array);
    let ruleset = Ruleset {
        items: items.unwrap_or(&none),
    };
    let mut fate = Fate::Accepted;
    for chain in ruleset.chains() {
        // Its requests are IPv4.
        let family = text(chain, "family");
        let sees = matches!(family, "inet" | "ip");
        if !sees || text(chain, "hook") != "input" || text(chain, "type") != "filter" {
            continue;
        }
        let verdict = ruleset.walk(chain, text(chain, "name"), packet, 0);
        let drops = text(chain, "policy") == "drop";
        match verdict {
            Verdict::Drop => return Fate::Dropped,
            Verdict::Continue if drops => return Fate::Dropped,
            Verdict::Unknown => fate = Fate::Unknown,
            Verdict::Accept | Verdict::Continue => {}
        }
    }
    fate
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

struct Ruleset<'a> {
    items: &'a [Value],
}

impl<'a> Ruleset<'a> {
    fn chains(&self) -> impl Iterator<Item = &'a Value> {
        self.items.iter().filter_map(|item| item.get("chain"))
    }

    /// The chain `name` in the table of `of`.
    fn walk(&self, of: &Value, name: &str, packet: Packet<'_>, depth: usize) -> Verdict {
        if depth > DEPTH {
            return Verdict::Unknown;
        }
        let same = |rule: &&Value| {
            let table = ["family", "table"];
            let table = table.iter().all(|key| text(rule, key) == text(of, key));
            table && text(rule, "chain") == name
        };
        let rules = self.items.iter().filter_map(|item| item.get("rule"));
        // A rule that may apply and accept, before one that drops.
        let mut doubt = false;
        for rule in rules.filter(same) {
            let none = Vec::new();
            let statements = rule.get("expr").and_then(Value::as_array).unwrap_or(&none);
            match self.rule(of, statements, packet, depth) {
                (Applies::No, _) | (Applies::Yes, Verdict::Continue) => {}
                (Applies::Yes, verdict) if !doubt => return verdict,
                (Applies::Yes, _) => return Verdict::Unknown,
                (Applies::Unknown, Verdict::Continue) => {}
                (Applies::Unknown, _) => doubt = true,
            }
        }
        match doubt {
            true => Verdict::Unknown,
            false => Verdict::Continue,
        }
    }

    fn rule(
        &self,
        of: &Value,
        statements: &[Value],
        packet: Packet<'_>,
        depth: usize,
    ) -> (Applies, Verdict) {
        let mut applies = Applies::Yes;
        for statement in statements {
            let Some((kind, value)) = statement.as_object().and_then(|it| it.iter().next()) else {
                return (Applies::Unknown, Verdict::Unknown);
            };
            let verdict = match kind.as_str() {
                "match" => {
                    match matches(value, packet) {
                        Applies::No => return (Applies::No, Verdict::Continue),
                        Applies::Unknown => applies = Applies::Unknown,
                        Applies::Yes => {}
                    }
                    continue;
                }
                "accept" => Verdict::Accept,
                "drop" | "reject" => Verdict::Drop,
                "return" => return (applies, Verdict::Continue),
                "jump" | "goto" => self.walk(of, text(value, "target"), packet, depth + 1),
                "counter" | "log" | "comment" | "mangle" | "notrack" | "ct helper" => continue,
                // Quotas, limits, sets that are filled, maps of verdicts, and iptables' extensions.
                _ => return (Applies::Unknown, Verdict::Unknown),
            };
            return (applies, verdict);
        }
        (applies, Verdict::Continue)
    }
}

fn matches(value: &Value, packet: Packet<'_>) -> Applies {
    let (Some(left), Some(right)) = (value.get("left"), value.get("right")) else {
        return Applies::Unknown;
    };
    let is = match text(value, "op") {
        "==" | "in" => true,
        "!=" => false,
        _ => return Applies::Unknown,
    };
    let found = match left.as_object().and_then(|it| it.iter().next()) {
        Some((kind, value)) => side(kind, value, right, packet),
        None => None,
    };
    match found {
        Some(found) if found == is => Applies::Yes,
        Some(_) => Applies::No,
        None => Applies::Unknown,
    }
}

/// Whether the packet's field has one of the values; `None` if that is not known.
fn side(kind: &str, field: &Value, right: &Value, packet: Packet<'_>) -> Option<bool> {
    match kind {
        "meta" => match text(field, "key") {
            "iifname" => has_text(right, packet.interface),
            "l4proto" => has_text(right, packet.protocol),
            "nfproto" => has_text(right, "ipv4"),
            _ => None,
        },
        "payload" => match (text(field, "protocol"), text(field, "field")) {
            (protocol @ ("tcp" | "udp"), "dport") => match protocol == packet.protocol {
                true => has_number(right, packet.port.into()),
                false => Some(false),
            },
            // Of another protocol: the packet has no such field.
            (protocol, "sport") if protocol != packet.protocol && protocol != "th" => Some(false),
            ("th", "dport") => has_number(right, packet.port.into()),
            ("ip", "protocol") => has_text(right, packet.protocol),
            ("icmp" | "icmpv6" | "igmp" | "ip6" | "sctp" | "esp" | "ah", _) => Some(false),
            _ => None,
        },
        "ct" => match text(field, "key") {
            "state" => has_text(right, "new"),
            _ => None,
        },
        _ => None,
    }
}

/// Every value of a right side: a set's, a list's or one.
fn values(right: &Value) -> Vec<&Value> {
    match right {
        Value::Array(all) => all.iter().flat_map(values).collect(),
        Value::Object(object) => match object.get("set") {
            Some(set) => values(set),
            None => vec![right],
        },
        one => vec![one],
    }
}

fn has_text(right: &Value, wanted: &str) -> Option<bool> {
    let mut all = values(right).into_iter();
    let mut doubt = false;
    let found = all.any(|value| match value.as_str() {
        // A set with a name.
        Some(name) if name.starts_with('@') => {
            doubt = true;
            false
        }
        Some(prefix) if prefix.ends_with('*') => wanted.starts_with(prefix.trim_end_matches('*')),
        Some(text) => text == wanted,
        None => {
            doubt = true;
            false
        }
    });
    match (found, doubt) {
        (true, _) => Some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}

fn has_number(right: &Value, wanted: u64) -> Option<bool> {
    let mut doubt = false;
    for value in values(right) {
        let range = value.get("range").and_then(Value::as_array);
        let ends = range.map(|ends| ends.iter().map(Value::as_u64).collect::<Vec<_>>());
        match (value.as_u64(), ends.as_deref()) {
            (Some(number), _) if number == wanted => return Some(true),
            (Some(_), _) => {}
            (None, Some([Some(first), Some(last)])) => {
                if (*first..=*last).contains(&wanted) {
                    return Some(true);
                }
            }
            _ => doubt = true,
        }
    }
    (!doubt).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of the hook `input` with this policy and these rules, each a list of statements.
    fn judged(policy: &str, rules: &[&str], packet: (&'static str, u16)) -> Fate {
        let rules = rules.iter().map(|expr| {
            let (chain, expr) = expr.split_once("> ").unwrap_or(("input", expr));
            format!(r#"{{"rule": {{"family": "inet", "table": "t", "chain": "{chain}", "expr": [{expr}]}}}}"#)
        });
        let rules: Vec<String> = rules.collect();
        let json = format!(
            r#"{{"nftables": [{{"metainfo": {{}}}},
                {{"chain": {{"family": "inet", "table": "t", "name": "input", "hook": "input", "type": "filter", "policy": "{policy}"}}}},
                {{"chain": {{"family": "inet", "table": "t", "name": "lan"}}}}, {}]}}"#,
            rules.join(",")
        );
        let json = json.replace(", ]}", "]}");
        let (protocol, port) = packet;
        fate(
            &json,
            Packet {
                interface: "eth0",
                protocol,
                port,
            },
        )
    }

    const DHCP: (&str, u16) = ("udp", 67);
    const ESTABLISHED: &str = r#"{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}"#;
    const LOOPBACK: &str = r#"{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}"#;
    const SOME: &str = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [53, {"range": [67, 69]}]}}}, {"counter": {"packets": 0, "bytes": 0}}, {"accept": null}"#;

    #[test]
    fn a_policy_decides_what_no_rule_decides() {
        assert_eq!(judged("accept", &[], DHCP), Fate::Accepted);
        assert_eq!(
            judged("drop", &[ESTABLISHED, LOOPBACK], DHCP),
            Fate::Dropped
        );
        assert_eq!(judged("drop", &[ESTABLISHED, SOME], DHCP), Fate::Accepted);
        assert_eq!(judged("drop", &[SOME], ("udp", 4011)), Fate::Dropped);
        assert_eq!(judged("drop", &[SOME], ("tcp", 67)), Fate::Dropped);
    }

    #[test]
    fn chains_call_each_other() {
        let jump = r#"{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth*"}}, {"jump": {"target": "lan"}}"#;
        let lan = format!("lan> {SOME}");
        assert_eq!(judged("drop", &[jump, &lan], DHCP), Fate::Accepted);
        assert_eq!(judged("drop", &[jump, &lan], ("udp", 4011)), Fate::Dropped);
        let ring = r#"lan> {"jump": {"target": "lan"}}"#;
        assert_eq!(judged("drop", &[jump, ring], DHCP), Fate::Unknown);
    }

    #[test]
    fn a_rule_that_rejects_what_is_left_drops_it() {
        let reject = r#"{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}"#;
        assert_eq!(judged("accept", &[SOME, reject], DHCP), Fate::Accepted);
        assert_eq!(
            judged("accept", &[SOME, reject], ("udp", 4011)),
            Fate::Dropped
        );
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        let source = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.0"}}, {"accept": null}"#;
        let named = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@ports"}}, {"accept": null}"#;
        let extension = r#"{"xt": {"type": "match", "name": "multiport"}}, {"accept": null}"#;
        for rule in [source, named, extension] {
            assert_eq!(judged("drop", &[rule], DHCP), Fate::Unknown, "{rule}");
            assert_eq!(judged("drop", &[rule, SOME], ("udp", 68)), Fate::Unknown);
        }
        // Whatever it is, it does not matter where everything is accepted after it.
        let log = r#"{"log": {"prefix": "x"}}"#;
        assert_eq!(judged("accept", &[log], DHCP), Fate::Accepted);
        assert_eq!(
            fate(
                "not JSON",
                Packet {
                    interface: "eth0",
                    protocol: "udp",
                    port: 67
                }
            ),
            Fate::Unknown
        );
    }
}
