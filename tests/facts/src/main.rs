//! `/sbin/init` of the tests' smallest root: prints what the machine looks like after
//! the switch of root, one `facts: ` line each, and powers it off.
//!
//! With `facts.stay` on the command line it stays up instead: every second it drops the
//! kernel's caches, reads a file from the root again and counts; with `facts.sum` beside it, it reads the whole root twice a
//! minute, and when a line is typed on its console, and says so before and after. With `facts.reach=ADDRESS:PORT` it prints what that server says.
//!
//! It begins with a line in the kernel's log, and tells how long that was after the kernel's own about `/init`
//! (`facts: began`): by the machine's clock, whatever its console shows. With `facts.log` it prints that log.
//!
//! It has no dependencies, and reads the kernel's state from files only.

#![forbid(unsafe_code)]

mod sum;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The user ID for [`as_a_user`]: an arbitrary one, without any of root's rights.
const USER: u32 = 1000;
/// This program's name in that case.
const USER_NAME: &str = "facts-user";
/// Its first number is the level below which the console shows kernel messages.
const CONSOLE_LEVEL: &str = "/proc/sys/kernel/printk";
const KERNEL_LOG: &str = "/dev/kmsg";
/// `O_NONBLOCK`: the end of the kernel's log is an error then, rather than a wait.
const NONBLOCK: i32 = 0o4000;
/// The kernel's message before it runs the first program (`run_init_process`, `init/main.c`).
const RUN_INIT: &str = "Run /init as init process";
/// The first argument of the process by which netroot's init uploads its boot report.
const UPLOADER: &str = "@netroot-report";
/// How long to wait for it: longer than it tries.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// What a root's init writes into the kernel's log first.
const BEGUN: &str = "facts: begun";
/// How long a machine that stays up waits before it reads a file of its root again.
const BETWEEN_READINGS: Duration = Duration::from_secs(1);
/// The same for the whole root, if it is not asked before: an emulated machine takes a second of its host's processor for it.
const BETWEEN_WHOLE: Duration = Duration::from_secs(30);

fn main() {
    if std::env::args().next().as_deref() == Some(USER_NAME) {
        return as_a_user();
    }
    // Level 7 is shown only where everything is.
    if let Ok(mut log) = std::fs::File::options().write(true).open(KERNEL_LOG) {
        let _ = log.write_all(format!("<7>{BEGUN}\n").as_bytes());
    }
    // The kernel writes to the same console, even into the middle of a line: until everything is printed, only
    // warnings and errors.
    let shown = read(CONSOLE_LEVEL);
    let _ = std::fs::write(CONSOLE_LEVEL, "5");
    let command_line = read("/proc/cmdline");
    say("begin", "");
    let log = kernel_log();
    say(
        "began",
        &began(&log).unwrap_or_else(|| "unknown".to_owned()),
    );
    if command_line.contains("facts.log") {
        for (microseconds, text) in &log {
            say("log", &format!("{microseconds} {text}"));
        }
    }
    say("pid", &std::process::id().to_string());
    say("cmdline", &command_line);
    say("uptime", &read("/proc/uptime"));
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed();
    say("clock", &clock.unwrap_or_default().as_secs().to_string());
    say("hostname", &read("/proc/sys/kernel/hostname"));
    for line in read("/proc/self/mounts").lines() {
        say("mount", line);
    }
    for line in read("/etc/resolv.conf").lines() {
        say("resolv.conf", line);
    }
    for line in read("/etc/fstab").lines() {
        say("fstab", line);
    }
    for line in read("/proc/net/route").lines() {
        say("route", line);
    }
    for line in read("/proc/net/fib_trie").lines() {
        say("fib", line);
    }
    for interface in names("/sys/class/net") {
        let mtu = read(&format!("/sys/class/net/{interface}/mtu"));
        say("mtu", &format!("{interface} {mtu}"));
    }
    for interface in names("/sys/class/net") {
        let of = format!("/sys/class/net/{interface}");
        let address = read(&format!("{of}/address"));
        let master = std::fs::read_link(format!("{of}/master")).ok();
        let master = master.and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
        let master = master.unwrap_or_else(|| "-".to_owned());
        say(
            "link",
            &format!("{interface} {} master {master}", address.trim()),
        );
    }
    for (kind, folder) in [("bond", "/proc/net/bonding"), ("vlan", "/proc/net/vlan")] {
        for name in names(folder).into_iter().filter(|name| name != "config") {
            for line in read(&format!("{folder}/{name}")).lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                say(kind, &format!("{name} {}", words.join(" ")));
            }
        }
    }
    // File systems without a disk, such as NFS, have device numbers with major 0.
    for device in names("/sys/class/bdi") {
        let kib = read(&format!("/sys/class/bdi/{device}/read_ahead_kb"));
        say("readahead", &format!("{device} {kib}"));
    }
    // Of the boot: firmware, its keys, and what systemd's stub measures.
    for pcr in [4, 7, 11, 12] {
        let value = read(&format!("/sys/class/tpm/tpm0/pcr-sha256/{pcr}"));
        say("pcr", &format!("{pcr} {}", value.trim()));
    }
    let nfs_client = "/sys/fs/nfs/net/nfs_client/identifier";
    say("nfs-client", &read(nfs_client));
    say("arguments", &arguments());
    say("modules", &names("/sys/module").join(" "));
    // The kernel lists the newest first.
    for line in read("/proc/modules").lines().rev() {
        say("loaded", line.split(' ').next().unwrap_or_default());
    }
    say("run", &names("/run").join(" "));
    say("report", &read("/run/netroot/report.json"));
    say("top", &names("/").join(" "));
    say("witness", &read("/etc/witness"));
    match std::fs::write("/etc/written", "by the machine\n") {
        Ok(()) => say("write", &format!("succeeded: {}", read("/etc/written"))),
        Err(error) => say("write", &format!("failed: {error}")),
    }
    for path in ["/", "/etc/witness", "/home/user/note"] {
        let owner = std::fs::metadata(path).map(|found| found.uid().to_string());
        let owner = owner.unwrap_or_else(|error| error.to_string());
        say("owner", &format!("{path} {owner}"));
    }
    run_as_a_user();
    let mut words = command_line.split_whitespace();
    if let Some(server) = words.find_map(|word| word.strip_prefix("facts.reach=")) {
        say("reach", &reach(server));
    }
    wait_for_upload();
    say("end", "");
    // While the machine stays up, the kernel and the renewer log at their own levels.
    let _ = std::fs::write(CONSOLE_LEVEL, shown);
    if command_line.contains("facts.stay") {
        stay(command_line.contains("facts.sum"));
    }
    switch_off();
}

/// The kernel's log: when, in microseconds, and what.
fn kernel_log() -> Vec<(u64, String)> {
    let mut records = Vec::new();
    let mut options = std::fs::File::options();
    let Ok(mut log) = options.read(true).custom_flags(NONBLOCK).open(KERNEL_LOG) else {
        return records;
    };
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            // A file of that name, in an initrd without /dev.
            Ok(0) => return records,
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                // "6,339,5140900,-;Run /init as init process" (Documentation/ABI/testing/dev-kmsg).
                let read = text.split_once(';').and_then(|(fields, text)| {
                    let time = fields.split(',').nth(2)?.parse().ok()?;
                    Some((time, text.lines().next()?.to_owned()))
                });
                records.extend(read);
            }
            // Records were overwritten meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => return records,
        }
    }
}

/// How long after the kernel's `/init` the root's init has begun, in seconds.
fn began(log: &[(u64, String)]) -> Option<String> {
    let at = |text: &str| log.iter().find(|(_, record)| record.contains(text));
    let microseconds = at(BEGUN)?.0.checked_sub(at(RUN_INIT)?.0)?;
    Some(format!(
        "{}.{:06}",
        microseconds / 1_000_000,
        microseconds % 1_000_000
    ))
}

/// What a server (`ADDRESS:PORT`) says to whoever connects.
fn reach(server: &str) -> String {
    let said = || {
        let server: SocketAddr = server.parse().map_err(|error| format!("{error}"))?;
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(60));
        let mut said = String::new();
        let read = stream.and_then(|mut stream| stream.read_to_string(&mut said));
        read.map(|_| said).map_err(|error| error.to_string())
    };
    said().unwrap_or_else(|error: String| format!("failed: {error}"))
}

/// Waits until the boot report is uploaded, or given up: a root that switches its machine off takes longer than this one.
fn wait_for_upload() {
    let began = Instant::now();
    let is_uploader = |process: &String| {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        command.starts_with(UPLOADER.as_bytes())
    };
    while names("/proc").iter().any(is_uploader) {
        if began.elapsed() > UPLOAD_TIMEOUT {
            return say("upload", "still running");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs this program as a user other than root, to whom more checks apply.
fn run_as_a_user() {
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| "/sbin/init".into());
    let mut command = Command::new(own);
    command.arg0(USER_NAME).uid(USER).gid(USER);
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => say("user", &format!("ended by {status}")),
        Err(error) => say("user", &format!("cannot run: {error}")),
    }
}

/// What a user may do in the root: read a world-readable file, write to its own file that exists on the server, and
/// create a new one.
fn as_a_user() {
    say("user", &format!("reads {}", read("/etc/witness")));
    let wrote = |result: std::io::Result<()>| match result {
        Ok(()) => "succeeded".to_owned(),
        Err(error) => format!("failed: {error}"),
    };
    let note = std::fs::File::options()
        .append(true)
        .open("/home/user/note");
    let changed = note.and_then(|mut note| note.write_all(b"changed\n"));
    say("user", &format!("changes {}", wrote(changed)));
    let made = std::fs::write("/home/user/made", "by the user\n");
    say("user", &format!("makes {}", wrote(made)));
    say("user", &format!("lists {}", names("/home/user").join(" ")));
}

fn arguments() -> String {
    let arguments: Vec<String> = std::env::args().collect();
    arguments.join(" ")
}

/// Reads the root again and again, bypassing every cache, until the machine ends.
///
/// It counts in the kernel's log, whose lines reach the console whole: nothing interrupts a count, and the kernel
/// need not be silenced.
fn stay(whole: bool) -> ! {
    let mut log = std::fs::File::options().write(true).open("/dev/kmsg");
    if let Err(error) = &log {
        say("log", &format!("cannot open /dev/kmsg: {error}"));
    }
    let mut tell = |line: String| {
        if let Ok(log) = &mut log {
            // Level 1 is shown at every console level; each write is a line. Errors have nowhere to go.
            let _ = log.write_all(format!("<1>facts: {line}\n").as_bytes());
        }
    };
    let asked = asked();
    std::thread::sleep(BETWEEN_READINGS);
    for count in 1_u64.. {
        // A failure shows in the output.
        let _ = std::fs::write("/proc/sys/vm/drop_caches", "3");
        if whole {
            tell(format!("reading {count}"));
            tell(match sum::of_tree(Path::new("/")) {
                Ok((files, sum)) => format!("sum {count} {files} files {sum:016x}"),
                Err((path, error)) => format!("sum failed {}: {error}", path.display()),
            });
            // Nobody asks any more where there is no console: then it sleeps.
            if asked.recv_timeout(BETWEEN_WHOLE) == Err(RecvTimeoutError::Disconnected) {
                std::thread::sleep(BETWEEN_WHOLE);
            }
        } else {
            tell(format!("tick {count} {}", read("/etc/witness").trim_end()));
            std::thread::sleep(BETWEEN_READINGS);
        }
    }
    switch_off()
}

/// Something for each line that is typed on the console.
fn asked() -> Receiver<()> {
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        for _ in lines {
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    asked
}

fn switch_off() -> ! {
    // The last line must leave the serial port first.
    std::thread::sleep(Duration::from_millis(200));
    if let Err(error) = std::fs::write("/proc/sysrq-trigger", "o") {
        say("off", &format!("failed: {error}"));
    }
    loop {
        // PID 1 that ends is a kernel panic.
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn say(what: &str, fact: &str) {
    let mut out = std::io::stdout().lock();
    // Without a console, errors have nowhere to go.
    let _ = writeln!(out, "facts: {what} {}", fact.trim_end());
    let _ = out.flush();
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("cannot read {path}: {error}"))
}

fn names(path: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
