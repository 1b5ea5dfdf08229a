use std::net::Ipv4Addr;

use netroot_net::Mac;

use super::*;
use crate::mount::Version;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

fn facts() -> LeaseFacts<'static> {
    LeaseFacts {
        address: Some(CLIENT),
        next_server: Some([10, 0, 0, 4].into()),
        server_identifier: Some([10, 0, 0, 5].into()),
        ..LeaseFacts::default()
    }
}

fn choose(cmdline: &str, facts: LeaseFacts<'_>) -> Result<RootChoice, NoRoot> {
    let plan = BootPlan::parse(cmdline);
    let request = plan.network.addressing.first();
    choose_root(&plan, &LeaseFacts { request, ..facts })
}

fn said(cmdline: &str, facts: LeaseFacts<'_>) -> String {
    let choice = choose(cmdline, facts).unwrap();
    format!("{}:{} ({})", choice.server, choice.path, choice.why())
}

#[test]
fn the_first_source_that_names_a_server_wins() {
    let ip = "ip=:10.0.0.3::::eth0:dhcp";
    let with_server = LeaseFacts {
        root_path: Some(b"10.0.0.2:/leased"),
        ..facts()
    };
    let path_only = LeaseFacts {
        root_path: Some(b"/leased"),
        ..facts()
    };
    let no_siaddr = LeaseFacts {
        next_server: Some(Ipv4Addr::UNSPECIFIED.into()),
        ..path_only
    };
    for (cmdline, facts, expected) in [
        (
            "nfsroot=10.0.0.1:/r ip=:10.0.0.3",
            with_server,
            "10.0.0.1:/r (nfsroot=)",
        ),
        (
            "root=dhcp ip=:10.0.0.3",
            with_server,
            "10.0.0.2:/leased (DHCP option 17)",
        ),
        (
            ip,
            path_only,
            "10.0.0.3:/leased (path: DHCP option 17, server: ip= field 2)",
        ),
        (
            "root=dhcp",
            path_only,
            "10.0.0.4:/leased (path: DHCP option 17, server: the DHCP reply's next server)",
        ),
        (
            "root=dhcp",
            no_siaddr,
            "10.0.0.5:/leased (path: DHCP option 17, server: the DHCP server itself, option 54)",
        ),
        (
            "nfsroot=/r",
            with_server,
            "10.0.0.2:/r (path: nfsroot=, server: DHCP option 17)",
        ),
        (
            "nfsroot=10.0.0.1:",
            path_only,
            "10.0.0.1:/leased (path: DHCP option 17, server: nfsroot=)",
        ),
        ("", with_server, "10.0.0.2:/leased (DHCP option 17)"),
        (
            "root=/dev/sda1",
            with_server,
            "10.0.0.2:/leased (DHCP option 17)",
        ),
    ] {
        assert_eq!(said(cmdline, facts), expected, "{cmdline}");
    }
}

#[test]
fn a_static_address_needs_no_lease() {
    let facts = LeaseFacts {
        address: Some(CLIENT),
        ..LeaseFacts::default()
    };
    let cmdline = "root=/dev/nfs nfsroot=/srv/%s ip=10.0.0.9:10.0.0.1:::pc9:eth0:off";
    assert_eq!(
        said(cmdline, facts),
        "10.0.0.1:/srv/pc9 (path: nfsroot=, server: ip= field 2)"
    );
}

#[test]
fn the_kernels_default_path_is_for_dev_nfs_without_option_17() {
    let leased = LeaseFacts {
        root_path: Some(b"/leased"),
        ..facts()
    };
    assert!(said("root=/dev/nfs", leased).starts_with("10.0.0.4:/leased "));
    assert!(said("root=/dev/nfs", facts()).starts_with("10.0.0.4:/tftpboot/10.0.0.9 "));
    assert_eq!(choose("root=dhcp", facts()), Err(NoRoot::Unnamed));
    assert_eq!(choose("", facts()), Err(NoRoot::Unnamed));
}

#[test]
fn the_token_is_the_host_name_else_the_address() {
    let named = LeaseFacts {
        host_name: Some("pc7.lab"),
        ..facts()
    };
    assert!(said("nfsroot=10.0.0.1:/r/%s", named).starts_with("10.0.0.1:/r/pc7 "));
    let hostile = LeaseFacts {
        host_name: Some("../../etc"),
        ..facts()
    };
    assert!(said("nfsroot=10.0.0.1:/r/%s", hostile).starts_with("10.0.0.1:/r/10.0.0.9 "));
}

#[test]
fn the_error_names_what_is_missing() {
    let nothing = LeaseFacts {
        address: Some(CLIENT),
        ..LeaseFacts::default()
    };
    let error = choose("nfsroot=/r/%s", nothing).unwrap_err();
    assert_eq!(
        error,
        NoRoot::Server {
            path: "/r/10.0.0.9".into()
        }
    );
    let error = choose("root=/dev/sda1", facts()).unwrap_err();
    assert_eq!(
        error,
        NoRoot::NotNfs {
            value: "/dev/sda1".into()
        }
    );
    let hostile = LeaseFacts {
        root_path: Some(b"/\x01"),
        ..facts()
    };
    let error = choose("root=dhcp", hostile).unwrap_err();
    assert_eq!(error, NoRoot::Option17(TargetError::Text { position: 1 }));
    // A path of the command line's own survives it.
    assert_eq!(choose("nfsroot=10.0.0.1:/r", hostile).unwrap().path, "/r");
}

#[test]
fn the_command_lines_options_override_those_of_option_17() {
    let leased = LeaseFacts {
        root_path: Some(b"/leased,vers=4.2,rsize=8192"),
        ..facts()
    };
    let choice = choose("root=/dev/nfs nfsroot=,vers=3", leased).unwrap();
    assert_eq!(choice.options.versions, [Version::V3]);
    assert_eq!(choice.options.rest.len(), 1);
    let other = choose("nfsroot=10.0.0.1:/r", leased).unwrap();
    assert_eq!(
        (other.options.versions.len(), other.options.rest.len()),
        (0, 0)
    );
}

#[test]
fn the_most_specific_ro_or_rw_wins() {
    let leased = |path| LeaseFacts {
        root_path: Some(path),
        ..facts()
    };
    for (cmdline, facts, access) in [
        ("nfsroot=10.0.0.1:/r", facts(), Access::ReadOnly),
        ("nfsroot=10.0.0.1:/r rw", facts(), Access::ReadWrite),
        ("nfsroot=10.0.0.1:/r,ro rw", facts(), Access::ReadOnly),
        ("root=dhcp", leased(b"/r,rw"), Access::ReadWrite),
        ("root=dhcp ro", leased(b"/r,rw"), Access::ReadOnly),
        (
            "nfsroot=10.0.0.1:/r rw rd.overlay",
            facts(),
            Access::ReadOnly,
        ),
    ] {
        assert_eq!(choose(cmdline, facts).unwrap().access, access, "{cmdline}");
    }
}

#[test]
fn a_list_of_servers_keeps_its_order_and_stays_with_its_path() {
    let leased = LeaseFacts {
        root_path: Some(b"10.0.0.6|backup.lab:/leased"),
        ..facts()
    };
    let names = |choice: &RootChoice| {
        let servers: Vec<String> = choice.servers().map(ToString::to_string).collect();
        format!("{}:{}", servers.join(" "), choice.path)
    };
    for (cmdline, expected) in [
        ("nfsroot=10.0.0.1|10.0.0.2:/r", "10.0.0.1 10.0.0.2:/r"),
        ("root=nfs4:a|b|a:/r,ro", "a b:/r"),
        ("root=dhcp", "10.0.0.6 backup.lab:/leased"),
        ("nfsroot=/r", "10.0.0.6 backup.lab:/r"),
        ("nfsroot=10.0.0.1:/r", "10.0.0.1:/r"),
    ] {
        let choice = choose(cmdline, leased).unwrap();
        assert_eq!(names(&choice), expected, "{cmdline}");
    }
    let choice = choose("nfsroot=a|b|c:/r", facts()).unwrap();
    let second = choice.from_server(&Host::Name("b".into()));
    assert_eq!(names(&second), "b a c:/r");
}

#[test]
fn path_tokens_are_replaced_or_reported() {
    let machine = MachineIdentity {
        mac: Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])),
        ..MachineIdentity::default()
    };
    let of = |cmdline: &str, facts: LeaseFacts<'_>| {
        choose_root_of(&BootPlan::parse(cmdline), &facts, &machine).map(|choice| choice.path)
    };
    let own = "/srv/52-54-00-12-34-56";
    assert_eq!(
        of("nfsroot=10.0.0.1:/srv/%{mac}", facts()).as_deref(),
        Ok(own)
    );
    let leased = LeaseFacts {
        root_path: Some(b"10.0.0.1:/srv/%{mac}"),
        ..facts()
    };
    assert_eq!(of("", leased).as_deref(), Ok(own));
    let missing = of("nfsroot=10.0.0.1:/srv/%{serial}", facts()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the path /srv/%{serial} needs this machine's serial number for %{serial}, which is not known; \
         write it out, or use %s, the host name or address"
    );
}
