//! Measures any NFSv3 server: `rates ADDRESS MOUNTPORT NFSPORT PATH [SECONDS [PID]]`.
//!
//! One connection calls and waits, repeatedly: GETATTR of one file, LOOKUP of every name in a directory, READ of the
//! largest file found there in blocks of 128 KiB to 1 MiB. Then four connections do so at once. PATH is
//! `export:directory`, such as `/image:usr/lib`. With the server's PID it also prints the processor time per call,
//! which varies less on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measuring tool may stop at the first error"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

struct Client {
    stream: TcpStream,
    xid: u32,
    reply: Vec<u8>,
}

impl Client {
    fn connect(address: &str, port: &str) -> Self {
        let stream = TcpStream::connect(format!("{address}:{port}")).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            xid: 1,
            reply: Vec::new(),
        }
    }

    /// One call as uid 0; returns the results after the header of the reply.
    fn call(&mut self, program: u32, procedure: u32, arguments: &[u8]) -> &[u8] {
        self.xid += 1;
        let head = [
            self.xid, 0, 2, program, 3, procedure, 1, 20, 0, 0, 0, 0, 0, 0, 0,
        ];
        let length = (head.len() * 4 + arguments.len()) as u32;
        let mut message = (length | 0x8000_0000).to_be_bytes().to_vec();
        message.extend(head.iter().flat_map(|word| word.to_be_bytes()));
        message.extend_from_slice(arguments);
        self.stream.write_all(&message).unwrap();
        let mut mark = [0; 4];
        self.stream.read_exact(&mut mark).unwrap();
        let length = (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize;
        if self.reply.len() < length {
            self.reply.resize(length, 0);
        }
        self.stream.read_exact(&mut self.reply[..length]).unwrap();
        assert_eq!(&self.reply[8..24], &[0; 16], "the call failed");
        &self.reply[24..length]
    }
}

fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn lookup(client: &mut Client, dir: &[u8], name: &[u8]) -> Option<(Vec<u8>, u32, u64)> {
    let found = client.call(100_003, 3, &[opaque(dir), opaque(name)].concat());
    if word(found, 0) != 0 {
        return None;
    }
    let length = word(found, 4) as usize;
    let handle = found[8..8 + length].to_vec();
    let attributes = &found[8 + length.next_multiple_of(4) + 4..];
    let size = u64::from(word(attributes, 20)) << 32 | u64::from(word(attributes, 24));
    Some((handle, word(attributes, 0), size))
}

fn names(client: &mut Client, dir: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let (mut cookie, mut verifier) = ([0; 8], [0; 8]);
    loop {
        let arguments = [
            opaque(dir),
            cookie.to_vec(),
            verifier.to_vec(),
            32_768_u32.to_be_bytes().to_vec(),
        ];
        let found = client.call(100_003, 16, &arguments.concat()).to_vec();
        assert_eq!(word(&found, 0), 0);
        let mut at = 4 + 4 + if word(&found, 4) == 1 { 84 } else { 0 };
        verifier.copy_from_slice(&found[at..at + 8]);
        at += 8;
        while word(&found, at) == 1 {
            let length = word(&found, at + 12) as usize;
            names.push(found[at + 16..at + 16 + length].to_vec());
            at += 16 + length.next_multiple_of(4);
            cookie.copy_from_slice(&found[at..at + 8]);
            at += 8;
        }
        if word(&found, at + 4) == 1 {
            return names;
        }
    }
}

/// The processor time that a process has used so far, in seconds (clock ticks of 10 ms).
fn processor_time(pid: Option<&String>) -> f64 {
    pid.map_or(0.0, |pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    })
}

/// Runs `work` for the given time on `connections` connections; returns the calls per second, and the processor time
/// that the server took per call, in microseconds.
fn measure(
    connections: usize,
    time: Duration,
    pid: Option<&String>,
    connect: &(dyn Fn() -> Client + Sync),
    work: &(dyn Fn(&mut Client, usize) -> u64 + Sync),
) -> (f64, f64) {
    let begun = Instant::now();
    let before = processor_time(pid);
    let (total, calls): (u64, usize) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = connect();
                    let (mut count, mut round) = (0, 0);
                    while begun.elapsed() < time {
                        count += work(&mut client, round);
                        round += 1;
                    }
                    (count, round)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    let per_call = (processor_time(pid) - before) * 1e6 / calls as f64;
    (total as f64 / begun.elapsed().as_secs_f64(), per_call)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, mount_port, nfs_port, path, ..] = &arguments[..] else {
        eprintln!("usage: rates ADDRESS MOUNTPORT NFSPORT EXPORT:DIRECTORY [SECONDS [PID]]");
        std::process::exit(2);
    };
    let seconds = arguments.get(4).map_or(3, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let pid = arguments.get(5);
    let (export, below) = path.split_once(':').unwrap();
    let mut mount = Client::connect(address, mount_port);
    let reply = mount.call(100_005, 1, &opaque(export.as_bytes()));
    assert_eq!(word(reply, 0), 0, "MNT failed");
    let mut dir = reply[8..8 + word(reply, 4) as usize].to_vec();
    let connect = || Client::connect(address, nfs_port);
    let mut client = connect();
    for part in below.split('/').filter(|part| !part.is_empty()) {
        dir = lookup(&mut client, &dir, part.as_bytes()).unwrap().0;
    }
    let names: Vec<_> = names(&mut client, &dir)
        .into_iter()
        .filter(|name| name != b"." && name != b"..")
        .collect();
    let (file, _, size) = names
        .iter()
        .filter_map(|name| lookup(&mut client, &dir, name))
        .filter(|(_, kind, _)| *kind == 1)
        .max_by_key(|(_, _, size)| *size)
        .unwrap();
    println!("{} names, largest file {size} bytes", names.len());
    let getattr = opaque(&file);
    for connections in [1, 4] {
        let (rate, cost) = measure(connections, time, pid, &connect, &|client, _| {
            client.call(100_003, 1, &getattr);
            1
        });
        println!("{connections} connection(s): GETATTR  {rate:>9.0}/s  {cost:>6.1} us");
        let (rate, cost) = measure(connections, time, pid, &connect, &|client, round| {
            lookup(client, &dir, &names[round % names.len()]).unwrap();
            1
        });
        println!("{connections} connection(s): LOOKUP   {rate:>9.0}/s  {cost:>6.1} us");
        for block in [128, 256, 512, 1024].map(|kib: u32| kib * 1024) {
            let blocks = (size / u64::from(block)).max(1) as usize;
            let (rate, cost) = measure(connections, time, pid, &connect, &|client, round| {
                let offset = (round % blocks) as u64 * u64::from(block);
                let arguments = [
                    &opaque(&file)[..],
                    &offset.to_be_bytes(),
                    &block.to_be_bytes(),
                ];
                let found = client.call(100_003, 6, &arguments.concat());
                assert_eq!(word(found, 0), 0);
                u64::from(word(found, 4 + 4 + 84))
            });
            println!(
                "{connections} connection(s): READ {:>4}K {:>6.0} MB/s {cost:>6.1} us",
                block / 1024,
                rate / 1e6
            );
        }
    }
}
