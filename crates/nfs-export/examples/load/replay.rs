//! The calls of a record, by many machines.

use std::collections::HashMap;
use std::sync::Barrier;
use std::time::Instant;

use netroot_printable::from_octal;

use crate::client::{Client, HEAD, NFS, Server, opaque};

/// A recorded call, with its file's handle.
pub(crate) struct Recorded {
    procedure: u32,
    arguments: Vec<u8>,
}

/// The recorded calls whose files the export has.
pub(crate) fn recorded(server: &Server, record: &str) -> Vec<Recorded> {
    let mut client = server.nfs(0);
    let mut handles: HashMap<Vec<u8>, Option<Vec<u8>>> = HashMap::new();
    handles.insert(Vec::new(), Some(opaque(&server.root())));
    let mut calls = Vec::new();
    for line in std::fs::read_to_string(record).unwrap().lines() {
        let mut words = line.split(' ').skip(3);
        let (Some(name), Some(path)) = (words.next(), words.next()) else {
            continue;
        };
        let path = from_octal(path).unwrap();
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
            "LOOKUP" => (3, opaque(&from_octal(rest[0]).unwrap())),
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
pub(crate) fn handle_of(
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

/// A machine that makes the recorded calls one after the other.
struct Machine<'a> {
    client: Client,
    calls: std::slice::Iter<'a, Recorded>,
    bytes: u64,
    /// When it had all, in seconds.
    end: Option<f64>,
}

impl<'a> Machine<'a> {
    fn new(server: &Server, number: usize, calls: &'a [Recorded]) -> Self {
        Self {
            client: server.nfs(number),
            calls: calls.iter(),
            bytes: 0,
            end: None,
        }
    }

    /// Sends the next call, if there is one.
    fn ask(&mut self, begun: Instant) {
        match self.calls.next() {
            Some(call) => self.client.send(NFS, call.procedure, &call.arguments),
            None => self.end = Some(begun.elapsed().as_secs_f64()),
        }
    }

    /// Looks for a reply, and sends the next call when it has come.
    fn look(&mut self, begun: Instant) {
        if let Some(length) = self.client.arrived(HEAD) {
            self.bytes += length as u64;
            self.ask(begun);
        }
    }
}

/// So many machines make the recorded calls at once, each one after the other.
pub(crate) fn replay(server: &Server, record: &str, machines: usize) {
    let calls = recorded(server, record);
    let all = (0..machines).map(|number| Machine::new(server, number, &calls));
    let mut all: Vec<Machine<'_>> = all.collect();
    match server.awake {
        true => {
            let begun = Instant::now();
            all.iter_mut().for_each(|machine| machine.ask(begun));
            while all.iter().any(|machine| machine.end.is_none()) {
                for machine in all.iter_mut().filter(|machine| machine.end.is_none()) {
                    machine.look(begun);
                }
            }
        }
        false => {
            let barrier = Barrier::new(machines);
            std::thread::scope(|scope| {
                for machine in &mut all {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        let begun = Instant::now();
                        machine.ask(begun);
                        while machine.end.is_none() {
                            machine.look(begun);
                        }
                    });
                }
            });
        }
    }
    let bytes: u64 = all.iter().map(|machine| machine.bytes).sum();
    let mut ends: Vec<f64> = all.iter().filter_map(|machine| machine.end).collect();
    ends.sort_by(f64::total_cmp);
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    println!(
        "calls={} seconds={last} bytes={bytes} first={first} last={last}",
        calls.len() * machines
    );
}
