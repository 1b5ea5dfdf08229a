//! `netroot bundle`: everything about one machine's last boot in one file, for a bug report.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::client::ask::{ServerArgs, path_of};

/// The longest bundle, in bytes.
const MOST: u64 = 16 << 20;
/// How long the server may take: it reads what the machine loaded.
const PATIENCE: Duration = Duration::from_secs(120);

/// The arguments of `netroot bundle`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BundleArgs {
    /// The machine: its hardware address, its address, or its name in the configuration.
    #[arg(value_name = "MACHINE")]
    pub(crate) machine: String,

    /// The file; `-` for standard output [default: netroot-MAC.bundle in this directory].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write over the file if there is one.
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const EXAMPLES: &str = "\
The file is text, a JSON object a line: version and host, images, other DHCP servers, warnings, the machine's boots with their
steps, its DHCP messages, its script, and the names and SHA-256 of what it loaded. Tokens, passwords and other secrets are
left out; hardware addresses, IP addresses, UUIDs and host names are in it. Read it before you publish it.

Examples:
  netroot bundle 52:54:00:12:34:56
  netroot bundle lab-1 -o - | grep '\"part\":\"boot\"'";

/// Asks the server and writes the file.
///
/// # Errors
/// What the server refuses, and the file's.
pub(crate) fn run(args: &BundleArgs) -> Result<()> {
    let named = args
        .output
        .as_deref()
        .filter(|file| file.as_os_str() != "-");
    if let Some(file) = named.filter(|file| !args.force && file.exists()) {
        bail!("{}", Exists(file));
    }
    let path = format!("{}/bundle", path_of(&args.machine));
    let mut answer = args.server.ask("GET", &path, None, PATIENCE)?;
    let text = answer
        .text(MOST)
        .context("cannot read the server's answer")?;
    let file = match &args.output {
        Some(file) if file.as_os_str() == "-" => {
            return std::io::stdout()
                .write_all(text.as_bytes())
                .context("cannot write to standard output");
        }
        Some(file) => file.clone(),
        None => PathBuf::from(name(&text)),
    };
    let mut options = OpenOptions::new();
    // Not for every user of this host: it tells much of the network.
    let options = options.write(true).mode(0o600);
    let options = match args.force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let written = options.open(&file);
    if let Err(error) = &written
        && error.kind() == ErrorKind::AlreadyExists
    {
        bail!("{}", Exists(&file));
    }
    written
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}: {} lines", file.display(), text.lines().count());
    Ok(())
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: it exists already; name another file with -o, or write over it with --force", .0.display())]
struct Exists<'a>(&'a Path);

/// `netroot-52-54-00-12-34-56.bundle`.
fn name(bundle: &str) -> String {
    let first = bundle.lines().next().unwrap_or_default();
    let first: Value = serde_json::from_str(first).unwrap_or_default();
    let machine = first.get("machine").and_then(Value::as_str);
    let machine = machine.filter(|it| it.chars().all(|c| c.is_ascii_hexdigit() || c == ':'));
    let machine = machine.unwrap_or("machine").replace(':', "-");
    format!("netroot-{machine}.bundle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_called_like_the_machine() {
        let named = |machine: &str| name(&format!("{{\"machine\":\"{machine}\"}}\nmore\n"));
        assert_eq!(
            named("52:54:00:12:34:56"),
            "netroot-52-54-00-12-34-56.bundle"
        );
        assert_eq!(named("../../etc/x"), "netroot-machine.bundle");
        assert_eq!(name(""), "netroot-machine.bundle");
    }
}
