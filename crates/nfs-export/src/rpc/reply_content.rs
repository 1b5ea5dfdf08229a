//! The content of a file on its way from the page cache to a socket, without a copy: through a pipe (`splice(2)`), as
//! Linux's nfsd does it (`svcxdr_encode_read` with `RQ_SPLICE_OK`).
//!
//! What is in the pipe is known before the reply's header is written, so an error or the end of the file is an ordinary reply.
//! The pages stay in memory until the client has them, so pipes are charged to clients.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use netroot_limits::{ByteBudget, Charge};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What a pipe holds, in bytes: the longest READ. It is the most that a user without rights may ask for
/// (`/proc/sys/fs/pipe-max-size`).
const CAPACITY: usize = 1024 * 1024;

/// The most bytes of pipes for one address, and for all clients together: below `/proc/sys/fs/pipe-user-pages-soft`, beyond
/// which a user without rights gets none. Who gets none has the content copied, within the limits of `reply_memory`.
const PER_CLIENT: usize = 12 * CAPACITY;
const TOTAL: usize = 48 * CAPACITY;

/// The most unused pipes that are kept.
const MAX_SPARE: usize = 16;

#[derive(Debug)]
struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
}

/// The pipes of all connections.
#[derive(Debug)]
pub(crate) struct Pipes {
    budget: Arc<ByteBudget>,
    spare: Mutex<Vec<Pipe>>,
}

impl Default for Pipes {
    fn default() -> Self {
        Self {
            budget: ByteBudget::new(PER_CLIENT, TOTAL),
            spare: Mutex::default(),
        }
    }
}

impl Pipes {
    /// Content of `file` for a client: at most `length` bytes from `offset`. `None` if there is no pipe for it, or the file
    /// system has nothing to splice.
    pub(super) fn fill(
        self: &Arc<Self>,
        client: IpAddr,
        (file, offset, length): (BorrowedFd<'_>, u64, usize),
    ) -> Option<Content> {
        if length > CAPACITY {
            return None;
        }
        let charge = self.budget.charge(client, CAPACITY)?;
        let pipe = self.pipe()?;
        let filled = fill(&pipe, file, offset, length).ok()?;
        Some(Content {
            pipe: Some(pipe),
            left: filled,
            pipes: Arc::clone(self),
            charge,
        })
    }

    fn pipe(&self) -> Option<Pipe> {
        let spare = self.lock().pop();
        spare.or_else(|| {
            let (output, input) = pipe_with(PipeFlags::CLOEXEC).ok()?;
            let capacity = fcntl_setpipe_size(&input, CAPACITY).ok()?;
            (capacity >= CAPACITY).then_some(Pipe { output, input })
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Pipe>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many bytes there were. After an error the pipe is empty.
fn fill(pipe: &Pipe, file: BorrowedFd<'_>, offset: u64, length: usize) -> Result<usize, Errno> {
    let (mut filled, mut position) = (0, offset);
    while filled < length {
        let (left, to) = (length - filled, &pipe.input);
        match splice(
            file,
            Some(&mut position),
            to,
            None,
            left,
            SpliceFlags::NONBLOCK,
        ) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            // Full before it has as many bytes, since it counts pages, or an error further on: a short READ is allowed.
            Err(_) if filled > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}

/// Content that is in a pipe.
#[derive(Debug)]
pub(crate) struct Content {
    /// `None` only while it is dropped.
    pipe: Option<Pipe>,
    /// How many bytes have not been sent.
    left: usize,
    pipes: Arc<Pipes>,
    #[expect(dead_code, reason = "held, not read")]
    charge: Charge,
}

impl Content {
    /// How many bytes have not been sent.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Sends some; `more` follows.
    pub(crate) fn send(&mut self, socket: impl AsFd, more: bool) -> Result<(), Errno> {
        let flags = match more {
            true => SpliceFlags::MORE,
            false => SpliceFlags::empty(),
        };
        let pipe = self.pipe.as_ref().ok_or(Errno::PIPE)?;
        match splice(&pipe.output, None, socket, None, self.left, flags) {
            Ok(0) => Err(Errno::PIPE),
            Ok(sent) => {
                self.left = self.left.saturating_sub(sent);
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // One with content in it is closed.
        if let Some(pipe) = self.pipe.take().filter(|_| self.left == 0) {
            let mut spare = self.pipes.lock();
            if spare.len() < MAX_SPARE {
                spare.push(pipe);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn content_is_what_the_file_has_and_its_pipe_is_used_again() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let pipes = Arc::new(Pipes::default());
        let (here, mut there) = UnixStream::pair().unwrap();
        for (offset, wanted, expected) in [(1, 70_000, 70_000), (190_000, 70_000, 10_000)] {
            let mut content = pipes.fill(ONE, (file.as_fd(), offset, wanted)).unwrap();
            assert_eq!(content.left(), expected);
            let mut read = vec![0; expected];
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while content.left() > 0 {
                        content.send(&here, false).unwrap();
                    }
                });
                there.read_exact(&mut read).unwrap();
            });
            let offset = usize::try_from(offset).unwrap();
            assert!(read == bytes[offset..offset + expected]);
            drop(content);
            assert_eq!(pipes.lock().len(), 1);
        }
        assert_eq!(pipes.budget.charged(), 0);
    }

    #[test]
    fn unsent_content_is_gone_with_its_pipe_and_one_client_does_not_get_all_pipes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 5000]).unwrap();
        let pipes = Arc::new(Pipes::default());
        let fill = |client| pipes.fill(client, (file.as_fd(), 0, 4096));
        let held: Vec<Content> = std::iter::from_fn(|| fill(ONE)).collect();
        assert_eq!(held.len(), PER_CLIENT / CAPACITY);
        assert!(fill("10.0.0.2".parse().unwrap()).is_some());
        drop(held);
        assert!(pipes.lock().is_empty());
        assert_eq!(pipes.budget.charged(), 0);
    }
}
