//! `netroot check-kernel FILE`: can this kernel boot from NFS?
//!
//! [`run`] is what the command line calls. It reads a `config-*` file or `/proc/config.gz`
//! ([`config`]), holds it against the fragments of `kernel-config/`, which are compiled in
//! ([`fragment`]), and prints what is built in, what is a module and so has to be in the
//! initrd, and what is missing with its consequences ([`kernel_check`]).
//!
//! It ends with success if the kernel can boot from NFS, and with 1 if something essential
//! is missing. A file that is not a kernel configuration is an error.

mod config;
mod fragment;
mod kernel_check;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use config::KernelConfig;
use kernel_check::KernelCheck;

/// The fragments that every kernel is held against, as file name and text.
const FRAGMENTS: [(&str, &str); 7] = [
    (
        "kernel-config/netroot.config",
        include_str!("../../../kernel-config/netroot.config"),
    ),
    (
        "kernel-config/x86_64.config",
        include_str!("../../../kernel-config/x86_64.config"),
    ),
    (
        "kernel-config/arm64.config",
        include_str!("../../../kernel-config/arm64.config"),
    ),
    (
        "kernel-config/nics.config",
        include_str!("../../../kernel-config/nics.config"),
    ),
    (
        "kernel-config/virtual-machine.config",
        include_str!("../../../kernel-config/virtual-machine.config"),
    ),
    (
        "kernel-config/modules.config",
        include_str!("../../../kernel-config/modules.config"),
    ),
    (
        "kernel-config/secure.config",
        include_str!("../../../kernel-config/secure.config"),
    ),
];

/// Why the kernel whose configuration is at `path` cannot boot from NFS; none if it can.
///
/// # Errors
/// The file cannot be read, or is not a kernel configuration.
pub(crate) fn reasons(path: &Path) -> anyhow::Result<Vec<String>> {
    let config = KernelConfig::read(path)
        .with_context(|| format!("checking the kernel configuration {}", path.display()))?;
    Ok(KernelCheck::new(&config, &fragment::parse_all(&FRAGMENTS)?).reasons)
}

/// Checks the kernel configuration at `path` and prints the report on standard output, as
/// one JSON object with `json`.
///
/// # Errors
/// The file cannot be read, or is not a kernel configuration.
pub(crate) fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let config = KernelConfig::read(path)
        .with_context(|| format!("checking the kernel configuration {}", path.display()))?;
    let check = KernelCheck::new(&config, &fragment::parse_all(&FRAGMENTS)?);
    let text = if json {
        let mut text = crate::json::to_string(&check)?;
        text.push('\n');
        text
    } else {
        check.to_string()
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")?;
    Ok(if check.boots {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
