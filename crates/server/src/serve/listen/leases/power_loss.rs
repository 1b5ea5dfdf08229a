//! The database on a disk that stops at every step, loses what was not synced, and tears writes.
//!
//! The server says that a lease is durable when [`Store::write`] has returned: from then on it has to be found by the
//! next one. What was being written when the power went is there as a whole or not at all.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use netroot_net::Mac;
use redb::StorageBackend;

use super::lease::Stored;
use super::store::{Change, Store};

/// A disk loses whole sectors, or parts of sectors on a bad day.
const TEAR: usize = 64;

#[derive(Debug, Clone)]
enum Step {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Default)]
struct Inner {
    synced: Vec<u8>,
    /// What a reader sees, as in the kernel's cache.
    cached: Vec<u8>,
    unsynced: Vec<Step>,
    /// How many steps are left before the power goes.
    left: usize,
    done: usize,
}

/// A disk whose power goes after some steps.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<Inner>>);

fn apply(content: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write(at, data) => {
            let end = at + data.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*at..end].copy_from_slice(data);
        }
        Step::Length(length) => content.resize(*length, 0),
    }
}

impl Disk {
    fn new(content: Vec<u8>, steps: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            synced: content.clone(),
            cached: content,
            unsynced: Vec::new(),
            left: steps,
            done: 0,
        })))
    }

    fn step(&self, step: Option<Step>) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.done += 1;
        let Some(left) = inner.left.checked_sub(1) else {
            return Err(io::Error::other("no power"));
        };
        inner.left = left;
        let last = left == 0;
        match step {
            // The last write is not finished, and the last sync did not happen.
            Some(Step::Write(at, data)) if last => {
                let half = Step::Write(at, data[..data.len() / 2].to_vec());
                apply(&mut inner.cached, &half);
                inner.unsynced.push(half);
            }
            Some(step) => {
                apply(&mut inner.cached, &step);
                inner.unsynced.push(step);
            }
            None if !last => {
                inner.synced = inner.cached.clone();
                inner.unsynced.clear();
            }
            None => {}
        }
        if last {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }

    fn steps(&self) -> usize {
        self.0.lock().unwrap().done
    }

    /// After `kill -9`: the kernel writes the rest.
    fn after_kill(&self) -> Vec<u8> {
        self.0.lock().unwrap().cached.clone()
    }

    /// After a power failure: some of what was not synced was written, in parts.
    fn after_power_loss(&self, random: &mut Random) -> Vec<u8> {
        let inner = self.0.lock().unwrap();
        let mut content = inner.synced.clone();
        for step in &inner.unsynced {
            match step {
                Step::Length(_) => {
                    if random.below(2) == 0 {
                        apply(&mut content, step);
                    }
                }
                Step::Write(at, data) => {
                    let written = random.below(3);
                    for (number, part) in data.chunks(TEAR).enumerate() {
                        if written == 0 || (written == 1 && random.below(2) == 0) {
                            let part = Step::Write(at + number * TEAR, part.to_vec());
                            apply(&mut content, &part);
                        }
                    }
                }
            }
        }
        content
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.0.lock().unwrap().cached.len()).unwrap())
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let inner = self.0.lock().unwrap();
        if inner.left == 0 {
            return Err(io::Error::other("no power"));
        }
        let at = usize::try_from(offset).unwrap();
        let bytes = inner.cached.get(at..at + length);
        Ok(bytes.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(Some(Step::Length(usize::try_from(length).unwrap())))
    }

    fn sync_data(&self, _: bool) -> io::Result<()> {
        self.step(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.step(Some(Step::Write(at, data.to_vec())))
    }
}

/// xorshift: the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

type Leases = BTreeMap<Ipv4Addr, Stored>;

fn lease(number: u64, round: u64) -> (Ipv4Addr, Stored) {
    let low = u8::try_from(number).unwrap();
    let stored = Stored {
        mac: Mac([2, 0, 0, 0, 0, low]),
        written: 1_795_000_000 + round,
        until: 1_795_003_600 + round,
    };
    (Ipv4Addr::new(10, 0, 0, low), stored)
}

/// A classroom starts, renews, and some go: the transactions, and what there is after each.
fn rounds() -> Vec<(Vec<Change>, Leases)> {
    let mut leases = Leases::new();
    let mut rounds = Vec::new();
    for round in 0..8 {
        let machines = match round {
            0 => 0..1,
            1 => 1..60,
            _ => round * 7..round * 7 + 12,
        };
        let mut changes: Vec<Change> = Vec::new();
        for machine in machines {
            let (address, stored) = lease(machine, round);
            let gone = round > 2 && machine % 5 == 0;
            changes.push((address, (!gone).then_some(stored)));
        }
        for (address, stored) in &changes {
            match stored {
                Some(stored) => leases.insert(*address, *stored),
                None => leases.remove(address),
            };
        }
        rounds.push((changes, leases.clone()));
    }
    rounds
}

fn new_database() -> Vec<u8> {
    let disk = Disk::new(Vec::new(), usize::MAX);
    drop(Store::create(disk.clone(), &[]).unwrap());
    disk.after_kill()
}

fn read(content: Vec<u8>, what: &str) -> Leases {
    let store = Store::open(Disk::new(content, usize::MAX));
    let store = store.unwrap_or_else(|error| panic!("{what}: {error}"));
    store.load().unwrap().into_iter().collect()
}

/// Writes round after round. Returns how many were durable before the power went.
fn run(disk: &Disk, rounds: &[(Vec<Change>, Leases)]) -> usize {
    let Ok(store) = Store::open(disk.clone()) else {
        return 0;
    };
    let written = rounds.iter();
    written
        .take_while(|(changes, _)| store.write(changes).is_ok())
        .count()
}

#[test]
fn every_acknowledged_lease_is_there_wherever_the_power_goes() {
    let (start, rounds) = (new_database(), rounds());
    let whole = Disk::new(start.clone(), usize::MAX);
    assert_eq!(run(&whole, &rounds), rounds.len());
    let steps = whole.steps();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut images, mut kept) = (0, 0);
    for stop in 1..=steps {
        let disk = Disk::new(start.clone(), stop);
        let durable = run(&disk, &rounds);
        let none = Leases::new();
        let before = durable.checked_sub(1).map_or(&none, |last| &rounds[last].1);
        let after = rounds.get(durable).map_or(before, |(_, after)| after);
        let mut contents = vec![disk.after_kill(), disk.0.lock().unwrap().synced.clone()];
        contents.extend((0..4).map(|_| disk.after_power_loss(&mut random)));
        for content in contents {
            let found = read(content, &format!("step {stop} of {steps}"));
            assert!(
                found == *before || found == *after,
                "step {stop}: {durable} rounds were durable, found {found:?}"
            );
            (images, kept) = (images + 1, kept + usize::from(found != *before));
        }
    }
    println!("{steps} steps, {images} images; in {kept} the last transaction was there as well");
    assert!(steps > 40 && kept > 0 && kept < images);
}

#[test]
fn a_start_that_is_interrupted_at_every_step_loses_nothing() {
    let (start, rounds) = (new_database(), rounds());
    let whole = Disk::new(start.clone(), usize::MAX);
    run(&whole, &rounds);
    let mut random = Random(0x0123_4567_89ab_cdef);
    for stop in (1..=whole.steps()).step_by(9) {
        let disk = Disk::new(start.clone(), stop);
        run(&disk, &rounds);
        let image = disk.after_power_loss(&mut random);
        let expected = read(image.clone(), "first start");
        for again in 1.. {
            let disk = Disk::new(image.clone(), again);
            let opened = Store::open(disk.clone()).is_ok();
            for content in [disk.after_kill(), disk.after_power_loss(&mut random)] {
                assert_eq!(read(content, "second start"), expected, "{stop}, {again}");
            }
            if opened {
                break;
            }
        }
    }
}
