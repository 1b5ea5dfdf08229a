//! A host and a router beside it, and what a check says of them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use netroot_harness::{Bridge, Dnsmasq, Net, paths};
use serde_json::Value;

/// The longest that a check may take. No test asserts a duration.
pub(super) const TIMEOUT: Duration = Duration::from_secs(180);
pub(super) const HOST: &str = "10.77.0.1";
pub(super) const ROUTER: &str = "10.77.0.254";

/// This host, and a router beside it. Dropped in this order: the users of a network before the network.
pub(super) struct Lab {
    pub(super) router: Net,
    pub(super) bridge: Bridge,
    pub(super) net: Net,
}

impl Lab {
    pub(super) fn new(name: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", &format!("{HOST}/24"))?;
        let router = Net::new(&format!("{name}-router"))?;
        net.cable(&bridge, &router, "lan", &format!("{ROUTER}/24"))?;
        Ok(Self {
            router,
            bridge,
            net,
        })
    }

    /// dnsmasq on the router, which gives addresses.
    pub(super) fn dnsmasq(&self, more: &[&str]) -> Result<Dnsmasq> {
        Dnsmasq::start(&self.router, "lan", "10.77.0.100", "10.77.0.199", more)
    }

    pub(super) fn check(&self, arguments: &[&str]) -> Result<Checked> {
        let netroot = paths::netroot()?.display().to_string();
        let argv = [netroot.as_str(), "check", "br0", "--json"];
        let (all, fine) = check(&self.net, &[&argv[..], arguments].concat())?;
        // Of one interface: what is said about it, and what is said about the host.
        let [section] = list(&all, "interfaces") else {
            bail!("not one interface in {all:#}")
        };
        let mut said = section.clone();
        let host = [list(section, "host"), list(&all, "host")].concat();
        if let Some(object) = said.as_object_mut() {
            object.insert("host".to_owned(), host.into());
        }
        Ok(Checked { said, fine })
    }
}

/// What a check prints, and whether all was well.
pub(super) fn check(net: &Net, argv: &[&str]) -> Result<(Value, bool)> {
    let done = net.run_for(argv, TIMEOUT)?;
    let said = serde_json::from_str(&done.stdout);
    let said = said.with_context(|| format!("{}{}", done.stdout, done.stderr))?;
    Ok((said, done.status.success()))
}

/// What a check said.
pub(super) struct Checked {
    pub(super) said: Value,
    pub(super) fine: bool,
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = value.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Checked {
    /// What a machine does: the outcome, the server, and whose boot it is in the end.
    pub(super) fn machine(&self, name: &str) -> Option<(&str, &str, &str)> {
        let mut machines = list(&self.said, "machines").iter();
        let found = machines.find(|one| text(one, "machine") == name)?;
        Some((
            text(found, "outcome"),
            text(found, "server"),
            text(found, "boots"),
        ))
    }

    pub(super) fn assert_machine(&self, name: &str, outcome: &str, server: &str, boots: &str) {
        let expected = Some((outcome, server, boots));
        assert_eq!(self.machine(name), expected, "{name}: {:#}", self.said);
    }

    /// A member of what is said about a server.
    pub(super) fn server(&self, address: &str, member: &str) -> Option<bool> {
        let mut servers = list(&self.said, "servers").iter();
        let found = servers.find(|one| text(one, "address") == address)?;
        found.get(member)?.as_bool()
    }

    /// What is wrong on the network, as words.
    pub(super) fn troubles(&self) -> Vec<&str> {
        let all = list(&self.said, "network").iter();
        all.map(|one| text(one, "about")).collect()
    }

    /// The lines of the cures of the first trouble.
    pub(super) fn cure(&self) -> String {
        let troubles = list(&self.said, "network");
        let cures = troubles.iter().take(1).flat_map(|one| list(one, "cures"));
        let steps = cures.flat_map(|cure| list(cure, "steps"));
        let lines = steps.filter_map(|step| step.get(1)?.as_str());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The findings about this host of a kind and a level.
    pub(super) fn host(&self, about: &str, level: &str) -> Vec<&str> {
        let all = list(&self.said, "host").iter();
        let these = all.filter(|one| text(one, "about") == about && text(one, "level") == level);
        these.map(|one| text(one, "text")).collect()
    }
}
