//! An isolated network beside the house's: what its machines reach, what reaches them, and that everything is as before
//! when the server has ended, however it did.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{
    BootPart, ForeignDhcp, IscServer, IsolatedLab, KeptState, Net, NetrootServe, Program, TinyRoot,
};

use crate::lan::TIMEOUT;

const HOUSE: Ipv4Addr = IsolatedLab::HOUSE;
const SERVER_IN_HOUSE: Ipv4Addr = IsolatedLab::SERVER;
const OFFICE: Ipv4Addr = Ipv4Addr::new(192, 168, 8, 1);
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 66);
/// How long a connection that is not to be is waited for.
const NEVER: Duration = Duration::from_secs(3);

/// The server also leads to an office, and a machine is in the bridge `lab`. Dropped in this order: who uses a network
/// before the network.
struct Site {
    office: Net,
    machine: Net,
    nets: IsolatedLab,
    root: TinyRoot,
    initrd: String,
}

impl Site {
    fn new(name: &str) -> Result<Self> {
        let nets = IsolatedLab::new(name)?;
        let IsolatedLab { house, lab, server } = &nets;
        let machine = Net::new(&format!("{name}-machine"))?;
        server.cable(lab, &machine, "eth0", &format!("{MACHINE}/24"))?;
        machine.shell("ip route add default via 10.77.0.1")?;
        let office = Net::new(&format!("{name}-office"))?;
        let bridge = office.bridge("br0", &format!("{OFFICE}/24"))?;
        office.cable(&bridge, server, "eth2", "192.168.8.5/24")?;
        // Both would use the server as a router, if it were one.
        house.shell(&format!(
            "ip route add 10.77.0.0/24 via {SERVER_IN_HOUSE}; ip route add 192.168.8.0/24 via {SERVER_IN_HOUSE}"
        ))?;
        office.shell("ip route add default via 192.168.8.5")?;
        let root = TinyRoot::make()?;
        let initrd = root.path().join("initrd");
        std::fs::write(&initrd, "never loaded")?;
        let initrd = initrd.display().to_string();
        Ok(Self {
            office,
            machine,
            nets,
            root,
            initrd,
        })
    }

    fn serve(&self, more: &[&str]) -> Result<NetrootServe> {
        let arguments = [&["--isolated", "lab", "--initrd", &self.initrd], more].concat();
        NetrootServe::start(&self.nets.server, self.root.path(), &arguments)
    }

    /// What is to be as it was: links, addresses, forwarding, tables.
    fn state(&self) -> Result<KeptState<'_>> {
        KeptState::of(&self.nets.server, STATE)
    }
}

/// How links, addresses, forwarding and tables are printed.
const STATE: &str = "\
ip -o link show | sed 's/ qlen .*//; s/ state [A-Z]*//; s/mode .*//'
ip -4 -o addr show
for device in all house eth2 lab; do cat /proc/sys/net/ipv4/conf/$device/forwarding; done
nft list ruleset";

/// The address that a connection from one network to an address in another one comes from.
fn connects(from: &Net, to: &Net, address: Ipv4Addr) -> Result<SocketAddr> {
    connect(from, to, address, TIMEOUT)?.with_context(|| format!("no way to {address}"))
}

/// Whether there is no such connection.
fn is_cut_off(from: &Net, to: &Net, address: Ipv4Addr) -> Result<bool> {
    Ok(connect(from, to, address, NEVER)?.is_none())
}

fn connect(
    from: &Net,
    to: &Net,
    address: Ipv4Addr,
    patience: Duration,
) -> Result<Option<SocketAddr>> {
    let listener = to.within(|| Ok(TcpListener::bind((address, 7777))?))?;
    listener.set_nonblocking(true)?;
    let wanted = SocketAddr::from((address, 7777));
    let Ok(mut stream) = from.within(|| Ok(TcpStream::connect_timeout(&wanted, patience)?)) else {
        return Ok(None);
    };
    listener.set_nonblocking(false)?;
    let (mut accepted, peer) = listener.accept()?;
    stream.write_all(b"both ways")?;
    drop(stream);
    let mut text = String::new();
    accepted.read_to_string(&mut text)?;
    ensure!(text == "both ways");
    Ok(Some(peer))
}

#[test]
fn machines_reach_the_outside_and_nothing_reaches_them_or_passes_beside_them() -> Result<()> {
    let site = Site::new("isolated-nat")?;
    let before = site.state()?;
    let mut server = site.serve(&["--nat"])?;
    for (to, address) in [(&site.nets.house, HOUSE), (&site.office, OFFICE)] {
        let peer = connects(&site.machine, to, address)?;
        let own = [SERVER_IN_HOUSE, Ipv4Addr::new(192, 168, 8, 5)];
        ensure!(own.iter().any(|own| peer.ip() == *own), "{peer}");
    }
    ensure!(
        is_cut_off(&site.nets.house, &site.machine, MACHINE)?,
        "a way in"
    );
    // The server forwards for the machines alone, although its interfaces forward now.
    ensure!(
        is_cut_off(&site.nets.house, &site.office, OFFICE)?,
        "a way beside them"
    );
    ensure!(
        is_cut_off(&site.office, &site.nets.house, HOUSE)?,
        "a way beside them"
    );
    ensure!(
        site.nets
            .server
            .shell("cat /proc/sys/net/ipv4/ip_forward")?
            .trim()
            == "0"
    );
    server.terminate()?;
    before.ensure()
}

#[test]
fn without_nat_nothing_leaves_even_where_the_host_forwards() -> Result<()> {
    let site = Site::new("isolated-alone")?;
    site.nets
        .server
        .shell("echo 1 > /proc/sys/net/ipv4/ip_forward")?;
    let before = site.state()?;
    let mut server = site.serve(&[])?;
    site.nets.house.shell("true")?;
    ensure!(
        is_cut_off(&site.machine, &site.nets.house, HOUSE)?,
        "a way outside"
    );
    ensure!(
        is_cut_off(&site.nets.house, &site.machine, MACHINE)?,
        "a way in"
    );
    connects(&site.nets.house, &site.office, OFFICE)?;
    server.terminate()?;
    before.ensure()
}

#[test]
fn a_killed_server_leaves_nothing_behind() -> Result<()> {
    let site = Site::new("isolated-killed")?;
    let before = site.state()?;
    let mut server = site.serve(&["--nat"])?;
    server.program().kill()?;
    before.wait(TIMEOUT)?;

    // With the process that would have undone it: the next start does.
    let mut server = site.serve(&["--nat"])?;
    site.nets.server.shell("pkill -KILL -x netroot-isolate")?;
    server
        .output()
        .wait_for("isolation-ended", "the warning", TIMEOUT)?;
    // Nobody follows the interfaces any more: it ends, and is started again.
    let ended = server.program().wait(TIMEOUT)?;
    ensure!(!ended.status.success(), "{ended:?}");
    let left = site.nets.server.shell(STATE)?;
    ensure!(left.contains("10.77.0.1/24"), "{left}");
    let mut server = site.serve(&["--nat"])?;
    connects(&site.machine, &site.nets.house, HOUSE)?;
    server.terminate()?;
    before.ensure()
}

#[test]
fn what_somebody_else_has_changed_since_stays() -> Result<()> {
    let site = Site::new("isolated-changed")?;
    let mut server = site.serve(&["--nat"])?;
    site.nets.server.shell(
        "echo 1 > /proc/sys/net/ipv4/ip_forward
         ip addr add 10.99.0.1/24 dev lab",
    )?;
    server.terminate()?;
    let after = site.nets.server.shell(STATE)?;
    ensure!(
        after.contains("10.99.0.1/24") && !after.contains("10.77.0.1"),
        "{after}"
    );
    ensure!(
        site.nets
            .server
            .shell("cat /proc/sys/net/ipv4/conf/house/forwarding")?
            .trim()
            == "1"
    );
    ensure!(
        site.nets
            .server
            .shell("ip -o link show lab")?
            .contains(",UP")
    );
    Ok(())
}

/// How a server that does not start ends.
fn refusal(site: &Site, arguments: &[&str]) -> Result<String> {
    let arguments = [&["--initrd", &site.initrd], arguments].concat();
    let server = NetrootServe::start_unready(&site.nets.server, site.root.path(), &arguments)?;
    let mut program: Program = server.into_program();
    let ended = program.wait(TIMEOUT)?;
    ensure!(!ended.status.success());
    Ok(ended.stderr)
}

#[test]
fn the_house_a_network_in_use_and_another_dhcp_servers_network_are_refused() -> Result<()> {
    let site = Site::new("isolated-refused")?;
    let before = site.state()?;
    let house = refusal(&site, &["--isolated", "house"])?;
    ensure!(
        house.contains("house leads to this machine's default route"),
        "{house}"
    );
    let taken = refusal(&site, &["--isolated", "lab=192.168.8.0/24"])?;
    ensure!(
        taken.contains("overlaps 192.168.8.0/24, which is behind eth2"),
        "{taken}"
    );
    let addresses = ("10.77.0.100", "10.77.0.149", "10.77.0.66");
    let kea = IscServer::Kea;
    let _kea = ForeignDhcp::start(kea, &site.machine, "eth0", addresses, BootPart::Nothing)?;
    let other = refusal(&site, &["--isolated", "lab"])?;
    ensure!(
        other.contains("another DHCP server, 10.77.0.66, answers on lab")
            && other.contains("it is not a network of its own"),
        "{other}"
    );
    before.ensure()
}

#[test]
fn a_firewall_in_the_way_is_told_of_until_it_lets_the_network_pass() -> Result<()> {
    let site = Site::new("isolated-firewall")?;
    site.nets.server.shell(
        "nft 'add table ip filter
              add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
              add chain ip filter DOCKER-USER
              add rule ip filter FORWARD jump DOCKER-USER'",
    )?;
    let told = |server: &NetrootServe| server.output().contains("drops what machines on lab send");
    let mut server = site.serve(&["--nat"])?;
    ensure!(
        told(&server)
            && server
                .output()
                .contains("iptables -I DOCKER-USER -i lab -j ACCEPT")
    );
    ensure!(is_cut_off(&site.machine, &site.nets.house, HOUSE)?);
    server.terminate()?;
    // What those commands do.
    site.nets.server.shell(
        "nft 'insert rule ip filter DOCKER-USER iifname lab accept
              insert rule ip filter DOCKER-USER oifname lab ct state established,related accept'",
    )?;
    let server = site.serve(&["--nat"])?;
    ensure!(!told(&server));
    connects(&site.machine, &site.nets.house, HOUSE)?;
    Ok(())
}

#[test]
fn a_server_that_was_never_root_needs_one_more_capability() -> Result<()> {
    let site = Site::new("isolated-unit")?;
    // As the packaged unit has it, with its ProtectKernelTunables=.
    site.nets
        .server
        .shell("mount -o bind,ro /proc/sys /proc/sys")?;
    let before = site.state()?;
    let folder = site.nets.server.logs().join("unit");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let own = folder.display().to_string();
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    site.nets.server.shell(&format!(
        "mkdir {own}/state {own}/cache; chown 60123:60123 {own}/state {own}/cache"
    ))?;
    let root = site.root.path().display();
    let start = |capabilities: &str| -> Result<Program> {
        let capabilities = format!("+net_bind_service,+net_raw,+dac_read_search{capabilities}");
        let options = format!(
            "exec setpriv --reuid 60123 --regid 60123 --clear-groups --inh-caps {capabilities} \
             --ambient-caps {capabilities} {netroot} serve {root} --isolated lab --nat --json \
             --initrd {} --state {own}/state --cache {own}/cache",
            site.initrd
        );
        site.nets.server.spawn(&["sh", "-c", &options])
    };
    let refused = start("")?.wait(TIMEOUT)?;
    ensure!(
        refused.stderr.contains("isolated networks"),
        "{}",
        refused.stderr
    );
    let mut server = start(",+net_admin")?;
    server.wait_for("\"kind\":\"ready\"", "the server's readiness", TIMEOUT)?;
    connects(&site.machine, &site.nets.house, HOUSE)?;
    server.kill()?;
    before.wait(TIMEOUT)
}
