//! Whether a firewall of this host lets machines' requests in.
//!
//! The kernel's rules are read as `nft -j list ruleset` prints them, and a new packet to each port is taken through the
//! chains of the hook `input` ([`nft`]). Rules of iptables' older kernel part are read from `iptables-legacy -S`
//! ([`iptables`]).

mod iptables;
mod nft;
mod packet;

use std::process::{Command, Stdio};

use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use netroot_proto::tftp;

use self::packet::{Fate, Packet};
use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::serve::listen::interface::Interface;

/// Who manages the rules, and so has to be asked to change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Firewalld,
    Ufw,
    Nft,
    Iptables,
}

/// The rules that this host has.
#[derive(Debug, Default)]
struct Rules {
    /// `nft -j list ruleset`.
    nft: Option<String>,
    /// `iptables-legacy -S`.
    legacy: Option<String>,
}

impl Rules {
    fn read() -> Self {
        // An empty list means that the older part is not in use.
        let tables = std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
        let legacy = tables.lines().any(|table| table == "filter");
        Self {
            nft: output("nft", &["-j", "list", "ruleset"]),
            legacy: legacy
                .then(|| output("iptables-legacy", &["-S"]).or_else(|| output("iptables", &["-S"])))
                .flatten(),
        }
    }

    fn fate(&self, packet: Packet<'_>) -> Fate {
        let nft = self.nft.as_deref().map(|rules| nft::fate(rules, packet));
        let legacy = self.legacy.as_deref();
        let legacy = legacy.map(|rules| iptables::fate(rules, packet));
        // Both are asked by the kernel, and each can drop it.
        match (
            nft.unwrap_or(Fate::Accepted),
            legacy.unwrap_or(Fate::Accepted),
        ) {
            (Fate::Dropped, _) | (_, Fate::Dropped) => Fate::Dropped,
            (Fate::Unknown, _) | (_, Fate::Unknown) => Fate::Unknown,
            (Fate::Accepted, Fate::Accepted) => Fate::Accepted,
        }
    }

    fn manager(&self) -> Manager {
        let has = |word: &str| {
            let texts = [self.nft.as_deref(), self.legacy.as_deref()];
            texts.into_iter().flatten().any(|text| text.contains(word))
        };
        if has("\"firewalld\"") {
            Manager::Firewalld
        } else if has("ufw-") {
            Manager::Ufw
        } else if self.legacy.is_some() || has("\"xt\"") {
            Manager::Iptables
        } else {
            Manager::Nft
        }
    }
}

/// The program's output; `None` if it is not installed, or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let places = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{places}:/usr/sbin:/sbin"))
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the interface's requests get in.
pub(super) fn look(subject: &Subject, interface: &Interface) -> Vec<Finding> {
    let tcp: Vec<u16> = [Some(subject.settings.http_port), subject.nfs_port()]
        .into_iter()
        .flatten()
        .collect();
    judge(&Rules::read(), &interface.name, &tcp)
}

fn judge(rules: &Rules, interface: &str, tcp: &[u16]) -> Vec<Finding> {
    let udp = [SERVER_PORT, tftp::PORT, BINL_PORT].map(|port| ("udp", port));
    let all = udp.into_iter().chain(tcp.iter().map(|port| ("tcp", *port)));
    let (mut dropped, mut unknown) = (Vec::new(), Vec::new());
    for (protocol, port) in all {
        let packet = Packet {
            interface,
            protocol,
            port,
        };
        match rules.fate(packet) {
            Fate::Accepted => {}
            Fate::Dropped => dropped.push((protocol, port)),
            Fate::Unknown => unknown.push((protocol, port)),
        }
    }
    let mut findings = Vec::new();
    if !dropped.is_empty() {
        let text = format!(
            "the firewall drops what machines send to {}",
            listed(&dropped)
        );
        let mut finding = Finding::problem("firewall", text);
        for line in opening(rules.manager(), interface, &dropped) {
            finding = finding.cured_by(line);
        }
        findings.push(finding);
    }
    if !unknown.is_empty() {
        let text = format!(
            "the firewall has rules that are not understood here, and may drop what machines send to {}",
            listed(&unknown)
        );
        findings.push(Finding::note("firewall", text));
    }
    if findings.is_empty() {
        findings.push(match (&rules.nft, &rules.legacy) {
            (None, None) => Finding::note(
                "firewall",
                "not looked at: the program nft is not installed, or may not list the rules",
            ),
            _ => Finding::ok("firewall", "lets everything in that netroot needs"),
        });
    }
    findings
}

fn listed(ports: &[(&str, u16)]) -> String {
    let ports = ports.iter();
    ports
        .map(|(protocol, port)| format!("{} {port}", protocol.to_uppercase()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The commands that open ports.
fn opening(manager: Manager, interface: &str, ports: &[(&'static str, u16)]) -> Vec<String> {
    let of = |protocol: &str| {
        let ports = ports.iter().filter(|(one, _)| *one == protocol);
        let ports = ports.map(|(_, port)| port.to_string());
        ports.collect::<Vec<_>>()
    };
    let protocols = ["udp", "tcp"].into_iter().filter(|it| !of(it).is_empty());
    match manager {
        Manager::Firewalld => {
            let mut words: Vec<String> = ports
                .iter()
                .map(|(protocol, port)| format!("--add-port={port}/{protocol}"))
                .collect();
            words.insert(0, "firewall-cmd --permanent".to_owned());
            vec![words.join(" "), "firewall-cmd --reload".to_owned()]
        }
        Manager::Ufw => protocols
            .map(|protocol| {
                format!(
                    "ufw allow in on {interface} proto {protocol} to any port {}",
                    of(protocol).join(",")
                )
            })
            .collect(),
        Manager::Nft => protocols
            .map(|protocol| {
                format!(
                    "nft insert rule inet filter input iifname \"{interface}\" {protocol} dport {{ {} }} accept",
                    of(protocol).join(", ")
                )
            })
            .collect(),
        Manager::Iptables => protocols
            .map(|protocol| {
                format!(
                    "iptables -I INPUT -i {interface} -p {protocol} -m multiport --dports {} -j ACCEPT",
                    of(protocol).join(",")
                )
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::Level;

    const DROPPING: &str = r#"{"nftables": [
        {"chain": {"family": "inet", "table": "filter", "name": "input", "hook": "input", "prio": 0, "type": "filter", "policy": "drop"}},
        {"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8069}}, {"accept": null}]}}]}"#;

    #[test]
    fn what_is_dropped_is_a_problem_with_the_command_of_who_manages_the_rules() {
        let rules = Rules {
            nft: Some(DROPPING.to_owned()),
            legacy: None,
        };
        let all = judge(&rules, "eth0", &[8069, 2049]);
        assert_eq!(all.len(), 1);
        assert_eq!(
            all[0].text,
            "the firewall drops what machines send to UDP 67, UDP 69, UDP 4011, TCP 2049"
        );
        assert_eq!(
            all[0].cure,
            [
                "nft insert rule inet filter input iifname \"eth0\" udp dport { 67, 69, 4011 } accept",
                "nft insert rule inet filter input iifname \"eth0\" tcp dport { 2049 } accept"
            ]
        );
        let firewalld = Rules {
            nft: Some(DROPPING.replace("\"filter\", \"name\"", "\"firewalld\", \"name\"")),
            legacy: None,
        };
        assert_eq!(firewalld.manager(), Manager::Firewalld);
        let opening = opening(Manager::Ufw, "eth0", &[("udp", 67), ("udp", 69)]);
        assert_eq!(
            opening,
            ["ufw allow in on eth0 proto udp to any port 67,69"]
        );
    }

    #[test]
    fn no_rules_let_everything_in_and_no_program_is_a_note() {
        let open = Rules {
            nft: Some("{\"nftables\": [{\"metainfo\": {}}]}".to_owned()),
            legacy: None,
        };
        assert_eq!(judge(&open, "eth0", &[8069])[0].level, Level::Ok);
        assert_eq!(judge(&Rules::default(), "eth0", &[])[0].level, Level::Note);
    }
}
