//! The content of a file on its way from the page cache to a socket, without a copy: through a pipe (`splice(2)`), as
//! Linux's nfsd does it (`svcxdr_encode_read` with `RQ_SPLICE_OK`).
//!
//! What is in the pipe is known before the reply's header is written, so an error or the end of the file is an ordinary reply.
//! The pages stay in memory until the client has them, so pipes are charged to clients.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use netroot_limits::{ByteBudget, Charge};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What pipes hold, in bytes: a READ of the preferred size, and the longest READ, which is the most that a user without rights
/// may ask for (`/proc/sys/fs/pipe-max-size`).
const SIZES: [usize; 2] = [256 * 1024, 1024 * 1024];

/// A pipe counts pages: of content that begins within one it holds so many bytes less. Larger pages than these only make a
/// READ shorter.
const PAGE: u64 = 4096;

/// The most bytes of pipes for one address, and for all clients together: below `/proc/sys/fs/pipe-user-pages-soft`, beyond
/// which a user without rights gets none. Who gets none has the content copied, within the limits of `reply_memory`.
const PER_CLIENT: usize = 12 * 1024 * 1024;
const TOTAL: usize = 48 * 1024 * 1024;

/// The most bytes of unused pipes that are kept. Together with those in use they are never more than [`TOTAL`].
const MAX_SPARE: usize = 16 * 1024 * 1024;

/// The most bytes that are sent by one system call: a READ of the preferred size. In several, TCP's BBR takes the time between
/// them for the network's, and then paces: READs of 128 KiB in two halves waited 1.2 ms now and then. On Linux 6.5 and 6.6 it may
/// take the socket's timeout for each 16 pages, and what the client is allowed is looked at only after it.
pub(crate) const MOST_SENT: usize = 256 * 1024;

/// The same to a client that is slow: 16 pages.
pub(crate) const MOST_SENT_SLOWLY: usize = 64 * 1024;

#[derive(Debug)]
struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
    size: usize,
}

impl Pipe {
    fn new(size: usize) -> Option<Self> {
        let (output, input) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        let capacity = fcntl_setpipe_size(&input, size).ok()?;
        (capacity >= size).then_some(Self {
            output,
            input,
            size,
        })
    }
}

/// Why content has to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSpliced {
    /// There is no pipe for it: this client, or all together, have too many, or the kernel gives none.
    NoPipe,
    /// The reply cannot take it, or the file system has nothing to splice.
    Unsupported,
}

/// The pipes of all connections.
#[derive(Debug)]
pub(crate) struct Pipes {
    budget: Arc<ByteBudget>,
    spare: Mutex<Vec<Pipe>>,
    /// How often a pipe was refused because of the total.
    refused: AtomicU64,
}

impl Default for Pipes {
    fn default() -> Self {
        Self {
            budget: ByteBudget::new(PER_CLIENT, TOTAL),
            spare: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }
}

impl Pipes {
    /// Content of `file` for a client: at most `length` bytes from `offset`.
    pub(super) fn fill(
        self: &Arc<Self>,
        client: IpAddr,
        (file, offset, length): (BorrowedFd<'_>, u64, usize),
    ) -> Result<Content, NotSpliced> {
        let within = usize::try_from(offset % PAGE).unwrap_or(0);
        let [.., longest] = SIZES;
        let fits = |size: &usize| *size >= length + within || *size == longest;
        let size = SIZES.into_iter().find(fits);
        let size = size
            .filter(|size| *size >= length)
            .ok_or(NotSpliced::Unsupported)?;
        let charge = self.budget.charge(client, size).ok_or_else(|| {
            if self.budget.charged() + size > TOTAL {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            NotSpliced::NoPipe
        })?;
        let pipe = self.pipe(size).ok_or(NotSpliced::NoPipe)?;
        let filled = fill(&pipe, file, offset, length).map_err(|_errno| NotSpliced::Unsupported)?;
        Ok(Content {
            pipe: Some(pipe),
            left: filled.length,
            filled,
            pipes: Arc::clone(self),
            charge,
        })
    }

    /// How often a pipe was refused because all clients together had too many.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many bytes of pipes are charged to clients.
    #[cfg(test)]
    pub(crate) fn charged(&self) -> usize {
        self.budget.charged()
    }

    fn pipe(&self, size: usize) -> Option<Pipe> {
        let mut spare = self.lock();
        let found = spare.iter().rposition(|pipe| pipe.size == size);
        if let Some(found) = found {
            return Some(spare.remove(found));
        }
        while !spare.is_empty() && self.budget.charged() + bytes_of(&spare) > TOTAL {
            spare.pop();
        }
        drop(spare);
        Pipe::new(size)
    }

    fn give_back(&self, pipe: Pipe) {
        let mut spare = self.lock();
        let kept = bytes_of(&spare);
        // This one is still charged.
        if kept + pipe.size <= MAX_SPARE && kept + self.budget.charged() <= TOTAL {
            spare.push(pipe);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Pipe>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_of(spare: &[Pipe]) -> usize {
    spare.iter().map(|pipe| pipe.size).sum()
}

/// What there was of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filled {
    /// In bytes.
    pub(crate) length: usize,
    /// Whether the file ended before there was as much as was wanted.
    pub(crate) at_end: bool,
}

/// After an error the pipe is empty.
fn fill(pipe: &Pipe, file: BorrowedFd<'_>, offset: u64, length: usize) -> Result<Filled, Errno> {
    let (mut filled, mut at_end, mut position) = (0, false, offset);
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
            Ok(0) => {
                at_end = true;
                break;
            }
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            // Full before it has as many bytes, since it counts pages, or an error further on: a short READ is allowed.
            Err(_) if filled > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(Filled {
        length: filled,
        at_end,
    })
}

/// Content that is in a pipe.
#[derive(Debug)]
pub(crate) struct Content {
    /// `None` only while it is dropped.
    pipe: Option<Pipe>,
    /// How many bytes have not been sent.
    left: usize,
    filled: Filled,
    pipes: Arc<Pipes>,
    #[expect(dead_code, reason = "held, not read")]
    charge: Charge,
}

impl Content {
    /// How many bytes have not been sent.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// What there was of the file.
    pub(super) fn filled(&self) -> Filled {
        self.filled
    }

    /// Sends `most` bytes or fewer, and returns how many; `more` follows after the content.
    pub(crate) fn send(
        &mut self,
        socket: impl AsFd,
        most: usize,
        more: bool,
    ) -> Result<usize, Errno> {
        let length = self.left.min(most);
        let flags = match more || length < self.left {
            true => SpliceFlags::MORE,
            false => SpliceFlags::empty(),
        };
        let pipe = self.pipe.as_ref().ok_or(Errno::PIPE)?;
        match splice(&pipe.output, None, socket, None, length, flags)? {
            0 => Err(Errno::PIPE),
            sent => {
                self.left = self.left.saturating_sub(sent);
                Ok(sent)
            }
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // One with content in it is closed.
        if let Some(pipe) = self.pipe.take().filter(|_| self.left == 0) {
            self.pipes.give_back(pipe);
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
            assert_eq!(content.filled().at_end, expected < wanted);
            let mut read = vec![0; expected];
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while content.left() > 0 {
                        content.send(&here, MOST_SENT, false).unwrap();
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
        let fill = |client, length| pipes.fill(client, (file.as_fd(), 0, length)).ok();
        for (length, size) in SIZES.into_iter().zip(SIZES) {
            let held: Vec<Content> = std::iter::from_fn(|| fill(ONE, length)).collect();
            assert_eq!(held.len(), PER_CLIENT / size);
            assert_eq!(pipes.refused(), 0, "others may still have some");
            assert!(fill("10.0.0.2".parse().unwrap(), 4096).is_some());
            drop(held);
            assert!(pipes.lock().is_empty());
            assert_eq!(pipes.budget.charged(), 0);
        }
        let clients = (1..=255).map(|host| IpAddr::from([10, 0, 1, host]));
        let held: Vec<Content> = clients.filter_map(|one| fill(one, SIZES[1])).collect();
        // Fewer where the kernel gives this user no more.
        assert!(held.len() <= TOTAL / SIZES[1]);
        assert!(pipes.refused() > 0);
    }

    #[test]
    fn a_pipe_has_room_for_content_that_begins_within_a_page() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 300 * 1024]).unwrap();
        let pipes = Arc::new(Pipes::default());
        for (offset, size) in [(0, SIZES[0]), (4096, SIZES[0]), (1, SIZES[1])] {
            let content = pipes.fill(ONE, (file.as_fd(), offset, SIZES[0])).unwrap();
            assert_eq!(content.left(), SIZES[0]);
            assert_eq!(pipes.budget.charged(), size);
        }
        let too_long = pipes.fill(ONE, (file.as_fd(), 0, SIZES[1] + 1));
        assert_eq!(too_long.err(), Some(NotSpliced::Unsupported));
    }
}
