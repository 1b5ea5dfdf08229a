use crate::cmdline::{BootPlan, RootRequest};
use crate::mount::Version;

/// `server path versions`, `dhcp`, `dhcp or /tftpboot/%s`, …
fn root(cmdline: &str) -> String {
    let plan = BootPlan::parse(cmdline);
    assert_eq!(plan.complaints, [], "{cmdline}");
    match plan.root {
        RootRequest::Nfs(nfs) => {
            let server = nfs.server.map_or("-".into(), |server| server.to_string());
            let path = nfs.path.unwrap_or("-".into());
            let versions: Vec<String> = nfs
                .options
                .versions
                .iter()
                .map(Version::to_string)
                .collect();
            [server, path, versions.join(",")]
                .join(" ")
                .trim_end()
                .to_owned()
        }
        RootRequest::FromDhcp {
            kernel_default: false,
            options,
            ..
        } => {
            if options.versions.is_empty() {
                "dhcp".into()
            } else {
                "dhcp 4".into()
            }
        }
        RootRequest::FromDhcp {
            kernel_default: true,
            ..
        } => "dhcp or /tftpboot/%s".into(),
        RootRequest::Unsupported { value, .. } => format!("not nfs: {value}"),
        RootRequest::Missing => "missing".into(),
    }
}

/// A line of the table of dialects: whose spelling, the command line, what it means.
const DIALECTS: &[(&str, &str, &str)] = &[
    ("kernel", "root=/dev/nfs", "dhcp or /tftpboot/%s"),
    (
        "kernel",
        "root=/dev/nfs nfsroot=10.0.0.1:/srv/root",
        "10.0.0.1 /srv/root",
    ),
    (
        "kernel",
        "root=/dev/nfs nfsroot=10.0.0.1:/srv/root,vers=4.1",
        "10.0.0.1 /srv/root 4.1",
    ),
    ("kernel", "root=/dev/nfs nfsroot=/srv/%s,tcp", "- /srv/%s"),
    (
        "kernel",
        "root=/dev/nfs nfsroot=debian",
        "- /tftpboot/debian",
    ),
    ("kernel", "root=/dev/nfs nfsroot=10.0.0.1:", "10.0.0.1 -"),
    ("kernel", "root=/dev/nfs nfsroot=10.0.0.1", "10.0.0.1 -"),
    (
        "kernel",
        "root=/dev/nfs nfsroot=10.0.0.1,vers=3",
        "10.0.0.1 - 3",
    ),
    (
        "kernel",
        "root=/dev/nfs nfsroot=,rsize=8192",
        "dhcp or /tftpboot/%s",
    ),
    (
        "kernel",
        "root=/dev/nfs nfsroot=default",
        "dhcp or /tftpboot/%s",
    ),
    ("kernel", "nfsroot=10.0.0.1:/srv/root", "10.0.0.1 /srv/root"),
    (
        "initramfs-tools",
        "boot=nfs root=/dev/nfs nfsroot=auto",
        "dhcp",
    ),
    (
        "initramfs-tools",
        "boot=nfs nfsroot=server:/srv/root",
        "server /srv/root",
    ),
    (
        "initramfs-tools",
        "boot=nfs root=UUID=1234 nfsroot=10.0.0.1:/r",
        "10.0.0.1 /r",
    ),
    ("dracut", "root=dhcp", "dhcp"),
    ("dracut", "root=nfs", "dhcp"),
    ("dracut", "root=nfs4:", "dhcp 4"),
    ("dracut", "netroot=dhcp", "dhcp"),
    (
        "dracut",
        "root=/dev/root netroot=nfs:10.0.0.1:/r",
        "10.0.0.1 /r",
    ),
    (
        "dracut",
        "root=nfs:10.0.0.1:/srv/root",
        "10.0.0.1 /srv/root",
    ),
    (
        "dracut",
        "root=nfs:10.0.0.1:/srv/root:vers=4.2,nolock",
        "10.0.0.1 /srv/root 4.2",
    ),
    (
        "dracut",
        "root=nfs:10.0.0.1:/srv/root,vers=3",
        "10.0.0.1 /srv/root 3",
    ),
    ("dracut", "root=nfs4:10.0.0.1:/", "10.0.0.1 / 4.2,4.1,4.0"),
    (
        "dracut",
        "root=nfs4:10.0.0.1:/x:vers=4.1",
        "10.0.0.1 /x 4.1",
    ),
    ("dracut", "root=nfs:/srv/root", "- /srv/root"),
    ("dracut", "root=10.0.0.1:/srv/root", "10.0.0.1 /srv/root"),
    (
        "dracut",
        "root=10.0.0.1:/srv/root,vers=3 nfsroot=ignored",
        "10.0.0.1 /srv/root 3",
    ),
    (
        "Arch",
        "ip=dhcp root=/dev/nfs nfsroot=10.0.0.1:/srv/arch,v3,rsize=16384",
        "10.0.0.1 /srv/arch 3",
    ),
    ("Guix", "root=server.lan:/srv/guix", "server.lan /srv/guix"),
    ("Guix", "root=:/export", "- /export"),
    (
        "Guix",
        "root=:/export rootflags=addr=10.0.0.1,vers=4.1",
        "10.0.0.1 /export 4.1",
    ),
    (
        "a path with a colon",
        "root=nfs:10.0.0.1:/srv/a:b",
        "10.0.0.1 /srv/a:b",
    ),
    (
        "a URL",
        "root=nfs://10.0.0.1/srv/root",
        "10.0.0.1 /srv/root",
    ),
    ("a disk", "root=/dev/sda1", "not nfs: /dev/sda1"),
    ("a label", "root=LABEL=root", "not nfs: LABEL=root"),
    (
        "dracut's live image",
        "root=live:/dev/sr0",
        "not nfs: live:/dev/sr0",
    ),
    (
        "dracut's http",
        "root=http://10.0.0.1/x",
        "not nfs: http://10.0.0.1/x",
    ),
    ("nobody", "quiet", "missing"),
];

#[test]
fn every_dialect_can_name_a_root() {
    for &(whose, cmdline, meaning) in DIALECTS {
        assert_eq!(root(cmdline), meaning, "{whose}: {cmdline}");
    }
}

#[test]
fn mistakes_beside_the_servers_address_keep_their_positions() {
    let plan = BootPlan::parse("root=:/r rootflags=vers=9,addr=10.0.0.1,port=x");
    let positions: Vec<_> = plan.complaints.iter().map(|c| c.position).collect();
    assert_eq!(positions, [5, 26]);
    let RootRequest::Nfs(request) = plan.root else {
        panic!("{:?}", plan.root)
    };
    assert_eq!(
        request.origin.to_string(),
        "root=:/r rootflags=vers=9,addr=10.0.0.1,port=x"
    );
}

#[test]
fn an_overridden_parameter_is_reported() {
    let plan = BootPlan::parse("root=/dev/sda1 nfsroot=10.0.0.1:/r");
    assert_eq!(plan.ignored[0].parameter, "root=/dev/sda1");
    let plan = BootPlan::parse("root=nfs:10.0.0.1:/a nfsroot=10.0.0.1:/b");
    assert_eq!(plan.ignored[0].parameter, "nfsroot=10.0.0.1:/b");
}

#[test]
fn an_invalid_target_is_reported_with_its_position() {
    for (cmdline, position, found) in [
        ("nfsroot=[fe80::1]:/r", 0, "[fe80::1]"),
        ("nfsroot=1foo", 0, "1foo"),
        ("root=nfs:10.0.0.1:srv", 13, "srv"),
        ("nfsroot=10.0.0.1:/r,port=99999", 17, "99999"),
        ("nfsroot=10.0.0.1:/r,,vers=5", 18, "5"),
        ("root=nfs:ho!st:/r", 4, "ho!st"),
        ("root=10.0.0.300:/r", 0, "10.0.0.300"),
        ("root=[fe80::1]:/r", 0, "[fe80::1]"),
        ("nfsroot=\"/a\u{7}b\"", 2, "\u{7}"),
    ] {
        let plan = BootPlan::parse(cmdline);
        let [complaint] = plan.complaints.as_slice() else {
            panic!("{:?}", plan.complaints)
        };
        assert_eq!(
            (complaint.position, complaint.found.as_str()),
            (position, found),
            "{cmdline}"
        );
    }
}
