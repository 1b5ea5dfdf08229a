//! Firmware, boot loader, init and network manager are one client with one lease, and the lease is in effect. The DHCP
//! server is dnsmasq, which counts a new identity as a new machine.

use anyhow::{Result, ensure};
use netroot_harness::{Dnsmasq, Net, NetrootServe, Nic, Rom, Vm};

use super::{
    CONNMAN, DHCPCD, FEDORAS_NETWORK_MANAGER, IFUPDOWN, Manager, NETWORK_MANAGER, NETWORKD,
    NETWORKD_257, Root,
};
use crate::lan::{Lan, MACHINE, TIMEOUT};
use crate::several_dhcp_servers::router;

const ROUTER: &str = "10.77.0.254";
const DNS: &str = "10.77.0.2";

/// The functions of every script: `wait_for COMMAND…` for at most five minutes, `facts NAME` about the NIC's state.
const COMMANDS: &str = r#"
wait_for() {
    tries=0
    until "$@" > /dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "never: $*" | tell; return; }
        sleep 3
    done
}
has_address() { ip -4 -o addr show dev eth0 | grep -q inet; }
log_has() { dmesg | grep -q "netroot: .*$1"; }
facts() {
    {
        ip -4 -o addr show dev eth0 | sed "s/.*inet \([^ ]*\) .*/$1: address \1/"
        ip -4 route show default | sed "s/^/$1: route /"
        sed -n "s/^nameserver /$1: dns /p" /etc/resolv.conf
    } | tell
}
"#;

/// What the renewer may do, as `rights: CapPrm 0000000000403000`.
const RIGHTS: &str = r"
status=$(grep -alz '^@netroot-renew' /proc/[0-9]*/cmdline 2> /dev/null | sed 's/cmdline$/status/')
sed -n 's/^\(Cap[A-Za-z]*\|NoNewPrivs\):[[:space:]]*/rights: \1 /p' $status | tell
";
/// `CAP_NET_ADMIN` (12), `CAP_NET_RAW` (13) and `CAP_SYS_BOOT` (22), as a mask.
const RENEWER: &str = "0000000000403000";
const NONE: &str = "0000000000000000";

const END: &str = r#"
dmesg | sed -n 's/.*netroot: /log: /p' | tell
echo end | tell
"#;

/// A machine that booted through its firmware, beside a router that leases addresses.
struct Machine {
    _lan: Lan,
    router: Net,
    dnsmasq: Dnsmasq,
    _root: Root,
    _server: NetrootServe,
    vm: Vm,
}

impl Machine {
    /// Runs `script` in the root and waits until it ends.
    fn run(manager: &Manager, script: &str) -> Result<Self> {
        let name = format!("one-lease-{}", manager.name);
        let lan = Lan::new(&name)?;
        let options = [
            format!("--dhcp-option=3,{ROUTER}"),
            format!("--dhcp-option=6,{DNS}"),
        ];
        let options = options.each_ref().map(String::as_str);
        let (router, dnsmasq) = router(&lan, &name, &options)?;
        let root = Root::make(&lan, manager, &format!("{COMMANDS}{script}{END}"))?;
        let server = lan.serve_beside(&root.path)?;
        let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let vm = lan.machine().nic(nic).start()?;
        vm.wait_for("netroot: switch_root to ", "the switch of root", TIMEOUT)?;
        vm.wait_for("watch: end", "the end of the root's script", TIMEOUT)?;
        Ok(Self {
            _lan: lan,
            router,
            dnsmasq,
            _root: root,
            _server: server,
            vm,
        })
    }

    fn words(&self) -> String {
        super::words(&self.vm).join("\n")
    }

    /// At that point of the script: one address, the init's, and the router and name server of the lease.
    fn assert_in_force(&self, moment: &str) -> Result<()> {
        let words = self.words();
        let all = |what: &str| -> Vec<&str> {
            let begin = format!("{moment}: {what} ");
            let values = words.lines().filter_map(|line| line.strip_prefix(&begin));
            values.collect()
        };
        let address = super::address(&self.vm)?;
        ensure!(all("address") == [format!("{address}/24")], "{words}");
        let routes = all("route");
        let is_ours = |route: &&str| route.contains(&format!("via {ROUTER} "));
        ensure!(!routes.is_empty() && routes.iter().all(is_ours), "{words}");
        ensure!(all("dns") == [DNS], "{words}");
        Ok(())
    }

    /// The server granted a single address to a single client.
    fn assert_one_lease(&self) -> Result<()> {
        let address = super::address(&self.vm)?;
        let log = self.dnsmasq.log().text();
        let granted: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once("DHCPACK(lan) "))
            .filter_map(|(_, rest)| rest.split(' ').next())
            .collect();
        ensure!(granted.len() >= 2, "iPXE's and the init's: {log}");
        ensure!(granted.iter().all(|a| *a == address), "{granted:?}");
        let leases = std::fs::read_to_string(self.router.path("/run/dnsmasq.leases"))?;
        let lines: Vec<&str> = leases.lines().collect();
        ensure!(lines.len() == 1 && leases.contains(&address), "{leases}");
        Ok(())
    }

    fn assert_said(&self, line: &str) -> Result<()> {
        let words = self.words();
        ensure!(words.contains(line), "no {line:?} in: {words}");
        Ok(())
    }
}

fn networkd_is_online(manager: &Manager) -> Result<()> {
    let machine = Machine::run(
        manager,
        "wait_for systemctl is-active systemd-networkd-wait-online\n\
         wait_for log_has 'has the lease now'\n\
         facts managed\n\
         networkctl status eth0 | grep State: | tell\n\
         systemctl is-active systemd-networkd-wait-online | tell\n",
    )?;
    machine.assert_in_force("managed")?;
    machine.assert_one_lease()?;
    machine.assert_said("State: routable (configured)")?;
    machine.assert_said("\nactive\n")?;
    machine.assert_said("log: eth0: systemd-networkd has the lease now")
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn networkd_takes_the_lease_over_and_is_online() -> Result<()> {
    networkd_is_online(&NETWORKD)
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn networkd_of_systemd_257_does_the_same() -> Result<()> {
    networkd_is_online(&NETWORKD_257)
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn network_manager_as_fedora_configures_it_takes_our_profile() -> Result<()> {
    let machine = Machine::run(
        &FEDORAS_NETWORK_MANAGER,
        "nm-online -s -q -t 300\n\
         wait_for nmcli -g IP4.DNS device show eth0\n\
         nmcli -g GENERAL.CONNECTION,IP4.GATEWAY,IP4.DNS device show eth0 | sed 's/^/nmcli: /' | tell\n\
         facts managed\n",
    )?;
    machine.assert_in_force("managed")?;
    machine.assert_said("nmcli: netroot eth0")?;
    machine.assert_said(&format!("nmcli: {DNS}"))?;
    machine.assert_one_lease()
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn connman_leaves_the_nic_alone() -> Result<()> {
    let machine = Machine::run(
        &CONNMAN,
        "wait_for systemctl is-active connman\n\
         sleep 15\n\
         systemctl is-active connman | sed 's/^/connman is /' | tell\n\
         facts managed\n",
    )?;
    machine.assert_said("connman is active")?;
    machine.assert_in_force("managed")?;
    machine.assert_one_lease()?;
    let words = machine.words();
    ensure!(!words.contains("it is set again"), "{words}");
    ensure!(!words.contains("has the lease now"), "{words}");
    Ok(())
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn network_manager_knows_the_lease_and_may_take_it_over() -> Result<()> {
    let machine = Machine::run(
        &NETWORK_MANAGER,
        "nm-online -s -q -t 300\n\
         wait_for nmcli -g IP4.DNS device show eth0\n\
         nmcli -g GENERAL.CONNECTION,IP4.GATEWAY,IP4.DNS device show eth0 | sed 's/^/nmcli: /' | tell\n\
         facts managed\n\
         nmcli connection add type ethernet con-name own ifname eth0 ipv4.method auto 2>&1 | tell\n\
         nmcli -w 300 connection up own 2>&1 | tell\n\
         wait_for log_has 'has the lease now'\n\
         facts own\n",
    )?;
    machine.assert_in_force("managed")?;
    for line in [
        "nmcli: netroot eth0".to_owned(),
        format!("nmcli: {ROUTER}"),
        format!("nmcli: {DNS}"),
    ] {
        machine.assert_said(&line)?;
    }
    machine.assert_in_force("own")?;
    machine.assert_one_lease()?;
    machine.assert_said("log: eth0: a DHCP client of the root has the lease now")
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn dhclient_gets_the_same_lease_and_the_root_survives_a_lost_address() -> Result<()> {
    let machine = Machine::run(
        &IFUPDOWN,
        &format!(
            "{RIGHTS}\
         wait_for systemctl is-active networking\n\
         facts managed\n\
         dhclient -4 eth0 2>&1 | tell\n\
         facts client\n\
         dhclient -4 -r eth0 2>&1 | tell\n\
         wait_for log_has 'it is set again'\n\
         wait_for log_has 'renewed for'\n\
         facts released\n\
         ip link set eth0 down\n\
         wait_for log_has 'the route of'\n\
         facts switched-off\n"
        ),
    )?;
    for (set, mask) in [
        ("CapPrm", RENEWER),
        ("CapEff", RENEWER),
        ("CapBnd", RENEWER),
        ("CapInh", NONE),
        ("CapAmb", NONE),
        ("NoNewPrivs", "1"),
    ] {
        machine.assert_said(&format!("rights: {set} {mask}"))?;
    }
    machine.assert_in_force("managed")?;
    machine.assert_in_force("client")?;
    machine.assert_in_force("released")?;
    machine.assert_in_force("switched-off")?;
    let log = machine.dnsmasq.log().text();
    ensure!(log.contains("DHCPRELEASE(lan)"), "{log}");
    machine.assert_one_lease()
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn dhcpcd_leaves_the_nic_alone() -> Result<()> {
    let machine = Machine::run(
        &DHCPCD,
        "wait_for systemctl is-active dhcpcd\n\
         sleep 15\n\
         systemctl is-active dhcpcd | sed 's/^/dhcpcd is /' | tell\n\
         facts managed\n",
    )?;
    machine.assert_said("dhcpcd is active")?;
    machine.assert_in_force("managed")?;
    machine.assert_one_lease()?;
    let words = machine.words();
    ensure!(!words.contains("has the lease now"), "{words}");
    Ok(())
}
