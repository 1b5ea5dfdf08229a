//! A Linux root, read-only, over NFSv3, for diskless machines.
//!
//! ```text
//! server/     listens; an event loop for each processor answers the calls of its connections (event_loop, calls)
//!   role, watchdog           who waits gives the loop to another thread before, or it is taken away
//!   thread_pool              a few threads more, for slow disks
//! rpc/        records, calls and credentials in (record, message, decode); replies out (reply_buffer)
//! programs/   mount, portmap, nfs (with read, readdir, permissions …), nfsacl: a call in, a reply out
//! exports     path or handle → export: names, allowed clients, tree; exchanged while clients use them
//! used_files  what a machine uses of its root as it boots
//! hidden_paths  what is not shown, by path
//! recent_listings  READDIRPLUS replies of the last 100 ms
//! tree/       handle → file → handle
//!   part, mounts, root_dir   the file systems of a root: which there are, and opening them
//!   file_system, kinds       what files are known by on each
//!   handle, handle_key       the bytes of handles
//!   find, content, entries   files by name, their contents, directories
//!   places, name_index       files by number, where the kernel has no handles
//!   hidden, file_cache, node what is not shown; files that are open
//! ```
//!
//! # What it guarantees
//!
//! - **Faithful.** Modes with setuid and sticky bits, owners, device numbers, hard links, times in nanoseconds; a
//!   stable file system id; permissions by mode and POSIX ACL for every uid, everything for uid 0.
//! - **Never stale.** Handles depend on no state of the server. They survive its restarts and reboots
//!   ([`HandleScheme`]) as long as the [`HandleKey`] is kept.
//! - **Fresh.** Attributes are asked of the file system for each call. Only those of a READDIRPLUS may be older, by 100 ms at most:
//!   many machines that boot together ask for the same ones.
//! - **Whole.** File systems that are mounted below the root are parts of it ([`Submounts`], nfsd's `crossmnt`), and so are
//!   btrfs subvolumes; those of the kernel and of a running system are not: the `/proc` of a chroot is an empty directory.
//! - **Confined.** Names are single components; `openat2` resolves them below the root, through no link and no mount but
//!   those. Handles are signed, and a directory that was moved out of the root is refused within a second.
//! - **Read-only.** Files are opened for reading only, devices and FIFOs not at all; where the kernel permits it, in
//!   a private, read-only copy of the mount.
//! - **Bounded.** Records, fragments, connections per client and in total, open files, threads, replies and pipes have limits;
//!   replies that wait for a slow client are charged to it. A client that takes its whole share keeps nobody out.
//! - **Discreet, if asked.** Files that match [`HiddenPaths`] are not found, not listed, and not read by an old handle.
//!
//! # How content gets to a socket
//!
//! READs of 32 KiB and more are spliced: page cache → pipe → socket, without a copy, as Linux's nfsd does it. READ 1 MiB beside
//! NFS-Ganesha, which copies twice (`examples/load` over the loopback, where the client throws the data away: processor time of
//! the server for a call on 8 connections, and the ratio of the rates on 1 and 8 connections):
//!
//! | | time | Ganesha's | rate, 1 | rate, 8 |
//! |---|---|---|---|---|
//! | `preadv2` into a warm buffer, `write` | 223 us | 221 us | 1.04 | 0.99 |
//! | `splice` to a pipe, the header with `MSG_MORE`, `splice` to the socket | 108 us | 188 us | 1.56 | 1.78 |
//!
//! That was over TCP's BBR. With cubic, and a processor each for server and client, the ratio is less (README, "Benchmarks"): by a profile
//! of 8 connections Ganesha's two copies take 27 in 100 of its time, and to hand pages on one by one takes 13 in 100 of ours.
//!
//! What each way costs a server that does nothing else (`cargo run --release -p netroot-sys --example page_cache_to_socket`:
//! processor time for a reply on one connection with cubic, and by what factor that is less than the first way's; medians of 3 runs,
//! Linux 6.18):
//!
//! | | 4 KiB | 32 KiB | 128 KiB | 1 MiB |
//! |---|---|---|---|---|
//! | `pread` into a warm buffer, `writev` | 14.3 us | 18.1 us | 30.6 us | 274 us |
//! | the header with `MSG_MORE`, `sendfile` | 14.1 us, 1.02 | 14.8 us, 1.21 | 18.0 us, 1.68 | 112 us, 2.46 |
//! | `splice` to a pipe, the header with `MSG_MORE`, `splice` to the socket | 14.3 us, 1.00 | 15.2 us, 1.19 | 17.6 us, 1.74 | 102 us, 2.68 |
//! | `pread`, `send` with `MSG_ZEROCOPY` | 15.0 us, 0.95 | 15.7 us, 1.13 | 39.4 us, 0.77 | 351 us, 0.78 |
//! | `io_uring`: a read, linked with a send | 14.7 us, 0.97 | 17.9 us, 1.01 | 31.2 us, 0.98 | 278 us, 0.99 |
//!
//! `sendfile` has to follow a header that promises what the file may turn out not to have; with a pipe between them the header is
//! written when the content is there. `MSG_ZEROCOPY` saves one of the two copies on a network, and none within one machine, as
//! here. `io_uring` copies as often, and would make a seccomp filter meaningless. With BBR the ways without a copy take up to twice
//! as long in some runs, and as long as here in others. READs of less than 32 KiB are copied.
//!
//! # What it does not do
//!
//! Writing, locking (clients mount with `nolock`), NFSv2 and v4, NFS over UDP, Kerberos. A file (not a
//! directory) that is moved out of the root within its file system can still be read by clients that have its handle,
//! as with nfsd. Hidden files are recognised by path: another hard link of one, under a name that is not hidden, is shown.
//!
//! # The record of calls
//!
//! [`Server::record_calls`] writes a line of words for each call of NFS, in the order in which they are answered:
//!
//! ```text
//! SECONDS CLIENT UID PROCEDURE PATH ARGUMENTS
//! 12.345 10.77.0.50 0 GETATTR /usr/bin/dash
//! 12.346 10.77.0.50 0 LOOKUP /etc fstab               its name
//! 12.346 10.77.0.50 0 ACCESS /etc 31                  the bits
//! 12.347 10.77.0.50 0 READ /etc/fstab 0 131072        offset, count
//! 12.348 10.77.0.50 0 READDIRPLUS /etc 0 8170 65536   cookie, (dircount,) count
//! ```
//!
//! The seconds are those since the recording began. The path is the file's below the root, `/` for the root itself and `-` for
//! a handle of which no path is known. Bytes other than printable ASCII, spaces and backslashes are three octal digits, as in
//! `/proc/mounts`. `netroot serve` records to the file that the environment names as `NETROOT_NFS_CALLS`.

#![forbid(unsafe_code)]

mod address_list;
mod coarse_time;
mod counters;
mod event;
mod export;
mod exports;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hidden_paths;
mod mount_table;
mod open_file_limit;
mod programs;
mod recent_listings;
mod rpc;
mod server;
mod server_state;
mod tree;
mod used_files;
mod users;

pub use address_list::AddressList;
pub use counters::Counts;
pub use event::{CallRefusal, Event, Refusal};
pub use export::{Export, ExportError, ExportNames, ExportOptions};
pub use exports::{Exchange, ReplacedExport};
pub use hidden_paths::{HiddenPaths, HidePattern, HidePatternError};
pub use open_file_limit::raise_open_file_limit;
pub use server::{ConnectionUse, Listeners, Server, StartError, ThreadStates};
pub use tree::HandleScheme;
pub use tree::handle_key::{HandleKey, KeyError};
pub use tree::mounts::{MountBelow, Unserved, left_out_below};
pub use tree::root_dir::{MountView, RootDirError};
pub use tree::submounts::Submounts;
pub use used_files::{Used, UsedFile, UsedFiles};
pub use users::{ExportUser, ExportUsers};
