//! The host: what a break-in into the server, or into the child that reads a stranger's root, would find.
//!
//! Before, the server stayed uid 0 with one capability: of the attempts of `priv.py`, it could write to
//! `/proc/sys/kernel/core_pattern`, `/etc/shadow`, `/etc/crontab`, `/etc/passwd`, `/usr/bin/env` and every other file of
//! root's (8 of 8), execute programs and connect anywhere. Now 4 of the 40 attempts of `break_in.rs` succeed: those that
//! serving needs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Net, NetrootServe, Program, TinyRoot, paths};

use super::lab::{SERVER, TIMEOUT};
use crate::support::Client;

/// An unprivileged user that a service manager starts the server as.
const SERVICE: &str = "61001";

/// How systemd starts a unit with `User=` and `AmbientCapabilities=`.
const AS_A_SERVICE: [&str; 9] = [
    "setpriv",
    "--reuid",
    SERVICE,
    "--regid",
    SERVICE,
    "--clear-groups",
    "--inh-caps=-all,+net_bind_service,+net_raw,+dac_read_search",
    "--ambient-caps=-all,+net_bind_service,+net_raw,+dac_read_search",
    "--",
];

fn network(name: &str) -> Result<Net> {
    let net = Net::new(name)?;
    net.bridge("br0", "10.66.0.1/24")?;
    fs::write(net.logs().join("initrd.img"), [b'i'; 4096])?;
    Ok(net)
}

/// Serves as an unprivileged service, and waits until it is ready.
fn serve_as_a_service(net: &Net, root: &str) -> Result<Program> {
    let netroot = paths::netroot()?.display().to_string();
    let logs = net.logs().display();
    net.shell(&format!(
        "for folder in state cache; do
             mkdir -p {logs}/$folder; chown {SERVICE}:{SERVICE} {logs}/$folder
         done"
    ))?;
    let folder = |name: &str| net.logs().join(name).display().to_string();
    let (state, cache, initrd) = (folder("state"), folder("cache"), folder("initrd.img"));
    let mut argv = AS_A_SERVICE.to_vec();
    argv.extend([&*netroot, "serve", root, "--json", "--interface", "br0"]);
    argv.extend(["--no-probe", "--state", &state, "--cache", &cache]);
    argv.extend(["--initrd", &initrd]);
    let program = net.spawn(&argv)?;
    program.wait_for("\"kind\":\"ready\"", "the server's readiness", TIMEOUT)?;
    Ok(program)
}

/// Asserts what every thread of the server is left with.
fn assert_confined(server: &Program, bounding_set: bool) -> Result<()> {
    let tasks = format!("/proc/{}/task", server.pid()?);
    let mut threads = 0;
    for task in fs::read_dir(&tasks).context(tasks)? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        for name in ["Uid:", "Gid:"] {
            ensure!(
                field(name).split_whitespace().all(|id| id != "0"),
                "{status}"
            );
        }
        ensure!(field("Groups:").is_empty(), "{status}");
        // CAP_DAC_READ_SEARCH has number 2.
        for name in ["CapEff:", "CapPrm:"] {
            ensure!(field(name) == "0000000000000004", "{status}");
        }
        for name in ["CapInh:", "CapAmb:"] {
            ensure!(field(name) == "0000000000000000", "{status}");
        }
        if bounding_set {
            ensure!(field("CapBnd:") == "0000000000000000", "{status}");
        }
        ensure!(field("NoNewPrivs:") == "1", "{status}");
        ensure!(field("Seccomp:") == "2", "{status}");
        threads += 1;
    }
    ensure!(threads >= 2, "{threads} threads");
    Ok(())
}

#[test]
fn every_thread_of_the_server_is_an_unprivileged_user_with_one_capability() -> Result<()> {
    let root = TinyRoot::without_init()?;
    for (name, arguments) in [
        ("proxy", &[][..]),
        ("dhcp", &["--dhcp", "10.66.0.100-10.66.0.199"]),
        ("elsewhere", &["--nfsroot", "10.66.0.9:/srv/root"]),
        ("folder", &["--tftp-dir", "/usr/share", "--portmapper"]),
    ] {
        let net = network(&format!("hostile-host-{name}"))?;
        let initrd = net.logs().join("initrd.img").display().to_string();
        let mut all = vec!["--interface", "br0", "--no-probe", "--initrd", &initrd];
        all.extend(arguments);
        let mut server = NetrootServe::start(&net, root.path(), &all)?;
        assert_confined(server.program(), true).context(name)?;
        let state = fs::metadata(net.logs().join("state"))?;
        ensure!(state.uid() != 0, "{name}");
        if !arguments.contains(&"--nfsroot") {
            let key = fs::metadata(net.logs().join("state/export.key"))?;
            ensure!(key.uid() != 0, "{name}");
        }
        let log = server.output().text();
        ensure!(!log.contains("not-confined"), "{log}");
        ensure!(server.terminate()?.status.success(), "{name}");
    }
    // A service manager has to empty the bounding set itself: that takes a capability which it does not pass on.
    let net = network("hostile-host-service")?;
    let server = serve_as_a_service(&net, &root.path().display().to_string())?;
    assert_confined(&server, false)
}

#[test]
fn the_helpers_have_one_socket_each_and_little_more_than_they_need_and_end_with_the_server()
-> Result<()> {
    let root = TinyRoot::without_init()?;
    for service in [false, true] {
        let net = network(&format!("hostile-host-helpers-{service}"))?;
        let mut server = if service {
            serve_as_a_service(&net, &root.path().display().to_string())?
        } else {
            let initrd = net.logs().join("initrd.img").display().to_string();
            let arguments = ["--interface", "br0", "--no-probe", "--initrd", &initrd];
            NetrootServe::start(&net, root.path(), &arguments)?.into_program()
        };
        let helpers = server.children()?;
        ensure!(helpers.len() >= 2, "{helpers:?}");
        for (name, pid) in &helpers {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let field = |field: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(field));
                line.unwrap_or_default().trim().to_owned()
            };
            let held = u64::from_str_radix(&field("CapEff:"), 16)?;
            let (bind, raw, admin) = (1 << 10, 1 << 13, 1 << 12);
            if name == "netroot-network" {
                ensure!(held == bind | raw, "{name}: {status}");
                ensure!(field("Seccomp:") == "2", "{name}: {status}");
                ensure!(
                    !field("Uid:").split_whitespace().any(|id| id == "0"),
                    "{status}"
                );
            } else {
                ensure!(held & (bind | raw | admin) == 0, "{name}: {status}");
            }
            ensure!(field("NoNewPrivs:") == "1", "{name}: {status}");
            ensure!(field("Threads:") == "1", "{name}: {status}");
            let mut sockets = 0;
            for fd in fs::read_dir(format!("/proc/{pid}/fd"))? {
                let target = fs::read_link(fd?.path())?.display().to_string();
                sockets += u32::from(target.starts_with("socket:"));
                ensure!(
                    !target.contains("leases") && !target.contains("export.key"),
                    "{target}"
                );
            }
            ensure!(sockets == 1, "{name}: {sockets} sockets");
        }
        // Even if it is killed.
        server.kill()?;
        for (name, pid) in helpers {
            let deadline = Instant::now() + TIMEOUT;
            // The process number may be another process's by then.
            let is_there = || {
                fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|comm| comm.trim() == name)
                    && !fs::read_to_string(format!("/proc/{pid}/status"))
                        .is_ok_and(|status| status.contains("State:\tZ"))
            };
            while is_there() {
                ensure!(Instant::now() < deadline, "{name} is still there");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    Ok(())
}

#[test]
fn a_break_in_can_write_to_the_state_and_the_cache_and_nothing_else() -> Result<()> {
    let net = network("hostile-host-break-in")?;
    let base = net.logs().join("break-in");
    let _ = fs::remove_dir_all(&base);
    let (state, cache, root) = (base.join("state"), base.join("cache"), base.join("root"));
    fs::create_dir_all(root.join("etc"))?;
    fs::write(root.join("etc/hostname"), "root\n")?;
    fs::write(base.join("netroot-break-in-secret"), "secret\n")?;
    let argv = [
        env!("CARGO_BIN_EXE_break-in").to_owned(),
        state.display().to_string(),
        cache.display().to_string(),
        root.display().to_string(),
    ];
    let done = net.run(&argv.each_ref().map(String::as_str))?;
    let succeeded: Vec<&str> = done
        .lines()
        .filter_map(|line| line.strip_prefix("done "))
        .collect();
    let serving = [
        "write to the state folder",
        "write to the cache folder",
        "read a file of the root",
        "open a UDP socket",
    ];
    ensure!(succeeded == serving, "{done}");
    let refused = done
        .lines()
        .filter(|line| line.starts_with("refused "))
        .count();
    println!(
        "break-in: {} attempts succeed, {refused} are refused",
        succeeded.len()
    );
    ensure!(refused >= 30, "{done}");
    Ok(())
}

#[test]
fn handles_are_read_after_a_reboot_although_the_kernel_knows_no_path() -> Result<()> {
    let net = network("hostile-host-handles")?;
    let disk = net.logs().join("disk").display().to_string();
    let (version, kernel) = paths::debian_kernel()?;
    // ext4 in a file, in the server's mount namespace: mounting it again is as good as a reboot for its files.
    net.shell(&format!(
        "rm -f {disk}; truncate -s 64M {disk}; mkfs.ext4 -q -F {disk}
         mkdir /run/disk; mount -o loop {disk} /run/disk
         mkdir -p /run/disk/srv/image/boot /run/disk/srv/image/lib/modules/{version}
         mkdir -p /run/disk/srv/image/usr/lib
         cp {} /run/disk/srv/image/boot/vmlinuz-{version}
         echo text >/run/disk/srv/image/usr/lib/library
         umount /run/disk",
        kernel.display()
    ))?;
    for service in [false, true] {
        let start = || -> Result<Program> {
            net.shell(&format!("mount -o loop {disk} /run/disk"))?;
            if service {
                return serve_as_a_service(&net, "/run/disk/srv/image");
            }
            let initrd = net.logs().join("initrd.img").display().to_string();
            let arguments = ["--interface", "br0", "--no-probe", "--initrd", &initrd];
            let server = NetrootServe::start(&net, Path::new("/run/disk/srv/image"), &arguments)?;
            Ok(server.into_program())
        };
        let address = std::net::SocketAddr::from((SERVER, 2049));
        let server = start()?;
        let handle = net.within(|| Ok(Client::root(address).find("usr/lib/library")))?;
        end(server)?;
        net.shell("umount /run/disk")?;
        let server = start()?;
        // As a service, Landlock refuses the file by its handle (EACCES), and it is opened by its name.
        let read = net.within(|| {
            let mut client = Client::root(address);
            Ok(client.read(&handle, 0, 100))
        })?;
        ensure!(
            read == Ok((b"text\n".to_vec(), true)),
            "service {service}: {read:?}"
        );
        end(server)?;
        net.shell("umount /run/disk")?;
        net.shell(&format!("rm -rf {}/state", net.logs().display()))?;
    }
    Ok(())
}

fn end(mut server: Program) -> Result<()> {
    let done = server.terminate(TIMEOUT)?;
    ensure!(done.status.success(), "{done:?}");
    Ok(())
}

#[test]
fn the_child_that_builds_an_initrd_is_confined_and_limited() -> Result<()> {
    let net = network("hostile-host-child")?;
    let root = TinyRoot::without_init()?;
    let scratch = net.logs().join("scratch").display().to_string();
    // The child waits for its init in a FIFO: long enough to look at it.
    let init = net.logs().join("init.fifo").display().to_string();
    net.shell(&format!(
        "rm -rf {scratch} {init}; mkdir {scratch}; chown 61002:61002 {scratch}; mkfifo {init}"
    ))?;
    let netroot = paths::netroot()?.display().to_string();
    let output = format!("{scratch}/initrd.img");
    let root = root.path().display().to_string();
    let argv = [
        &*netroot,
        "initrd",
        "--as",
        "61002:61002",
        "--root",
        &root,
        "--init",
        &init,
        "-o",
        &output,
    ];
    let child = net.spawn(&argv)?;
    let pid = child.pid()?;
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        if status.contains("Seccomp:\t2") {
            break status;
        }
        if Instant::now() > deadline {
            bail!("never confined: {status}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    for line in [
        "Uid:\t61002\t61002\t61002\t61002",
        "Gid:\t61002\t61002\t61002\t61002",
        "CapEff:\t0000000000000004",
        "CapPrm:\t0000000000000004",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        ensure!(status.contains(line), "{line}: {status}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    for name in [
        "Max cpu time",
        "Max file size",
        "Max data size",
        "Max core file size",
        "Max open files",
    ] {
        let line = limits.lines().find(|line| line.starts_with(name));
        let line = line.with_context(|| format!("{name}: {limits}"))?;
        ensure!(!line.contains("unlimited"), "{line}");
    }
    Ok(())
}

#[test]
fn a_module_that_expands_without_end_stops_the_server_with_a_sentence() -> Result<()> {
    let net = network("hostile-host-bomb")?;
    let root = TinyRoot::without_init()?;
    let (version, _) = paths::debian_kernel()?;
    let modules = root.path().join("usr/lib/modules").join(version);
    let module = modules.join("kernel/drivers/net/virtio_net.ko");
    // Half a megabyte that would be 512.
    net.shell(&format!(
        "rm {0}; head -c 512M /dev/zero | gzip >{0}",
        module.display()
    ))?;
    let arguments = [
        "--interface",
        "br0",
        "--no-probe",
        "--modules",
        "virtio_net",
    ];
    let init = paths::facts()?.display().to_string();
    let arguments = [&arguments[..], &["--init", &init]].concat();
    let mut server = NetrootServe::start_unready(&net, root.path(), &arguments)?;
    let done = server.program().wait(TIMEOUT)?;
    ensure!(!done.status.success(), "{done:?}");
    ensure!(
        done.stderr
            .contains("is more than 268435456 bytes when decompressed"),
        "{done:?}"
    );
    Ok(())
}
