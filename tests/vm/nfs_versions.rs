//! NFS versions, mount options and server names, with NFS-Ganesha, and with Linux's nfsd.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use netroot_harness::{
    BareExport, BareLab, Booted, Clients, Dnsmasq, Ganesha, Processor, TinyRoot, paths,
};

use crate::lan::{Facts, Lan, SERVER, STATIC, TIMEOUT, make_initrd, own_export};
use crate::rpc_peer::{NFSACL, RpcPeer, Then};

/// A static address without a host name.
const NAMELESS: &str = "ip=10.77.0.50::10.77.0.254:255.255.255.0::eth0:off";

/// The tiny root is mounted by this version.
fn assert_mounted_as(facts: &Facts, version: &str) {
    let mount = facts.mount("/");
    assert!(
        mount.contains(&format!(",vers={version},")),
        "vers={version}: {mount}"
    );
    assert_eq!(facts.all("witness"), "the root's own words");
}

#[test]
fn version_4_2_mounts_with_its_own_client_name_and_without_unknown_options() -> Result<()> {
    let lan = Lan::new("nfs-4-2")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let nfsroot = format!("nfsroot={SERVER}:/srv/root,vers=4.2,bogus=1,nconnect=2");
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {NAMELESS} ro"))?;
    let facts = Facts::of(&vm)?;
    assert_mounted_as(&facts, "4.2");
    let mount = facts.mount("/");
    assert!(mount.contains(",nconnect=2,"), "{mount}");
    let left_out = "netroot: warning: the mount option bogus=1 is left out: ";
    vm.wait_for(left_out, "the unknown option by its name", TIMEOUT)?;
    // Neither ip= nor a DHCP server named the machine.
    assert_eq!(facts.all("hostname"), "netroot-525400770001");
    let identifier = facts.all("nfs-client");
    assert!(identifier.ends_with("525400770001"), "{identifier}");
    let readahead = facts.all("readahead");
    assert!(
        readahead.lines().any(|line| line.ends_with(" 2048")),
        "{readahead}"
    );
    Ok(())
}

/// Both machines have the same kernel, the newest one too, which cannot read by 4.2 from the NFS-Ganesha that Debian 12 has.
#[test]
fn version_4_2_of_linuxs_nfsd_mounts_under_an_overlay() -> Result<()> {
    let (_, kernel) = paths::debian_kernel()?;
    let booted = Booted::new(Processor::X86_64, kernel, make_initrd("virtio_net")?)?;
    let root = TinyRoot::make()?;
    let lab = BareLab::start("nfsd-4-2", root.path(), BareExport::Nfsd(&booted))?;
    let vm = lab.boot("machine", &booted)?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    assert_eq!(facts.all("witness"), "the root's own words");
    let mounted = "netroot: mounted 10.77.0.60:/ (nfs vers=4.2 over tcp";
    assert!(vm.console().contains(mounted));
    Ok(())
}

#[test]
fn documented_options_reach_the_kernel_and_others_are_explained() -> Result<()> {
    let lan = Lan::new("nfs-options")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let taken = "soft,retrans=4,nconnect=2,rsize=65536,sec=sys,lookupcache=pos,nosharecache";
    let passed_over = "bg,retry=1,intr,clientaddr=10.77.0.50";
    let left_out = "proto=udp,_netdev,x-systemd.automount,sloppy,lock,vers=3";
    let vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root,{taken},{passed_over},{left_out} {STATIC} ro"
    ))?;
    let facts = Facts::of(&vm)?;
    assert_mounted_as(&facts, "3");
    let mount = facts.mount("/");
    for option in [
        ",soft,",
        ",retrans=4,",
        ",nconnect=2,",
        ",rsize=65536,",
        ",lookupcache=pos,",
        ",nosharecache,",
        ",proto=tcp,",
        ",local_lock=all,",
    ] {
        assert!(mount.contains(option), "{option}: {mount}");
    }
    for message in [
        "TCP is used: kernels no longer",
        "left out: it is mount(8)'s, not the kernel's",
        "left out: it makes the kernel pass over errors",
        "lock is left out: locks of NFS version 3",
    ] {
        assert!(vm.console().contains(message), "{message}");
    }
    Ok(())
}

#[test]
fn version_4_means_the_servers_newest_minor_version() -> Result<()> {
    let lan = Lan::new("nfs-4")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start_version_4(&lan.net, root.path(), "/srv/root", "1")?;
    let nfsroot = format!("nfsroot={SERVER}:/srv/root,vers=4");
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} ro"))?;
    assert_mounted_as(&Facts::of(&vm)?, "4.1");
    Ok(())
}

#[test]
fn a_version_4_only_server_is_detected_without_options() -> Result<()> {
    let lan = Lan::new("nfs-4-only")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start_version_4(&lan.net, root.path(), "/srv/root", "0, 1, 2")?;
    let vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC} ro"
    ))?;
    let facts = Facts::of(&vm)?;
    assert_mounted_as(&facts, "4.2");
    assert!(vm.console().contains("; trying version 4"));
    // It sends owner names, which must be reported: every file of such a root appears to belong to nobody.
    assert!(facts.all("owner").contains("/etc/witness 4294967294"));
    assert!(
        vm.console()
            .contains("netroot: warning: the root's files belong to nobody: ")
    );
    Ok(())
}

#[test]
fn a_path_that_version_3_refuses_is_mounted_by_version_4() -> Result<()> {
    let lan = Lan::new("nfs-hidden-from-3")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start_hidden_from_version_3(&lan.net, root.path(), "/srv/root")?;
    let vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC} ro"
    ))?;
    let facts = Facts::of(&vm)?;
    assert_mounted_as(&facts, "4.2");
    assert!(vm.console().contains("; trying version 4"));
    assert!(facts.all("owner").contains("/home/user/note 1000"));
    assert!(!vm.console().contains("the root's files belong to nobody"));
    Ok(())
}

#[test]
fn a_path_missing_in_version_4_is_reported_with_what_exists() -> Result<()> {
    let lan = Lan::new("nfs-4-absent-path")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/other,vers=4 {STATIC} ro"
    ))?;
    let sentence = "netroot: boot failed: cannot mount the root 10.77.0.1:/srv/other: \
        10.77.0.1 has no /srv/other by NFS version 4: there is no other in /srv, only root; \
        correct the path, or export it to 10.77.0.50";
    vm.wait_for(sentence, "the failure's sentence", TIMEOUT)?;
    Ok(())
}

#[test]
fn of_two_servers_the_one_that_answers_is_used() -> Result<()> {
    let lan = Lan::new("nfs-two-servers")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let nfsroot = format!("nfsroot=10.77.0.77|{SERVER}:/srv/root");
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} ro"))?;
    Facts::of(&vm)?.assert_read_only_nfs();
    let mounted = format!("netroot: mounted {SERVER}:/srv/root (nfs vers=3 over tcp, ro)");
    assert!(vm.console().contains(&mounted));
    Ok(())
}

#[test]
fn a_server_by_its_name_and_a_path_by_the_machines_address() -> Result<()> {
    let lan = Lan::new("nfs-name")?;
    let root = TinyRoot::make()?;
    let path = "/srv/52-54-00-77-00-01";
    let _ganesha = Ganesha::start(&lan.net, root.path(), path, &Clients::All)?;
    let options = ["--dhcp-option=6,10.77.0.1", "--domain=lab.example"];
    let _dhcp = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let _dns = lan.net.spawn(&[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=/run/dns.pid",
        "--no-resolv",
        "--no-hosts",
        "--host-record=store.lab.example,10.77.0.1",
        "--cname=nas.lab.example,store.lab.example",
    ])?;
    let vm = lan.boot("root=/dev/nfs nfsroot=nas:/srv/%{mac} ip=dhcp ro")?;
    Facts::of(&vm)?.assert_read_only_nfs();
    let mounted = format!("netroot: mounted nas:{path} (");
    assert!(vm.console().contains(&mounted));
    Ok(())
}

#[test]
fn a_server_that_dies_before_the_kernel_mounts_is_reported_and_waited_for() -> Result<()> {
    let lan = Lan::new("nfs-dies")?;
    let root = TinyRoot::make()?;
    let ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let nfsroot = format!("nfsroot={SERVER}:/srv/root");
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} ro rootdelay=5"))?;
    vm.wait_for(
        "netroot: waiting 5 s before the root is mounted",
        "the moment after the server was asked",
        TIMEOUT,
    )?;
    drop(ganesha);
    let failed = format!("netroot: boot failed: cannot mount the root {SERVER}:/srv/root: ");
    let seen = vm.wait_for(&failed, "the failure's sentence", TIMEOUT)?;
    assert!(seen.line.contains("; "), "no advice: {}", seen.line);
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn guix_systems_boot_program_runs_under_its_guile() -> Result<()> {
    let lan = Lan::new("guix")?;
    let root = TinyRoot::make()?;
    // As in a store: the profile links to one item, and its guile to another.
    let store = root.path().join("gnu/store");
    for item in ["system", "profile/bin", "guile/bin"] {
        std::fs::create_dir_all(store.join(item)).with_context(|| format!("make {item}"))?;
    }
    std::fs::rename(root.path().join("sbin/init"), store.join("guile/bin/guile"))?;
    symlink(
        "/gnu/store/guile/bin/guile",
        store.join("profile/bin/guile"),
    )?;
    symlink("/gnu/store/profile", store.join("system/profile"))?;
    std::fs::write(store.join("system/boot"), "(display \"booted\")\n")?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let guix = "gnu.system=/gnu/store/system gnu.load=/gnu/store/system/boot";
    let vm = lan.boot(&format!("root={SERVER}:/srv/root {guix} {STATIC} ro"))?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let arguments = facts.all("arguments");
    let expected = "/gnu/store/system/profile/bin/guile --no-auto-compile /gnu/store/system/boot";
    assert!(arguments.starts_with(expected), "{arguments}");
    Ok(())
}

/// What a user of the tiny root does to its own files, with a writable layer.
fn assert_a_user_can_work(facts: &Facts) {
    facts.assert_overlay();
    let user = facts.all("user");
    for did in [
        "reads the root's own words",
        "changes succeeded",
        "makes succeeded",
        "lists made note",
    ] {
        // Kernel messages may end a line.
        assert!(user.contains(did), "{did}: {user}");
    }
}

#[test]
fn a_user_without_roots_rights_reads_and_writes_under_an_overlay_over_ganesha() -> Result<()> {
    let lan = Lan::new("nfs-user-ganesha")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC} rd.overlay"
    ))?;
    let facts = Facts::of(&vm)?;
    assert_a_user_can_work(&facts);
    Ok(())
}

#[test]
fn a_user_without_roots_rights_reads_and_writes_under_an_overlay_over_our_export() -> Result<()> {
    let lan = Lan::new("nfs-user-own")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = lan.boot(&format!("{} {STATIC} rd.overlay", own_export(root.path())?))?;
    assert_a_user_can_work(&Facts::of(&vm)?);
    Ok(())
}

/// A server without NFSACL, the side protocol that an overlay's permissions need by version 3: Ganesha behind a
/// proxy that reports it as unavailable.
fn without_acl(lan: &Lan) -> Result<RpcPeer> {
    let ganesha = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2049);
    let address = SERVER.parse()?;
    RpcPeer::before(&lan.net, Some(ganesha), address, &[3049], |call| {
        match call.program {
            // PROG_UNAVAIL (RFC 5531 §9).
            NFSACL => Then::Reply(1, vec![]),
            _ => Then::Forward,
        }
    })
}

#[test]
fn a_user_can_work_over_a_server_without_access_lists() -> Result<()> {
    let lan = Lan::new("nfs-no-acl")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let _peer = without_acl(&lan)?;
    let nfsroot = format!("nfsroot={SERVER}:/srv/root,port=3049,mountport=20048");
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} rd.overlay"))?;
    assert_a_user_can_work(&Facts::of(&vm)?);
    Ok(())
}
