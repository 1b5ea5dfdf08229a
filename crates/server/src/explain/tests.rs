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
  mount     10.0.0.1:/debian with ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=2049,mountaddr=10.0.0.1,nolock,nocto,addr=10.0.0.1

the start
  init      the first of /sbin/init, /etc/init, /bin/init, /bin/sh that is there (default)
  a failure is told, and tried again after growing pauses (default)
  a prompt  by a key during the pause after a failure (default)
  console   every step (default)

what is the kernel's own, its modules' or the root's
  initrd=initrd.img console=ttyS0
";
    assert_eq!(text, expected);
}

#[test]
fn modules_that_are_named_come_first() {
    let text =
        text("ip=dhcp rd.driver.pre=igb,e1000e modprobe.blacklist=r8169 nfs.callback_tcpport=9");
    let expected = "\
the drivers
  module    igb is loaded, whatever devices there are (rd.driver.pre=igb,e1000e)
  module    e1000e is loaded, whatever devices there are (rd.driver.pre=igb,e1000e)
  module    r8169 is loaded for no device (modprobe.blacklist=r8169)

the network
";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.ends_with("or the root's\n  nfs.callback_tcpport=9\n"),
        "{text}"
    );
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
fn a_static_address_for_no_nic_in_particular_is_the_first_ones() {
    let text = text("root=10.0.0.1:/srv ip=10.0.0.5::::");
    let line =
        "  first NIC with a carrier has the address 10.0.0.5/8, the classful network; nobody";
    assert!(text.contains(line), "{text}");
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
    let text = text("boot=nfs rd.neednet=1 rd.net.timeout.route=20");
    let expected = "\nwhat happens in any case\n  boot=nfs: an NFS root is all that this init mounts\n  \
                    rd.neednet=1: the network always comes up\n  \
                    rd.net.timeout.route=20: routes are set together with the address, so there is no wait to limit\n";
    assert!(text.ends_with(expected), "{text}");
    assert!(!text.contains("what is not followed"), "{text}");
}

/// Each parameter has its row.
#[test]
fn every_parameter_that_is_followed_has_a_row() {
    for (parameter, row) in [
        ("vlan=vlan5:eth0", "vlan5     is made: VLAN 5 on eth0"),
        (
            "bond=b0:e1,e2:mode=1,miimon=100",
            "b0        is made: a bond of e1 and e2, active-backup, 1 setting more",
        ),
        (
            "bridge=br0:eth0,eth1",
            "br0       is made: a bridge of eth0 and eth1",
        ),
        (
            "ifname=lan0:52:54:00:12:34:56",
            "lan0      is the name of 52:54:00:12:34:56",
        ),
        (
            "rd.route=10.1.0.0/16:10.0.0.1:eth0",
            "route     10.1.0.0/16 by 10.0.0.1 on eth0",
        ),
        ("rd.peerdns=0", "DNS       no name server of DHCP is used"),
        ("rd.net.dhcp.retry=3", "DHCP      3 such tries"),
        ("rd.net.timeout.ifup=9", "link      9 s for it to come up"),
        (
            "ip=dhcp,1,lab",
            "every NIC asks a DHCP server, as client \"lab\" of type 1",
        ),
        (
            "ip=10.0.0.9::::::dhcp",
            "every NIC asks a DHCP server for 10.0.0.9",
        ),
        ("ip=bootp", "every NIC asks a BOOTP server"),
        (
            "ip=any",
            "every NIC asks a DHCP server, and a BOOTP server as well after 7 s of silence",
        ),
        (
            "ip=e0:dhcp::52:54:00:12:34:56",
            "e0        asks a DHCP server, Ethernet address 52:54:00:12:34:56",
        ),
        (
            "ip=::::::dhcp:::10.0.0.3",
            "every NIC asks a DHCP server, time server 10.0.0.3",
        ),
        ("break=mount", "pause     with a prompt, before the mount"),
        ("rd.shell=0", "a prompt  never"),
        ("rootwait=9", "patience  9 s until the root has to be there"),
        (
            "netroot.report=http://10.0.0.1/r",
            "report    how it went is sent to http://10.0.0.1/r",
        ),
        (
            "gnu.load=/s/boot",
            "init      Guix System's /s/boot, run by /s/profile/bin/guile",
        ),
        ("nfsroot=a|b:/r", "servers   a, then b"),
        (
            "nfsroot=a:/%{arch}",
            "path      /%{arch}, where %{arch} is the architecture (x86_64)",
        ),
    ] {
        let text = text(parameter);
        let row = format!("\n  {row} ({parameter})\n");
        assert!(text.contains(&row), "{row}--\n{text}");
    }
}

#[test]
fn what_a_static_address_lacks_is_asked_for_and_told() {
    for (more, asked) in [
        (
            "root=dhcp",
            "a DHCP server is asked for a root (DHCPINFORM)",
        ),
        (
            "nfsroot=nas:/r",
            "a DHCP server is asked for a name server, to find nas (DHCPINFORM)",
        ),
        (
            "nfsroot=192.0.2.1:/r",
            "a DHCP server is asked for a router on the way to 192.0.2.1 (DHCPINFORM)",
        ),
        ("nfsroot=nas:/r nameserver=10.0.0.2", "nobody is asked"),
        (
            "nfsroot=192.0.2.1:/r rd.route=192.0.2.0/24:10.0.0.1",
            "nobody is asked",
        ),
        ("nfsroot=10.0.0.1:/r", "nobody is asked"),
    ] {
        let text = text(&format!("ip=10.0.0.9:::24::e0:off {more}"));
        let row = format!("  e0        has the address 10.0.0.9/24; {asked} (ip=");
        assert!(text.contains(&row), "{row}--\n{text}");
    }
}

#[test]
fn programs_are_told_the_same_as_people() {
    let cmdline = "ip=dhcp root=nfs:10.0.0.1:/a-path-that-is-longer-than-what-is-told x=\u{1b} \
                   team=t0:eth0 boot=nfs dhcpclass=";
    let plan = BootPlan::parse(cmdline);
    let told = serde_json::to_value(explanation::of(&plan)).unwrap();
    assert_eq!(told["makes_sense"], false);
    let parts = told["parts"].as_array().unwrap();
    let titles: Vec<_> = parts.iter().map(|part| &part["title"]).collect();
    assert_eq!(titles, ["the network", "the root", "the start"]);
    let nic = &told["parts"][0]["lines"][0];
    let expected = serde_json::json!({
        "label": "every NIC", "text": "asks a DHCP server", "from": "ip=dhcp",
    });
    assert_eq!(*nic, expected);
    assert_eq!(told["mistakes"][0]["parameter"], "dhcpclass");
    assert_eq!(told["mistakes"][0]["value"], "");
    assert_eq!(told["not_followed"][0]["parameter"], "team=t0:eth0");
    assert_eq!(told["in_any_case"][0]["parameter"], "boot=nfs");
    assert_eq!(told["others"][0], "x=\u{1b}");
    // Every text of the one stands in the other.
    let text = explain(&plan);
    for part in parts {
        for line in part["lines"].as_array().unwrap() {
            assert!(text.contains(line["text"].as_str().unwrap()), "{line}");
        }
    }
}
