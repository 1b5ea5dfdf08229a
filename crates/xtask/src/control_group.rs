//! A control group (cgroup v2) for programs whose processor time is counted, with everything that they start.
//!
//! `cpu.stat` has it whichever controllers are on, and whoever reaps the processes (`Documentation/admin-guide/cgroup-v2.rst`
//! of Linux). Where there is no cgroup v2, or its folder may not be written to, nothing is counted, and nothing fails.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How the folders' names begin; behind it are the process that made it and a name.
const PREFIX: &str = "netroot-";
/// How long programs may take to end that were killed.
const ENDING: Duration = Duration::from_secs(10);

/// A group for the programs of one test, or the server of a bench. Dropping it kills what is still in it.
#[derive(Debug)]
pub(crate) struct ControlGroup {
    folder: PathBuf,
}

impl ControlGroup {
    /// `name` is unique in this process. The group is beside that of [`OwnGroup`], if this process has entered it.
    pub(crate) fn make(name: &str) -> Option<Self> {
        let own = own_folder()?;
        let beside = is_ours(&own).then(|| own.parent()).flatten();
        let beside = beside.unwrap_or(&own);
        remove_old(beside);
        let folder = beside.join(format!("{PREFIX}{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        Some(Self { folder })
    }

    /// A command that runs the words behind it in this group.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command
            // If it may not enter the group, it runs uncounted.
            .args(["-c", r#"echo 0 2> /dev/null > "$0"; exec "$@""#])
            .arg(self.processes());
        command
    }

    /// Takes a process in that runs already, with those that it has started. What they start from now on is in it, too; their
    /// processor time until now is not counted.
    ///
    /// # Errors
    /// When it has ended, or may not be moved.
    pub(crate) fn take_in(&self, process: u32) -> io::Result<()> {
        std::fs::write(self.processes(), process.to_string())?;
        // It is moved first: whom it starts meanwhile is in the group, or found here.
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let children = std::fs::read_to_string(thread?.path().join("children"))?;
            for child in children.split_whitespace() {
                let child = child.parse().map_err(io::Error::other)?;
                match self.take_in(child) {
                    Err(error) if !has_ended(&error) => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The processor time so far of all that is in it or was.
    pub(crate) fn used(&self) -> Option<Duration> {
        used_by(&self.folder)
    }

    /// Kills what is still in it, and tells the processor time of all that was.
    pub(crate) fn end(self) -> Option<Duration> {
        self.kill();
        used_by(&self.folder)
    }

    fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    fn kill(&self) {
        // Older kernels than 5.14 cannot: then it stays until the programs have ended by themselves.
        if std::fs::write(self.folder.join("cgroup.kill"), "1").is_err() {
            return;
        }
        let since = Instant::now();
        while since.elapsed() < ENDING && !self.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_empty(&self) -> bool {
        std::fs::read_to_string(self.processes()).is_ok_and(|processes| processes.is_empty())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// This process's group, with what it starts that has none of its own. Dropping it takes the process back to where it was.
#[derive(Debug)]
pub(crate) struct OwnGroup {
    folder: PathBuf,
    before: PathBuf,
}

impl OwnGroup {
    pub(crate) fn enter() -> Option<Self> {
        let group = ControlGroup::make("own")?;
        let before = group.folder.parent()?.to_owned();
        std::fs::write(group.processes(), "0").ok()?;
        let folder = group.folder.clone();
        // It is this one's now, and what is in it, this process, is not to be killed.
        std::mem::forget(group);
        Some(Self { folder, before })
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        // If it fails, the next process that makes groups removes it.
        let _ = std::fs::write(self.before.join("cgroup.procs"), "0");
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// The processor time of this process and of what it has started, if it has entered [`OwnGroup`].
pub(crate) fn used_by_own() -> Option<Duration> {
    let own = own_folder()?;
    is_ours(&own).then(|| used_by(&own)).flatten()
}

/// Whether a group was made by this process.
fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.and_then(maker) == Some(&std::process::id().to_string())
}

/// The folder of this process's own group.
fn own_folder() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    folder_of(&mounts, &groups)
}

/// Where cgroup v2 is mounted, and the group therein: its line has the number 0 (`cgroups(7)`).
fn folder_of(mounts: &str, groups: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let is_it = after.split(' ').next() == Some("cgroup2");
        is_it.then(|| before.split(' ').nth(4)).flatten()
    })?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(mount).join(group))
}

/// Whether a process was not there any more: it is not in `/proc`, or cannot be moved.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

/// Removes the empty groups of processes like this one that were killed.
fn remove_old(own: &Path) {
    for entry in std::fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(maker);
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// The number of the process that made the group with this name.
fn maker(name: &str) -> Option<&str> {
    let (process, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    process.parse::<u32>().ok().map(|_| process)
}

fn used_by(folder: &Path) -> Option<Duration> {
    used_in(&std::fs::read_to_string(folder.join("cpu.stat")).ok()?)
}

fn used_in(stat: &str) -> Option<Duration> {
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))?;
    line.parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn the_folder_is_where_the_second_version_is_mounted() {
        let mounts = "31 25 0:27 / /sys/fs/cgroup/cpu rw shared:5 - cgroup cgroup rw,cpu\n\
                      41 25 0:33 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        let groups = "2:cpu:/\n0::/user.slice/session-1.scope\n";
        let folder = folder_of(mounts, groups);
        let expected = "/sys/fs/cgroup/unified/user.slice/session-1.scope";
        assert_eq!(folder.as_deref(), Some(Path::new(expected)));
        assert_eq!(folder_of(mounts, "2:cpu:/\n"), None);
        assert_eq!(folder_of("", groups), None);
    }

    #[test]
    fn the_time_is_that_of_all() {
        let stat = "usage_usec 227656\nuser_usec 219224\nsystem_usec 8432\n";
        assert_eq!(used_in(stat), Some(Duration::from_micros(227_656)));
        assert_eq!(used_in("nr_periods 0\n"), None);
    }

    #[test]
    fn a_folder_names_its_maker() {
        assert_eq!(maker("netroot-4711-checks"), Some("4711"));
        assert_eq!(maker("netroot-server-1"), None);
        assert_eq!(maker("user.slice"), None);
    }

    #[test]
    fn a_running_program_is_taken_in_with_its_children() {
        let Some(group) = ControlGroup::make("unit-test-running") else {
            println!("not looked at: this user may not make control groups");
            return;
        };
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 3600 > /dev/null & echo $!; read end; kill $!"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().unwrap();
        let mut sleeper = String::new();
        let output = shell.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut sleeper).unwrap();
        let used = group.used();
        let taken_in = group.take_in(shell.id());
        let inside = std::fs::read_to_string(group.processes()).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        taken_in.unwrap();
        for process in [shell.id().to_string().as_str(), sleeper.trim()] {
            assert!(inside.lines().any(|line| line == process), "{inside}");
        }
        assert_eq!(used, Some(Duration::ZERO));
        assert!(group.end().unwrap() > Duration::ZERO);
    }

    #[test]
    fn what_a_program_leaves_running_is_counted_and_killed() {
        let Some(group) = ControlGroup::make("unit-test") else {
            println!("not looked at: this user may not make control groups");
            return;
        };
        // The sleeper holds no pipe of the command's open.
        let left_behind = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 3600 > /dev/null 2>&1 & echo $!";
        let mut command = group.command();
        let done = command.args(["sh", "-c", left_behind]).output().unwrap();
        let sleeper = String::from_utf8(done.stdout).unwrap();
        let sleeper = Path::new("/proc").join(sleeper.trim());
        let folder = group.folder.clone();
        assert!(group.end().unwrap() > Duration::ZERO);
        assert!(!folder.exists());
        // A process leaves its group a moment before it has ended. The test fails only by never ending.
        let state = || std::fs::read_to_string(sleeper.join("stat")).unwrap_or_default();
        while ![") Z", ") X"].iter().any(|ended| state().contains(ended)) && !state().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
