//! One exchange by HTTP, with a deadline for all of it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::clock::Moment;

/// How much is read at a time, in bytes.
const PIECE: usize = 4096;

/// Sends `request` to `server`. Returns the first `most` bytes of what it answers, or fewer if it ends before.
///
/// # Errors
/// Those of the sockets, and `TimedOut` at the deadline.
pub(crate) fn exchange(
    server: SocketAddr,
    request: &str,
    most: usize,
    deadline: Moment,
) -> io::Result<Vec<u8>> {
    // A timeout of zero is an error.
    let left = || deadline.remaining().max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&server, left())?;
    let in_time = || match deadline.remaining() {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        _ => Ok(()),
    };
    // A server may take or send a byte at a time: the deadline is checked for each.
    let mut unsent = request.as_bytes();
    while !unsent.is_empty() {
        in_time()?;
        stream.set_write_timeout(Some(left()))?;
        match stream.write(unsent) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(count) => unsent = unsent.get(count..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let mut answer = Vec::new();
    let mut piece = [0; PIECE];
    while answer.len() < most {
        in_time()?;
        stream.set_read_timeout(Some(left()))?;
        let room = PIECE.min(most - answer.len());
        let count = match stream.read(piece.get_mut(..room).unwrap_or_default()) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if count == 0 {
            break;
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    Ok(answer)
}

/// Whether an answer's status is one of success.
pub(crate) fn is_success(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.") && answer.get(8..10) == Some(b" 2")
}
