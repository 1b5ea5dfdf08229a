//! Firewalls of this machine that drop what an isolated network sends outside: no table can let pass what another one
//! drops. Pure.

use serde::{Deserialize, Serialize};

use super::nftables::{Chain, Ruleset};

/// A chain that drops what is forwarded, and what lets it pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blocked {
    /// The isolated network's interface.
    pub(crate) interface: String,
    /// Whose chain that is, and its name.
    pub(crate) by: String,
    /// The commands.
    pub(crate) cure: Vec<String>,
}

/// Those for an interface. A table whose rules name the interface is taken to let it pass.
pub(super) fn blocked(ruleset: &Ruleset, interface: &str) -> Vec<Blocked> {
    let drops = |chain: &&Chain| {
        let ours = chain.table.starts_with("netroot-");
        // It ends with a rule that rejects, not with a policy.
        let firewalld = chain.table == "firewalld" && chain.name.ends_with("FORWARD");
        chain.forwards && !ours && (chain.drops || firewalld) && !ruleset.names(chain, interface)
    };
    let blocking = ruleset.chains.iter().filter(drops);
    let told = blocking.map(|chain| {
        let (product, cure) = cure(ruleset, chain, interface);
        Blocked {
            interface: interface.to_owned(),
            by: format!(
                "{product} (chain {} in the table {} {})",
                chain.name, chain.family, chain.table
            ),
            cure,
        }
    });
    told.collect()
}

fn cure(ruleset: &Ruleset, chain: &Chain, interface: &str) -> (&'static str, Vec<String>) {
    let has = |name: &str| {
        let mut same = ruleset.chains.iter();
        same.any(|one| one.family == chain.family && one.table == chain.table && one.name == name)
    };
    let iptables = |chain: &str| {
        vec![
            format!("iptables -I {chain} -i {interface} -j ACCEPT"),
            format!(
                "iptables -I {chain} -o {interface} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
            ),
        ]
    };
    if chain.table == "firewalld" {
        return (
            "firewalld",
            vec![
                format!("firewall-cmd --permanent --zone=trusted --add-interface={interface}"),
                "firewall-cmd --permanent --new-policy=netroot".to_owned(),
                "firewall-cmd --permanent --policy=netroot --add-ingress-zone=trusted --add-egress-zone=ANY --set-target=ACCEPT".to_owned(),
                "firewall-cmd --reload".to_owned(),
            ],
        );
    }
    if has("DOCKER-USER") {
        return ("Docker", iptables("DOCKER-USER"));
    }
    if has("ufw-user-forward") {
        return ("ufw", vec![format!("ufw route allow in on {interface}")]);
    }
    if chain.family == "ip" && chain.table == "filter" && chain.name == "FORWARD" {
        return ("iptables", iptables("FORWARD"));
    }
    let Chain {
        family,
        table,
        name,
        ..
    } = chain;
    let insert = format!("nft insert rule {family} {table} {name}");
    (
        "nftables",
        vec![
            format!("{insert} iifname {interface} accept"),
            format!("{insert} oifname {interface} ct state established,related accept"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(table: &str, name: &str, forwards: bool, drops: bool) -> Chain {
        Chain {
            family: "ip",
            table: table.to_owned(),
            name: name.to_owned(),
            forwards,
            drops,
        }
    }

    fn told(chains: Vec<Chain>) -> Vec<String> {
        let ruleset = Ruleset {
            chains,
            ..Ruleset::default()
        };
        let all = blocked(&ruleset, "eth1");
        all.iter()
            .map(|one| format!("{}: {}", one.by, one.cure[0]))
            .collect()
    }

    #[test]
    fn each_product_has_its_own_cure() {
        let forward = || chain("filter", "FORWARD", true, true);
        let part = |name: &str| chain("filter", name, false, false);
        assert_eq!(
            told(vec![forward(), part("DOCKER-USER")]),
            [
                "Docker (chain FORWARD in the table ip filter): iptables -I DOCKER-USER -i eth1 -j ACCEPT"
            ]
        );
        assert_eq!(
            told(vec![forward(), part("ufw-user-forward")]),
            ["ufw (chain FORWARD in the table ip filter): ufw route allow in on eth1"]
        );
        assert!(told(vec![forward()])[0].contains("iptables -I FORWARD -i eth1"));
        let own = told(vec![chain("mine", "fw", true, true)]);
        assert!(
            own[0].ends_with("nft insert rule ip mine fw iifname eth1 accept"),
            "{own:?}"
        );
        let firewalld = told(vec![chain("firewalld", "filter_FORWARD", true, false)]);
        assert!(firewalld[0].contains("firewall-cmd"), "{firewalld:?}");
    }

    #[test]
    fn what_lets_everything_pass_is_not_told_of() {
        let harmless = vec![
            chain("filter", "FORWARD", true, false),
            chain("filter", "INPUT", false, true),
            chain("netroot-eth1", "forward", true, true),
        ];
        assert_eq!(told(harmless), [""; 0]);
    }
}
