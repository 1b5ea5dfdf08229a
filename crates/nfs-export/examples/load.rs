//! A client that measures any NFSv3 server, for `cargo xtask bench nfs`: `name=number` words for each run, the last of which is
//! `client=`, the seconds of processor time that it took itself.
//!
//! ```text
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES cell WHAT CONNECTIONS SECONDS
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES pass WHAT CONNECTIONS
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES stuck CONNECTIONS SECONDS
//! load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES replay RECORD MACHINES
//! ```
//!
//! Each connection sends a call and waits for its reply, again and again, from an address of its own: SOURCES is the first one,
//! such as `10.92.1.1`, or `-` for any. WHAT is `getattr`, `lookup`, `readdirplus` or `read:BYTES`; `pass` does it once for
//! each name or block. The export has the folder `many` and the file `large`. The data of a READ is thrown away by the kernel
//! (`MSG_TRUNC`), so that it is the server that is measured. RECORD is what the export records
//! (`netroot_nfs_export::Server::record_calls`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a measuring tool may stop at the first error"
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, bind, connect, recv, send, socket, sockopt,
};
use rustix::time::{ClockId, clock_gettime};

const NFS: u32 = 100_003;
const MOUNT: u32 = 100_005;
/// What is read of a reply before the rest is thrown away: the header, and all before the data of a READ.
const HEAD: usize = 4 + 24 + 4 + 4 + 84 + 12;
/// A READ of more than this, in bytes, is worth a second system call.
const SMALL: u32 = 16 * 1024;
/// The calls that a client that does not read sends.
const UNREAD_CALLS: usize = 16;

struct Client {
    stream: OwnedFd,
    xid: u32,
    call: Vec<u8>,
    reply: Vec<u8>,
}

#[derive(Clone)]
struct Server {
    address: Ipv4Addr,
    mount_port: u16,
    nfs_port: u16,
    export: String,
    sources: Option<Ipv4Addr>,
}

impl Server {
    fn connect(&self, port: u16, number: usize) -> Client {
        let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        if let Some(first) = self.sources {
            let source = Ipv4Addr::from(u32::from(first) + number as u32);
            bind(&stream, &SocketAddr::new(IpAddr::V4(source), 0)).unwrap();
        }
        sockopt::set_tcp_nodelay(&stream, true).unwrap();
        connect(&stream, &SocketAddr::new(IpAddr::V4(self.address), port)).unwrap();
        let stream = TcpStream::from(stream);
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        Client {
            stream: stream.into(),
            xid: 1,
            call: Vec::new(),
            reply: vec![0; 2 << 20],
        }
    }

    fn nfs(&self, number: usize) -> Client {
        self.connect(self.nfs_port, number)
    }

    fn root(&self) -> Vec<u8> {
        let mut mount = self.connect(self.mount_port, 0);
        let reply = mount.call(MOUNT, 1, &opaque(self.export.as_bytes()));
        assert_eq!(word(reply, 0), 0, "MNT failed");
        reply[8..8 + word(reply, 4) as usize].to_vec()
    }
}

impl Client {
    /// Sends a call as uid 0.
    fn send(&mut self, program: u32, procedure: u32, arguments: &[u8]) {
        self.xid += 1;
        let length = (60 + arguments.len()) as u32;
        // AUTH_SYS with an empty name and no groups.
        let head = [
            length | 0x8000_0000,
            self.xid,
            0,
            2,
            program,
            3,
            procedure,
            1,
            20,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        self.call.clear();
        for word in head {
            self.call.extend_from_slice(&word.to_be_bytes());
        }
        self.call.extend_from_slice(arguments);
        let sent = send(&self.stream, &self.call, SendFlags::NOSIGNAL).unwrap();
        assert_eq!(sent, self.call.len());
    }

    fn call(&mut self, program: u32, procedure: u32, arguments: &[u8]) -> &[u8] {
        self.send(program, procedure, arguments);
        let length = self.receive(usize::MAX);
        &self.reply[28..length]
    }

    /// Receives a reply; of one that is longer than `kept` bytes, no more than those. Returns its whole length.
    fn receive(&mut self, kept: usize) -> usize {
        let kept = kept.min(self.reply.len());
        let mut have = 0;
        while have < 28 {
            have += self.more(have, kept, RecvFlags::empty());
        }
        let length = 4 + (word(&self.reply, 0) & 0x7fff_ffff) as usize;
        assert_eq!(word(&self.reply, 4), self.xid, "a reply to another call");
        assert_eq!(&self.reply[12..28], &[0; 16], "the call failed");
        while have < length {
            have += if have < kept {
                self.more(have, kept.min(length), RecvFlags::empty())
            } else {
                self.more(have, length, RecvFlags::TRUNC | RecvFlags::WAITALL)
            };
        }
        length
    }

    fn more(&mut self, from: usize, to: usize, flags: RecvFlags) -> usize {
        let (got, _) = recv(&self.stream, &mut self.reply[from..to], flags).unwrap();
        assert!(got > 0, "the server has closed the connection");
        got
    }

    fn getattr(&mut self, file: &[u8]) {
        let found = self.call(NFS, 1, file);
        assert_eq!(word(found, 0), 0);
    }

    fn lookup(&mut self, dir: &[u8], name: &[u8]) -> Option<Vec<u8>> {
        let found = self.call(NFS, 3, &[dir, name].concat());
        if word(found, 0) != 0 {
            return None;
        }
        let length = word(found, 4) as usize;
        Some(opaque(&found[8..8 + length]))
    }

    /// The bytes that were read.
    fn read(&mut self, file: &[u8], offset: u64, count: u32) -> u64 {
        let arguments = [file, &offset.to_be_bytes()[..], &count.to_be_bytes()].concat();
        self.send(NFS, 6, &arguments);
        self.receive(if count > SMALL { HEAD } else { usize::MAX });
        assert_eq!(word(&self.reply, 28), 0, "READ failed");
        assert_eq!(word(&self.reply, 32), 1, "a READ without attributes");
        u64::from(word(&self.reply, 36 + 84))
    }

    /// One READDIRPLUS; the cookie and verifier of the next, unless it was the last, and how many entries there were.
    fn list(&mut self, dir: &[u8], from: [u8; 16]) -> (Option<[u8; 16]>, u64) {
        let (cookie, verifier) = from.split_at(8);
        let counts = [8192_u32.to_be_bytes(), 32_768_u32.to_be_bytes()].concat();
        let found = self.call(NFS, 17, &[dir, cookie, verifier, &counts].concat());
        assert_eq!(word(found, 0), 0, "READDIRPLUS failed");
        let mut at = 8 + if word(found, 4) == 1 { 84 } else { 0 };
        let mut next = [0; 16];
        next[8..].copy_from_slice(&found[at..at + 8]);
        at += 8;
        let mut entries = 0;
        while word(found, at) == 1 {
            entries += 1;
            let name = word(found, at + 12) as usize;
            at += 16 + name.next_multiple_of(4);
            next[..8].copy_from_slice(&found[at..at + 8]);
            at += 8;
            at += 4 + if word(found, at) == 1 { 84 } else { 0 };
            let has_handle = word(found, at) == 1;
            at += 4;
            if has_handle {
                at += 4 + (word(found, at) as usize).next_multiple_of(4);
            }
        }
        ((word(found, at + 4) == 0).then_some(next), entries)
    }
}

/// A length and bytes, in XDR.
fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// What is asked for.
struct Target {
    many: Vec<u8>,
    names: Vec<Vec<u8>>,
    large: Vec<u8>,
    size: u64,
}

impl Target {
    fn find(server: &Server) -> Self {
        let root = opaque(&server.root());
        let mut client = server.nfs(0);
        let many = client.lookup(&root, &opaque(b"many")).unwrap();
        let large = client.lookup(&root, &opaque(b"large")).unwrap();
        let attributes = client.call(NFS, 1, &large);
        let size = u64::from(word(attributes, 24)) << 32 | u64::from(word(attributes, 28));
        // As the bench names them.
        let names = (0..NAMES).map(|number| opaque(format!("name-{number}").as_bytes()));
        Self {
            many,
            names: names.collect(),
            large,
            size,
        }
    }
}

/// The names in `many`.
const NAMES: usize = 1000;

#[derive(Clone, Copy)]
enum What {
    Getattr,
    Lookup,
    Readdirplus,
    Read(u32),
}

impl What {
    fn parse(text: &str) -> Self {
        match text {
            "getattr" => Self::Getattr,
            "lookup" => Self::Lookup,
            "readdirplus" => Self::Readdirplus,
            read => Self::Read(read.strip_prefix("read:").unwrap().parse().unwrap()),
        }
    }

    /// How many calls a pass is.
    fn calls(self, target: &Target) -> usize {
        match self {
            Self::Getattr | Self::Lookup => target.names.len(),
            Self::Readdirplus => 1,
            Self::Read(size) => target.size.div_ceil(u64::from(size)) as usize,
        }
    }
}

/// What one connection does, with its place in the folder or the file.
struct Worker<'a> {
    client: Client,
    target: &'a Target,
    what: What,
    round: usize,
    next: [u8; 16],
    bytes: u64,
}

impl<'a> Worker<'a> {
    fn new(server: &Server, target: &'a Target, what: What, number: usize, first: usize) -> Self {
        Self {
            client: server.nfs(number),
            target,
            what,
            round: first,
            next: [0; 16],
            bytes: 0,
        }
    }

    fn step(&mut self) {
        let (client, target) = (&mut self.client, self.target);
        match self.what {
            What::Getattr => client.getattr(&target.large),
            What::Lookup => {
                let name = &target.names[self.round % target.names.len()];
                client.lookup(&target.many, name).unwrap();
            }
            What::Readdirplus => {
                let (next, entries) = client.list(&target.many, self.next);
                self.next = next.unwrap_or_default();
                self.bytes += entries;
            }
            What::Read(size) => {
                let blocks = (target.size / u64::from(size)).max(1) as usize;
                let offset = (self.round % blocks) as u64 * u64::from(size);
                // A shorter reply is asked about again, as clients do.
                let mut done = 0;
                while done < size && offset + u64::from(done) < target.size {
                    let got = client.read(&target.large, offset + u64::from(done), size - done);
                    assert!(got > 0, "a READ of nothing");
                    done += got as u32;
                }
                self.bytes += u64::from(done);
            }
        }
        self.round += 1;
    }
}

fn percentile(sorted: &[u32], of_1000: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    f64::from(sorted.get(last * of_1000 / 1000).copied().unwrap_or(0))
}

fn cell(server: &Server, what: What, connections: usize, seconds: f64) {
    let target = Target::find(server);
    let barrier = Barrier::new(connections + 1);
    let limit = Duration::from_secs_f64(seconds);
    let (mut times, mut bytes, mut took) = (Vec::new(), 0, 0.0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let (target, barrier) = (&target, &barrier);
                scope.spawn(move || {
                    // They begin at different places.
                    let first = number * what.calls(target) / connections;
                    let mut worker = Worker::new(server, target, what, number, first);
                    for _ in 0..3 {
                        worker.step();
                    }
                    worker.bytes = 0;
                    let mut times = Vec::with_capacity(1 << 16);
                    barrier.wait();
                    let begun = Instant::now();
                    let mut before = begun;
                    loop {
                        worker.step();
                        let now = Instant::now();
                        times.push(now.duration_since(before).as_micros() as u32);
                        before = now;
                        if now.duration_since(begun) >= limit {
                            return (times, worker.bytes);
                        }
                    }
                })
            })
            .collect();
        barrier.wait();
        let begun = Instant::now();
        for thread in threads {
            let (more, read) = thread.join().unwrap();
            times.extend(more);
            bytes += read;
        }
        took = begun.elapsed().as_secs_f64();
    });
    report(times, bytes, took);
}

fn report(mut times: Vec<u32>, bytes: u64, took: f64) {
    times.sort_unstable();
    println!(
        "calls={} seconds={took} bytes={bytes} p50={} p99={} max={}",
        times.len(),
        percentile(&times, 500),
        percentile(&times, 990),
        percentile(&times, 1000)
    );
}

fn pass(server: &Server, what: What, connections: usize) {
    let target = Target::find(server);
    let all = what.calls(&target);
    let begun = Instant::now();
    let bytes: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let target = &target;
                scope.spawn(move || {
                    let (first, end) =
                        (number * all / connections, (number + 1) * all / connections);
                    let mut worker = Worker::new(server, target, what, number, first);
                    for _ in first..end {
                        worker.step();
                        while worker.next != [0; 16] {
                            worker.step();
                        }
                    }
                    worker.bytes
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let took = begun.elapsed().as_secs_f64();
    println!("calls={all} seconds={took} bytes={bytes}");
}

/// A client that asks for attributes and a page by turns, beside others that ask for 16 MiB each and read nothing of it.
fn stuck(server: &Server, others: usize, seconds: f64) {
    let target = Target::find(server);
    let held: Vec<Client> = (1..=others)
        .map(|number| {
            let mut client = server.nfs(number);
            for _ in 0..UNREAD_CALLS {
                let arguments = [&target.large[..], &[0; 8], &(1_u32 << 20).to_be_bytes()].concat();
                client.send(NFS, 6, &arguments);
            }
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let mut fast = server.nfs(0);
    let (mut times, mut bytes) = (Vec::new(), 0);
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        if times.len() % 2 == 0 {
            fast.getattr(&target.large);
        } else {
            bytes += fast.read(&target.large, (times.len() as u64 % 4096) * 4096, 131_072);
        }
        times.push(before.elapsed().as_micros() as u32);
    }
    report(times, bytes, begun.elapsed().as_secs_f64());
    drop(held);
}

/// A recorded call, with its file's handle.
struct Recorded {
    procedure: u32,
    arguments: Vec<u8>,
}

/// The recorded calls whose files the export has.
fn recorded(server: &Server, record: &str) -> Vec<Recorded> {
    let mut client = server.nfs(0);
    let mut handles: HashMap<Vec<u8>, Option<Vec<u8>>> = HashMap::new();
    handles.insert(Vec::new(), Some(opaque(&server.root())));
    let mut calls = Vec::new();
    for line in std::fs::read_to_string(record).unwrap().lines() {
        let mut words = line.split(' ').skip(3);
        let (Some(name), Some(path)) = (words.next(), words.next()) else {
            continue;
        };
        let path = plain(path);
        let Some(handle) = handle_of(
            &mut client,
            &mut handles,
            path.strip_prefix(b"/").unwrap_or(&path),
        ) else {
            continue;
        };
        let rest: Vec<&str> = words.collect();
        let number = |at: usize| rest[at].parse::<u64>().unwrap();
        let half = |at: usize| (number(at) as u32).to_be_bytes();
        let (procedure, more) = match name {
            "GETATTR" => (1, Vec::new()),
            "LOOKUP" => (3, opaque(&plain(rest[0]))),
            "ACCESS" => (4, half(0).to_vec()),
            "READLINK" => (5, Vec::new()),
            "READ" => (6, [&number(0).to_be_bytes()[..], &half(1)].concat()),
            // From the beginning: the cookies are another file system's.
            "READDIR" => (16, [&[0; 16][..], &half(1)].concat()),
            "READDIRPLUS" => (17, [&[0; 16][..], &half(1), &half(2)].concat()),
            "FSSTAT" => (18, Vec::new()),
            "FSINFO" => (19, Vec::new()),
            "PATHCONF" => (20, Vec::new()),
            _ => continue,
        };
        let arguments = [&handle[..], &more].concat();
        calls.push(Recorded {
            procedure,
            arguments,
        });
    }
    calls
}

/// The handle of a path below the root.
fn handle_of(
    client: &mut Client,
    known: &mut HashMap<Vec<u8>, Option<Vec<u8>>>,
    path: &[u8],
) -> Option<Vec<u8>> {
    if let Some(handle) = known.get(path) {
        return handle.clone();
    }
    let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&b""[..], path),
    };
    let above = handle_of(client, known, above);
    let handle = above.and_then(|above| client.lookup(&above, &opaque(name)));
    known.insert(path.to_vec(), handle.clone());
    handle
}

/// A recorded word without its octal digits.
fn plain(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let octal = more
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                rest = &more[3..];
            }
            _ => {
                out.push(*first);
                rest = more;
            }
        }
    }
    out
}

/// So many machines make the recorded calls at once, each one after the other.
fn replay(server: &Server, record: &str, machines: usize) {
    let calls = recorded(server, record);
    let barrier = Barrier::new(machines + 1);
    let mut ends: Vec<f64> = Vec::new();
    let mut bytes = 0;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..machines)
            .map(|number| {
                let (calls, barrier) = (&calls, &barrier);
                scope.spawn(move || {
                    let mut client = server.nfs(number);
                    barrier.wait();
                    let begun = Instant::now();
                    let mut bytes = 0;
                    for call in calls {
                        client.send(NFS, call.procedure, &call.arguments);
                        bytes += client.receive(HEAD) as u64;
                    }
                    (begun.elapsed().as_secs_f64(), bytes)
                })
            })
            .collect();
        barrier.wait();
        for thread in threads {
            let (end, read) = thread.join().unwrap();
            ends.push(end);
            bytes += read;
        }
    });
    ends.sort_by(f64::total_cmp);
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    println!(
        "calls={} seconds={last} bytes={bytes} first={first} last={last}",
        calls.len() * machines
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [address, mount_port, nfs_port, export, sources, rest @ ..] = &words[..] else {
        panic!("usage: load ADDRESS MOUNTPORT NFSPORT EXPORT SOURCES cell|pass|stuck|replay …");
    };
    let server = Server {
        address: address.parse().unwrap(),
        mount_port: mount_port.parse().unwrap(),
        nfs_port: nfs_port.parse().unwrap(),
        export: (*export).to_owned(),
        sources: sources.parse().ok(),
    };
    match *rest {
        ["cell", what, connections, seconds] => {
            let (connections, seconds) = (connections.parse().unwrap(), seconds.parse().unwrap());
            cell(&server, What::parse(what), connections, seconds);
        }
        ["pass", what, connections] => {
            pass(&server, What::parse(what), connections.parse().unwrap())
        }
        ["stuck", others, seconds] => {
            stuck(&server, others.parse().unwrap(), seconds.parse().unwrap())
        }
        ["replay", record, machines] => replay(&server, record, machines.parse().unwrap()),
        _ => panic!("what to measure: cell, pass, stuck or replay"),
    }
    let processor = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = processor.tv_sec as f64 + processor.tv_nsec as f64 / 1e9;
    println!("client={seconds}");
}
