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
    assert_eq!(pause, SECOND + BURST_PAUSE);
    t.handle_timeout(pause);
    assert_eq!(sent(&mut t), ["8:512", "9:512", "10:512", "11:512"]);
    assert_eq!(t.blocks_retransmitted(), 5);
}

#[test]
fn without_acks_the_window_is_retransmitted_and_the_transfer_aborted() {
    let mut t = start(5000, &[]);
    assert_eq!(sent(&mut t), ["1:512"]);
    let mut waits = Vec::new();
    let mut now = Duration::ZERO;
    while t.outcome().is_none() {
        let due = t.poll_timeout().unwrap();
        t.handle_timeout(due - Duration::from_millis(1));
        assert!(sent(&mut t).is_empty(), "nothing before the time");
        waits.push((due - now).as_secs());
        now = due;
        t.handle_timeout(now);
        if t.outcome().is_none() {
            assert_eq!(sent(&mut t), ["1:512"]);
        }
    }
    assert_eq!(waits, [1, 2, 4, 7, 7, 7, 7]);
    assert_eq!(t.outcome(), Some(&Outcome::TimedOut));
    assert_eq!(sent(&mut t), ["error 0"]);
    assert!(sent(&mut t).is_empty());
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
fn a_missing_last_ack_counts_as_success() {
    let mut t = start(100, &[]);
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
        fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<()> {
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
