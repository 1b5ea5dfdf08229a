//! Which parts of files were in the page cache a moment ago.
//!
//! Before the kernel sends a file by itself, it is asked whether every few pages of it are in memory, which takes a twentieth of
//! the time that sending them takes. Many machines load the same files at the same time: what was in memory for one of them is
//! not asked about again for the next.
//!
//! `cachestat(2)` would tell of a whole file in one call, but tells (since Linux 6.14) only those who may write it: EPERM.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is remembered as one, in bytes.
const BLOCK: u64 = 1 << 20;
/// How many blocks are remembered: so many places for each of so many names. With one place, two blocks of files that machines
/// load at the same time would take it from each other (every seventh time for 18 MiB), and be asked about for each machine.
const PLACES: usize = 4;
const NAMES: usize = 256;
/// For how long. It is no proof: what has left memory since is read from the disk on the network's thread. But what was just
/// used is the last that leaves, and machines that boot together ask within less.
const RECENT: Duration = Duration::from_millis(250);

/// A file, by its device's and its own number, which another one has after it: that one has another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
    /// When it was last changed (`st_ctim`), as it was opened.
    pub(super) changed: (i64, i64),
}

/// The blocks, each at one of the places that its name gives it.
#[derive(Debug)]
pub(super) struct RecentlyCached(Mutex<Vec<[Option<Block>; PLACES]>>);

#[derive(Debug, Clone, Copy)]
struct Block {
    file: Inode,
    number: u64,
    /// Up to this position of the file it was in memory, from its own beginning on.
    end: u64,
    at: Instant,
}

impl RecentlyCached {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(vec![[None; PLACES]; NAMES]))
    }

    /// How many of `wanted` bytes of `file` from `position` on are in memory. `absent` finds the first byte that is not, from a
    /// position on, of so many; it is not asked about what was in memory a moment ago.
    pub(super) fn present(
        &self,
        file: Inode,
        position: u64,
        wanted: u64,
        now: Instant,
        absent: impl Fn(u64, u64) -> Option<u64>,
    ) -> u64 {
        let end = position.saturating_add(wanted);
        let mut from = position;
        while from < end {
            let number = from / BLOCK;
            let begin = number.saturating_mul(BLOCK);
            let until = begin.saturating_add(BLOCK).min(end);
            if !self.was(file, number, until, now) {
                if let Some(absent) = absent(from, until.saturating_sub(from)) {
                    return absent.saturating_sub(position);
                }
                if from == begin {
                    self.remember(Block {
                        file,
                        number,
                        end: until,
                        at: now,
                    });
                }
            }
            from = until;
        }
        wanted
    }

    fn was(&self, file: Inode, number: u64, end: u64, now: Instant) -> bool {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = blocks.get(name(file, number)).into_iter().flatten();
        places.any(|block| {
            block.is_some_and(|block| {
                block.is(file, number)
                    && block.end >= end
                    && now.saturating_duration_since(block.at) < RECENT
            })
        })
    }

    fn remember(&self, block: Block) {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = blocks.get_mut(name(block.file, block.number)) else {
            return;
        };
        // Its own place, or else that of the one that was looked at first; an empty one was never.
        let own = |place: &Option<Block>| place.is_some_and(|it| it.is(block.file, block.number));
        let place = match places.iter().position(own) {
            Some(own) => places.get_mut(own),
            None => places.iter_mut().min_by_key(|place| place.map(|it| it.at)),
        };
        if let Some(place) = place {
            *place = Some(block);
        }
    }
}

impl Block {
    fn is(&self, file: Inode, number: u64) -> bool {
        self.file == file && self.number == number
    }
}

fn name(file: Inode, number: u64) -> usize {
    let mut hash = DefaultHasher::new();
    (file, number).hash(&mut hash);
    let names = u64::try_from(NAMES).unwrap_or(u64::MAX);
    usize::try_from(hash.finish() % names).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const FILE: Inode = Inode {
        device: 1,
        number: 7,
        changed: (1, 0),
    };

    /// What is asked about of a file of which everything before `absent` is in memory, and how much of `wanted` is.
    fn look(
        cached: &RecentlyCached,
        file: Inode,
        range: (u64, u64),
        absent: u64,
        now: Instant,
    ) -> (Vec<(u64, u64)>, u64) {
        let asked = RefCell::new(Vec::new());
        let ask = |from: u64, length: u64| {
            asked.borrow_mut().push((from, length));
            (from + length > absent).then(|| from.max(absent))
        };
        let (position, wanted) = range;
        let present = cached.present(file, position, wanted, now, ask);
        (asked.into_inner(), present)
    }

    #[test]
    fn a_block_is_asked_about_once_in_a_moment() {
        let (cached, now) = (RecentlyCached::new(), Instant::now());
        let all = (0, 2 * BLOCK + 5);
        let asked = [(0, BLOCK), (BLOCK, BLOCK), (2 * BLOCK, 5)].to_vec();
        assert_eq!(
            look(&cached, FILE, all, u64::MAX, now),
            (asked.clone(), all.1)
        );
        assert_eq!(look(&cached, FILE, all, u64::MAX, now), (Vec::new(), all.1));
        // More of the last one is not known, nor another file.
        let more = look(&cached, FILE, (BLOCK + 3, BLOCK + 3), u64::MAX, now);
        assert_eq!(more, ([(2 * BLOCK, 6)].to_vec(), BLOCK + 3));
        let another = Inode { number: 8, ..FILE };
        let later_with_its_number = Inode {
            changed: (1, 1),
            ..FILE
        };
        for other in [another, later_with_its_number] {
            assert_eq!(look(&cached, other, (0, 1), u64::MAX, now).0.len(), 1);
        }
        let later = now + RECENT;
        assert_eq!(look(&cached, FILE, (0, BLOCK), u64::MAX, later).0.len(), 1);
    }

    #[test]
    fn blocks_of_the_same_name_do_not_take_the_place_of_one_another() {
        let (cached, now) = (RecentlyCached::new(), Instant::now());
        let same = (0..).filter(|number| name(FILE, *number) == name(FILE, 0));
        let same: Vec<u64> = same.take(PLACES + 1).collect();
        let asked = |number: u64, after: u64| {
            let (block, at) = (number * BLOCK, now + Duration::from_millis(after));
            let (asked, _) = look(&cached, FILE, (block, BLOCK), u64::MAX, at);
            asked.len()
        };
        for (numbers, expected) in [(0..PLACES, 1), (0..PLACES, 0), (PLACES..PLACES + 1, 1)] {
            for number in numbers {
                assert_eq!(asked(same[number], number as u64), expected, "{number}");
            }
        }
        const { assert!(PLACES > 1, "they would be asked about for each machine") };
        // The oldest has made room.
        assert_eq!(asked(same[1], 10), 0);
        assert_eq!(asked(same[0], 10), 1);
    }

    #[test]
    fn what_is_not_in_memory_is_found_and_asked_about_again() {
        let (cached, now) = (RecentlyCached::new(), Instant::now());
        for _ in 0..2 {
            let (asked, present) = look(&cached, FILE, (5, 4 * BLOCK), BLOCK + 100, now);
            assert_eq!(present, BLOCK + 95);
            // The first is not seen from its beginning.
            assert_eq!(asked, [(5, BLOCK - 5), (BLOCK, BLOCK)]);
        }
    }
}
