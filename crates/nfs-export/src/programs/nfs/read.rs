//! READ, without a copy from the page cache to the socket, or with one if it is short (`rpc/reply_content.rs`).

use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use nfs3_types::nfs3::{Nfs3Option, READ3resfail, nfsstat3, post_op_attr};
use nfs3_types::xdr_codec::Pack;
use rustix::fs::{Advice, FileType};
use rustix::io::{Errno, ReadWriteFlags};

use crate::counters::count;
use crate::programs::nfs::permissions::Permissions;
use crate::programs::nfs::request::{Request, ResolvedFile};
use crate::programs::procedure::{IoMode, ProcedureError};
use crate::rpc::decode::{Decoder, Malformed};
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::rpc::reply_content::{Filled, NotSpliced};
use crate::tree::handle::Handle;
use crate::tree::node::Node;
use crate::tree::read_order::ReadOrder;
use crate::tree::status;

/// The most data in a READ reply (`rtmax`), in bytes: the maximum of Linux.
pub(super) const READ_SIZE: u32 = 1024 * 1024;

/// The size of the results before the data: status, attributes (1 + 21 words), count, eof, length of the data.
const HEADER: usize = 4 + 4 + 84 + 4 + 4 + 4;

/// A READ of so many bytes or more is spliced: of fewer, copying takes less time than three more system calls.
const SPLICED: usize = 32 * 1024;

/// How far Linux reads ahead by default, in bytes (`/sys/block/*/queue/read_ahead_kb`).
const READ_AHEAD: usize = 128 * 1024;

/// The most bytes after the data.
const PADDING: usize = 3;

pub(super) struct Arguments {
    handle: Handle,
    offset: u64,
    count: u32,
}

impl Arguments {
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            handle: decoder.handle()?,
            offset: decoder.u64()?,
            count: decoder.u32()?,
        })
    }
}

enum Failure {
    Status(nfsstat3, post_op_attr),
    WouldBlock,
}

pub(super) fn read(
    request: &Request<'_>,
    arguments: Arguments,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    let start = out.len();
    match content(request, &arguments, out) {
        Ok(()) => Ok(()),
        Err(Failure::WouldBlock) => Err(ProcedureError::WouldBlock),
        Err(Failure::Status(status, file_attributes)) => {
            out.truncate(start);
            out.pack(&status);
            out.pack(&READ3resfail { file_attributes });
            Ok(())
        }
    }
}

fn content(
    request: &Request<'_>,
    arguments: &Arguments,
    out: &mut ReplyBuffer,
) -> Result<(), Failure> {
    let file = request
        .resolve(arguments.handle)
        .map_err(|status| Failure::Status(status, Nfs3Option::None))?;
    let failed = |status| Failure::Status(status, file.attributes());
    let (descriptor, order) = open(request, &file).map_err(failed)?;
    let wanted = usize::try_from(arguments.count.min(READ_SIZE)).unwrap_or(0);
    // Never beyond the size in the reply's attributes.
    let size = u64::try_from(file.stat.st_size).unwrap_or(0);
    let left = size.saturating_sub(arguments.offset);
    let room = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
    match request.io_mode {
        IoMode::NonBlocking => order.note(arguments.offset, room),
        IoMode::Blocking if order.turns_out_long(arguments.offset) => {
            read_further_ahead(descriptor)
        }
        IoMode::Blocking => {}
    }

    if room >= SPLICED {
        if request.io_mode == IoMode::NonBlocking
            && !is_in_memory(descriptor, arguments.offset, room)
        {
            return Err(Failure::WouldBlock);
        }
        match out.splice(descriptor, arguments.offset, room) {
            Ok(spliced) => {
                count(&request.state.counters.spliced_reads);
                let header = out.extend(HEADER);
                return finish(request, arguments, &file, header, spliced);
            }
            Err(NotSpliced::NoPipe) => count(&request.state.counters.pipes_refused),
            Err(NotSpliced::Unsupported) => {}
        }
    }

    // A short read is allowed (RFC 1813 §3.3.6).
    let around = HEADER + PADDING;
    let room = room.min(out.reserve(around + room).saturating_sub(around));
    let start = out.len();
    let (header, data) = out
        .extend(HEADER + room)
        .split_at_mut_checked(HEADER)
        .ok_or_else(|| failed(nfsstat3::NFS3ERR_SERVERFAULT))?;
    let filled = match fill(descriptor, data, arguments.offset, request.io_mode) {
        Ok(filled) => filled,
        Err(Errno::AGAIN) if request.io_mode == IoMode::NonBlocking => {
            return Err(Failure::WouldBlock);
        }
        Err(errno) => return Err(failed(status::from_errno(errno))),
    };
    finish(request, arguments, &file, header, filled)?;
    let length = filled.length;
    out.truncate(start + HEADER + length);
    out.extend(length.next_multiple_of(4) - length).fill(0);
    Ok(())
}

/// Writes what stands before the data.
fn finish(
    request: &Request<'_>,
    arguments: &Arguments,
    file: &ResolvedFile<'_>,
    mut header: &mut [u8],
    data: Filled,
) -> Result<(), Failure> {
    let size = u64::try_from(file.stat.st_size).unwrap_or(0);
    let length = u32::try_from(data.length).unwrap_or(0);
    let end = arguments.offset.saturating_add(u64::from(length));
    // A file that has been truncated since its size was asked ends here. Linux takes an empty reply that is not
    // at the end for an error.
    let eof = data.at_end || end >= size;
    let to = &mut header;
    let packed = nfsstat3::NFS3_OK
        .pack(to)
        .and_then(|_| file.attributes().pack(to))
        .and_then(|_| length.pack(to))
        .and_then(|_| eof.pack(to))
        .and_then(|_| length.pack(to));
    if packed.is_err() {
        let failed = nfsstat3::NFS3ERR_SERVERFAULT;
        return Err(Failure::Status(failed, file.attributes()));
    }
    let counters = &request.state.counters;
    counters
        .bytes_read
        .fetch_add(u64::from(length), Ordering::Relaxed);
    Ok(())
}

/// The length of the data of a reply that is not refused.
pub(super) fn length(reply: &[u8]) -> Option<u32> {
    // Before `eof` and once more the same.
    let count = reply.get(HEADER - 12..)?.first_chunk()?;
    Some(u32::from_be_bytes(*count))
}

/// Whether what is to be read can be had without waiting for a disk, as far as a few of its bytes tell: `splice` waits whatever
/// it is told, and `mincore` and `cachestat` tell nothing of files of other users. A hole of less than a window of reading ahead
/// between them is waited for.
fn is_in_memory(file: BorrowedFd<'_>, offset: u64, length: usize) -> bool {
    probed(offset, length).all(|position| {
        let mut byte = [0];
        let into = &mut [IoSliceMut::new(&mut byte)];
        let read = rustix::io::preadv2(file, into, position, ReadWriteFlags::NOWAIT);
        !matches!(read, Err(Errno::AGAIN))
    })
}

/// The first and the last byte, and one of each window of reading ahead between them. In this order, so that the kernel sees a
/// file that is read from its beginning.
fn probed(offset: u64, length: usize) -> impl Iterator<Item = u64> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let last = length.checked_sub(1);
    let each = (0..length).step_by(READ_AHEAD);
    each.chain(last)
        .map(move |position| offset.saturating_add(position))
}

/// Has the kernel read this file twice as far ahead as others, for the disk is slower than the client.
///
/// That costs no more processor time, unlike `POSIX_FADV_WILLNEED`, which reads into single pages: the kernel itself fills
/// folios of up to 2 MiB. A hint for all files would have the disk read what nobody asks for.
fn read_further_ahead(file: BorrowedFd<'_>) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
}

/// The descriptor to read a file from, and its READs.
fn open<'a>(
    request: &Request<'_>,
    file: &'a ResolvedFile<'_>,
) -> Result<(BorrowedFd<'a>, &'a ReadOrder), nfsstat3> {
    let open = match (&*file.node, FileType::from_raw_mode(file.stat.st_mode)) {
        (Node::Open(open), FileType::RegularFile) => open,
        (_, FileType::Directory) => return Err(nfsstat3::NFS3ERR_ISDIR),
        // A FIFO, device or link has no content on the server.
        _ => return Err(nfsstat3::NFS3ERR_INVAL),
    };
    if !Permissions::new(&request.credentials, file).may_read_content() {
        return Err(nfsstat3::NFS3ERR_ACCES);
    }
    let descriptor = file.tree.content(&file.handle, open);
    Ok((descriptor.map_err(status::from_errno)?, open.order()))
}

/// Fills `buffer` up to the end of the file. `EAGAIN` when [`IoMode::NonBlocking`] would have to wait for a disk.
fn fill(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: u64,
    io_mode: IoMode,
) -> Result<Filled, Errno> {
    let (mut filled, mut at_end) = (0, false);
    let mut flags = match io_mode {
        IoMode::NonBlocking => ReadWriteFlags::NOWAIT,
        IoMode::Blocking => ReadWriteFlags::empty(),
    };
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let position = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        let got = if flags.is_empty() {
            rustix::io::pread(file, rest, position)
        } else {
            rustix::io::preadv2(file, &mut [IoSliceMut::new(rest)], position, flags)
        };
        match got {
            Ok(0) => {
                at_end = true;
                break;
            }
            Ok(length) => filled += length,
            Err(Errno::INTR) => {}
            // Not every file system supports RWF_NOWAIT.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) if !flags.is_empty() => {
                flags = ReadWriteFlags::empty();
            }
            // What comes before a block that cannot be read is read, as by nfsd: a short READ is allowed.
            Err(errno) if errno != Errno::AGAIN && filled > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(Filled {
        length: filled,
        at_end,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;
    use crate::programs::nfs::procedures::READ;
    use crate::programs::nfs::test_calls::{answer, opaque, serving};

    /// Whether a file turns out to be read to its end after these READs of 128 KiB, each of which waits or none, and nobody was
    /// told before.
    fn is_untold_long_run(offsets: impl IntoIterator<Item = u64>, waits: bool) -> bool {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), vec![7; 4 << 20]).unwrap();
        let state = serving(root.path());
        let exports = state.exports.now();
        let tree = exports.iter().next().unwrap().tree();
        let file = tree.mount(b"").unwrap();
        let directory = tree.resolve(&file).unwrap();
        let (file, _) = tree
            .lookup(&directory, &directory.stat().unwrap(), b"file")
            .unwrap();
        let mut last = 0;
        for offset in offsets {
            let arguments = [
                opaque(file.as_bytes()),
                offset.to_be_bytes().to_vec(),
                131_072_u32.to_be_bytes().to_vec(),
            ];
            assert!(answer(&state, IoMode::NonBlocking, READ, &arguments).is_ok());
            if waits {
                assert!(answer(&state, IoMode::Blocking, READ, &arguments).is_ok());
            }
            last = offset;
        }
        let node = tree.resolve(&file).unwrap();
        let Node::Open(open) = &*node else {
            panic!("it is open");
        };
        // It is told once: who asks now is told if nobody was before.
        open.order().turns_out_long(last)
    }

    #[test]
    fn a_file_is_read_further_ahead_once_a_long_run_of_reads_waits() {
        let in_order = || (0..24).map(|number| number << 17);
        assert!(
            is_untold_long_run(in_order(), false),
            "nothing waited, so it is told now"
        );
        assert!(
            !is_untold_long_run(in_order(), true),
            "it was told of the READs that waited"
        );
        let backwards = (0..24).rev().map(|number| number << 17);
        assert!(!is_untold_long_run(backwards, false));
    }

    #[test]
    fn bytes_of_each_window_are_asked_for_from_the_first_to_the_last() {
        let probed = |offset, length| probed(offset, length).collect::<Vec<_>>();
        assert_eq!(probed(7, SPLICED), [7, 7 + 32_767]);
        assert_eq!(probed(131_072, READ_AHEAD), [131_072, 262_143]);
        assert_eq!(probed(0, READ_AHEAD + 1), [0, 131_072, 131_072]);
        assert_eq!(probed(0, 1 << 20).len(), 9);
        assert!(probed(5, 0).is_empty());
        assert!(probed(u64::MAX, 2).iter().all(|at| *at == u64::MAX));
    }

    #[test]
    fn a_file_that_has_less_than_was_wanted_is_at_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10]).unwrap();
        for (offset, wanted, length) in [(0, 10, 10), (0, 100, 10), (4, 6, 6), (10, 1, 0)] {
            let mut buffer = vec![0; wanted];
            let filled = fill(file.as_fd(), &mut buffer, offset, IoMode::Blocking).unwrap();
            let at_end = length < wanted;
            assert_eq!(filled, Filled { length, at_end });
        }
    }
}
