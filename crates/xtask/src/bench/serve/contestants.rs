//! The servers, each as people run it.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Net, Program, paths};
use nix::unistd::Pid;

use super::arena::{Arena, INTERFACE, SERVER};
use crate::bench::dnsmasq;
use crate::control_group::ControlGroup;
use crate::setup::bench_tools;

/// How long a server may take to start.
const STARTING: Duration = Duration::from_secs(60);
/// The ticks in which the kernel counts processor time (`USER_HZ`).
const TICKS: f64 = 100.0;

/// A server that runs. Dropped in this order: the program before its group.
pub(super) struct Contestant {
    program: Program,
    /// Counts its processor time. `None` where this host has no cgroup v2 that may be written to.
    group: Option<ControlGroup>,
}

/// What a server has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Seconds of processor time.
    pub(super) processor: f64,
    /// The memory that is resident, and the most that ever was, in MiB.
    pub(super) resident: f64,
    pub(super) mib: f64,
}

/// A way to start a server.
pub(super) type Start = fn(&Arena) -> Result<Contestant>;

/// netroot, giving addresses, with the files beside its image.
pub(super) fn netroot(arena: &Arena) -> Result<Contestant> {
    let (root, initrd) = (arena.root.path(), arena.initrd()?);
    let program = paths::target().join("release/netroot");
    let text = |path: &std::path::Path| path.display().to_string();
    let program = arena.start(&[
        &text(&program),
        "serve",
        &text(root),
        "--interface",
        INTERFACE,
        "--dhcp",
        "10.91.0.10-10.91.199.255",
        "--no-probe",
        "--initrd",
        &text(&initrd),
        "--tftp-dir",
        &text(arena.folder()),
        "--state",
        &text(&arena.leases()?.join("netroot")),
        "--cache",
        "/run/netroot-bench-cache",
    ])?;
    program.wait_for("ready", "netroot", STARTING)?;
    Contestant::of(program)
}

/// dnsmasq for TFTP and DHCP, without its ping of addresses, which is not what is measured.
pub(super) fn dnsmasq(arena: &Arena) -> Result<Contestant> {
    let leases = arena.leases()?.join("dnsmasq.leases");
    let program = bench_tools::dnsmasq().join("bin/dnsmasq");
    let program = dnsmasq::start(
        &arena.servers,
        &program.display().to_string(),
        arena.processor,
        INTERFACE,
        &[
            &format!("--dhcp-leasefile={}", leases.display()),
            "--no-ping",
            "--quiet-dhcp",
            "--dhcp-lease-max=100000",
            "--dhcp-range=10.91.0.10,10.91.199.255,255.255.0.0,1h",
            "--enable-tftp",
            &format!("--tftp-root={}", arena.folder().display()),
        ],
    )?;
    Contestant::of(program)
}

/// atftpd, single-threaded as it is by default.
pub(super) fn atftpd(arena: &Arena) -> Result<Contestant> {
    let folder = arena.folder().display().to_string();
    let program = arena.start(&[
        "atftpd",
        "--daemon",
        "--no-fork",
        "--user=root.root",
        "--logfile=/dev/null",
        &folder,
    ])?;
    listening(&arena.servers, "udp", 69)?;
    Contestant::of(program)
}

/// tftpd-hpa.
pub(super) fn tftpd_hpa(arena: &Arena) -> Result<Contestant> {
    let program = bench_tools::folder().join("usr/sbin/in.tftpd");
    let folder = arena.folder().display().to_string();
    let program = arena.start(&[
        &program.display().to_string(),
        "--foreground",
        "--user=root",
        "--secure",
        &folder,
    ])?;
    listening(&arena.servers, "udp", 69)?;
    Contestant::of(program)
}

/// rs-tftpd (crate tftpd), which the set-up builds.
pub(super) fn rs_tftpd(arena: &Arena) -> Result<Contestant> {
    let folder = arena.folder().display().to_string();
    let program = bench_tools::folder().join("bin/tftpd");
    let program = arena.start(&[
        &program.display().to_string(),
        "--ip-address",
        SERVER,
        "--port",
        "69",
        "--directory",
        &folder,
        "--read-only",
    ])?;
    listening(&arena.servers, "udp", 69)?;
    Contestant::of(program)
}

/// nginx with one worker, as netroot has one thread for the network.
pub(super) fn nginx(arena: &Arena) -> Result<Contestant> {
    let configuration = format!(
        "daemon off; master_process off; pid /run/nginx.pid; error_log /dev/null;
events {{ worker_connections 2048; }}
http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path /run/nginx-body; proxy_temp_path /run/nginx-proxy;
fastcgi_temp_path /run/nginx-fastcgi; uwsgi_temp_path /run/nginx-uwsgi; scgi_temp_path /run/nginx-scgi;
server {{ listen 8069; root {}; }} }}",
        arena.folder().display()
    );
    let path = arena.servers.path("/run/nginx.conf");
    std::fs::write(&path, configuration).with_context(|| format!("write {}", path.display()))?;
    let program = arena.start(&["nginx", "-c", "/run/nginx.conf"])?;
    listening(&arena.servers, "tcp", 8069)?;
    Contestant::of(program)
}

/// Kea, with its leases in memory and in a file, as it is by default, and without logging each.
pub(super) fn kea(arena: &Arena) -> Result<Contestant> {
    let leases = arena.leases()?.join("kea-leases4.csv");
    let leases = leases.display();
    let configuration = format!(
        "{{\"Dhcp4\": {{\"interfaces-config\": {{\"interfaces\": [\"{INTERFACE}\"]}},
\"lease-database\": {{\"type\": \"memfile\", \"persist\": true, \"name\": \"{leases}\"}},
\"valid-lifetime\": 3600, \"multi-threading\": {{\"enable-multi-threading\": false}},
\"subnet4\": [{{\"subnet\": \"10.91.0.0/16\", \"pools\": [{{\"pool\": \"10.91.0.10 - 10.91.199.255\"}}]}}],
\"loggers\": [{{\"name\": \"kea-dhcp4\", \"severity\": \"ERROR\", \"output_options\": [{{\"output\": \"stdout\"}}]}}]}}}}"
    );
    arena
        .servers
        .shell("mkdir -p /run/kea /run/lock/kea; rm -f /run/kea/*")?;
    let path = arena.servers.path("/run/kea/kea.json");
    std::fs::write(&path, configuration).with_context(|| format!("write {}", path.display()))?;
    let program = arena.start(&[
        "env",
        "KEA_LOCKFILE_DIR=/run/kea",
        "KEA_PIDFILE_DIR=/run/kea",
        "kea-dhcp4",
        "-c",
        "/run/kea/kea.json",
    ])?;
    listening(&arena.servers, "udp", 67)?;
    Contestant::of(program)
}

/// Waits until somebody listens.
fn listening(net: &Net, protocol: &str, port: u16) -> Result<()> {
    let flag = if protocol == "udp" { "-lnu" } else { "-lnt" };
    net.shell(&format!(
        "for i in $(seq 600); do ss {flag} | grep -q ':{port} ' && exit 0; sleep 0.1; done; echo nobody listens on port {port}; exit 1"
    ))?;
    Ok(())
}

impl Contestant {
    /// From now on its processor time is counted.
    fn of(program: Program) -> Result<Self> {
        let group = Self::group();
        if let Some(group) = &group {
            let process = u32::try_from(program.pid()?.as_raw())?;
            let taken_in = group.take_in(process);
            taken_in.context("take the server into a control group")?;
        }
        Ok(Self { program, group })
    }

    /// For a server and everything that it starts. There is one at a time.
    fn group() -> Option<ControlGroup> {
        ControlGroup::make("bench-serve")
    }

    /// Ends it, so that the next one has its ports.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) fn stop(mut self) -> Result<()> {
        self.program.terminate(STARTING)?;
        Ok(())
    }

    /// What it has cost so far: its processor time with that of all its processes, and the memory of the first of them.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn cost(&self) -> Result<Cost> {
        let processor = self.group.as_ref().and_then(ControlGroup::used);
        let processor = match processor {
            Some(processor) => processor.as_secs_f64(),
            None => ticks(self.program.pid()?)? / TICKS,
        };
        let mib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0;
        Ok(Cost {
            processor,
            resident: mib(self.program.resident_kib()?),
            mib: mib(self.program.peak_resident_kib()?),
        })
    }
}

/// How a server's processor time is counted here.
pub(super) fn how_counted() -> &'static str {
    match Contestant::group().and_then(|group| group.used()) {
        Some(_) => "in microseconds, of all its processes (cgroup v2)",
        None => {
            "in ticks of 10 ms, without processes that it does not wait for: no cgroup v2 may be written to here"
        }
    }
}

/// The processor time of a process and of the children that it has waited for, in [`TICKS`].
fn ticks(pid: Pid) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may hold anything: proc_pid_stat(5), fields 14 to 17.
    let (_, fields) = stat.rsplit_once(')').context("a name in /proc/PID/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(4);
    Ok(ticks.filter_map(|field| field.parse::<f64>().ok()).sum())
}
