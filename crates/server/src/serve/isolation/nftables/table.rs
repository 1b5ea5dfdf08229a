//! The table of an isolated network.

use netroot_net::Prefix;
use netroot_proto::netlink::{ACK, CREATE, REQUEST, Request};

use super::expression::{Rule, attribute, nested, number, terminated};

/// `NLM_F_APPEND`: a rule goes to the end.
const APPEND: u16 = 0x800;
pub(super) const NF_TABLES: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = NF_TABLES;
const DELETE_TABLE: u16 = NF_TABLES | 2;
const NEW_CHAIN: u16 = NF_TABLES | 3;
const NEW_RULE: u16 = NF_TABLES | 6;
/// `NFPROTO_INET`: IPv4 and IPv6.
const INET: u8 = 1;
const HOOK_FORWARD: u32 = 2;
const HOOK_POSTROUTING: u32 = 4;
const POLICY_ACCEPT: u32 = 1;
/// `NF_IP_PRI_FILTER`, `NF_IP_PRI_NAT_SRC`.
const PRIORITY_FILTER: u32 = 0;
const PRIORITY_SOURCE_NAT: u32 = 100;

/// What the table of an isolated network says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The network's interface.
    pub(crate) interface: String,
    /// The network.
    pub(crate) network: Prefix,
    /// Whether its machines reach the outside.
    pub(crate) nat: bool,
    /// Interfaces that forward only for this network's sake: nothing else that comes in there is forwarded.
    pub(crate) guarded: Vec<String>,
}

impl Table {
    /// Its name, for the network of this interface.
    pub(crate) fn name(interface: &str) -> String {
        format!("netroot-{interface}")
    }

    fn forward(&self) -> Vec<Rule> {
        let (name, rule) = (self.interface.as_str(), Rule::default);
        if !self.nat {
            return vec![rule().from(name).drop(), rule().to(name).drop()];
        }
        let mut rules = vec![
            rule().from(name).not_ipv4().drop(),
            rule().from(name).ipv4().source_outside(self.network).drop(),
            rule().from(name).clamp_segments(),
            rule().to(name).clamp_segments(),
            rule().to(name).established().accept(),
            rule().to(name).drop(),
        ];
        let guarded = self.guarded.iter();
        rules.extend(guarded.map(|other| {
            let other = rule().from(other).not_to(name);
            other.not_established().not_redirected().drop()
        }));
        rules
    }

    fn postrouting(&self) -> Vec<Rule> {
        let rule = Rule::default().ipv4().source_in(self.network);
        vec![rule.not_to(&self.interface).masquerade()]
    }
}

/// One message of a batch: its type, flags and attributes.
struct Part(u16, u16, Vec<Vec<u8>>);

/// Makes the tables, or makes them anew. The number says how many answers follow.
pub(crate) fn create(tables: &[Table]) -> (Vec<u8>, usize) {
    let mut parts = Vec::new();
    for table in tables {
        let name = terminated(&Table::name(&table.interface));
        parts.extend(removal(&name));
        parts.push(Part(NEW_TABLE, CREATE, vec![attribute(1, &name)]));
        let forward = ("forward", "filter", HOOK_FORWARD, PRIORITY_FILTER);
        parts.extend(chain(&name, forward, &table.forward()));
        if table.nat {
            let hook = ("postrouting", "nat", HOOK_POSTROUTING, PRIORITY_SOURCE_NAT);
            parts.extend(chain(&name, hook, &table.postrouting()));
        }
    }
    batch(parts)
}

/// Removes the table of an interface, if there is one.
pub(crate) fn delete(interface: &str) -> (Vec<u8>, usize) {
    let name = terminated(&Table::name(interface));
    batch(removal(&name).into())
}

/// A table that may not exist is made first: removing what is not there is an error.
fn removal(name: &[u8]) -> [Part; 2] {
    [
        Part(NEW_TABLE, CREATE, vec![attribute(1, name)]),
        Part(DELETE_TABLE, 0, vec![attribute(1, name)]),
    ]
}

fn chain(table: &[u8], place: (&str, &str, u32, u32), rules: &[Rule]) -> Vec<Part> {
    let (name, kind, hook, priority) = place;
    let name = terminated(name);
    let chain = vec![
        attribute(1, table),
        attribute(3, &name),
        nested(4, &[number(1, hook), number(2, priority)]),
        number(5, POLICY_ACCEPT),
        attribute(7, &terminated(kind)),
    ];
    let rule = |rule: &Rule| {
        let of = vec![
            attribute(1, table),
            attribute(2, &name),
            rule.as_attribute(4),
        ];
        Part(NEW_RULE, CREATE | APPEND, of)
    };
    let mut parts = vec![Part(NEW_CHAIN, CREATE, chain)];
    parts.extend(rules.iter().map(rule));
    parts
}

/// All or nothing.
fn batch(parts: Vec<Part>) -> (Vec<u8>, usize) {
    let answers = parts.len();
    let [high, low] = 10_u16.to_be_bytes();
    let edge = |kind| Request::new(kind, REQUEST, 0, &[0, 0, high, low]).finish();
    let mut bytes = edge(BATCH_BEGIN);
    for (sequence, Part(kind, flags, attributes)) in (1..).zip(parts) {
        // struct nfgenmsg: family, version, resource.
        let fixed = [&[INET, 0, 0, 0][..], &attributes.concat()].concat();
        bytes.extend(Request::new(kind, REQUEST | ACK | flags, sequence, &fixed).finish());
    }
    bytes.extend(edge(BATCH_END));
    (bytes, answers)
}

#[cfg(test)]
mod tests {
    use netroot_proto::netlink::{attributes, messages};

    use super::*;

    fn table(nat: bool) -> Table {
        Table {
            interface: "eth1".to_owned(),
            network: "10.20.0.1/24".parse().unwrap(),
            nat,
            guarded: vec!["eth0".to_owned()],
        }
    }

    fn kinds(bytes: &[u8]) -> Vec<u16> {
        messages(bytes).map(|message| message.kind & 0xff).collect()
    }

    #[test]
    fn a_table_is_removed_and_made_in_one_batch() {
        let (bytes, answers) = create(&[table(false)]);
        assert_eq!(kinds(&bytes), [16, 0, 2, 0, 3, 6, 6, 17]);
        assert_eq!(answers, 6);
        let made = messages(&bytes).nth(3).unwrap();
        let found: Vec<_> = attributes(&made.body[4..]).collect();
        assert_eq!(found[0], (1, &b"netroot-eth1\0"[..]));
        // No flags: see the socket.
        assert_eq!(found.len(), 1);
        assert_eq!(kinds(&delete("eth1").0), [16, 0, 2, 17]);
    }

    #[test]
    fn only_nat_has_a_chain_that_masquerades() {
        let (bytes, _) = create(&[table(true)]);
        let chains = messages(&bytes).filter(|one| one.kind == NEW_CHAIN).count();
        let rules = messages(&bytes).filter(|one| one.kind == NEW_RULE).count();
        assert_eq!((chains, rules), (2, 8));
    }
}
