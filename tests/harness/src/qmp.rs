//! QEMU's control socket (QMP, `docs/interop/qmp-spec.rst` of QEMU).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to create its socket, and to answer. On an idle machine it does both at once.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Runs one QMP command.
///
/// # Errors
/// When QEMU has ended, does not answer, or refuses: with its message.
pub(crate) fn command(socket: &Path, name: &str, arguments: &Value) -> Result<()> {
    ask(socket, name, arguments).map(drop)
}

/// The same, with what it returns.
///
/// # Errors
/// As [`command`].
pub(crate) fn ask(socket: &Path, name: &str, arguments: &Value) -> Result<Value> {
    let what = || format!("have QEMU do {name} {arguments}");
    let stream = connect(socket).with_context(what)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut talk = Talk {
        lines: BufReader::new(stream.try_clone()?),
        stream,
    };
    let greeting = talk.line().with_context(what)?;
    if greeting.get("QMP").is_none() {
        bail!("no greeting of QEMU at {}: {greeting}", socket.display());
    }
    talk.ask("qmp_capabilities", &json!({}))
        .with_context(what)?;
    talk.ask(name, arguments).with_context(what)
}

fn connect(socket: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("connect to {}", socket.display()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

struct Talk {
    lines: BufReader<UnixStream>,
    stream: UnixStream,
}

impl Talk {
    fn ask(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        let question = json!({ "execute": name, "arguments": arguments });
        writeln!(self.stream, "{question}")?;
        loop {
            // Events come in between.
            let answer = self.line()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses: {error}");
            }
            if let Some(returned) = answer.get("return") {
                return Ok(returned.clone());
            }
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            bail!("QEMU closed the connection");
        }
        serde_json::from_str(&line).with_context(|| format!("read QEMU's line {line:?}"))
    }
}
