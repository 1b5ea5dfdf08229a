//! A private network: nothing in it can reach the host's networks, nothing outlives it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::paths;
use crate::program::{Finished, Program, Streams, child_of};

/// A network, mount and process namespace with its own `/proc`, `/sys`, `/run`, `/tmp`
/// and `/var/lib/nfs`.
///
/// The namespaces belong to a holder process that the kernel kills when the *thread*
/// which made the `Net` ends (`PR_SET_PDEATHSIG`), and with it everything inside.
/// So create it in the test's own thread.
#[derive(Debug)]
pub struct Net {
    holder: Child,
    pid: nix::unistd::Pid,
    logs: PathBuf,
    serial: AtomicU32,
}

/// How long a cable of the same name may take to be gone after its other network.
const CABLE_GONE: Duration = Duration::from_secs(10);

/// A bridge in a [`Net`], by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge(pub String);

/// A tap device in a [`Net`], by name: the cable of a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap(pub String);

/// The percentage of frames that a cable loses at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// From the machine.
    pub from_machine: u8,
    /// To the machine.
    pub to_machine: u8,
}

/// The holder's script. The mounts are private, so the host's stay unchanged; `/sys` is
/// mounted again because it shows the network devices of the namespace that mounts it.
const HOLDER: &str = "set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/ganesha /run/rpcbind /run/sendsigs.omit.d
if [ -d /var/lib/nfs ]; then mount -t tmpfs tmpfs /var/lib/nfs; mkdir -p /var/lib/nfs/ganesha; fi
ip link set lo up
touch /run/netroot-ready
while :; do sleep 3600 & wait; done";

/// Commands that set a network up finish at once on an idle machine.
const QUICK: Duration = Duration::from_secs(120);

impl Loss {
    /// A cable that passes nothing although both ends have a carrier.
    pub const ALL: Self = Self::each_way(100);

    /// The same percentage in both directions.
    #[must_use]
    pub const fn each_way(percent: u8) -> Self {
        Self {
            from_machine: percent,
            to_machine: percent,
        }
    }
}

impl Net {
    /// A new, empty network. `name` names the directory of its logs.
    ///
    /// # Errors
    /// When the caller is not root or the namespaces cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "making a network namespace needs root"
        );
        let logs = paths::logs(name)?;
        let log = std::fs::File::create(logs.join("holder.log")).context("create holder.log")?;
        // setpriv sets the parent-death signal, so that no unsafe `pre_exec` is needed.
        let holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount"])
            .args(["--pid", "--fork", "--kill-child", "--", "sh", "-c", HOLDER])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start setpriv and unshare (package util-linux)")?;
        let mut net = Self {
            holder,
            pid: nix::unistd::Pid::from_raw(0),
            logs,
            serial: AtomicU32::new(0),
        };
        net.await_holder()?;
        Ok(net)
    }

    fn await_holder(&mut self) -> Result<()> {
        let deadline = Instant::now() + QUICK;
        while Instant::now() < deadline {
            if let Ok(pid) = child_of(self.holder.id()) {
                self.pid = pid;
                if Path::new(&format!("/proc/{pid}/root/run/netroot-ready")).exists() {
                    return Ok(());
                }
            }
            if let Some(status) = self.holder.try_wait()? {
                let said = std::fs::read_to_string(self.logs.join("holder.log"));
                bail!(
                    "the namespaces could not be made ({status}): {}",
                    said.unwrap_or_default().trim()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the namespaces were not ready within {QUICK:?}")
    }

    /// The directory for the logs of everything in this network.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The path that opens, from outside, what is at `path` inside.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.pid))
    }

    fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            // The PATH of a root shell from `su` may lack the system directories.
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .args(["--target", &self.pid.to_string()])
            .args(["--net", "--mount", "--pid", "--"])
            // nsenter stays outside and waits; if it is killed, so is the program.
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .args(argv);
        command
    }

    /// Starts a program inside. `argv` starts with its name or absolute path.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, argv: &[&str]) -> Result<Program> {
        let name = argv
            .first()
            .and_then(|path| Path::new(path).file_name()?.to_str())
            .context("a program to start")?;
        self.spawn_as(name, argv, Streams::default())
    }

    /// The same on one processor, if one is named: it, its threads and what it starts.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_on(&self, processor: Option<usize>, argv: &[&str]) -> Result<Program> {
        let Some(processor) = processor.map(|it| it.to_string()) else {
            return self.spawn(argv);
        };
        self.spawn(&[&["taskset", "--cpu-list", &processor], argv].concat())
    }

    pub(crate) fn spawn_as(&self, name: &str, argv: &[&str], streams: Streams) -> Result<Program> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let log = self.logs.join(format!("{serial:02}-{name}.log"));
        Program::start(name, self.command(argv), log, streams)
    }

    /// Runs a program inside and waits for it, for at most `timeout`.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time. Failing is not an error here.
    pub fn run_for(&self, argv: &[&str], timeout: Duration) -> Result<Finished> {
        self.spawn(argv)?
            .wait(timeout)
            .with_context(|| argv.join(" "))
    }

    /// Runs a program inside and returns its output.
    ///
    /// # Errors
    /// When it fails: with its standard error.
    pub fn run(&self, argv: &[&str]) -> Result<String> {
        let done = self.run_for(argv, QUICK)?;
        ensure!(
            done.status.success(),
            "{}: {}: {}{}",
            argv.join(" "),
            done.status,
            done.stdout,
            done.stderr
        );
        Ok(done.stdout)
    }

    /// Runs a shell script inside that stops at the first failing command.
    ///
    /// # Errors
    /// As [`Net::run`].
    pub fn shell(&self, lines: &str) -> Result<String> {
        self.run(&["sh", "-ec", lines])
    }

    /// Runs `work` in a thread whose sockets belong to this network.
    ///
    /// # Errors
    /// When the thread cannot enter the network, or what `work` returned.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.pid))
            .context("open the network namespace")?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)
                    .context("enter the network namespace")?;
                work()
            });
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// A bridge with an address (`10.0.0.1/24`). It forwards at once: no spanning tree, no
    /// delay.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn bridge(&self, name: &str, address: &str) -> Result<Bridge> {
        self.shell(&format!(
            "ip link add dev {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
             ip addr add {address} dev {name}
             ip link set dev {name} up"
        ))?;
        Ok(Bridge(name.to_owned()))
    }

    /// A bridge without an address.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn plain_bridge(&self, name: &str) -> Result<Bridge> {
        self.shell(&format!(
            "ip link add dev {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
             ip link set dev {name} up"
        ))?;
        Ok(Bridge(name.to_owned()))
    }

    /// A tap device, plugged into `bridge`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn tap(&self, name: &str, bridge: &Bridge) -> Result<Tap> {
        self.shell(&format!(
            "ip tuntap add dev {name} mode tap
             ip link set dev {name} master {} up",
            bridge.0
        ))?;
        Ok(Tap(name.to_owned()))
    }

    /// How many frames the machine at a tap has sent.
    ///
    /// # Errors
    /// When there is no such tap.
    pub fn sent_from(&self, tap: &Tap) -> Result<u64> {
        // What has arrived here: bytes, and then packets.
        self.counted(tap, 1)
    }

    /// How many bytes have been sent to the machine at a tap.
    ///
    /// # Errors
    /// When there is no such tap.
    pub fn bytes_sent_to(&self, tap: &Tap) -> Result<u64> {
        // Behind the eight columns of what has arrived.
        self.counted(tap, 8)
    }

    /// A column of `/proc/net/dev`.
    fn counted(&self, tap: &Tap, column: usize) -> Result<u64> {
        // It may be asked often: without a program.
        let devices = std::fs::read_to_string(format!("/proc/{}/net/dev", self.pid))?;
        let counts = devices.lines().find_map(|line| {
            let (name, counts) = line.split_once(':')?;
            (name.trim() == tap.0).then_some(counts)
        });
        let count = counts.and_then(|counts| counts.split_whitespace().nth(column));
        let count = count.with_context(|| format!("no tap {}", tap.0))?;
        count.parse().context("read a number of frames or bytes")
    }

    /// A cable from this network's `bridge` to a device `name` with `address` in
    /// another network: another machine on the same LAN.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn cable(&self, bridge: &Bridge, other: &Net, name: &str, address: &str) -> Result<()> {
        let near = format!("to-{name}");
        let deadline = Instant::now() + CABLE_GONE;
        loop {
            // Not through `shell`: the other holder's process ID is valid only outside of this
            // network's process namespace.
            let made = Command::new("nsenter")
                .arg(format!("--net=/proc/{}/ns/net", self.pid))
                .args(["ip", "link", "add", &near, "type", "veth", "peer", "name"])
                .args([name, "netns", &other.pid.to_string()])
                .output()
                .context("start nsenter and ip")?;
            if made.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&made.stderr);
            // The kernel takes the cable of a network away some time after the network has ended.
            let is_taken = said.contains("File exists");
            ensure!(
                is_taken && Instant::now() < deadline,
                "a cable to {name}: {said}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        self.shell(&format!("ip link set dev {near} master {} up", bridge.0))?;
        other.shell(&format!(
            "ip addr add {address} dev {name}
             ip link set dev {name} up"
        ))?;
        Ok(())
    }

    /// Makes a cable lossy, by the kernel's random numbers. `device` is this network's
    /// end of it: a [`Tap`]'s name, or `to-NAME` after [`Net::cable`].
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn lose(&self, device: &str, loss: Loss) -> Result<()> {
        let (from, to) = (loss.from_machine, loss.to_machine);
        let table = format!("loss-{device}");
        let drops = |name: &str, hook: &str, percent: u8| {
            // nftables rejects a comparison that is always true.
            let chance = match percent {
                0..100 => format!("numgen random mod 100 < {percent}"),
                100.. => String::new(),
            };
            format!(
                "add chain netdev {table} {name} {{ type filter hook {hook} device {device} priority 0; }}
                 add rule netdev {table} {name} {chance} counter drop\n"
            )
        };
        let rules = format!(
            "add table netdev {table}\n{}{}",
            drops("from", "ingress", from),
            drops("to", "egress", to)
        );
        self.run(&["nft", &rules])?;
        Ok(())
    }

    /// Undoes [`Net::lose`].
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn mend(&self, device: &str) -> Result<()> {
        let table = format!("loss-{device}");
        self.run(&["nft", "delete", "table", "netdev", &table])?;
        Ok(())
    }

    /// How many frames a cable has lost since [`Net::lose`].
    ///
    /// # Errors
    /// When nftables cannot list them.
    pub fn lost(&self, device: &str) -> Result<u64> {
        let table = format!("loss-{device}");
        let rules = self.run(&["nft", "list", "table", "netdev", &table])?;
        let counts = rules
            .split("counter packets ")
            .skip(1)
            .filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
