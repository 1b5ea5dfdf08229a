//! Runs other programs. Errors contain the command line.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs a command. Its output goes to our terminal.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command
        .stdin(std::process::Stdio::null())
        .status()
        .with_context(|| format!("start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    Ok(())
}

/// Runs a command and returns its output.
///
/// # Errors
/// When it cannot be started or fails: with its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let done = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("start `{line}`"))?;
    ensure!(
        done.status.success(),
        "`{line}` failed ({}): {}",
        done.status,
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
