//! What names the package, and its date.

use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

use crate::architecture::Architecture;
use crate::run::output;

/// Debian's revision of this version: the packaging's own number.
const REVISION: u32 = 1;

/// Whom Debian's tools name as the package's maintainer.
pub(super) const MAINTAINER: &str = "The netroot authors <maintainers@netroot.invalid>";

/// The administrator's file, which an upgrade does not overwrite.
pub(super) const CONFIGURATION_FILE: &str = "etc/netroot/netroot.conf";

/// The package's version and date.
pub(super) struct Release {
    /// What it is for.
    pub(super) architecture: Architecture,
    /// With Debian's revision.
    pub(super) version: String,
    /// Seconds since 1970.
    pub(super) epoch: u64,
}

impl Release {
    /// Of this work tree.
    pub(super) fn current(architecture: Architecture) -> Result<Self> {
        Ok(Self {
            architecture,
            version: format!("{}-{REVISION}", env!("CARGO_PKG_VERSION")),
            epoch: epoch()?,
        })
    }

    pub(super) fn file_name(&self) -> String {
        format!("netroot_{}_{}.deb", self.version, self.architecture.name())
    }

    /// The entry of this version in Debian's changelog.
    pub(super) fn changelog(&self) -> Result<String> {
        let date = output(
            Command::new("date")
                .args(["--utc", "--rfc-email"])
                .arg(format!("--date=@{}", self.epoch))
                .env("LC_ALL", "C"),
        )?;
        let (version, date) = (&self.version, date.trim());
        Ok(format!(
            "netroot ({version}) unstable; urgency=medium\n\n  \
         * Built by `cargo xtask package`; changelog.gz has the changes.\n\n \
         -- {MAINTAINER}  {date}\n"
        ))
    }
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>, or else the time of the last commit.
fn epoch() -> Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH={text:?} is not a number of seconds"));
    }
    let time = output(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(paths::workspace()),
    )
    .context(
        "not a git repository: set SOURCE_DATE_EPOCH to the package's date in seconds since 1970",
    )?;
    time.trim().parse().context("read the last commit's time")
}
