//! The architectures of the boot server and its package, in Debian's words and in Rust's.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::run::output;

/// A processor that the server is built and packaged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

impl Architecture {
    /// That of this machine.
    ///
    /// # Errors
    /// When this is no Debian, or there is no package for it.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let name = output(Command::new("dpkg").arg("--print-architecture"))
            .context("the package is made on Debian or Ubuntu")?;
        match name.trim() {
            "amd64" => Ok(Self::Amd64),
            "arm64" => Ok(Self::Arm64),
            other => bail!("this machine is {other}: netroot is packaged for amd64 and arm64 only"),
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Rust's target.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// What the names of GNU's cross tools begin with.
    pub(crate) fn gnu(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }
}
