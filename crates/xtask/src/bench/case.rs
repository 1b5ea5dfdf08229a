//! The two cases in which boots are timed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{TinyRoot, paths};

/// The root's init of the ordinary case. Its first line is what is waited for.
const SCRIPT: &str = "#!/bin/sh\necho '<7>facts: begun' >/dev/kmsg\nexec /sbin/facts\n";
/// Debian's shell, its library and its loader: where they are in its root, and where programs look for them.
const SHELL: [(&str, &str); 3] = [
    ("usr/bin/dash", "usr/bin/sh"),
    (
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
    ),
    (
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib64/ld-linux-x86-64.so.2",
    ),
];

/// Under which conditions a machine boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// As fast as this machine can: an emulated processor without mitigations, nothing printed, and a root's init that
    /// is one static program.
    Best,
    /// As people have it: the kernel's default parameters, its messages on a serial console, and a script of Debian's own
    /// shell as the root's init.
    Ordinary,
}

impl Case {
    pub(super) const ALL: [Self; 2] = [Self::Best, Self::Ordinary];

    /// What it adds to the kernel's command line. The last `mitigations=` applies.
    pub(super) fn parameters(self) -> &'static str {
        match self {
            Self::Best => "quiet",
            Self::Ordinary => "mitigations=auto",
        }
    }

    /// What to print of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Best => {
                "the best case: mitigations=off quiet, a static program as the root's init"
            }
            Self::Ordinary => {
                "the ordinary case: default parameters, messages on a serial console, a script of Debian's shell as the root's init"
            }
        }
    }

    /// Its root.
    ///
    /// # Errors
    /// When it cannot be made: the Debian root is missing, or the disk is full.
    pub(super) fn root(self) -> Result<TinyRoot> {
        let root = TinyRoot::make()?;
        if self == Self::Ordinary {
            make_ordinary(root.path()).context("make a root with Debian's shell")?;
        }
        Ok(root)
    }
}

fn make_ordinary(root: &Path) -> Result<()> {
    fs::rename(root.join("sbin/init"), root.join("sbin/facts"))?;
    let init = root.join("sbin/init");
    fs::write(&init, SCRIPT)?;
    fs::set_permissions(&init, PermissionsExt::from_mode(0o755))?;
    for (link, target) in [("bin", "usr/bin"), ("lib64", "usr/lib64")] {
        std::os::unix::fs::symlink(target, root.join(link))?;
    }
    for (from, to) in SHELL {
        let (from, to) = (paths::debian_root().join(from), root.join(to));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(())
}
