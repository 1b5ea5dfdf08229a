//! The chains and rules of other tables, as far as they may drop what is forwarded.

use netroot_proto::netlink::{DUMP, Message, REQUEST, Request, attributes};

use super::expression::padded;
use super::table::NF_TABLES;

const NEW_CHAIN: u16 = NF_TABLES | 3;
const GET_CHAIN: u16 = NF_TABLES | 4;
const NEW_RULE: u16 = NF_TABLES | 6;
const GET_RULE: u16 = NF_TABLES | 7;
const INET: u8 = 1;
const IPV4: u8 = 2;
const HOOK_FORWARD: u32 = 2;
const POLICY_DROP: u32 = 0;

/// A chain that sees what IPv4 forwards, or may be called by one that does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    /// `ip` or `inet`.
    pub(crate) family: &'static str,
    /// Its table.
    pub(crate) table: String,
    /// Its name.
    pub(crate) name: String,
    /// Whether the kernel starts in it for what is forwarded.
    pub(crate) forwards: bool,
    /// Whether it drops what no rule decides.
    pub(crate) drops: bool,
}

/// What there is.
#[derive(Debug, Default)]
pub(crate) struct Ruleset {
    /// The chains of IPv4.
    pub(crate) chains: Vec<Chain>,
    /// For each rule its family, its table, and the interfaces that it compares with, as the kernel does.
    pub(crate) rules: Vec<(&'static str, String, Vec<[u8; 16]>)>,
}

/// Asks for all chains.
pub(crate) fn list_chains() -> Vec<u8> {
    Request::new(GET_CHAIN, REQUEST | DUMP, 1, &[0; 4]).finish()
}

/// Asks for all rules.
pub(crate) fn list_rules() -> Vec<u8> {
    Request::new(GET_RULE, REQUEST | DUMP, 2, &[0; 4]).finish()
}

impl Ruleset {
    /// Reads one message of either list.
    pub(crate) fn read(&mut self, message: &Message<'_>) {
        match message.kind {
            NEW_CHAIN => self.chains.extend(chain(message.body)),
            NEW_RULE => self.rules.extend(rule(message.body)),
            _ => {}
        }
    }

    /// Whether a rule of a chain's table names the interface: somebody has thought of it.
    pub(crate) fn names(&self, chain: &Chain, interface: &str) -> bool {
        let name = padded(interface);
        self.rules.iter().any(|(family, table, names)| {
            *family == chain.family && *table == chain.table && names.contains(&name)
        })
    }
}

fn family(body: &[u8]) -> Option<&'static str> {
    match *body.first()? {
        INET => Some("inet"),
        IPV4 => Some("ip"),
        _ => None,
    }
}

fn chain(body: &[u8]) -> Option<Chain> {
    let mut chain = Chain {
        family: family(body)?,
        table: String::new(),
        name: String::new(),
        forwards: false,
        drops: false,
    };
    for (kind, value) in attributes(body.get(4..)?) {
        match kind {
            1 => chain.table = text(value),
            3 => chain.name = text(value),
            4 => {
                let mut hook = attributes(value).filter(|(kind, _)| *kind == 1);
                chain.forwards = hook.any(|(_, value)| number(value) == Some(HOOK_FORWARD));
            }
            5 => chain.drops = number(value) == Some(POLICY_DROP),
            _ => {}
        }
    }
    Some(chain)
}

fn rule(body: &[u8]) -> Option<(&'static str, String, Vec<[u8; 16]>)> {
    let (mut table, mut names) = (String::new(), Vec::new());
    for (kind, value) in attributes(body.get(4..)?) {
        match kind {
            1 => table = text(value),
            4 => {
                names = attributes(value)
                    .filter_map(|(_, one)| compared(one))
                    .collect()
            }
            _ => {}
        }
    }
    Some((family(body)?, table, names))
}

/// What a `cmp` compares with, if it is as long as an interface's name.
fn compared(expression: &[u8]) -> Option<[u8; 16]> {
    let of = |bytes, wanted| {
        let mut found = attributes(bytes).filter(move |(kind, _)| *kind == wanted);
        found.next().map(|(_, value)| value)
    };
    if of(expression, 1)? != b"cmp\0" {
        return None;
    }
    of(of(of(expression, 2)?, 3)?, 1)?.try_into().ok()
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_be_bytes)
}

fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use netroot_proto::netlink::messages;
    use proptest::prelude::*;

    use super::super::table::{Table, create};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let table = Table {
            interface: "eth1".to_owned(),
            network: "10.20.0.1/24".parse().unwrap(),
            nat: true,
            guarded: Vec::new(),
        };
        let (bytes, _) = create(&[table]);
        let mut ruleset = Ruleset::default();
        messages(&bytes).for_each(|message| ruleset.read(&message));
        let [forward, postrouting] = ruleset.chains.as_slice() else {
            panic!("{ruleset:?}")
        };
        assert_eq!(
            (forward.family, forward.table.as_str()),
            ("inet", "netroot-eth1")
        );
        assert!(forward.forwards && !forward.drops && !postrouting.forwards);
        assert!(ruleset.names(forward, "eth1") && !ruleset.names(forward, "eth10"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body: Vec<u8>) {
            let mut ruleset = Ruleset::default();
            for kind in [NEW_CHAIN, NEW_RULE] {
                ruleset.read(&Message { kind, sequence: 0, body: &body });
            }
        }
    }
}
