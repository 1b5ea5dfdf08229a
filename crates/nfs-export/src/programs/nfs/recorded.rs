//! Calls as lines of text ([`Server::record_calls`](crate::Server::record_calls)).

use std::fmt::Write as _;
use std::io::Write as _;

use netroot_printable::Octal;

use crate::programs::nfs::answered::Answered;
use crate::programs::nfs::procedures::{self, ACCESS, LOOKUP, NULL, READ, READDIR, READDIRPLUS};
use crate::rpc::decode::Malformed;

/// Appends a line for a call, if calls are recorded. A file that cannot be written ends nothing but the record.
pub(super) fn record(call: &Answered<'_>) {
    if let Some(calls) = call.request.state.recorded_calls()
        && let Ok(line) = line(call)
    {
        let (mut file, began) = (calls.file(), calls.began());
        let seconds = began.elapsed().as_secs_f64();
        let (client, user) = (call.client, call.request.credentials.uid());
        // One write for each line, so that a server that is killed leaves whole ones.
        let _ = file.write_all(format!("{seconds:.3} {client} {user} {line}\n").as_bytes());
    }
}

fn line(call: &Answered<'_>) -> Result<String, Malformed> {
    let (procedure, mut arguments) = (call.procedure, call.arguments);
    let mut line = procedures::name(procedure);
    if procedure == NULL {
        return Ok(line);
    }
    match &call.file {
        Some(file) => _ = write!(line, " /{}", Octal(&file.path)),
        None => line.push_str(" -"),
    }
    match procedure {
        LOOKUP => _ = write!(line, " {}", Octal(arguments.name()?)),
        ACCESS => _ = write!(line, " {}", arguments.u32()?),
        READ => _ = write!(line, " {} {}", arguments.u64()?, arguments.u32()?),
        READDIR | READDIRPLUS => {
            let (cookie, _) = (arguments.u64()?, arguments.verifier()?);
            _ = write!(line, " {cookie} {}", arguments.u32()?);
            if procedure == READDIRPLUS {
                _ = write!(line, " {}", arguments.u32()?);
            }
        }
        _ => {}
    }
    Ok(line)
}
