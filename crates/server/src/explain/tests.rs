use super::*;

fn text(cmdline: &str) -> String {
    explain(&BootPlan::parse(cmdline))
}

#[test]
fn the_servers_own_command_line_is_explained() {
    let text = text(
        "initrd=initrd.img root=/dev/nfs nfsroot=10.0.0.1:/debian,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-52-54-00-12-34-56 ro rd.overlay console=ttyS0",
    );
    let expected = "\
the network
  every NIC asks a DHCP server (ip=dhcp)
  boot NIC  only 52:54:00:12:34:56; every NIC if none with that address appears within 20 s (BOOTIF=01-52-54-00-12-34-56)
  carrier   120 s without a carrier is a failure (default)

the root
  server    10.0.0.1 (nfsroot=...)
  path      /debian (nfsroot=...)
  version   NFS 3 over TCP (nfsroot=...)
  access    read-only, below a tmpfs that holds all changes until power-off (rd.overlay)
  fstab     lines for disks in /etc/fstab and /etc/crypttab are masked, except nofail and noauto (default)
  mount     10.0.0.1:/debian with ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=2049,mountaddr=10.0.0.1,nolock,nocto,acregmin=30,addr=10.0.0.1

the start
  init      the first of /sbin/init, /etc/init, /bin/init, /bin/sh that exists (default)
  failure   is logged, and the init tries again after increasing pauses (default)
  prompt    by a key during the pause after a failure (default)
  console   every step (default)

for the kernel, its modules or the root
  initrd=initrd.img console=ttyS0
";
    assert_eq!(text, expected);
}

#[test]
fn modules_on_the_command_line_come_first() {
    let text =
        text("ip=dhcp rd.driver.pre=igb,e1000e modprobe.blacklist=r8169 nfs.callback_tcpport=9");
    let expected = "\
the drivers
  module    igb is loaded whether or not a device needs it (rd.driver.pre=igb,e1000e)
  module    e1000e is loaded whether or not a device needs it (rd.driver.pre=igb,e1000e)
  module    r8169 is never loaded for a device (modprobe.blacklist=r8169)

the network
";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.ends_with("or the root\n  nfs.callback_tcpport=9\n"),
        "{text}"
    );
}

#[test]
fn a_static_address_and_its_server_have_their_origin() {
    let ip = "ip=10.0.0.9:10.0.0.1:10.0.0.254::pc9:eth1:off:10.0.0.2";
    let text = text(&format!("root=/dev/nfs nfsroot=/srv/%s {ip} rw"));
    for line in [
        "  eth1      has the address 10.0.0.9/8, the classful network; no server is asked, router 10.0.0.254, host name pc9, DNS 10.0.0.2 (ip=...)",
        "  server    10.0.0.1, unless DHCP option 17 names one (ip=...)",
        "  path      /srv/%s, where %s is the host name, or else the address (nfsroot=/srv/%s)",
        "  access    read-write (rw)",
        "  fstab     lines for disks in /etc/fstab and /etc/crypttab are warned of (default)",
    ] {
        assert!(text.contains(line), "{line}\n--\n{text}");
    }
}

#[test]
fn a_static_address_without_a_nic_is_for_the_first_one_with_a_carrier() {
    let text = text("root=10.0.0.1:/srv ip=10.0.0.5::::");
    let line =
        "  first NIC with a carrier has the address 10.0.0.5/8, the classful network; no server";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_dhcp_decides_is_marked_as_such() {
    let text = text("");
    assert!(
        text.contains("  server    from DHCP: option 17, or else"),
        "{text}"
    );
    assert!(
        text.contains("  path      from DHCP option 17 (default)"),
        "{text}"
    );
    assert!(!text.contains("mount  "), "{text}");
}

#[test]
fn invalid_and_unsupported_parameters_have_their_own_parts() {
    let text = text("ip=10.0.0.300 team=t0:eth0 boot=nfs nfsroot=10.0.0.1:/r,frob=1");
    assert!(
        text.contains("\ninvalid\n  ip=10.0.0.300: at position 0: expected"),
        "{text}"
    );
    assert!(
        text.contains("\nnot supported\n  team=t0:eth0: this init"),
        "{text}"
    );
    assert!(
        text.contains("          without frob if the kernel rejects it"),
        "{text}"
    );
    assert!(text.contains("          and with the ports from"), "{text}");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = text("x=\u{1b}[2J dhcpclass=\"\u{7}\" root=\"\u{1b}c\"");
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

#[test]
fn versions_are_listed_in_the_order_in_which_they_are_tried() {
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
fn parameters_for_what_always_happens_are_not_listed_as_unsupported() {
    let text = text("boot=nfs rd.neednet=1 rd.net.timeout.route=20");
    let expected = "\ndone in any case\n  boot=nfs: an NFS root is all that this init mounts\n  \
                    rd.neednet=1: the network always comes up\n  \
                    rd.net.timeout.route=20: routes are set together with the address, so there is no wait to limit\n";
    assert!(text.ends_with(expected), "{text}");
    assert!(!text.contains("not supported"), "{text}");
}

/// Each parameter has its row.
#[test]
fn every_supported_parameter_has_a_row() {
    for (parameter, row) in [
        ("vlan=vlan5:eth0", "vlan5     is created: VLAN 5 on eth0"),
        (
            "bond=b0:e1,e2:mode=1,miimon=100",
            "b0        is created: a bond of e1 and e2, active-backup, 1 more setting",
        ),
        (
            "bridge=br0:eth0,eth1",
            "br0       is created: a bridge of eth0 and eth1",
        ),
        (
            "ifname=lan0:52:54:00:12:34:56",
            "lan0      is the new name of 52:54:00:12:34:56",
        ),
        (
            "rd.route=10.1.0.0/16:10.0.0.1:eth0",
            "route     10.1.0.0/16 by 10.0.0.1 on eth0",
        ),
        (
            "rd.peerdns=0",
            "DNS       name servers from DHCP are not used",
        ),
        ("rd.net.dhcp.retry=3", "DHCP      3 tries"),
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
        ("rd.shell=0", "prompt    never"),
        ("rootwait=9", "root wait 9 s for the root to appear"),
        (
            "netroot.report=http://10.0.0.1/r",
            "report    the boot report is sent to http://10.0.0.1/r",
        ),
        (
            "gnu.load=/s/boot",
            "init      Guix System's /s/boot, run by /s/profile/bin/guile, else by the interpreter of /s/activate",
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
fn what_a_static_address_lacks_is_requested_by_dhcpinform() {
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
        ("nfsroot=nas:/r nameserver=10.0.0.2", "no server is asked"),
        (
            "nfsroot=192.0.2.1:/r rd.route=192.0.2.0/24:10.0.0.1",
            "no server is asked",
        ),
        ("nfsroot=10.0.0.1:/r", "no server is asked"),
    ] {
        let text = text(&format!("ip=10.0.0.9:::24::e0:off {more}"));
        let row = format!("  e0        has the address 10.0.0.9/24; {asked} (ip=");
        assert!(text.contains(&row), "{row}--\n{text}");
    }
}

#[test]
fn the_json_has_the_same_texts_as_the_page() {
    let cmdline = "ip=dhcp root=nfs:10.0.0.1:/a-path-that-is-longer-than-what-is-shown x=\u{1b} \
                   team=t0:eth0 boot=nfs dhcpclass=";
    let plan = BootPlan::parse(cmdline);
    let object = serde_json::to_value(explanation::of(&plan)).unwrap();
    assert_eq!(object["makes_sense"], false);
    let parts = object["parts"].as_array().unwrap();
    let titles: Vec<_> = parts.iter().map(|part| &part["title"]).collect();
    assert_eq!(titles, ["the network", "the root", "the start"]);
    let nic = &object["parts"][0]["lines"][0];
    let expected = serde_json::json!({
        "label": "every NIC", "text": "asks a DHCP server", "from": "ip=dhcp",
    });
    assert_eq!(*nic, expected);
    assert_eq!(object["mistakes"][0]["parameter"], "dhcpclass");
    assert_eq!(object["mistakes"][0]["value"], "");
    assert_eq!(object["not_followed"][0]["parameter"], "team=t0:eth0");
    assert_eq!(object["in_any_case"][0]["parameter"], "boot=nfs");
    assert_eq!(object["others"][0], "x=\u{1b}");
    // Every text of the JSON is on the page.
    let text = explain(&plan);
    for part in parts {
        for line in part["lines"].as_array().unwrap() {
            assert!(text.contains(line["text"].as_str().unwrap()), "{line}");
        }
    }
}
