//! Privileges, the serving user, folders, and what confines the server.

use std::fs;
use std::path::{Path, PathBuf};

use crate::check::finding::Finding;
use crate::check::subject::Subject;
use crate::confinement::identity;
use crate::serve::privileges;

/// Less than this is little for an initrd or two.
const LITTLE_SPACE: u64 = 200 << 20;

/// What this process may do, and who it would become.
pub(super) fn privileges() -> Vec<Finding> {
    let mut findings = vec![match privileges::check() {
        Ok(()) => Finding::ok("privileges", "enough to serve"),
        Err(error) => Finding::failed("privileges", &error),
    }];
    findings.push(match identity::choose() {
        Ok(Some(identity)) if identity::has_name() => {
            Finding::ok("user", format!("serves as the user netroot ({identity})"))
        }
        Ok(Some(identity)) => Finding::note(
            "user",
            format!("there is no user netroot: it serves as the unused number {identity}"),
        )
        .cured_by("useradd --system --home-dir /var/lib/netroot --shell /usr/sbin/nologin netroot"),
        Ok(None) => Finding::ok("user", "serves as this user"),
        Err(error) => Finding::failed("user", &error),
    });
    findings
}

/// Whether state and cache can be written, and how much space is left.
pub(super) fn folders(subject: &Subject) -> Vec<Finding> {
    let all = [
        ("state", &subject.settings.state),
        ("cache", &subject.settings.cache),
    ];
    all.into_iter()
        .map(|(what, folder)| folder_finding(what, folder))
        .collect()
}

/// The folder, or the nearest one above it that exists.
fn existing(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors();
    above.find(|path| path.exists()).map(Path::to_owned)
}

fn folder_finding(what: &'static str, folder: &Path) -> Finding {
    let shown = folder.display();
    let Some(place) = existing(folder) else {
        return Finding::problem(
            "folder",
            format!("the {what} folder {shown} cannot be made"),
        );
    };
    if !place.is_dir() {
        let text = format!(
            "the {what} folder {shown} cannot be made: {} is a file",
            place.display()
        );
        return Finding::problem("folder", text);
    }
    let space = match rustix::fs::statvfs(&place) {
        Ok(space) => space,
        Err(errno) => {
            let text = format!("the {what} folder {shown} cannot be looked at: {errno}");
            return Finding::problem("folder", text);
        }
    };
    if space.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let text =
            format!("the {what} folder {shown} is on a file system that is mounted read-only");
        return Finding::problem("folder", text).cured_by(format!("give another: --{what} DIR"));
    }
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let mebibytes = free >> 20;
    if free < LITTLE_SPACE {
        let text = format!("the {what} folder {shown} has only {mebibytes} MiB left");
        return Finding::warning("folder", text)
            .cured_by(format!("free some, or give another: --{what} DIR"));
    }
    Finding::ok(
        "folder",
        format!("{what} in {shown} ({mebibytes} MiB free)"),
    )
}

/// Landlock and seccomp, and other security modules.
pub(super) fn confinement() -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let modules = read("/sys/kernel/security/lsm");
    let status = read("/proc/self/status");
    let enforcing = read("/sys/fs/selinux/enforce");
    judge_confinement(&modules, &status, &enforcing)
}

/// `modules` is the list of security modules, empty where securityfs is not mounted.
fn judge_confinement(modules: &str, status: &str, enforcing: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let has = |name: &str| modules.trim().split(',').any(|module| module == name);
    let mut layers = Vec::new();
    if status.lines().any(|line| line.starts_with("Seccomp:")) {
        layers.push("seccomp");
    } else {
        findings.push(Finding::note(
            "confinement",
            "this kernel has no seccomp filters: a break-in could make any system call",
        ));
    }
    if has("landlock") {
        layers.push("Landlock");
    } else if !modules.is_empty() {
        findings.push(
            Finding::note(
                "confinement",
                "this kernel has no Landlock: a break-in could read every file of this host",
            )
            .cured_by(
                "add landlock to lsm= on this host's kernel command line (Linux 5.13 or later)",
            ),
        );
    }
    if !layers.is_empty() {
        let text = format!("the server is confined by {}", layers.join(" and "));
        findings.insert(0, Finding::ok("confinement", text));
    }
    if enforcing.trim() == "1" {
        findings.push(Finding::note(
            "selinux",
            "SELinux is enforcing: if netroot is denied something that this check allows, ausearch -m avc -ts recent \
             names it",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::Level;

    #[test]
    fn what_confines_the_server_is_named_and_what_is_missing_is_a_note() {
        let all = judge_confinement("capability,landlock,apparmor\n", "Seccomp:\t0\n", "");
        assert_eq!(all.len(), 1);
        assert_eq!(
            all[0].text,
            "the server is confined by seccomp and Landlock"
        );
        let none = judge_confinement("capability,selinux", "", "1");
        assert!(none.iter().all(|one| one.level == Level::Note));
        assert_eq!(none.len(), 3);
        // Unknown is not missing.
        assert_eq!(judge_confinement("", "Seccomp:\t0\n", "").len(), 1);
    }

    #[test]
    fn a_folder_that_does_not_exist_yet_is_as_good_as_the_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        assert_ne!(folder_finding("state", &below).level, Level::Problem);
        std::fs::write(folder.path().join("a"), "").unwrap();
        let finding = folder_finding("state", &below);
        assert_eq!(finding.level, Level::Problem);
        assert!(finding.text.ends_with("a is a file"), "{}", finding.text);
    }
}
