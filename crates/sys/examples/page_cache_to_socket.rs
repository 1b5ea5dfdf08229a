//! Ways from the page cache to a TCP socket, compared: what each costs a server that answers READs.
//!
//! ```text
//! page_cache_to_socket [SECONDS]
//! ```
//!
//! A reply is a header and so many bytes of a file that is in memory. A client in a process of its own, over the loopback,
//! asks for [`AHEAD`] at a time, and throws them away without a copy. For each way: processor time of this process for a reply, in microseconds, with the
//! part of the kernel that it runs, its ratio to the first way, and replies per second. Ways take turns of [`TURN`], so that whatever else the machine does
//! is shared by all. With two processors or more, each process has one of its own.
//!
//! The result, and what the export makes of it: `crates/nfs-export/src/lib.rs`. Copies that `MSG_ZEROCOPY` saves show only where the network takes pages: within one machine the kernel copies
//! when the receiver gets them (`skb_orphan_frags_rx`, `net/core/dev.c`), and says so.
#![allow(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measurement ends where anything is not as expected"
)]

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, squeue, types};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::sendfile;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// RPC and NFS precede the content of a READ's reply with about so many bytes.
const HEADER: usize = 128;
const LENGTHS: [usize; 4] = [4 << 10, 32 << 10, 128 << 10, 1 << 20];
/// How many replies a client waits for, as one does that reads ahead.
const AHEAD: usize = 2;
const FILE_LENGTH: u64 = 64 << 20;
const TURN: Duration = Duration::from_millis(50);
/// How many buffers may be on their way with `MSG_ZEROCOPY`.
const BUFFERS: usize = 8;
/// The first argument of the client's process.
const CLIENT: &str = "client";
/// `SO_EE_CODE_ZEROCOPY_COPIED` (`include/uapi/linux/errqueue.h`).
const COPIED: u8 = 1;

/// A way to send a header and what is at this offset of the file.
trait Way {
    fn name(&self) -> String;
    fn reply(&mut self, file: &File, offset: u64, length: usize, out: &TcpStream)
    -> io::Result<()>;
}

/// `pread` into a warm buffer, `writev`.
struct Copy(Vec<u8>);

impl Way for Copy {
    fn name(&self) -> String {
        "pread, writev".to_owned()
    }

    fn reply(
        &mut self,
        file: &File,
        offset: u64,
        length: usize,
        mut out: &TcpStream,
    ) -> io::Result<()> {
        let buffer = &mut self.0[..length];
        file.read_exact_at(buffer, offset)?;
        let header = [0; HEADER];
        let sent = out.write_vectored(&[IoSlice::new(&header), IoSlice::new(buffer)])?;
        match sent.checked_sub(HEADER) {
            Some(content) => out.write_all(&buffer[content..]),
            None => panic!("less than a header was sent"),
        }
    }
}

/// The header with `MSG_MORE`, `sendfile`.
struct SendFile;

impl Way for SendFile {
    fn name(&self) -> String {
        "send, sendfile".to_owned()
    }

    fn reply(
        &mut self,
        file: &File,
        offset: u64,
        length: usize,
        out: &TcpStream,
    ) -> io::Result<()> {
        send(out, &[0; HEADER], SendFlags::MORE)?;
        let (mut at, end) = (offset, offset + length as u64);
        while at < end {
            let left = usize::try_from(end - at).expect("a length");
            sendfile(out, file, Some(&mut at), left)?;
        }
        Ok(())
    }
}

/// `splice` to a pipe, the header with `MSG_MORE`, `splice` to the socket.
struct Splice {
    output: OwnedFd,
    input: OwnedFd,
}

impl Splice {
    fn new() -> io::Result<Self> {
        let (output, input) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setpipe_size(&input, 1 << 20)?;
        Ok(Self { output, input })
    }
}

impl Way for Splice {
    fn name(&self) -> String {
        "splice, send, splice".to_owned()
    }

    fn reply(
        &mut self,
        file: &File,
        offset: u64,
        length: usize,
        out: &TcpStream,
    ) -> io::Result<()> {
        let flags = SpliceFlags::MOVE;
        let (mut at, end) = (offset, offset + length as u64);
        let mut header: &[u8] = &[0; HEADER];
        while at < end {
            let left = usize::try_from(end - at).expect("a length");
            let mut piped = splice(file, Some(&mut at), &self.input, None, left, flags)?;
            if !header.is_empty() {
                send(out, header, SendFlags::MORE)?;
                header = &[];
            }
            while piped > 0 {
                piped -= splice(&self.output, None, out, None, piped, flags)?;
            }
        }
        Ok(())
    }
}

/// `pread` into one of several buffers, `send` with `MSG_ZEROCOPY`, and the kernel's word that it needs the buffer no more.
struct ZeroCopy {
    buffers: Vec<Vec<u8>>,
    /// The number of the last `send` of each buffer.
    last: [Option<u32>; BUFFERS],
    replies: usize,
    sends: u32,
    /// The first `send` that the kernel has not told of.
    done: u32,
    copied: u64,
    told: u64,
}

impl ZeroCopy {
    fn new(out: &TcpStream) -> io::Result<Self> {
        let on: libc::c_int = 1;
        // SAFETY: the descriptor is open, and the value is an int that lives as long as the call, of the length given.
        let set = unsafe {
            libc::setsockopt(
                out.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ZEROCOPY,
                (&raw const on).cast(),
                size_of_val(&on) as libc::socklen_t,
            )
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            buffers: vec![vec![0; HEADER + LENGTHS[3]]; BUFFERS],
            last: [None; BUFFERS],
            replies: 0,
            sends: 0,
            done: 0,
            copied: 0,
            told: 0,
        })
    }

    /// Waits until the kernel needs what was sent by that call no more.
    fn wait_for(&mut self, number: u32, out: &TcpStream) -> io::Result<()> {
        while self.done <= number {
            let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
            let told = recvmsg::<()>(
                out.as_raw_fd(),
                &mut [],
                Some(&mut control),
                MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
            );
            let told = match told {
                Ok(told) => told,
                Err(nix::Error::EAGAIN) => {
                    // POLLERR is always waited for.
                    poll(&mut [PollFd::new(out, PollFlags::empty())], None)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for message in told.cmsgs()? {
                if let ControlMessageOwned::Ipv4RecvErr(error, _) = message {
                    self.done = self.done.max(error.ee_data + 1);
                    let calls = u64::from(error.ee_data - error.ee_info) + 1;
                    self.told += calls;
                    if error.ee_code == COPIED {
                        self.copied += calls;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Way for ZeroCopy {
    fn name(&self) -> String {
        let copied = (self.copied * 100)
            .checked_div(self.told)
            .unwrap_or_default();
        format!("pread, send with MSG_ZEROCOPY ({copied} in 100 copied)")
    }

    fn reply(
        &mut self,
        file: &File,
        offset: u64,
        length: usize,
        out: &TcpStream,
    ) -> io::Result<()> {
        let index = self.replies % BUFFERS;
        if let Some(number) = self.last[index] {
            self.wait_for(number, out)?;
        }
        file.read_exact_at(&mut self.buffers[index][HEADER..HEADER + length], offset)?;
        let mut sent = 0;
        while sent < HEADER + length {
            let left = &self.buffers[index][sent..HEADER + length];
            let flags = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY as u32);
            sent += send(out, left, flags)?;
            self.sends += 1;
        }
        self.last[index] = Some(self.sends - 1);
        self.replies += 1;
        Ok(())
    }
}

/// A read and a send, one after the other, by one call of `io_uring`.
struct Ring {
    ring: IoUring,
    buffer: Vec<u8>,
}

impl Way for Ring {
    fn name(&self) -> String {
        "io_uring: a read, linked with a send".to_owned()
    }

    fn reply(
        &mut self,
        file: &File,
        offset: u64,
        length: usize,
        out: &TcpStream,
    ) -> io::Result<()> {
        let whole = u32::try_from(HEADER + length).expect("a length");
        let content = self.buffer[HEADER..HEADER + length].as_mut_ptr();
        let read = opcode::Read::new(types::Fd(file.as_raw_fd()), content, whole - HEADER as u32)
            .offset(offset)
            .build()
            .flags(squeue::Flags::IO_LINK);
        let send = opcode::Send::new(types::Fd(out.as_raw_fd()), self.buffer.as_ptr(), whole)
            .flags(libc::MSG_WAITALL)
            .build();
        // SAFETY: both descriptors are open and the buffer is not touched until both have completed, which the next call
        // waits for.
        let pushed = unsafe { self.ring.submission().push_multiple(&[read, send]) };
        pushed.map_err(io::Error::other)?;
        self.ring.submit_and_wait(2)?;
        for completed in self.ring.completion() {
            if completed.result() < 0 {
                return Err(io::Error::from_raw_os_error(-completed.result()));
            }
        }
        Ok(())
    }
}

/// What a way has taken.
#[derive(Default)]
struct Taken {
    replies: u32,
    processor: Duration,
    clock: Duration,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some(CLIENT) {
        let length = arguments.next().and_then(|text| text.parse().ok());
        let address = arguments.next().expect("an address");
        return client(length.expect("a length"), &address);
    }
    let seconds = first.map_or(Ok(1.0), |text| text.parse());
    let seconds = Duration::from_secs_f64(seconds.expect("usage: page_cache_to_socket [SECONDS]"));
    pin(0)?;
    let file = file()?;
    let mut content = vec![0; 1 << 20];
    for at in (0..FILE_LENGTH).step_by(content.len()) {
        file.read_exact_at(&mut content, at)?;
    }
    for length in LENGTHS {
        measure(&file, length, seconds)?;
    }
    Ok(())
}

/// Gives this process one of the processors that it may use, if there are two: the first, or the last.
fn pin(end: usize) -> io::Result<()> {
    let all = sched_getaffinity(None)?;
    let may = |number: &usize| all.is_set(*number);
    let mut numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(may).collect();
    if end > 0 {
        numbers.reverse();
    }
    if let [one, _, ..] = numbers[..] {
        let mut set = CpuSet::new();
        set.set(one);
        sched_setaffinity(None, &set)?;
    }
    Ok(())
}

/// A file without a name, of content that is not all the same.
fn file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("page-cache-{}", std::process::id()));
    let mut options = File::options();
    let mut file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    let block: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_ne_bytes).collect();
    for _ in (0..FILE_LENGTH).step_by(block.len()) {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// The client: takes what comes, without a copy (`MSG_TRUNC`, tcp(7)), and asks for the next reply after each.
fn client(length: usize, address: &str) -> io::Result<()> {
    // It began on the server's.
    sched_setaffinity(None, &every_processor())?;
    pin(1)?;
    let mut stream = TcpStream::connect(address)?;
    sockopt::set_tcp_nodelay(&stream, true)?;
    let mut nothing = vec![0; length];
    stream.write_all(&[0; AHEAD])?;
    loop {
        let mut left = length;
        while left > 0 {
            match recv(&stream, &mut nothing[..left], RecvFlags::TRUNC)?.1 {
                0 => return Ok(()),
                received => left -= received,
            }
        }
        stream.write_all(&[0])?;
    }
}

fn every_processor() -> CpuSet {
    let mut set = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|number| set.set(number));
    set
}

fn connect(length: usize) -> io::Result<(TcpStream, Child)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = Command::new(std::env::current_exe()?)
        .arg(CLIENT)
        .arg((HEADER + length).to_string())
        .arg(listener.local_addr()?.to_string())
        .spawn()?;
    let (stream, _) = listener.accept()?;
    sockopt::set_tcp_nodelay(&stream, true)?;
    // Others pace what they send by what they take for the network's rate, which differs from connection to connection.
    sockopt::set_tcp_congestion(&stream, "cubic")?;
    Ok((stream, client))
}

/// Measures every way, and prints a table.
fn measure(file: &File, length: usize, seconds: Duration) -> io::Result<()> {
    let mut ways: Vec<(Box<dyn Way>, TcpStream, Child, Taken)> = Vec::new();
    for number in 0..5 {
        let (stream, client) = connect(length)?;
        let way: Box<dyn Way> = match number {
            0 => Box::new(Copy(vec![0; LENGTHS[3]])),
            1 => Box::new(SendFile),
            2 => Box::new(Splice::new()?),
            3 => Box::new(ZeroCopy::new(&stream)?),
            _ => Box::new(Ring {
                ring: IoUring::new(8)?,
                buffer: vec![0; HEADER + LENGTHS[3]],
            }),
        };
        ways.push((way, stream, client, Taken::default()));
    }
    while ways.iter().any(|(.., taken)| taken.clock < seconds) {
        for (way, stream, _, taken) in &mut ways {
            let (began, used) = (Instant::now(), processor_time());
            while began.elapsed() < TURN {
                let at = u64::from(taken.replies) * length as u64 % FILE_LENGTH;
                stream.read_exact(&mut [0])?;
                way.reply(file, at, length, stream)?;
                taken.replies += 1;
            }
            taken.clock += began.elapsed();
            taken.processor += processor_time() - used;
        }
    }
    println!("{} KiB:", length >> 10);
    let mut first = None;
    for (way, stream, mut client, taken) in ways {
        let each = taken.processor.as_secs_f64() * 1e6 / f64::from(taken.replies);
        let rate = f64::from(taken.replies) / taken.clock.as_secs_f64();
        let ratio = *first.get_or_insert(each) / each;
        println!(
            "  {:<55} {each:>7.1} us  {ratio:>5.2}  {rate:>9.0} replies/s",
            way.name()
        );
        drop(stream);
        // It may be told of the end by an error.
        client.wait()?;
    }
    Ok(())
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}
