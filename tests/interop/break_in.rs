//! What a break-in into the server could do: confined as `netroot serve` is while it serves, this tries what an attacker
//! would.
//!
//! `break-in STATE CACHE ROOT` prints a line for each attempt: `done NAME` or `refused NAME: ERROR`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use netroot::{
    Allow, CatalogSettings, Generations, HiddenPaths, ImageSettings, ImageSource, InitrdSource,
    Mode, NetworkSettings, Origin, RootSettings, Settings, confine,
};
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType};
use nix::unistd::{Gid, Pid, Uid};

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [state, cache, root] = arguments.as_slice() else {
        anyhow::bail!("usage: break-in STATE CACHE ROOT");
    };
    let parent = Pid::parent();
    let settings = settings(state, cache, root);
    confine(&settings).context("not confined")?;

    // What serving needs.
    attempt(
        "write to the state folder",
        fs::write(state.join("probe"), "x"),
    );
    attempt(
        "write to the cache folder",
        fs::write(cache.join("probe"), "x"),
    );
    attempt(
        "read a file of the root",
        fs::read(root.join("etc/hostname")),
    );
    attempt("open a UDP socket", UdpSocket::bind("127.0.0.1:0"));

    // Another's files.
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/etc/shadow",
        "/etc/passwd",
        "/etc/crontab",
        "/etc/ld.so.cache",
        "/usr/bin/env",
        "/root/.profile",
    ] {
        attempt(&format!("append to {path}"), append(Path::new(path)));
    }
    attempt(
        "append to a file of the root",
        append(&root.join("etc/hostname")),
    );
    attempt("create a file in the root", File::create(root.join("new")));
    attempt(
        "create a file in /tmp",
        File::create("/tmp/netroot-break-in"),
    );
    attempt(
        "remove a file of the root",
        fs::remove_file(root.join("etc/hostname")),
    );
    let mode = fs::Permissions::from_mode(0o777);
    attempt(
        "change permissions in the root",
        fs::set_permissions(root.join("etc/hostname"), mode),
    );
    for path in [
        "/etc/shadow",
        "/etc/passwd",
        "/proc/1/environ",
        "/proc/kcore",
    ] {
        attempt(&format!("read {path}"), File::open(path));
    }
    attempt("list /root", fs::read_dir("/root"));
    let beside = root.join("../netroot-break-in-secret");
    attempt("read a file beside the root", File::open(beside));

    // Other programs, and more rights.
    attempt::<()>("execute a program", Err(Command::new("/bin/true").exec()));
    attempt("start a program", Command::new("/bin/true").spawn());
    attempt("trace the parent", nix::sys::ptrace::attach(parent));
    attempt("signal the parent", nix::sys::signal::kill(parent, None));
    attempt("become root", nix::unistd::setuid(Uid::from_raw(0)));
    attempt(
        "join root's group",
        nix::unistd::setgroups(&[Gid::from_raw(0)]),
    );
    for (name, flags) in [
        ("a user namespace", CloneFlags::CLONE_NEWUSER),
        ("a mount namespace", CloneFlags::CLONE_NEWNS),
    ] {
        attempt(&format!("make {name}"), nix::sched::unshare(flags));
    }
    let none = None::<&str>;
    let tmpfs = Some("tmpfs");
    attempt(
        "mount",
        nix::mount::mount(tmpfs, state, tmpfs, MsFlags::empty(), none),
    );
    attempt("change the root directory", nix::unistd::chroot(state));
    attempt("set the host name", nix::unistd::sethostname("owned"));

    // The network.
    attempt("connect by TCP", TcpStream::connect("127.0.0.1:22"));
    attempt("listen by TCP", TcpListener::bind("127.0.0.1:0"));
    attempt(
        "reach a local socket",
        UnixStream::connect("/run/systemd/private"),
    );
    for (name, family, kind) in [
        ("a raw socket", AddressFamily::Inet, SockType::Raw),
        ("a packet socket", AddressFamily::Packet, SockType::Raw),
        ("a netlink socket", AddressFamily::Netlink, SockType::Raw),
        (
            "a socket of the kernel's ciphers",
            AddressFamily::Alg,
            SockType::SeqPacket,
        ),
    ] {
        let socket = nix::sys::socket::socket(family, kind, SockFlag::empty(), None);
        attempt(&format!("open {name}"), socket);
    }
    Ok(())
}

fn attempt<T>(name: &str, done: Result<T, impl std::fmt::Display>) {
    match done {
        Ok(_) => println!("done {name}"),
        Err(error) => println!("refused {name}: {error}"),
    }
}

/// Opens it for writing, and writes nothing.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

fn settings(state: &Path, cache: &Path, root: &Path) -> Settings {
    Settings {
        networks: vec![NetworkSettings {
            interface: None,
            address: None,
            mode: Mode::Proxy,
            probe: false,
        }],
        catalog: CatalogSettings::of_one(ImageSettings {
            name: None,
            title: None,
            source: ImageSource::Root(RootSettings {
                directory: root.to_owned(),
                nfsroot: None,
                kernel: None,
                initrd: InitrdSource::File(root.to_owned()),
                overlay: true,
                hidden: HiddenPaths::default(),
                submounts: true,
                generations: Generations::Current,
                secure_boot_files: None,
                uki: false,
                swapped: None,
            }),
            append: None,
            origin: Origin::CommandLine,
        }),
        http_port: 0,
        nfs_port: 0,
        portmapper: false,
        allow: Allow::default(),
        tftp_dir: None,
        ipxe: None,
        state: state.to_owned(),
        cache: cache.to_owned(),
        control: None,
        api: netroot::ApiSettings::default(),
        uki: None,
        json: false,
        roots: Vec::new(),
        swaps_at_start: std::collections::BTreeSet::new(),
        config: None,
    }
}
