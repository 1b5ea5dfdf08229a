use netroot_proto::cmdline::{Feature, pending};

use super::*;

fn text(cmdline: &str) -> String {
    explain(&BootPlan::parse(cmdline))
}

#[test]
fn the_line_that_the_server_hands_out_reads_like_this() {
    let text = text(
        "initrd=initrd.img root=/dev/nfs nfsroot=10.0.0.1:/debian,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-52-54-00-12-34-56 ro rd.overlay console=ttyS0",
    );
    let expected = "\
the network
  every NIC asks a DHCP server (ip=dhcp)
  boot NIC  52:54:00:12:34:56 alone; every NIC if 20 s bring none with that address (BOOTIF=01-52-54-00-12-34-56)
  carrier   120 s without a carrier are a failure (default)

the root
  server    10.0.0.1 (nfsroot=...)
  path      /debian (nfsroot=...)
  version   NFS 3 over TCP (nfsroot=...)
  access    read-only, under a tmpfs that takes what is written until power-off (rd.overlay)
  mount     10.0.0.1:/debian with ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=2049,mountaddr=10.0.0.1,nolock,addr=10.0.0.1

the start
  init      the first of /sbin/init, /etc/init, /bin/init, /bin/sh that is there (default)
  a failure is told, and tried again after growing pauses (default)
  console   every step (default)

what is the kernel's own or the root's
  initrd=initrd.img console=ttyS0
";
    // The prompt has a row once the init gives one.
    let row = |line: &&str| !line.starts_with("  a prompt  ");
    let found: Vec<&str> = text.lines().filter(row).collect();
    assert_eq!(found, expected.lines().collect::<Vec<_>>());
}

#[test]
fn a_static_address_and_its_server_are_told_with_their_origin() {
    let ip = "ip=10.0.0.9:10.0.0.1:10.0.0.254::pc9:eth1:off:10.0.0.2";
    let text = text(&format!("root=/dev/nfs nfsroot=/srv/%s {ip} rw"));
    for line in [
        "  eth1      has the address 10.0.0.9/8, the classful network; nobody is asked, router 10.0.0.254, host name pc9, DNS 10.0.0.2 (ip=...)",
        "  server    10.0.0.1, unless DHCP option 17 names one (ip=...)",
        "  path      /srv/%s, where %s is the host name, else the address (nfsroot=/srv/%s)",
        "  access    for reading and writing (rw)",
    ] {
        assert!(text.contains(line), "{line}\n--\n{text}");
    }
}

#[test]
fn what_dhcp_decides_is_told_as_that() {
    let text = text("");
    assert!(
        text.contains("  server    what DHCP says: option 17's, else"),
        "{text}"
    );
    assert!(
        text.contains("  path      what DHCP option 17 says (default)"),
        "{text}"
    );
    assert!(!text.contains("mount  "), "{text}");
}

#[test]
fn mistakes_and_what_is_not_followed_have_their_own_part() {
    let text = text("ip=10.0.0.300 team=t0:eth0 boot=nfs nfsroot=10.0.0.1:/r,frob=1");
    assert!(
        text.contains("\nwhat makes no sense\n  ip=10.0.0.300: at position 0: expected"),
        "{text}"
    );
    assert!(
        text.contains("\nwhat is not followed\n  team=t0:eth0: this init"),
        "{text}"
    );
    assert!(
        text.contains("          without frob where the kernel refuses that"),
        "{text}"
    );
    assert!(text.contains("          and with the ports that"), "{text}");
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let text = text("x=\u{1b}[2J dhcpclass=\"\u{7}\" root=\"\u{1b}c\"");
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

#[test]
fn versions_are_told_in_the_order_that_they_are_tried() {
    for (cmdline, row) in [
        ("", "NFS 3, then 4.2, then 4.1, then 4.0 over TCP (default)"),
        (
            "root=nfs4:10.0.0.1:/r",
            "NFS 4.2, then 4.1, then 4.0 over TCP (root=nfs4:10.0.0.1:/r)",
        ),
        (
            "nfsroot=10.0.0.1:/r,vers=4.1",
            "NFS 4.1 over TCP (nfsroot=10.0.0.1:/r,vers=4.1)",
        ),
    ] {
        let text = text(cmdline);
        assert!(text.contains(&format!("\n  version   {row}\n")), "{text}");
    }
}

#[test]
fn what_happens_in_any_case_is_not_told_as_ignored() {
    let text = text("boot=nfs rd.neednet=1");
    let expected = "\nwhat happens in any case\n  boot=nfs: an NFS root is all that this init mounts\n  \
                    rd.neednet=1: the network always comes up\n";
    assert!(text.ends_with(expected), "{text}");
    assert!(!text.contains("what is not followed"), "{text}");
}

/// A row stands there once the init acts on what it says, and until then a line among what is
/// not followed: never both, never neither.
#[test]
fn nothing_is_promised_that_the_init_does_not_do_yet() {
    for (feature, parameter, row) in [
        (
            Feature::Vlan,
            "vlan=vlan5:eth0",
            "vlan5     is made: VLAN 5 on eth0",
        ),
        (
            Feature::Bond,
            "bond=b0:e1,e2:mode=1,miimon=100",
            "b0        is made: a bond of e1 and e2, active-backup, 1 setting more",
        ),
        (
            Feature::Bridge,
            "bridge=br0:eth0,eth1",
            "br0       is made: a bridge of eth0 and eth1",
        ),
        (
            Feature::Rename,
            "ifname=lan0:52:54:00:12:34:56",
            "lan0      is the name of 52:54:00:12:34:56",
        ),
        (
            Feature::Route,
            "rd.route=10.1.0.0/16:10.0.0.1:eth0",
            "route     10.1.0.0/16 by 10.0.0.1 on eth0",
        ),
        (
            Feature::PeerDns,
            "rd.peerdns=0",
            "DNS       no name server of DHCP is used",
        ),
        (
            Feature::DhcpPatience,
            "rd.net.dhcp.retry=3",
            "DHCP      3 such tries",
        ),
        (
            Feature::LinkPatience,
            "rd.net.timeout.ifup=9",
            "link      9 s for it to come up",
        ),
        (
            Feature::RoutePatience,
            "rd.net.timeout.route=9",
            "route     9 s for a way to the server",
        ),
        (
            Feature::ClientIdentifier,
            "ip=dhcp,1,lab",
            "every NIC asks a DHCP server, as client \"lab\" of type 1",
        ),
        (
            Feature::RequestedAddress,
            "ip=10.0.0.9::::::dhcp",
            "every NIC asks a DHCP server for 10.0.0.9",
        ),
        (Feature::Bootp, "ip=bootp", "every NIC asks a BOOTP server"),
        (
            Feature::LinkAddress,
            "ip=e0:dhcp::52:54:00:12:34:56",
            "e0        asks a DHCP server, Ethernet address 52:54:00:12:34:56",
        ),
        (
            Feature::TimeServer,
            "ip=::::::dhcp:::10.0.0.3",
            "every NIC asks a DHCP server, time server 10.0.0.3",
        ),
        (
            Feature::Break,
            "break=mount",
            "pause     with a prompt, before the mount",
        ),
        (Feature::Rescue, "rd.shell=0", "a prompt  never"),
        (
            Feature::RootWait,
            "rootwait=9",
            "patience  9 s until the root has to be there",
        ),
        (
            Feature::Report,
            "netroot.report=http://10.0.0.1/r",
            "report    how it went is sent to http://10.0.0.1/r",
        ),
        (
            Feature::GuixSystem,
            "gnu.load=/s/boot",
            "init      Guix System's /s/boot, run by /s/profile/bin/guile",
        ),
        (Feature::ServerList, "nfsroot=a|b:/r", "servers   a, then b"),
        (
            Feature::PathTokens,
            "nfsroot=a:/%{arch}",
            "path      /%{arch}, where %{arch} is the architecture (x86_64)",
        ),
    ] {
        let text = text(parameter);
        let row = format!("\n  {row} ({parameter})\n");
        match pending(feature) {
            None => assert!(text.contains(&row), "{row}--\n{text}"),
            Some(why) => {
                assert!(!text.contains(&row), "{text}");
                let line = format!("\n  {parameter}: {why}\n");
                assert!(text.contains(&line), "{line}--\n{text}");
            }
        }
    }
}
