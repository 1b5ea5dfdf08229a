use proptest::prelude::*;

use super::*;
use crate::cmdline::{Method, NicSelector, USUAL_PROGRAMS, UdevNaming};
use netroot_net::Mac;

fn good(cmdline: &str) -> BootPlan {
    let plan = BootPlan::parse(cmdline);
    assert_eq!(plan.complaints, [], "{cmdline}");
    plan
}

fn one_complaint(cmdline: &str) -> (BootPlan, String) {
    let plan = BootPlan::parse(cmdline);
    let [complaint] = plan.complaints.as_slice() else {
        panic!("{:?}", plan.complaints)
    };
    let text = complaint.to_string();
    (plan, text)
}

#[test]
fn an_empty_command_line_is_a_plan_of_defaults() {
    let plan = good("");
    assert_eq!(plan.root, RootRequest::Missing);
    assert_eq!(plan.access, Setting::default_value(Access::ReadOnly));
    assert_eq!(plan.overlay, Setting::default_value(Overlay::Off));
    assert_eq!(plan.after_failure.value, AfterFailure::TryAgain);
    assert_eq!(plan.network.carrier_timeout.value, Duration::from_secs(120));
    assert_eq!(plan.network.addressing, []);
}

#[test]
fn the_servers_own_command_line_is_fully_understood() {
    let plan = good(
        "initrd=initrd.img root=/dev/nfs nfsroot=10.0.0.1:/debian,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
         ip=dhcp BOOTIF=01-52-54-00-12-34-56 ro rd.overlay console=ttyS0",
    );
    let RootRequest::Nfs(root) = &plan.root else {
        panic!("{:?}", plan.root)
    };
    assert_eq!(
        root.server.as_ref().map(ToString::to_string).as_deref(),
        Some("10.0.0.1")
    );
    assert_eq!(root.path.as_deref(), Some("/debian"));
    assert_eq!(
        (root.options.port, root.options.mount_port),
        (Some(2049), Some(2049))
    );
    assert_eq!(
        plan.overlay,
        Setting::parameter(Overlay::Tmpfs { size: None }, "rd.overlay")
    );
    assert_eq!(
        plan.network.boot_link,
        Some(Setting::parameter(
            netroot_net::Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            "BOOTIF=01-52-54-00-12-34-56"
        ))
    );
    assert_eq!(plan.network.addressing[0].method, Method::Dhcp);
    assert_eq!(plan.ignored, []);
    assert_eq!(plan.foreign, ["initrd=initrd.img", "console=ttyS0"]);
}

#[test]
fn the_last_of_repeated_parameters_wins() {
    let plan = good("ro rw init=/bin/a init=/bin/b loglevel=5 quiet panic=3 panic=-1");
    assert_eq!(plan.access, Setting::parameter(Access::ReadWrite, "rw"));
    assert_eq!(
        plan.init,
        Some(Setting::parameter("/bin/b".into(), "init=/bin/b"))
    );
    assert_eq!(plan.console_level, Setting::parameter(4, "quiet"));
    assert_eq!(plan.after_failure.value, AfterFailure::RebootNow);
    assert_eq!(good("rw ro").access.value, Access::ReadOnly);
}

#[test]
fn panic_is_the_kernels_number() {
    for (text, policy) in [
        ("panic=0", AfterFailure::TryAgain),
        (
            "panic=30",
            AfterFailure::RebootAfter(Duration::from_secs(30)),
        ),
        ("panic=-1", AfterFailure::RebootNow),
    ] {
        assert_eq!(good(text).after_failure, Setting::parameter(policy, text));
    }
}

#[test]
fn redundant_parameters_are_neither_ignored_nor_foreign() {
    let plan = good("boot=nfs rd.neednet=1 rdinit=/init rd.bootif=1 fsck.mode=skip");
    let granted: Vec<&str> = plan.granted.iter().map(|g| g.parameter.as_str()).collect();
    assert_eq!(
        granted,
        [
            "boot=nfs",
            "rd.neednet=1",
            "rdinit=/init",
            "rd.bootif=1",
            "fsck.mode=skip"
        ]
    );
    assert_eq!((plan.ignored, plan.foreign), (vec![], vec![]));
}

/// The init acts on everything in the plan: none of it is reported as ignored.
#[test]
fn what_the_init_acts_on_is_neither_ignored_nor_foreign() {
    for cmdline in [
        "vlan=vlan5:eth0",
        "bond",
        "bridge=br0:eth0",
        "ifname=lan0:52:54:00:12:34:56",
        "rd.route=10.1.0.0/16:10.0.0.1",
        "rd.peerdns=0",
        "rd.net.dhcp.retry=2",
        "rd.net.timeout.dhcp=2",
        "rd.net.timeout.ifup=2",
        "rd.net.timeout.route=2",
        "ip=dhcp,1,x",
        "ip=10.0.0.9::::::dhcp",
        "ip=bootp",
        "ip=eth0:dhcp::52:54:00:12:34:56",
        "ip=::::::dhcp:::10.0.0.3",
        "rd.break",
        "rd.shell=0",
        "rootwait=9",
        "netroot.report=http://10.0.0.1/",
        "gnu.load=/s/boot",
        "nfsroot=a|b:/r",
        "nfsroot=a:/%{mac}",
    ] {
        let plan = good(cmdline);
        assert_eq!((plan.ignored, plan.foreign), (vec![], vec![]), "{cmdline}");
    }
}

#[test]
fn guix_system_boots_by_its_own_guile_unless_a_program_is_named() {
    let plan = good("root=s:/r gnu.system=/g/sys gnu.load=/g/sys/boot");
    assert_eq!(
        plan.program.value.candidates(),
        ["/g/sys/profile/bin/guile", "/g/sys/activate"]
    );
    let lends = |path| plan.program.value.lends_its_interpreter(path);
    assert!(lends("/g/sys/activate") && !lends("/g/sys/profile/bin/guile"));
    assert_eq!(plan.program.value.needs(), Some("/g/sys/boot"));
    assert_eq!(
        plan.program.value.leading_arguments(),
        ["--no-auto-compile", "/g/sys/boot"]
    );
    let usual = good("gnu.system=/g/sys");
    assert_eq!(usual.program.value.candidates(), USUAL_PROGRAMS);
    assert_eq!(usual.ignored.len(), 1);
    let (plan, text) = one_complaint("gnu.load=boot");
    assert_eq!(plan.program.value, InitProgram::Usual);
    assert!(
        text.starts_with("gnu.load=boot: at position 0: expected an absolute path"),
        "{text}"
    );
}

#[test]
fn a_later_device_replaces_an_earlier_one_of_the_same_name() {
    let plan = good(
        "vlan=vlan5:eth0 vlan=vlan5:eth1 ifname=a:52:54:00:12:34:56 ifname=b:52:54:00:12:34:56",
    );
    assert_eq!(
        (plan.network.vlans.len(), plan.network.renames.len()),
        (1, 1)
    );
    assert_eq!(plan.network.vlans[0].value.link, "eth1");
    assert_eq!(plan.ignored[0].parameter, "vlan=vlan5:eth0");
}

#[test]
fn several_nics_have_a_request_each() {
    let plan = good("ip=eth0:dhcp ip=10.0.0.9::::pc:eth1:off ip=:::::eth0:bootp");
    let requests = &plan.network.addressing;
    let all: Vec<_> = requests
        .iter()
        .map(|r| (r.device.as_ref().and_then(NicSelector::name), r.method))
        .collect();
    assert_eq!(
        all,
        [
            (Some("eth1"), Method::Static),
            (Some("eth0"), Method::Bootp)
        ]
    );
    assert_eq!(plan.ignored[0].parameter, "ip=eth0:dhcp");
    assert_eq!(good("ip=eth0:dhcp ip=any").network.addressing.len(), 2);
}

#[test]
fn names_may_be_written_with_a_dash() {
    assert_eq!(
        good("carrier-timeout=9").network.carrier_timeout.value,
        Duration::from_secs(9)
    );
}

#[test]
fn bootif_can_be_switched_off() {
    let plan = good("BOOTIF=01-52-54-00-12-34-56 rd.bootif=0");
    assert_eq!(plan.network.boot_link, None);
    let ignored: Vec<&str> = plan.ignored.iter().map(|i| i.parameter.as_str()).collect();
    assert_eq!(ignored, ["BOOTIF=01-52-54-00-12-34-56"]);
}

#[test]
fn an_invalid_value_is_reported_and_the_rest_is_used() {
    for (parameter, sentence) in [
        (
            "rootdelay=soon",
            "rootdelay=soon: at position 0: expected a number of seconds, found \"soon\"; no delay",
        ),
        (
            "panic=",
            "panic=: at position 0: expected a number of seconds, found nothing; left out: a failed boot is tried again",
        ),
        (
            "init=sh",
            "init=sh: at position 0: expected an absolute path within the root, found \"sh\"; left out: the usual programs are tried",
        ),
        (
            "rd.net.dhcp.retry=0",
            "rd.net.dhcp.retry=0: at position 0: expected a number of tries, at least 1, found \"0\"; left out",
        ),
        (
            "rd.peerdns=maybe",
            "rd.peerdns=maybe: at position 0: expected 1 or 0, found \"maybe\"; DHCP's name servers are used",
        ),
        (
            "rootflags=sec=none:x",
            "rootflags=sec=none:x: at position 4: expected sys, none, krb5, krb5i or krb5p, found \"none:x\"; left out",
        ),
        (
            "BOOTIF=eth0",
            "BOOTIF=eth0: at position 0: expected two hexadecimal digits, found \"eth0\"; left out: every NIC is tried",
        ),
        (
            "loglevel=high",
            "loglevel=high: at position 0: expected a level of 0 to 7, found \"high\"; left out",
        ),
        (
            "nameserver=dns",
            "nameserver=dns: at position 0: expected an IPv4 address, found \"dns\"; left out",
        ),
        (
            "ip=10.0.0.9:10.0.0.300",
            "ip=10.0.0.9:10.0.0.300: at position 9: expected an IPv4 address, found \"10.0.0.300\"; the field is taken as empty",
        ),
        (
            "nfsroot=10.0.0.300:/srv",
            "nfsroot=10.0.0.300:/srv: at position 0: expected an IPv4 address or a host name, found \"10.0.0.300\"; the server is taken as empty",
        ),
    ] {
        let (plan, text) = one_complaint(&format!("{parameter} rw carrier_timeout=7"));
        assert_eq!(text, sentence);
        assert_eq!(plan.access.value, Access::ReadWrite);
        assert_eq!(plan.network.carrier_timeout.value, Duration::from_secs(7));
    }
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let (_, text) = one_complaint("rootdelay=\"\u{1b}[2J x\"");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn unsupported_and_foreign_parameters_are_distinguished() {
    let plan = good("team=team0:eth0 rd.luks=0 netroot.magic=1 systemd.unit=x nvidia.y=1 single");
    let ignored: Vec<&str> = plan.ignored.iter().map(|i| i.parameter.as_str()).collect();
    assert_eq!(ignored, ["team=team0:eth0", "rd.luks=0", "netroot.magic=1"]);
    assert_eq!(plan.foreign, ["systemd.unit=x", "nvidia.y=1", "single"]);
}

/// Values made of the pieces that the grammars are made of, so that every branch is met.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            ":",
            ",",
            "=",
            "/",
            "[",
            "]",
            "%s",
            "\"",
            "-",
            ".",
            "nfs:",
            "nfs4:",
            "bootif",
            "dhcp",
            "off",
            "any",
            "eth0",
            "10.0.0.1",
            "10.0.0.300",
            "255.255.255.0",
            "255.0.255.0",
            "tmpfs",
            "size",
            "vers",
            "4.2",
            "port",
            "nolock",
            "timeo",
            "7",
            "1500",
            "ü",
            "\u{1}",
            "//",
            "|",
            ";",
            "%{",
            "mac}",
            "vlan5",
            "mode",
            "802.3ad",
            "miimon",
            "arp_ip_target",
            "52:54:00:12:34:56",
            "/24",
            "http://",
            "top",
            "sec",
            "krb5",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ]
}

fn parameter() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "ip",
        "bootdev",
        "nfsaddrs",
        "root",
        "nfsroot",
        "netroot",
        "BOOTIF",
        "hwaddr",
        "rd.overlay",
        "overlayroot",
        "init",
        "panic",
        "rootdelay",
        "rootwait",
        "loglevel",
        "dhcpclass",
        "nameserver",
        "carrier_timeout",
        "vlan",
        "bond",
        "bridge",
        "ifname",
        "rd.route",
        "rd.peerdns",
        "rd.net.timeout.dhcp",
        "rd.net.dhcp.retry",
        "rd.break",
        "break",
        "rd.shell",
        "rd.overlayfs",
        "rootflags",
        "rootfstype",
        "netroot.report",
        "netroot.fstab",
        "gnu.load",
        "gnu.system",
    ]);
    (name, prop::collection::vec(piece(), 0..12))
        .prop_map(|(name, pieces)| format!("{name}=\"{}\"", pieces.concat().replace('"', "")))
}

fn complaints_are_consistent(plan: &BootPlan) -> Result<(), TestCaseError> {
    for complaint in &plan.complaints {
        prop_assert!(complaint.is_consistent(), "{complaint:?}");
    }
    Ok(())
}

#[test]
fn what_was_found_is_quoted_as_it_was_written() {
    for (cmdline, said) in [
        (
            "nfsroot=;;vers=3",
            r#"nfsroot=;;vers=3: at position 0: expected a comma before the options, found ";;vers=3"; taken as options"#,
        ),
        (
            "nfsroot=\"10.0.0.1/\u{e}\"",
            r#"nfsroot=10.0.0.1/\u{e}: at position 0: expected 10.0.0.1:/\u{e}, found "10.0.0.1/\u{e}"; taken as that"#,
        ),
        (
            "bootdev=bootif",
            r#"bootdev=bootif: at position 0: expected a BOOTIF= with the Ethernet address to go with it, found "bootif"; no NIC is set up by it"#,
        ),
        (
            "ip=tmpfs,eth0",
            r#"ip=tmpfs,eth0: at position 0: expected an IPv4 address, found "tmpfs"; no address is taken from it"#,
        ),
        (
            "ip=10.0.0.99/24::10.0.0.1::pc:eth0:none:0.0",
            r#"ip=10.0.0.99/24::10.0.0.1::pc:eth0:none:0.0: at position 37: expected an IPv4 address, found "0.0"; the field is taken as empty"#,
        ),
    ] {
        let said_here: Vec<String> = BootPlan::parse(cmdline)
            .complaints
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(said_here.iter().any(|s| s == said), "{said_here:#?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_plan(cmdline in any::<String>()) {
        complaints_are_consistent(&BootPlan::parse(&cmdline))?;
    }

    #[test]
    fn any_value_of_a_parameter_is_understood_or_named(
        parameters in prop::collection::vec(parameter(), 1..5),
    ) {
        complaints_are_consistent(&BootPlan::parse(&parameters.join(" ")))?;
    }
}

#[test]
fn bootif_as_a_device_is_its_address() {
    let mac = Mac([0x52, 0x54, 0, 0x77, 0, 1]);
    let plan = good("ip=BOOTIF:dhcp bootdev=BOOTIF ifname=eno1: BOOTIF=01-52-54-00-77-00-01");
    let network = &plan.network;
    assert_eq!(
        network.addressing[0].device,
        Some(NicSelector::Address(mac))
    );
    assert_eq!(
        network.boot_device.as_ref().unwrap().value,
        NicSelector::Address(mac)
    );
    let rename = &network.renames[0].value;
    assert_eq!((rename.name.as_str(), rename.address), ("eno1", mac));

    let plan = BootPlan::parse("ip=BOOTIF:dhcp ifname=eno1:");
    assert_eq!(
        plan.network.addressing[0].device,
        Some(NicSelector::Unreadable("BOOTIF".into()))
    );
    assert_eq!(plan.network.renames, []);
    let complaints: Vec<String> = plan.complaints.iter().map(ToString::to_string).collect();
    assert_eq!(
        complaints,
        [
            "ip=BOOTIF:dhcp: at position 0: expected a BOOTIF= with the Ethernet address to go with it, \
             found \"BOOTIF\"; no NIC is set up by it",
            "ifname=eno1:: at position 5: expected a BOOTIF= with the Ethernet address to go with it, \
             found nothing; no NIC is renamed",
        ]
    );
}

#[test]
fn the_names_that_are_asked_for_are_those_that_no_parameter_gives() {
    let plan = good(
        "ip=bond0:dhcp ip=enp4s0:dhcp ip=lan0:dhcp bootdev=eno1 bond=bond0:ens1,ens2:mode=1 \
         vlan=v.7:ens3 ifname=lan0:52:54:00:12:34:56 rd.route=10.0.0.0/8:10.1.0.1:ens9",
    );
    let names: Vec<&str> = {
        let names = plan.network.asked_names();
        names.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names, ["enp4s0", "eno1", "ens1", "ens2", "ens3", "ens9"]);
}

#[test]
fn udevs_naming_follows_the_parameters_of_udev() {
    for (cmdline, expected) in [
        ("", UdevNaming::AnyScheme),
        ("net.ifnames=0", UdevNaming::Off),
        ("net.ifnames=0 net.naming_scheme=v238", UdevNaming::Off),
        ("net.naming_scheme=v238", UdevNaming::Scheme(238)),
        ("net.naming_scheme=latest", UdevNaming::AnyScheme),
        ("net.naming_scheme=rhel-9.4", UdevNaming::AnyScheme),
    ] {
        let plan = BootPlan::parse(cmdline);
        assert_eq!(plan.network.udev_naming, expected, "{cmdline}");
        assert_eq!(
            plan.foreign.join(" "),
            cmdline,
            "the root's udev reads it too"
        );
    }
}
