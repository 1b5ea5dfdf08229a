//! Calls as lines of text ([`Server::record_calls`](crate::Server::record_calls)).

use std::fmt::Write as _;
use std::io::Write as _;

use crate::programs::nfs::request::Request;
use crate::rpc::decode::{Decoder, Malformed};

/// Appends a line for an answered call, if calls are recorded. A file that cannot be written ends nothing but the record.
pub(super) fn record(request: &Request<'_>, procedure: u32, arguments: Decoder<'_>) {
    if let Some(calls) = request.state.recorded_calls()
        && let Ok(line) = line(request, procedure, arguments)
    {
        let (mut file, began) = (calls.file(), calls.began());
        let seconds = began.elapsed().as_secs_f64();
        let client = request.client.to_canonical();
        let user = request.credentials.uid();
        // One write for each line, so that a server that is killed leaves whole ones.
        let _ = file.write_all(format!("{seconds:.3} {client} {user} {line}\n").as_bytes());
    }
}

fn line(
    request: &Request<'_>,
    procedure: u32,
    mut arguments: Decoder<'_>,
) -> Result<String, Malformed> {
    let names = [
        "NULL",
        "GETATTR",
        "SETATTR",
        "LOOKUP",
        "ACCESS",
        "READLINK",
        "READ",
        "WRITE",
        "CREATE",
        "MKDIR",
        "SYMLINK",
        "MKNOD",
        "REMOVE",
        "RMDIR",
        "RENAME",
        "LINK",
        "READDIR",
        "READDIRPLUS",
        "FSSTAT",
        "FSINFO",
        "PATHCONF",
        "COMMIT",
    ];
    let at = usize::try_from(procedure).unwrap_or(usize::MAX);
    let mut line = names.get(at).copied().unwrap_or("-").to_owned();
    if procedure == 0 {
        return Ok(line);
    }
    let handle = arguments.handle()?;
    let path = request
        .resolve(handle)
        .ok()
        .and_then(|file| file.tree.path_of(&file.node));
    line.push(' ');
    match path {
        Some(path) => {
            line.push('/');
            escape(&mut line, path.as_bytes());
        }
        None => line.push('-'),
    }
    match procedure {
        3 => {
            line.push(' ');
            escape(&mut line, arguments.name()?);
        }
        4 => _ = write!(line, " {}", arguments.u32()?),
        6 => _ = write!(line, " {} {}", arguments.u64()?, arguments.u32()?),
        16 | 17 => {
            let (cookie, _) = (arguments.u64()?, arguments.verifier()?);
            _ = write!(line, " {cookie} {}", arguments.u32()?);
            if procedure == 17 {
                _ = write!(line, " {}", arguments.u32()?);
            }
        }
        _ => {}
    }
    Ok(line)
}

/// As `/proc/mounts` has paths: three octal digits for what would end a word or a line (`seq_path`).
fn escape(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'!'..=b'[' | b']'..=b'~' => line.push(char::from(*byte)),
            other => _ = write!(line, "\\{other:03o}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_one_line() {
        let mut line = String::new();
        escape(&mut line, b"a b\n\\\xff");
        assert_eq!(line, r"a\040b\012\134\377");
    }
}
