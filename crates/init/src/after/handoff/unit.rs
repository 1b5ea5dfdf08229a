//! Units of systemd, changed by drop-ins in `/run`.

use std::io::Read;
use std::os::fd::AsFd;

use rustix::fs::OFlags;

use super::run_file::RunFile;
use crate::root::in_root;
use crate::root::mount_point::ROOT;

/// The first line of each file.
pub(super) const HEADING: &str =
    "# Written by netroot's init: the root is on this interface, and its lease is kept.\n";
/// Where systemd looks for a unit, in order (systemd.unit(5)).
const FOLDERS: [&str; 4] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// How much of a unit is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// The text of a unit of the mounted root, if it has that one.
pub(super) fn read(unit: &str) -> Option<String> {
    FOLDERS
        .iter()
        .find_map(|folder| read_file(&format!("{folder}/{unit}")).ok())
}

fn read_file(path: &str) -> std::io::Result<String> {
    let root = in_root::directory(ROOT)?;
    let file = in_root::open(root.as_fd(), path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let mut text = String::new();
    std::fs::File::from(file)
        .take(LONGEST)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// A drop-in with which the unit of this text starts its `program` with one more argument. `None` unless it starts just
/// that, on a single line.
pub(super) fn with_argument(
    unit: &str,
    text: Option<&str>,
    program: &str,
    argument: &str,
) -> Option<RunFile> {
    let command = command(text?, program)?;
    Some(RunFile::new(
        drop_in(unit),
        format!("{HEADING}[Service]\nExecStart=\nExecStart={command} {argument}\n"),
    ))
}

/// A drop-in without which stopping the unit would take the NIC down, while systemd still needs the root.
pub(super) fn not_stopped(unit: &str) -> RunFile {
    RunFile::new(
        drop_in(unit),
        "# Written by netroot's init: the root needs its network until the end.\n[Service]\nExecStop=\n",
    )
}

fn drop_in(unit: &str) -> String {
    format!("systemd/system/{unit}.d/10-netroot.conf")
}

fn command<'a>(unit: &'a str, program: &str) -> Option<&'a str> {
    let mut commands = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart="));
    let command = commands.next()?.trim_end();
    let started = command.split_whitespace().next()?;
    let is_it = started
        .rsplit_once('/')
        .is_some_and(|(_, name)| name == program);
    (is_it && !command.ends_with('\\') && commands.next().is_none()).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_starts_something_else_is_left_unchanged() {
        for unit in [
            "",
            "ExecStart=\n",
            "ExecStart=/bin/sh -c dhcpcd\n",
            "ExecStart=/usr/sbin/dhcpcd \\\n -q\n",
            "ExecStart=/usr/sbin/dhcpcd\nExecStart=/usr/sbin/dhcpcd eth1\n",
        ] {
            assert_eq!(command(unit, "dhcpcd"), None, "{unit}");
        }
    }
}
