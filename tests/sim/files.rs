//! TFTP: our sender against a receiver that behaves like EDK2's: it acknowledges every
//! full window, and answers unexpected blocks by acknowledging its last good one.

use std::time::Duration;

use netroot_proto::tftp::negotiate::Limits;
use netroot_proto::tftp::packet::{Mode, Packet, ReadRequest};
use netroot_proto::tftp::transfer::{Outcome, Transfer};

use super::lan::{MILLISECOND, SECOND};
use super::lossy_link::{Faults, Link};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Server,
    Client,
}

/// The receiving client.
struct Reader {
    content: Vec<u8>,
    block_size: usize,
    window: u64,
    /// The next block, from 1; blocks roll over on the link.
    expected: u64,
    in_window: u64,
    retry_at: Duration,
    retry: Duration,
    finished: bool,
    last_sent: Vec<u8>,
    /// How many times it asks for the file while it hears nothing, as firmware does.
    requests: u32,
}

impl Reader {
    fn new(request: &ReadRequest, retry: Duration) -> Reader {
        let number = |name| request.option(name).and_then(|v| v.parse::<usize>().ok());
        Reader {
            content: Vec::new(),
            block_size: number("blksize").unwrap_or(512),
            window: number("windowsize").unwrap_or(1) as u64,
            expected: 1,
            in_window: 0,
            retry_at: retry,
            retry,
            finished: false,
            last_sent: Vec::new(),
            requests: 5,
        }
    }

    /// Whether it asks for the file (again) at `now`: the server gave up before it heard anything.
    fn asks_again(&mut self, now: Duration) -> bool {
        let again = self.last_sent.is_empty() && self.requests > 1 && self.retry_at <= now;
        self.requests -= u32::from(again);
        again
    }

    fn acknowledge(&mut self) -> Vec<u8> {
        self.in_window = 0;
        self.last_sent = Packet::Ack {
            block: (self.expected - 1) as u16,
        }
        .encode();
        self.last_sent.clone()
    }

    fn handle(&mut self, datagram: &[u8], now: Duration) -> Option<Vec<u8>> {
        match Packet::decode(datagram).expect("the server sends TFTP") {
            Packet::OptionAck(options) => {
                // The granted value may be smaller than the requested one.
                for (name, value) in options {
                    let value: usize = value.parse().unwrap();
                    match name.as_str() {
                        "blksize" => self.block_size = value,
                        "windowsize" => self.window = value as u64,
                        _ => {}
                    }
                }
                self.retry_at = now + self.retry;
                (self.expected == 1).then(|| self.acknowledge())
            }
            Packet::Data { block, payload } => {
                if block != self.expected as u16 {
                    return Some(self.acknowledge());
                }
                if !self.finished {
                    self.content.extend_from_slice(payload);
                    self.expected += 1;
                    self.in_window += 1;
                    self.retry_at = now + self.retry;
                    self.finished = payload.len() < self.block_size;
                }
                (self.finished || self.in_window >= self.window).then(|| self.acknowledge())
            }
            Packet::Error { code, .. } => panic!("error {code} after {} blocks", self.expected - 1),
            other => panic!("a server does not send {other:?}"),
        }
    }
}

/// The result of a run.
struct Run {
    content: Vec<u8>,
    outcome: Option<Outcome>,
    took: Duration,
    data_packets: u64,
}

struct Conditions {
    faults: Faults,
    seed: u64,
    /// How many datagrams the receiver's buffer holds, and how long reading one takes.
    buffer: usize,
    reading: Duration,
}

impl Conditions {
    fn faults(seed: u64, faults: Faults) -> Conditions {
        Conditions {
            faults,
            seed,
            buffer: usize::MAX,
            reading: Duration::ZERO,
        }
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 + n / 251) as u8).collect()
}

fn run(size: usize, options: &[(&str, &str)], limits: &Limits, conditions: &Conditions) -> Run {
    let options = options
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let request = ReadRequest {
        name: b"file".to_vec(),
        mode: Mode::Octet,
        options,
    };
    let mut link = Link::new(conditions.seed, 300 * MILLISECOND / 1000, conditions.faults);
    let mut now = Duration::ZERO;
    let mut server = Transfer::start(&request, content(size), limits, now).unwrap();
    let mut client = Reader::new(&request, 4 * SECOND);
    let mut waiting: std::collections::VecDeque<Vec<u8>> = Default::default();
    let mut reads_at = Duration::ZERO;
    let mut data_packets = 0;
    let mut datagram = Vec::new();
    loop {
        if server.outcome().is_some() {
            if !client.last_sent.is_empty() || client.requests == 1 {
                break;
            }
            now = now.max(client.retry_at);
            if client.asks_again(now) {
                client.retry_at = now + client.retry;
                server = Transfer::start(&request, content(size), limits, now).unwrap();
            }
        }
        assert!(now < 3600 * SECOND, "it does not end");
        while let Some((end, received)) = link.receive(now) {
            match end {
                End::Server => drop(server.handle(&received, now)),
                End::Client if waiting.len() < conditions.buffer => {
                    if waiting.is_empty() {
                        reads_at = now + conditions.reading;
                    }
                    waiting.push_back(received);
                }
                End::Client => {}
            }
        }
        while reads_at <= now
            && let Some(received) = waiting.pop_front()
        {
            reads_at = now + conditions.reading;
            if let Some(reply) = client.handle(&received, now) {
                link.send(now, Duration::ZERO, End::Server, reply);
            }
        }
        if client.retry_at <= now && !client.finished {
            client.retry_at = now + client.retry;
            if !client.last_sent.is_empty() {
                link.send(now, Duration::ZERO, End::Server, client.last_sent.clone());
            }
        }
        if server.poll_timeout().is_some_and(|at| at <= now) {
            server.handle_timeout(now);
        }
        while server.poll_transmit(&mut datagram) {
            data_packets += u64::from(matches!(Packet::decode(&datagram), Ok(Packet::Data { .. })));
            link.send(now, Duration::ZERO, End::Client, datagram.clone());
        }
        let reading = (!waiting.is_empty()).then_some(reads_at);
        let client_retry = (!client.finished).then_some(client.retry_at);
        let next = [
            server.poll_timeout(),
            link.next_arrival(),
            reading,
            client_retry,
        ];
        let next = next.into_iter().flatten().min().unwrap_or(now);
        now = next.max(now + Duration::from_micros(1));
    }
    Run {
        content: client.content,
        outcome: server.outcome().cloned(),
        took: now,
        data_packets,
    }
}

#[test]
fn a_file_arrives_whole_over_a_clean_link_in_every_shape() {
    for size in [0, 1, 511, 512, 513, 1468 * 4, 100_000] {
        for options in [
            &[][..],
            &[("blksize", "1468"), ("windowsize", "4")],
            &[("tsize", "0"), ("blksize", "1432")],
            &[("blksize", "8192"), ("windowsize", "16")],
        ] {
            let limits = Limits::for_mtu(1500);
            let clean = Conditions::faults(1, Faults::default());
            let run = run(size, options, &limits, &clean);
            assert_eq!(run.outcome, Some(Outcome::Complete), "{size} {options:?}");
            assert!(run.content == content(size), "{size} {options:?}");
            assert!(run.took < 2 * SECOND, "{size} {options:?}: {:?}", run.took);
        }
    }
}

#[test]
fn a_file_arrives_whole_despite_loss_duplication_and_reordering() {
    let faults = Faults {
        loss_percent: 10,
        duplicate_percent: 10,
        jitter: MILLISECOND,
    };
    for seed in 0..20 {
        for window in ["1", "4", "16", "64"] {
            let options = [("blksize", "1468"), ("windowsize", window)];
            let limits = Limits::for_mtu(1500);
            let run = run(
                300_000,
                &options,
                &limits,
                &Conditions::faults(seed, faults),
            );
            assert!(
                matches!(
                    run.outcome,
                    Some(Outcome::Complete | Outcome::LastAckMissing)
                ),
                "seed {seed}, window {window}: {:?}",
                run.outcome
            );
            assert!(
                run.content == content(300_000),
                "seed {seed}, window {window}"
            );
        }
    }
}

#[test]
fn doubled_datagrams_do_not_double_the_transfer() {
    let faults = Faults {
        duplicate_percent: 100,
        // The copy of an ACK must arrive after the answer was sent.
        jitter: MILLISECOND,
        ..Faults::default()
    };
    for window in ["1", "4"] {
        let options = [("windowsize", window)];
        let limits = Limits::for_mtu(1500);
        let run = run(
            512 * 1000,
            &options,
            &limits,
            &Conditions::faults(3, faults),
        );
        assert_eq!(run.outcome, Some(Outcome::Complete));
        assert!(run.content == content(512 * 1000));
        // 1001 blocks; the Sorcerer's Apprentice bug would send each at least twice.
        assert!(
            run.data_packets < 1001 * 3 / 2,
            "window {window}: {}",
            run.data_packets
        );
    }
}

#[test]
fn a_receiver_whose_buffer_is_smaller_than_the_window_does_not_stall_the_transfer() {
    // 8192 x 16 into a buffer of 12: two known servers lose the same four blocks each time.
    let conditions = Conditions {
        buffer: 12,
        reading: Duration::from_micros(100),
        ..Conditions::faults(4, Faults::default())
    };
    let options = [("blksize", "8192"), ("windowsize", "16")];
    let run = run(8192 * 640, &options, &Limits::for_mtu(9000), &conditions);
    assert_eq!(run.outcome, Some(Outcome::Complete));
    assert!(run.content == content(8192 * 640));
    assert!(run.took < 10 * SECOND, "{:?}", run.took);
}

#[test]
fn block_numbers_roll_over_under_loss() {
    let faults = Faults {
        loss_percent: 1,
        ..Faults::default()
    };
    let options = [("blksize", "16"), ("windowsize", "64")];
    let size = 16 * 70_000;
    let run = run(
        size,
        &options,
        &Limits::for_mtu(1500),
        &Conditions::faults(5, faults),
    );
    assert_eq!(run.outcome, Some(Outcome::Complete));
    assert!(run.content == content(size));
}

#[test]
fn a_client_that_loses_all_first_datagrams_asks_again() {
    let faults = Faults {
        loss_percent: 40,
        ..Faults::default()
    };
    let mut whole = 0;
    for seed in 0..40 {
        let limits = Limits::for_mtu(1500);
        let lossy = Conditions::faults(seed, faults);
        let run = run(700, &[("blksize", "1468")], &limits, &lossy);
        whole += u32::from(run.content == content(700));
    }
    assert!(whole >= 36, "{whole} of 40");
}

#[test]
fn a_transfer_to_a_vanished_client_ends() {
    let faults = Faults {
        loss_percent: 100,
        ..Faults::default()
    };
    let run = run(
        5000,
        &[],
        &Limits::for_mtu(1500),
        &Conditions::faults(6, faults),
    );
    assert_eq!(run.outcome, Some(Outcome::TimedOut));
    // Five requests, each answered for 10 s, and 2 s until the client asks again.
    assert!(run.took <= 60 * SECOND, "{:?}", run.took);
}
