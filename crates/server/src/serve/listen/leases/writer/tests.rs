use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};

use super::super::lease::Stored;
use super::super::store::Change;
use super::*;
use crate::serve::events::Format;
use crate::serve::machines::Machines;

const HOUR: Duration = Duration::from_secs(3600);
const LONG: Duration = Duration::from_secs(60);

/// What a disk was asked, and what it is to answer.
#[derive(Debug, Default)]
struct Contents {
    leases: BTreeMap<Ipv4Addr, Stored>,
    transactions: usize,
    replaced: usize,
    fails: bool,
}

/// A disk that writes once it is told to.
struct TestDisk {
    contents: Arc<Mutex<Contents>>,
    begun: Sender<()>,
    gate: Option<Receiver<()>>,
}

impl TestDisk {
    fn transaction(&mut self) -> Result<MutexGuard<'_, Contents>, StoreError> {
        let _ = self.begun.send(());
        if let Some(gate) = &self.gate {
            gate.recv_timeout(LONG).unwrap();
        }
        let mut contents = self.contents.lock().unwrap();
        contents.transactions += 1;
        if contents.fails {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        Ok(contents)
    }
}

impl Disk for TestDisk {
    fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut contents = self.transaction()?;
        for (address, lease) in changes {
            match lease {
                Some(lease) => contents.leases.insert(*address, *lease),
                None => contents.leases.remove(address),
            };
        }
        Ok(())
    }

    fn replace(&mut self, leases: &[(Ipv4Addr, Stored)]) -> Result<(), StoreError> {
        let mut contents = self.transaction()?;
        contents.leases = leases.iter().copied().collect();
        contents.replaced += 1;
        Ok(())
    }
}

struct Test {
    writer: Writer,
    timeline: Timeline,
    counters: Arc<Counters>,
    contents: Arc<Mutex<Contents>>,
    begun: Receiver<()>,
    sent: (Sender<u8>, Receiver<u8>),
    clock: Clock,
}

fn test(gate: Option<Receiver<()>>) -> (Test, Thread<TestDisk>) {
    let counters = Arc::new(Counters::default());
    let machines = Arc::new(Machines::new());
    let timeline = Timeline::new(Format::Text, Arc::clone(&counters), machines);
    let shared = Arc::new(Shared::new("/state/leases-eth0.redb".into(), [], false));
    let contents = Arc::new(Mutex::new(Contents::default()));
    let (begin, begun) = mpsc::channel();
    let disk = TestDisk {
        contents: Arc::clone(&contents),
        begun: begin,
        gate,
    };
    let clock = Clock::start();
    let thread = Thread::new(&shared, disk, clock, false, &timeline, &counters);
    let test = Test {
        writer: Writer {
            shared,
            file: Mutex::new(None),
        },
        timeline,
        counters,
        contents,
        begun,
        sent: mpsc::channel(),
        clock,
    };
    (test, thread)
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

impl Test {
    /// Machine `number` requests its address.
    fn request(&self, number: u8) -> Put {
        let (mac, now) = (Mac([2, 0, 0, 0, 0, number]), self.clock.now());
        let lease = Binding {
            address: ip(number),
            mac,
            expires: now + HOUR,
        };
        self.writer.note([(ip(number), Some(lease))], now);
        let sent = self.sent.0.clone();
        let send = move || sent.send(number).unwrap();
        self.writer
            .when_durable(ip(number), mac, &self.timeline, send)
    }

    fn sent(&self) -> Vec<u8> {
        self.sent.1.try_iter().collect()
    }

    fn transactions(&self) -> usize {
        self.contents.lock().unwrap().transactions
    }
}

#[test]
fn a_classroom_that_starts_at_once_is_two_transactions() {
    let (open, gate) = mpsc::channel();
    let (test, thread) = test(Some(gate));
    thread.spawn().unwrap();
    test.request(1);
    test.begun.recv_timeout(LONG).unwrap();
    // The disk is busy with the first one. Nothing is sent, and nobody who only wants an offer waits.
    for number in 2..=60 {
        assert_eq!(test.request(number), Put::Accepted);
    }
    assert!(test.sent().is_empty());
    open.send(()).unwrap();
    assert_eq!(test.sent.1.recv_timeout(LONG), Ok(1));
    test.begun.recv_timeout(LONG).unwrap();
    assert!(test.sent().is_empty());
    open.send(()).unwrap();
    let mut sent: Vec<_> = (2..=60)
        .map(|_| test.sent.1.recv_timeout(LONG).unwrap())
        .collect();
    sent.sort_unstable();
    assert!(sent.into_iter().eq(2..=60));
    // They ask again when iPXE and the init run: no transaction at all.
    for number in 1..=60 {
        test.request(number);
        assert_eq!(test.sent(), [number]);
    }
    test.writer.stop();
    assert_eq!(test.transactions(), 2);
    assert_eq!(test.counters.snapshot().lease_transactions, 2);
    assert_eq!(test.contents.lock().unwrap().leases.len(), 60);
}

#[test]
fn a_disk_that_fails_keeps_no_machine_waiting_and_gets_everything_later() {
    let (test, mut thread) = test(None);
    test.request(1);
    thread.write();
    assert_eq!(test.sent(), [1]);
    test.contents.lock().unwrap().fails = true;
    test.request(2);
    assert!(test.sent().is_empty(), "not before the disk has failed");
    thread.write();
    assert_eq!(test.sent(), [2]);
    test.request(3);
    assert_eq!(test.sent(), [3], "nobody waits for a disk that fails");
    thread.write();
    assert_eq!(test.counters.snapshot().lease_transactions, 1);
    test.contents.lock().unwrap().fails = false;
    thread.write();
    let contents = test.contents.lock().unwrap();
    assert!(contents.leases.keys().copied().eq([ip(1), ip(2), ip(3)]));
    assert_eq!(contents.replaced, 1);
    drop(contents);
    test.request(4);
    assert!(test.sent().is_empty(), "and then they wait again");
    thread.write();
    assert_eq!(test.sent(), [4]);
}

#[test]
fn a_disk_that_takes_too_long_keeps_no_machine_waiting() {
    let (test, mut thread) = test(None);
    let long_ago = Instant::now().checked_sub(SLOW * 2).unwrap();
    test.writer.shared.lock().writing_since = Some(long_ago);
    test.request(1);
    assert_eq!(test.sent(), [1]);
    // A reply that waited for so long is for a machine that has asked again.
    let sent = test.sent.0.clone();
    let waiting = Waiting {
        since: long_ago,
        send: Box::new(move || sent.send(9).unwrap()),
    };
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    let waits = test.writer.shared.lock().queue.wait(ip(1), mac, waiting);
    assert!(matches!(waits, Wait::Queued));
    thread.write();
    assert!(test.sent().is_empty());
    test.request(2);
    assert!(test.sent().is_empty(), "the disk has answered");
}

#[test]
fn when_the_wall_clock_is_stepped_the_leases_are_written_by_the_new_time() {
    let (test, mut thread) = test(None);
    test.request(1);
    thread.write();
    // As if the last times had been written by a clock in 1970.
    thread.written_at.wall = thread.written_at.wall.saturating_sub(HOUR * 24 * 365 * 50);
    let before = Stored {
        written: 0,
        ..test.contents.lock().unwrap().leases[&ip(1)]
    };
    test.contents.lock().unwrap().leases.insert(ip(1), before);
    assert!(thread.wait());
    thread.write();
    let contents = test.contents.lock().unwrap();
    assert!(contents.leases[&ip(1)].written > 0);
    assert_eq!(contents.transactions, 2);
    drop(contents);
    test.writer.shared.lock().stopping = true;
    assert!(!thread.wait(), "nothing is left to write");
}

#[test]
fn what_nobody_waits_for_is_written_at_the_end() {
    let (test, thread) = test(None);
    thread.spawn().unwrap();
    let lease = Binding {
        address: ip(7),
        mac: Mac([2, 0, 0, 0, 0, 7]),
        expires: test.clock.now(),
    };
    test.writer.note([(ip(7), Some(lease))], test.clock.now());
    test.writer.stop();
    assert_eq!(test.contents.lock().unwrap().leases.len(), 1);
}
