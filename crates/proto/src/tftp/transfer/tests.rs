//! Transcripts: what the client sends, and every datagram sent in response.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn request(options: &[(&str, &str)]) -> ReadRequest {
    let options = options
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    ReadRequest {
        name: b"f".to_vec(),
        mode: Mode::Octet,
        options,
    }
}

fn start(size: usize, options: &[(&str, &str)]) -> Transfer<Vec<u8>> {
    let limits = Limits::for_mtu(1500);
    Transfer::start(&request(options), vec![7; size], &limits, Duration::ZERO).unwrap()
}

/// All datagrams sent now, abbreviated: `oack tsize=3`, `3:512` (block 3, 512 bytes).
fn sent<S: Source>(transfer: &mut Transfer<S>) -> Vec<String> {
    let mut datagram = Vec::new();
    let mut out = Vec::new();
    while transfer.poll_transmit(&mut datagram) {
        out.push(match Packet::decode(&datagram).unwrap() {
            Packet::Data { block, payload } => format!("{block}:{}", payload.len()),
            Packet::OptionAck(options) => {
                let options: Vec<String> =
                    options.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("oack {}", options.join(" "))
            }
            Packet::Error { code, .. } => format!("error {code}"),
            other => format!("{other:?}"),
        });
    }
    out
}

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack { block }.encode()
}

#[test]
fn without_options_the_answer_is_block_1_and_a_short_block_ends_the_file() {
    let mut t = start(1030, &[]);
    assert_eq!(sent(&mut t), ["1:512"]);
    assert_eq!(t.handle(&ack(1), SECOND), Handled::Progress);
    assert_eq!(sent(&mut t), ["2:512"]);
    t.handle(&ack(2), SECOND);
    assert_eq!(sent(&mut t), ["3:6"]);
    t.handle(&ack(3), SECOND);
    assert_eq!(
        (t.outcome(), t.bytes_acknowledged(), t.poll_timeout()),
        (Some(&Outcome::Complete), 1030, None)
    );
}

#[test]
fn a_file_of_whole_blocks_ends_in_an_empty_block() {
    let mut t = start(512, &[]);
    sent(&mut t);
    t.handle(&ack(1), SECOND);
    assert_eq!(sent(&mut t), ["2:0"]);
    let mut empty = start(0, &[]);
    assert_eq!(sent(&mut empty), ["1:0"]);
}

#[test]
fn the_next_window_is_known_before_this_one_is_acknowledged() {
    let mut t = start(10_000, &[("blksize", "1000"), ("windowsize", "4")]);
    assert_eq!(t.next_window(), 0..4000);
    sent(&mut t);
    for (last, next) in [(0, 4000..8000), (4, 8000..10_000), (8, 10_000..10_000)] {
        t.handle(&ack(last), SECOND);
        sent(&mut t);
        assert_eq!(t.next_window(), next);
    }
}

#[test]
fn ovmf_learns_the_size_aborts_and_asks_again() {
    let mut t = start(
        4000,
        &[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")],
    );
    assert_eq!(sent(&mut t), ["oack tsize=4000 blksize=1468 windowsize=4"]);
    let abort = Packet::Error {
        code: 8,
        message: b"User aborted",
    }
    .encode();
    assert_eq!(t.handle(&abort, SECOND), Handled::Progress);
    assert_eq!(t.outcome(), Some(&Outcome::SizeLearned));

    let mut t = start(4000, &[("blksize", "1468"), ("windowsize", "4")]);
    assert_eq!(sent(&mut t), ["oack blksize=1468 windowsize=4"]);
    t.handle(&ack(0), SECOND);
    assert_eq!(sent(&mut t), ["1:1468", "2:1468", "3:1064"]);
    t.handle(&ack(3), SECOND);
    assert_eq!(t.outcome(), Some(&Outcome::Complete));
}

#[test]
fn a_duplicate_ack_is_never_answered() {
    let mut t = start(5000, &[]);
    sent(&mut t);
    t.handle(&ack(1), SECOND);
    assert_eq!(sent(&mut t), ["2:512"]);
    for _ in 0..5 {
        assert_eq!(
            t.handle(&ack(1), SECOND),
            Handled::Ignored(Ignored::DuplicateAck)
        );
        assert!(sent(&mut t).is_empty());
    }
    assert_eq!(
        t.handle(&ack(0), SECOND),
        Handled::Ignored(Ignored::StaleAck)
    );
    assert_eq!(
        t.handle(&ack(9), SECOND),
        Handled::Ignored(Ignored::StaleAck)
    );
}

#[test]
fn an_ack_inside_the_window_resumes_after_the_gap_with_half_the_burst() {
    let mut t = start(512 * 100, &[("windowsize", "8")]);
    sent(&mut t);
    t.handle(&ack(0), SECOND);
    assert_eq!(sent(&mut t).len(), 8);
    t.handle(&ack(3), SECOND);
    assert_eq!(sent(&mut t), ["4:512", "5:512", "6:512", "7:512"]);
    // The rest of the window follows after the pause, without an ACK.
    let pause = t.poll_timeout().unwrap();
    assert_eq!(pause, SECOND + bursts::PAUSE);
    t.handle_timeout(pause);
    assert_eq!(sent(&mut t), ["8:512", "9:512", "10:512", "11:512"]);
    assert_eq!(t.blocks_retransmitted(), 5);
}

/// Lets time pass until the transfer ends: how many seconds were waited each time, and everything that was sent.
fn abandon<S: Source>(t: &mut Transfer<S>, mut now: Duration) -> (Vec<u64>, Vec<String>) {
    let (mut waits, mut all) = (Vec::new(), Vec::new());
    while let Some(due) = t.poll_timeout() {
        t.handle_timeout(due - Duration::from_millis(1));
        assert!(sent(t).is_empty(), "nothing before the time");
        waits.push((due - now).as_secs());
        now = due;
        t.handle_timeout(now);
        all.extend(sent(t));
    }
    (waits, all)
}

#[test]
fn without_an_ack_the_first_datagram_is_repeated_twice_and_then_there_is_silence() {
    let window = [("blksize", "1468"), ("windowsize", "64"), ("tsize", "0")];
    let oack = "oack blksize=1468 windowsize=64 tsize=500000";
    for (options, first, waited) in [
        (&[][..], "1:512", [1, 2, 7]),
        (&window, oack, [1, 2, 7]),
        (&[("timeout", "10")], "oack timeout=10", [10, 10, 7]),
        (&[("timeout", "255")], "1:512", [1, 2, 7]),
    ] {
        let mut t = start(500_000, options);
        assert_eq!(sent(&mut t), [first]);
        let (waits, repeated) = abandon(&mut t, Duration::ZERO);
        assert_eq!(
            (&waits[..], &repeated[..]),
            (&waited[..], &[first.to_owned(), first.to_owned()][..])
        );
        assert_eq!(t.outcome(), Some(&Outcome::TimedOut));
    }
}

#[test]
fn a_client_that_falls_silent_is_given_up_after_a_minute() {
    for (options, waited) in [
        (&[][..], &[4, 7, 7, 7, 7, 7, 7, 7, 7][..]),
        (&[("timeout", "10")], &[10, 10, 10, 10, 10, 10]),
        (&[("timeout", "1")], &[1; 60]),
    ] {
        let mut t = start(5000, options);
        sent(&mut t);
        let first = u16::from(options.is_empty());
        t.handle(&ack(first), SECOND);
        sent(&mut t);
        let (waits, repeated) = abandon(&mut t, SECOND);
        assert_eq!(waits, waited);
        assert_eq!(waits.iter().sum::<u64>(), 60);
        assert_eq!(repeated.last().map(String::as_str), Some("error 0"));
        assert_eq!(t.outcome(), Some(&Outcome::TimedOut));
    }
}

/// A client that acknowledges a block after every `pause`: how long it is served, if not to the end.
fn served_for(size: usize, block: &str, pause: Duration) -> Option<Duration> {
    let mut t = start(size, &[("blksize", block)]);
    sent(&mut t);
    let (mut now, mut number) = (Duration::ZERO, 0);
    let mut answers_at = pause;
    loop {
        match t.outcome() {
            Some(Outcome::Complete) => return None,
            Some(_) => return Some(now),
            None => {}
        }
        let due = t.poll_timeout().unwrap();
        now = due.min(answers_at);
        if answers_at <= due {
            t.handle(&ack(number), now);
            number = number.wrapping_add(1);
            answers_at = now + pause;
        } else {
            t.handle_timeout(now);
        }
        sent(&mut t);
    }
}

#[test]
fn a_client_that_stretches_its_transfer_is_given_up_but_no_slow_link_is() {
    // One block each 59 s, as large as they come on Ethernet.
    let stretched = served_for(100_000_000, "1468", 59 * SECOND).unwrap();
    assert!(stretched <= 2 * patience::RATE_INTERVAL, "{stretched:?}");
    // A satellite's round trip of 1.2 s, without larger blocks.
    assert_eq!(served_for(500_000, "512", 1200 * SECOND / 1000), None);
    // A machine that erases its flash for 25 s in the middle.
    let mut t = start(60_000, &[]);
    let mut now = Duration::ZERO;
    for number in 1..=118 {
        assert_eq!(
            sent(&mut t),
            [format!("{number}:{}", if number < 118 { 512 } else { 96 })]
        );
        now += if number == 50 {
            25 * SECOND
        } else {
            SECOND / 10
        };
        if number == 50 {
            while t.poll_timeout().unwrap() < now {
                t.handle_timeout(t.poll_timeout().unwrap());
                sent(&mut t);
            }
        }
        t.handle(&ack(number), now);
    }
    assert_eq!(t.outcome(), Some(&Outcome::Complete));
}

/// A source that has nothing at once.
struct Disk {
    ready: bool,
}

impl Source for Disk {
    fn size(&self) -> u64 {
        5000
    }
    fn append(&mut self, _: u64, length: usize, datagrams: &mut Vec<u8>) -> io::Result<()> {
        match self.ready {
            true => {
                datagrams.resize(datagrams.len() + length, 0);
                Ok(())
            }
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

#[test]
fn a_slow_source_is_waited_for_and_is_not_the_clients_fault() {
    let limits = Limits::for_mtu(1500);
    let mut t = Transfer::start(
        &request(&[]),
        Disk { ready: false },
        &limits,
        Duration::ZERO,
    )
    .unwrap();
    assert!(sent(&mut t).is_empty());
    assert_eq!(t.poll_timeout(), Some(patience::SILENCE));
    t.handle_timeout(20 * SECOND);
    assert!(t.outcome().is_none());
    t.source_mut().ready = true;
    t.source_ready(25 * SECOND);
    assert_eq!(sent(&mut t), ["1:512"]);
    assert_eq!(t.poll_timeout(), Some(26 * SECOND));
    t.handle(&ack(1), 26 * SECOND);
    t.source_mut().ready = false;
    assert!(sent(&mut t).is_empty());
    t.handle_timeout(t.poll_timeout().unwrap());
    assert_eq!(
        t.outcome(),
        Some(&Outcome::ReadFailed(io::ErrorKind::TimedOut))
    );
    assert_eq!(sent(&mut t), ["error 0"]);
}

#[test]
fn a_transfer_that_is_stopped_sends_nothing_more() {
    let mut probe = start(5000, &[("tsize", "0")]);
    sent(&mut probe);
    probe.stop();
    assert_eq!(probe.outcome(), Some(&Outcome::SizeLearned));
    let mut t = start(600, &[]);
    sent(&mut t);
    t.handle(&ack(1), SECOND);
    sent(&mut t);
    t.stop();
    assert_eq!(t.outcome(), Some(&Outcome::LastAckMissing));
    assert!(sent(&mut t).is_empty());
    let mut unheard = start(600, &[]);
    unheard.stop();
    assert_eq!(unheard.outcome(), Some(&Outcome::TimedOut));
    assert!(sent(&mut unheard).is_empty());
}

#[test]
fn the_oack_is_retransmitted_after_the_clients_own_timeout() {
    let mut t = start(5000, &[("timeout", "2")]);
    assert_eq!(sent(&mut t), ["oack timeout=2"]);
    assert_eq!(t.poll_timeout(), Some(2 * SECOND));
    t.handle_timeout(2 * SECOND);
    assert_eq!(sent(&mut t), ["oack timeout=2"]);
    assert_eq!(t.poll_timeout(), Some(4 * SECOND));
}

#[test]
fn a_window_is_written_in_one_run_of_equal_datagrams() {
    let mut t = start(512 * 5 + 3, &[("windowsize", "4")]);
    let mut run = Vec::new();
    assert!(t.poll_transmit_run(10_000, &mut run).is_some());
    assert_eq!(Packet::decode(&run).unwrap(), {
        Packet::OptionAck(vec![("windowsize".into(), "4".into())])
    });
    assert_eq!(t.poll_transmit_run(10_000, &mut run), None);
    let mut runs = |block, most| {
        t.handle(&ack(block), SECOND);
        let mut runs = Vec::new();
        while let Some(each) = t.poll_transmit_run(most, &mut run) {
            assert_eq!(each, 516);
            let datagrams = run.chunks(each).map(|datagram| {
                let Packet::Data { block, payload } = Packet::decode(datagram).unwrap() else {
                    panic!("no data")
                };
                (block, payload.len())
            });
            runs.push(datagrams.collect::<Vec<_>>());
        }
        runs
    };
    let whole = [(1, 512), (2, 512), (3, 512), (4, 512)];
    assert_eq!(runs(0, 10_000), [whole]);
    // As many as fit, and one in any case.
    assert_eq!(runs(4, 516 + 515), [[(5, 512)], [(6, 3)]]);
    assert_eq!(runs(6, 0), Vec::<Vec<_>>::new());
    assert_eq!(t.outcome(), Some(&Outcome::Complete));
}

#[test]
fn a_missing_last_ack_counts_as_success() {
    let mut t = start(600, &[]);
    sent(&mut t);
    t.handle(&ack(1), SECOND);
    sent(&mut t);
    while let Some(due) = t.poll_timeout() {
        t.handle_timeout(due);
        sent(&mut t);
    }
    assert_eq!(t.outcome(), Some(&Outcome::LastAckMissing));
}

#[test]
fn a_later_ack_covers_a_lost_one() {
    let mut t = start(512 * 20, &[("windowsize", "4")]);
    sent(&mut t);
    t.handle(&ack(0), Duration::ZERO);
    assert_eq!(sent(&mut t), ["1:512", "2:512", "3:512", "4:512"]);
    // ACK 4 is lost; the client answers the retransmitted block 1 with ACK 4.
    let due = t.poll_timeout().unwrap();
    t.handle_timeout(due);
    assert_eq!(sent(&mut t), ["1:512", "2:512"]);
    t.handle(&ack(4), due);
    assert_eq!(sent(&mut t), ["5:512", "6:512"]);
    assert_eq!(
        t.handle(&ack(4), due),
        Handled::Ignored(Ignored::DuplicateAck)
    );
}

#[test]
fn block_numbers_roll_over_to_0() {
    let mut t = start(8 * 65600, &[("blksize", "8"), ("windowsize", "64")]);
    sent(&mut t);
    t.handle(&ack(0), Duration::ZERO);
    let mut last = 0u16;
    let mut rolled = false;
    loop {
        let blocks = sent(&mut t);
        let Some(block) = blocks.last() else { break };
        rolled |= blocks.iter().any(|b| b == "0:8");
        last = block.split(':').next().unwrap().parse().unwrap();
        t.handle(&ack(last), Duration::ZERO);
    }
    assert!(rolled);
    assert_eq!((t.outcome(), last), (Some(&Outcome::Complete), 65));
    assert_eq!(t.bytes_acknowledged(), 8 * 65600);
}

#[test]
fn a_file_that_shrinks_ends_the_transfer_with_an_error() {
    struct Shrunk;
    impl Source for Shrunk {
        fn size(&self) -> u64 {
            4000
        }
        fn append(&mut self, _: u64, _: usize, _: &mut Vec<u8>) -> io::Result<()> {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
    let limits = Limits::for_mtu(1500);
    let mut t = Transfer::start(&request(&[]), Shrunk, &limits, Duration::ZERO).unwrap();
    assert_eq!(sent(&mut t), ["error 0"]);
    assert_eq!(
        t.outcome(),
        Some(&Outcome::ReadFailed(io::ErrorKind::UnexpectedEof))
    );
}

#[test]
fn other_modes_and_other_packets_are_refused_or_ignored() {
    let mut netascii = request(&[]);
    netascii.mode = Mode::Netascii;
    let limits = Limits::for_mtu(1500);
    let refused = Transfer::start(&netascii, vec![1], &limits, Duration::ZERO).unwrap_err();
    assert!(matches!(refused, Packet::Error { code: 4, .. }));
    let mut t = start(5000, &[]);
    sent(&mut t);
    let data = Packet::Data {
        block: 1,
        payload: b"x",
    }
    .encode();
    assert_eq!(
        t.handle(&data, SECOND),
        Handled::Ignored(Ignored::Unexpected)
    );
    assert!(matches!(
        t.handle(b"\xff", SECOND),
        Handled::Ignored(Ignored::NotTftp(_))
    ));
    assert!(sent(&mut t).is_empty());
}
