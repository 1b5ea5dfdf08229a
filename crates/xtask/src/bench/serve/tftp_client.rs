//! A TFTP client that costs little, so that what is measured is the server: it keeps nothing of the file.
//!
//! Like firmware it takes each datagram by itself: without `UDP_GRO`, with which a client takes a whole window that its server
//! sent in one piece. And on a processor of its own it waits for them awake, as firmware does, which has nothing else to do and asks
//! its network card again and again (iPXE's `step()`, EDK2's `Mtftp4->Poll()`): waking up would be most of each turn, and the same
//! for every server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::sys::socket::{setsockopt, sockopt};

/// How long nothing may arrive before the last ACK is repeated.
const REPEAT: Duration = Duration::from_secs(1);
/// The most that a datagram may be long, in bytes.
const DATAGRAM: usize = 9000;
/// How often it looks for a datagram until it looks at the clock.
const LOOKS: u32 = 16;
/// Room for a few windows in the socket, in bytes, so that nothing is lost for want of it.
const BUFFER: usize = 4 << 20;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The file's name.
    pub(super) name: &'static str,
    /// Its length in bytes: numbers of 32 bits that count from 0.
    pub(super) length: u64,
    /// `blksize`, in bytes.
    pub(super) block: u16,
    /// `windowsize`, in blocks.
    pub(super) window: u16,
    /// Blocks are waited for awake, which takes a processor of its own.
    pub(super) awake: bool,
}

/// A transfer that has ended well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetched {
    /// From the request to the last block.
    pub(super) took: Duration,
    /// What the server granted.
    pub(super) block: u16,
}

/// Fetches a file. It is checked that every block begins with the number that it has to begin with, and its length.
///
/// # Errors
/// When the server refuses, grants another window, sends something else, or has not sent everything within `longest`.
pub(super) fn fetch(server: Ipv4Addr, wanted: Wanted, longest: Duration) -> Result<Fetched> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // Beyond the limit for others, as this runs as root.
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    socket.set_read_timeout(Some(REPEAT))?;
    let began = Instant::now();
    let mut request = format!("\0\x01{}\0octet\0", wanted.name);
    if wanted.block != 512 {
        request.push_str(&format!("blksize\0{}\0", wanted.block));
    }
    if wanted.window != 1 {
        request.push_str(&format!("windowsize\0{}\0", wanted.window));
    }
    let mut first = [0; DATAGRAM];
    let (length, from) = loop {
        socket.send_to(request.as_bytes(), SocketAddrV4::new(server, 69))?;
        match socket.recv_from(&mut first) {
            Ok(arrived) => break arrived,
            Err(error) if waited(&error) => ensure!(began.elapsed() < longest, "no answer"),
            Err(error) => return Err(error.into()),
        }
    };
    let first = first.get(..length).unwrap_or_default();
    let (mut block, mut window) = (512, 1);
    let mut transfer = match first {
        [0, 6, options @ ..] => {
            (block, window) = granted(options)?;
            Transfer::new(wanted, block)
        }
        _ => {
            let mut transfer = Transfer::new(wanted, 512);
            transfer.take(first)?;
            transfer
        }
    };
    ensure!(window == wanted.window, "a window of {window}");
    let SocketAddr::V4(from) = from else {
        bail!("an answer by IPv6")
    };
    socket.connect(from)?;
    transfer.acknowledge(&socket)?;
    socket.set_nonblocking(wanted.awake)?;
    let mut buffer = [0; DATAGRAM];
    while !transfer.complete {
        let datagram = match receive(&socket, wanted.awake, &mut buffer) {
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(error) if waited(&error) => {
                ensure!(began.elapsed() < longest, "it stalls");
                transfer.acknowledge(&socket)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        transfer.take(datagram)?;
        if transfer.complete || transfer.unacknowledged == u64::from(window) {
            transfer.acknowledge(&socket)?;
            ensure!(began.elapsed() < longest, "it takes too long");
        }
    }
    let took = began.elapsed();
    ensure!(
        transfer.length == wanted.length,
        "{} bytes instead of {}",
        transfer.length,
        wanted.length
    );
    Ok(Fetched { took, block })
}

/// Receives a datagram, for which it waits for [`REPEAT`] at most.
fn receive(socket: &UdpSocket, awake: bool, buffer: &mut [u8]) -> io::Result<usize> {
    let mut began = None;
    loop {
        for _ in 0..LOOKS {
            match socket.recv(buffer) {
                Err(error) if awake && waited(&error) => {}
                ended => return ended,
            }
        }
        if began.get_or_insert_with(Instant::now).elapsed() >= REPEAT {
            return Err(io::ErrorKind::WouldBlock.into());
        }
    }
}

fn waited(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// The block size and the window in an OACK.
fn granted(options: &[u8]) -> Result<(u16, u16)> {
    let text = std::str::from_utf8(options)?;
    let words: Vec<&str> = text.split('\0').collect();
    let value = |name: &str, default: u16| {
        let at = words.iter().position(|it| it.eq_ignore_ascii_case(name));
        let value = at.and_then(|at| words.get(at + 1));
        value.map_or(Ok(default), |value| value.parse())
    };
    Ok((value("blksize", 512)?, value("windowsize", 1)?))
}

struct Transfer {
    wanted: Wanted,
    block: u16,
    /// Blocks that have arrived in order, and bytes.
    arrived: u64,
    length: u64,
    unacknowledged: u64,
    complete: bool,
}

impl Transfer {
    fn new(wanted: Wanted, block: u16) -> Self {
        Self {
            wanted,
            block,
            arrived: 0,
            length: 0,
            unacknowledged: 0,
            complete: false,
        }
    }

    /// Takes a datagram. A block that is not the next one is left out: the server sends it again.
    fn take(&mut self, datagram: &[u8]) -> Result<()> {
        let Some(([operation @ .., high, low], payload)) = datagram.split_first_chunk::<4>() else {
            bail!("a datagram of {} bytes", datagram.len())
        };
        ensure!(
            *operation == [0, 3],
            "the server sent {:?}",
            String::from_utf8_lossy(datagram)
        );
        if u64::from(u16::from_be_bytes([*high, *low])) != (self.arrived + 1) & 0xffff {
            return Ok(());
        }
        let expected = u32::try_from(self.length / 4)?.to_be_bytes();
        ensure!(
            payload.first_chunk().is_none_or(|found| *found == expected),
            "block {} has other bytes than {}",
            self.arrived + 1,
            self.wanted.name
        );
        self.arrived += 1;
        self.unacknowledged += 1;
        self.length += u64::try_from(payload.len())?;
        self.complete = payload.len() < usize::from(self.block);
        Ok(())
    }

    fn acknowledge(&mut self, socket: &UdpSocket) -> io::Result<()> {
        let [.., high, low] = self.arrived.to_be_bytes();
        self.unacknowledged = 0;
        socket.send(&[0, 4, high, low]).map(drop)
    }
}
