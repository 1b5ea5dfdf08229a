//! `netroot reload`: has the running server look at everything now, and prints what it does.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use netroot_printable::Printable;
use serde::Deserialize;

use crate::client::ask::{ServerArgs, next_line};

/// How long a silent server is waited for: a slow machine builds an initrd in minutes.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// After this long without a line, it is said that the server is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// The arguments of `netroot reload`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReloadArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const EXAMPLES: &str = "\
The server follows its configuration and its roots by itself, within seconds: a drop-in that comes or goes, a new kernel
once it is whole, a directory that was replaced, boot loaders. This looks at once, tries again what failed, and waits until it is done.

Exits with 1 if something could not be taken over; the server goes on with what it had.";

/// A line of the answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Done { changes: u64 },
    Told { text: String, warning: bool },
}

/// Asks the server and prints its lines.
///
/// # Errors
/// No server listens there, or it ends.
pub(crate) fn run(args: &ReloadArgs) -> Result<ExitCode> {
    let (changes, is_whole) = reload(&args.server, |text| println!("{}", Printable(text)))?;
    if changes == 0 && is_whole {
        println!("nothing has changed");
    }
    Ok(match is_whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Has the server look at everything, and waits until it is done; each line that it tells is `told`. Returns how many
/// changes there were, and whether everything could be taken over.
///
/// # Errors
/// No server listens there, or it ends, or it takes too long.
pub(super) fn reload(server: &ServerArgs, mut told: impl FnMut(&str)) -> Result<(u64, bool)> {
    let mut answer = server.ask("POST", "/reload", None, SILENCE)?;
    let lines = answer.lines();
    let at_work = |waited: Duration| {
        eprintln!("netroot: the server is at work for {} s", waited.as_secs());
    };
    let mut is_whole = true;
    loop {
        let line = next_line(lines, PATIENCE, at_work)?;
        if line.is_empty() {
            bail!("the server has ended");
        }
        match serde_json::from_str(&line).context("the server answers what is no JSON")? {
            Line::Told { text, warning } => {
                told(&text);
                is_whole &= !warning;
            }
            Line::Done { changes } => return Ok((changes, is_whole)),
        }
    }
}
