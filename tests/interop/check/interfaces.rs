//! Several interfaces, and all of a configuration.

use anyhow::{Context, Result, bail};
use netroot_harness::{Bridge, NetrootServe, TinyRoot, paths};
use serde_json::Value;

use super::FIRMWARE;
use super::lab::{HOST, Lab, TIMEOUT, check, list, text};

/// What is said about an interface.
fn section<'a>(said: &'a Value, interface: &str) -> Result<&'a Value> {
    let mut all = list(said, "interfaces").iter();
    let found = all.find(|one| text(one, "interface") == interface);
    found.with_context(|| format!("no {interface} in {said:#}"))
}

fn problems(value: &Value) -> Option<u64> {
    value.get("problems")?.as_u64()
}

/// A second interface, without a DHCP server.
fn with_second(lab: &Lab) -> Result<Bridge> {
    lab.net.bridge("br1", "10.78.0.1/24")
}

#[test]
fn several_interfaces_are_looked_at_each_with_what_is_its_own() -> Result<()> {
    let lab = Lab::new("check-several")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let _second = with_second(&lab)?;
    let netroot = paths::netroot()?.display().to_string();
    let netroot = netroot.as_str();

    let argv = [netroot, "check", "br0", "--interface", "br1", "--json"];
    let (said, fine) = check(&lab.net, &argv)?;
    assert_eq!(list(&said, "interfaces").len(), 2, "{said:#}");
    let (first, second) = (section(&said, "br0")?, section(&said, "br1")?);
    assert_eq!(problems(first), Some(0), "{said:#}");
    // No DHCP server: one cause, whichever machines suffer from it.
    assert_eq!(problems(second), Some(1), "{said:#}");
    assert_eq!(problems(&said), Some(1));
    let mut troubles = list(second, "network").iter();
    assert!(troubles.any(|one| text(one, "about") == "no-address"));
    assert!(list(first, "network").is_empty());
    assert!(!fine);

    // None named: both could be served, and both are looked at.
    let (said, fine) = check(&lab.net, &[netroot, "check", "--json"])?;
    assert_eq!(list(&said, "interfaces").len(), 2, "{said:#}");
    let mut host = list(&said, "host").iter();
    assert!(host.any(|one| text(one, "text").contains("name one, for example: --interface br")));
    assert!(!fine);

    // For people.
    let done = lab.net.run_for(&argv[..5], TIMEOUT)?;
    for line in [
        "Who answers on br0 (10.77.0.1/24):",
        "Who answers on br1 (10.78.0.1/24):",
        "This host, for br1:",
        "The network of br1:",
        "This host, for every interface:",
        "br0: nothing stands in the way",
        "br1: 1 problem, 0 warnings; 7 of 10 kinds of machines would not boot",
        "In all: 1 problem, ",
    ] {
        assert!(done.stdout.contains(line), "{line}: {}", done.stdout);
    }
    Ok(())
}

#[test]
fn all_networks_of_a_configuration_are_looked_at_before_and_while_it_is_served() -> Result<()> {
    let lab = Lab::new("check-config")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let _second = with_second(&lab)?;
    lab.net.shell("ip link add br2 type bridge")?;
    let root = TinyRoot::make()?;
    let folder = lab.net.logs().join("etc");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("netroot.toml");
    let config = format!(
        "default = \"tiny\"\n[server]\nstate = \"{0}/state\"\ncache = \"{0}/cache\"\n\
         [[network]]\ninterface = \"br0\"\n\
         [[network]]\ninterface = \"br1\"\nmode = \"dhcp\"\nrange = [\"10.78.0.100-10.78.0.199\"]\n\
         [[network]]\ninterface = \"br2\"\nmode = \"isolated\"\n\
         [image.tiny]\nroot = \"{1}\"\nmodules = \"virtio_net\"\n",
        lab.net.logs().display(),
        root.path().display(),
    );
    std::fs::write(&file, config)?;
    let (netroot, file_name) = (paths::netroot()?, file.display().to_string());
    let netroot = netroot.display().to_string();
    let argv = [netroot.as_str(), "check", "--config", &file_name, "--json"];

    let machines = |said: &Value, interface: &str, server: &str| -> Result<()> {
        for machine in list(section(said, interface)?, "machines") {
            if !FIRMWARE.contains(&text(machine, "machine")) {
                continue;
            }
            let boots = text(machine, "boots");
            assert_eq!(boots, "netroot", "{interface}: {machine:#}");
            assert_eq!(text(machine, "by"), server, "{machine:#}");
        }
        Ok(())
    };
    let (said, fine) = check(&lab.net, &argv)?;
    assert!(fine, "{said:#}");
    let modes: Vec<&str> = list(&said, "interfaces")
        .iter()
        .map(|one| text(one, "mode"))
        .collect();
    assert_eq!(modes, ["proxy", "dhcp", "isolated"]);
    machines(&said, "br0", HOST)?;
    machines(&said, "br1", "10.78.0.1")?;
    // It has no address yet, which is as it should be.
    assert_eq!(problems(section(&said, "br2")?), Some(0), "{said:#}");

    let server = NetrootServe::start_configured(&lab.net, &file, &[])?;
    let (said, fine) = check(&lab.net, &argv)?;
    assert!(fine, "{said:#}");
    for (interface, address) in [("br0", HOST), ("br1", "10.78.0.1")] {
        let servers = list(section(&said, interface)?, "servers");
        let own = servers.iter().find(|one| text(one, "address") == address);
        assert!(own.is_some_and(|own| own.get("netroot") == own.get("here")));
        machines(&said, interface, address)?;
    }
    let isolated = section(&said, "br2")?;
    let [only] = list(isolated, "servers") else {
        bail!("not one server: {isolated:#}")
    };
    machines(&said, "br2", text(only, "address"))?;
    drop(server);

    let only = [&argv[..2], &["br1"], &argv[2..]].concat();
    let (said, _) = check(&lab.net, &only)?;
    assert_eq!(list(&said, "interfaces").len(), 1, "{said:#}");
    let unknown = [&argv[..2], &["br7"], &argv[2..]].concat();
    let done = lab.net.run_for(&unknown, TIMEOUT)?;
    assert!(
        done.stderr
            .contains("does not serve br7; its interfaces are br0, br1, br2"),
        "{}",
        done.stderr
    );
    Ok(())
}
