use super::*;
use crate::cmdline::Complaint;

fn read(list: &str) -> (NfsOptions, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let options = NfsOptions::read(
        list,
        0,
        &mut Reading::new("nfsroot", Some(list), &mut complaints),
    );
    (options, complaints)
}

fn good(list: &str) -> NfsOptions {
    let (options, complaints) = read(list);
    assert_eq!(complaints, [], "{list}");
    options
}

fn rest(options: &NfsOptions) -> Vec<String> {
    let text = |o: &NfsOption| match &o.value {
        Some(value) => format!("{}={value}", o.key),
        None => o.key.clone(),
    };
    options.rest.iter().map(text).collect()
}

#[test]
fn known_options_are_parsed() {
    let options =
        good("vers=3,tcp,port=2050,mountport=2051,mountaddr=10.0.0.2,nolock,rw,noatime,nodev");
    assert_eq!(options.versions, [Version::V3]);
    assert_eq!((options.port, options.mount_port), (Some(2050), Some(2051)));
    assert_eq!(options.mount_server, Some([10, 0, 0, 2].into()));
    assert_eq!(
        (options.lock, options.access),
        (Some(false), Some(Access::ReadWrite))
    );
    assert!(options.flags.no_atime && options.flags.no_dev && !options.flags.no_suid);
    assert_eq!(options.rest, []);
}

#[test]
fn every_spelling_of_a_version_is_known_and_a_bare_four_has_a_minor() {
    for (list, versions) in [
        ("", vec![]),
        ("v3", vec![Version::V3]),
        ("nfsvers=4.0", vec![Version::V4(0)]),
        ("vers=4", Version::ANY_V4.to_vec()),
        ("vers=4,minorversion=1", vec![Version::V4(1)]),
        ("vers=3,vers=4.2", vec![Version::V4(2)]),
    ] {
        assert_eq!(good(list).versions, versions, "{list}");
    }
}

#[test]
fn other_nfs_options_are_passed_on_and_the_last_one_wins() {
    let options = good("hard,rsize=8192,rsize=65536,nconnect=4,sec=sys,fsc,fsc=tag,nordirplus");
    assert_eq!(
        rest(&options),
        [
            "hard",
            "rsize=65536",
            "nconnect=4",
            "sec=sys",
            "fsc=tag",
            "nordirplus"
        ]
    );
    assert!(options.rest.iter().all(|option| option.known));
}

#[test]
fn an_unknown_option_is_tried_and_reported() {
    let (options, complaints) = read("vers=3,frobnicate=9");
    assert_eq!(rest(&options), ["frobnicate=9"]);
    assert!(!options.rest[0].known);
    assert_eq!(
        (complaints[0].position, complaints[0].found.as_str()),
        (7, "frobnicate=9")
    );
}

#[test]
fn unusable_options_are_left_out_with_a_reason() {
    for (list, position) in [
        ("vers=2", 5),
        ("proto=udp", 6),
        ("udp", 0),
        ("rsize=big", 6),
        ("rsize", 5),
        ("hard=1", 5),
        ("nconnect=17", 9),
        ("sec=sys:frob", 4),
        ("lookupcache=some", 12),
        ("local_lock=no", 11),
        ("xprtsec=ssl", 8),
        ("retry=x", 6),
        ("port=-1", 5),
        ("mountvers=1", 10),
        ("addr=10.0.0.3", 0),
        ("sloppy", 0),
        ("_netdev", 0),
        ("mounthost=server", 10),
    ] {
        let (options, complaints) = read(list);
        assert_eq!(options, NfsOptions::default(), "{list}");
        let [complaint] = complaints.as_slice() else {
            panic!("{list}: {complaints:?}")
        };
        assert_eq!(complaint.position, position, "{list}");
    }
}

#[test]
fn a_low_timeout_is_used_with_a_complaint() {
    let (options, complaints) = read("timeo=7");
    assert_eq!(rest(&options), ["timeo=7"]);
    assert_eq!(complaints[0].position, 6);
    good("timeo=600");
}

#[test]
fn later_options_override_earlier_ones() {
    let lease = good("vers=4.2,port=2050,rsize=8192,hard,ro,noatime");
    let written = good("vers=3,rsize=4096,rw");
    let both = lease.overlaid(&written);
    assert_eq!(
        (both.versions.as_slice(), both.port),
        ([Version::V3].as_slice(), Some(2050))
    );
    assert_eq!(rest(&both), ["hard", "rsize=4096"]);
    assert_eq!(both.access, Some(Access::ReadWrite));
    assert!(both.flags.no_atime);
}

#[test]
fn every_option_of_nfs_5_goes_to_the_kernel_as_written() {
    let list = "softerr,nosoftreval,retrans=3,timeo=600,wsize=1048576,noac,acregmin=3,acdirmax=60,\
        actimeo=30,bg,retry=2,nconnect=16,max_connect=4,nordirplus,rdirplus=force,noresvport,\
        nosharecache,lookupcache=positive,fsc=cache,sec=none:sys,local_lock=flock,cto,noacl,\
        clientaddr=10.0.0.9,xprtsec=none,write=eager,namlen=255,trunkdiscovery,\
        context=system_u:object_r:nfs_t:s0";
    assert_eq!(rest(&good(list)).join(","), list);
}

#[test]
fn options_that_need_a_daemon_are_used_with_a_complaint() {
    for (list, position) in [("sec=krb5p", 4), ("sec=sys:krb5", 4), ("xprtsec=tls", 8)] {
        let (options, complaints) = read(list);
        assert_eq!(rest(&options), [list]);
        assert_eq!(complaints[0].position, position, "{list}");
    }
}
