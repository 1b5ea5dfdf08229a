//! `netroot reload`: has the running server look at everything now, and prints what it does.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use netroot_printable::Printable;
use serde::Deserialize;

use crate::control_socket;

/// How long a silent server is waited for: a slow machine builds an initrd in minutes.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// After this long without a line, it is said that the server is waited for.
const SILENCE: Duration = Duration::from_secs(10);
/// The request. As in HTTP/1.0 the answer ends with the connection, and has no chunks.
const REQUEST: &[u8] = b"POST /reload HTTP/1.0\r\nHost: netroot\r\nContent-Length: 0\r\n\r\n";

/// The arguments of `netroot reload`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReloadArgs {
    /// The server's socket [default: /run/netroot-server/control, or control in the directory of --state].
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,

    /// The directory that the server was given with --state; the server of this one is asked first [default:
    /// /var/lib/netroot].
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// The server's default.
const STATE: &str = "/var/lib/netroot";

const EXAMPLES: &str = "\
The server follows its roots by itself, within seconds: a new kernel once it is whole, a directory that was
replaced, boot loaders. This looks at once, tries again what failed, and waits until it is done.

Exits with 1 if something could not be taken over; the server goes on with what it had.";

/// A line of the answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Done { changes: u64 },
    Told { text: String, warning: bool },
    Error { error: String },
}

/// Asks the server and prints its lines.
///
/// # Errors
/// No server listens there, or it ends.
pub(crate) fn run(args: &ReloadArgs) -> Result<ExitCode> {
    let mut stream = connect(&places(args))?;
    stream.write_all(REQUEST).context("cannot ask the server")?;
    stream.set_read_timeout(Some(SILENCE))?;
    let mut lines = BufReader::new(stream);
    while !next_line(&mut lines)?.trim_end().is_empty() {}
    let mut code = ExitCode::SUCCESS;
    loop {
        let line = next_line(&mut lines)?;
        if line.is_empty() {
            bail!("the server has ended");
        }
        match serde_json::from_str(&line).context("the server answers what is no JSON")? {
            Line::Told { text, warning } => {
                println!("{}", Printable(&text));
                if warning {
                    code = ExitCode::FAILURE;
                }
            }
            Line::Done { changes } => {
                if changes == 0 && code == ExitCode::SUCCESS {
                    println!("nothing has changed");
                }
                return Ok(code);
            }
            Line::Error { error } => bail!("the server refuses: {}", Printable(&error)),
        }
    }
}

/// Where to look for the server's socket, one after the other.
fn places(args: &ReloadArgs) -> Vec<PathBuf> {
    let state = args.state.as_deref();
    let mut places =
        control_socket::places(args.control.as_deref(), state.unwrap_or(Path::new(STATE)));
    // Another server may have the usual place, and its state elsewhere.
    if state.is_some() {
        places.reverse();
    }
    places
}

fn connect(places: &[PathBuf]) -> Result<UnixStream> {
    let mut refused = Vec::new();
    for place in places {
        match UnixStream::connect(place) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused.push(why_not(place, &error)),
        }
    }
    bail!(
        "cannot reach a running server: {}; is netroot serve running, and this command started by root or by the \
         user who started it? (its --control and --state must be named here, too)",
        refused.join(", ")
    )
}

fn why_not(place: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("there is no {}", place.display()),
        ErrorKind::ConnectionRefused => format!("nobody listens at {}", place.display()),
        _ => format!("{}: {error}", place.display()),
    }
}

/// The next line; empty at the end. Says so while it is waited for.
fn next_line(lines: &mut impl BufRead) -> Result<String> {
    let began = Instant::now();
    let mut line = Vec::new();
    loop {
        match lines.read_until(b'\n', &mut line) {
            Ok(_) => return Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let waited = began.elapsed();
                if waited > PATIENCE {
                    bail!("the server has said nothing for {} s", waited.as_secs());
                }
                eprintln!("netroot: the server is at work for {} s", waited.as_secs());
            }
            Err(error) => return Err(error).context("cannot read the server's answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_whose_state_is_named_is_asked_before_the_one_at_the_usual_place() {
        let of = |control: Option<&str>, state: Option<&str>| {
            places(&ReloadArgs {
                control: control.map(PathBuf::from),
                state: state.map(PathBuf::from),
            })
        };
        let usual = Path::new("/run/netroot-server/control");
        assert_eq!(
            of(None, None),
            [usual, Path::new("/var/lib/netroot/control")]
        );
        assert_eq!(of(None, Some("/b")), [Path::new("/b/control"), usual]);
        assert_eq!(of(Some("/c"), Some("/b")), [Path::new("/c")]);
    }
}
