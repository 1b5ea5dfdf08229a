//! What is wrong with this host, and what `netroot serve` would refuse.

use anyhow::Result;
use netroot_harness::{Dnsmasq, TinyRoot, paths};

use super::lab::{Lab, TIMEOUT};

#[test]
fn a_taken_port_a_firewall_and_a_root_without_a_kernel_are_found() -> Result<()> {
    let lab = Lab::new("check-host")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let root = TinyRoot::make()?;
    let fine = lab.check(&[&root.path().display().to_string()])?;
    assert!(fine.fine, "{:#}", fine.said);
    assert_eq!(fine.host("initrd", "ok").len(), 1, "{:#}", fine.said);

    let tftpd = lab.net.spawn(&[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--log-facility=-",
        "--user=root",
        "--pid-file=/run/tftpd.pid",
        "--enable-tftp",
        "--interface=br0",
    ])?;
    tftpd.stderr().wait_for("TFTP", "dnsmasq's TFTP", TIMEOUT)?;
    lab.net.shell(
        "nft add table inet filter
         nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
         nft add rule inet filter input ct state established,related accept
         nft add rule inet filter input udp dport { 67, 68, 69 } accept
         nft add rule inet filter input icmp type echo-request accept",
    )?;
    let empty = lab.net.logs().join("empty");
    std::fs::create_dir_all(&empty)?;
    let checked = lab.check(&[&empty.display().to_string()])?;
    let [port] = &checked.host("port", "problem")[..] else {
        panic!("{:#}", checked.said)
    };
    assert!(
        port.starts_with("UDP port 69 (TFTP) is taken by dnsmasq (process "),
        "{port}"
    );
    assert_eq!(
        checked.host("firewall", "problem"),
        ["the firewall drops what machines send to UDP 4011, TCP 8069, TCP 2049"]
    );
    assert_eq!(
        checked.host("kernel", "problem").len(),
        1,
        "{:#}",
        checked.said
    );
    assert!(!checked.fine);
    Ok(())
}

/// What stands in the way in each of many broken sites, looked at without asking on the network.
#[test]
fn each_answer_names_the_thing_its_holder_and_the_cure() -> Result<()> {
    let lab = Lab::new("check-newcomer")?;
    let netroot = paths::netroot()?.display().to_string();
    let said = |more: &[&str]| -> Result<String> {
        let argv = [&[netroot.as_str(), "check", "--offline"], more].concat();
        Ok(lab.net.run_for(&argv, TIMEOUT)?.stdout)
    };
    let holds = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(line), "{line}: {text}");
        }
    };
    // A DHCP server of this host on the same interface.
    let here = Dnsmasq::start(&lab.net, "br0", "10.77.0.50", "10.77.0.60", &[])?;
    holds(
        &said(&["br0"])?,
        &[
            "UDP port 67 (DHCP) is taken by dnsmasq (process ",
            "dnsmasq: interface= and bind-interfaces",
            "1 problem, ",
        ],
    );
    drop(here);
    lab.net.shell("ip link set br0 mtu 1400")?;
    holds(
        &said(&["br0"])?,
        &["packets of 1400 bytes only", "ip link set br0 mtu 1500"],
    );
    lab.net.shell(
        "ip link set br0 mtu 1500
         ip link add twin type bridge && ip addr add 10.77.0.2/24 dev twin && ip link set twin up
         sysctl -qw net.ipv4.conf.all.rp_filter=1",
    )?;
    holds(
        &said(&["br0"])?,
        &[
            "br0 and twin are in one network",
            "rp_filter is strict",
            "conf.br0.rp_filter=2",
        ],
    );
    lab.net
        .shell("ip link del twin; sysctl -qw net.ipv4.conf.all.rp_filter=0")?;
    let empty = lab.net.logs().join("no-loaders");
    std::fs::create_dir_all(&empty)?;
    let empty = empty.display().to_string();
    holds(
        &said(&["br0", "--ipxe", &empty])?,
        &[
            "BIOS machines cannot boot: iPXE's undionly.kpxe is not in ",
            "apt install ipxe",
        ],
    );
    holds(
        &said(&["br0", "./nowhere"])?,
        &["cannot open the root directory /nowhere: No such file or directory"],
    );
    holds(
        &said(&["brO"])?,
        &["there is no interface brO; this machine has lo"],
    );
    lab.net.shell("mkdir -p /run/debian")?;
    let in_run = format!("cd /run; {netroot} check --offline debian || true");
    holds(
        &lab.net.shell(&in_run)?,
        &["there is no interface debian", "of that name: ./debian"],
    );
    lab.net.shell("ip link set br0 down")?;
    holds(
        &said(&["br0"])?,
        &["the interface br0 is down; bring it up: ip link set br0 up"],
    );
    lab.net.shell("ip link set br0 up; ip addr flush dev br0")?;
    holds(
        &said(&["br0"])?,
        &["br0 has no IPv4 address; give it one, for example: ip address add"],
    );
    Ok(())
}

#[test]
fn without_root_the_reason_is_told_for_each_thing_that_could_not_be_looked_at() -> Result<()> {
    let lab = Lab::new("check-no-root")?;
    let root = TinyRoot::make()?;
    let path = root.path().display();
    lab.net.shell(&format!(
        "chmod 755 {path} && cd {path}/boot
         for kernel in vmlinuz-*; do cp $kernel k && rm $kernel && mv k $kernel && chmod 600 $kernel; done"
    ))?;
    let netroot = paths::netroot()?.display().to_string();
    let path = path.to_string();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let argv = [&nobody[..], &[&netroot, "check", "br0", &path]].concat();
    let done = lab.net.run_for(&argv, TIMEOUT)?;
    for line in [
        "cannot ask on the network: cannot open a packet socket: Operation not permitted",
        "serving needs root, for ports 67 and 69",
        ": Permission denied",
    ] {
        assert!(
            done.stdout.contains(line),
            "{line}: {}{}",
            done.stdout,
            done.stderr
        );
    }
    assert!(!done.status.success());
    Ok(())
}

/// What `netroot serve` refuses is a problem before it is tried, with the same words and options.
#[test]
fn what_serve_refuses_is_found_before() -> Result<()> {
    let lab = Lab::new("check-refused")?;
    let root = TinyRoot::make()?;
    let (netroot, path) = (paths::netroot()?, root.path().display().to_string());
    let netroot = netroot.display().to_string();
    lab.net.shell(
        "ip link add br2 type bridge
         ip route add default via 10.77.0.254",
    )?;
    let said = |more: &[&str]| -> Result<(String, bool)> {
        let argv = [&[netroot.as_str(), "check", "--offline"], more].concat();
        let done = lab.net.run_for(&argv, TIMEOUT)?;
        Ok((done.stdout + &done.stderr, done.status.success()))
    };
    let holds = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(line), "{line}: {text}");
        }
    };
    // README's third line, on a card that is down: all of it could be served.
    let isolated = [path.as_str(), "--isolated", "br2", "--nat"];
    let (text, fine) = said(&isolated)?;
    holds(
        &text,
        &[
            "br2 has no address yet, or is down",
            "free: UDP 67, UDP 69, UDP 4011, TCP 8069, TCP 2049",
            "nf_tables answers, and no firewall drops what is forwarded (NAT)",
        ],
    );
    assert!(fine, "{text}");

    // Its ports are looked at though it has no address: a TFTP server has one of them on every interface.
    let tftp = lab.net.logs().join("tftp");
    std::fs::create_dir_all(&tftp)?;
    let other = Dnsmasq::start(
        &lab.net,
        "br0",
        "10.77.0.50",
        "10.77.0.60",
        &["--enable-tftp", &format!("--tftp-root={}", tftp.display())],
    )?;
    let (text, fine) = said(&isolated)?;
    holds(&text, &["UDP port 69 (TFTP) is taken by dnsmasq"]);
    assert!(!fine, "{text}");
    drop(other);

    let (text, fine) = said(&[&path, "--isolated", "br0"])?;
    holds(&text, &["br0", "default route"]);
    assert!(!fine && !text.contains("loads "), "{text}");
    let (text, fine) = said(&["br0", &path, "--dhcp", "10.99.0.1-10.99.0.9"])?;
    holds(
        &text,
        &[
            "is in none of br0's networks",
            "--dhcp 10.99.0.1-10.99.0.9/24",
        ],
    );
    assert!(!fine);
    lab.net.shell(
        "nft add table ip mine
         nft add chain ip mine fw '{ type filter hook forward priority 0; policy drop; }'",
    )?;
    let (text, _) = said(&isolated)?;
    holds(
        &text,
        &[
            "drops what machines on br2 send to the outside",
            "nft insert rule ip mine fw iifname br2 accept",
        ],
    );

    // The same in a file, in whose words the advice is.
    let folder = lab.net.logs().join("etc");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("netroot.toml");
    let config = format!(
        "[api]\nlisten = \"127.0.0.1:8070\"\ntoken-file = \"/nowhere/tokens\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"10.99.0.1-10.99.0.9\"\n\
         [image.tiny]\nroot = \"{path}\"\nmodules = \"virtio_net\"\n"
    );
    std::fs::write(&file, config)?;
    let file = file.display().to_string();
    let (text, fine) = said(&["--config", &file])?;
    holds(
        &text,
        &[
            "netroot.toml:3: api.token-file: ",
            "range = \"10.99.0.1-10.99.0.9/24\"",
        ],
    );
    assert!(!fine && !text.contains("--dhcp"), "{text}");
    Ok(())
}
