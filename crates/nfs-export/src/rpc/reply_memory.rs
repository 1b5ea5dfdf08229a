//! The memory of long replies, shared by all connections and charged to the clients that they are for.
//!
//! A reply occupies memory until its client has read most of it. For more than a few KiB a connection
//! takes a block from here until the reply is sent. A client that cannot have one gets a shorter READ or listing.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use netroot_limits::{ByteBudget, Charge};
use netroot_sys::pages::Pages;

use crate::rpc::reply_content::Pipes;

/// The sizes of blocks, in bytes: for a listing, for a READ of the preferred size, and for the longest READ; each with
/// room for what was collected in a smaller one ([`Block::is_full`]).
const SIZES: [usize; 3] = [80 * 1024, 320 * 1024, 1216 * 1024];

/// The most bytes of blocks and long calls for all clients together.
pub(crate) const TOTAL: usize = 8 * 1024 * 1024;

/// The most bytes for one address: a dozen READs of the preferred size. Machines that share an address get shorter
/// READs beyond that.
pub(crate) const PER_CLIENT: usize = 3 * 1024 * 1024;

/// The most bytes of unused blocks that are kept, so that most READs find one that is mapped already. Together with
/// those in use they are never more than [`TOTAL`].
const MAX_SPARE: usize = 4 * 1024 * 1024;

/// Blocks of memory within a budget.
#[derive(Debug)]
pub(crate) struct ReplyMemory {
    budget: Arc<ByteBudget>,
    spare: Mutex<Vec<Pages>>,
    pipes: Arc<Pipes>,
    /// How often a block was refused because of the total.
    refused: AtomicU64,
}

impl Default for ReplyMemory {
    fn default() -> Self {
        Self::new(PER_CLIENT, TOTAL)
    }
}

impl ReplyMemory {
    fn new(per_client: usize, total: usize) -> Self {
        Self {
            budget: ByteBudget::new(per_client, total),
            spare: Mutex::default(),
            pipes: Arc::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// The budget, for what else is held for clients.
    pub(crate) fn budget(&self) -> &Arc<ByteBudget> {
        &self.budget
    }

    /// For content that is not copied.
    pub(crate) fn pipes(&self) -> &Arc<Pipes> {
        &self.pipes
    }

    /// How often a block or a pipe was refused because all clients together had too many.
    pub(crate) fn refused(&self) -> u64 {
        let blocks = self.refused.load(Ordering::Relaxed);
        blocks.wrapping_add(self.pipes.refused())
    }

    /// A block of at least `wanted` bytes; if that is too much, the largest possible one that has more than `least`.
    pub(super) fn take(
        self: &Arc<Self>,
        client: IpAddr,
        wanted: usize,
        least: usize,
    ) -> Option<Block> {
        let first = SIZES.iter().position(|size| *size >= wanted);
        let up_to = first.unwrap_or(SIZES.len() - 1);
        let sizes = SIZES.get(..=up_to)?.iter().rev();
        for size in sizes.copied().filter(|size| *size > least) {
            if let Some(charge) = self.budget.charge(client, size) {
                let pages = self.pages(size)?;
                return Some(Block {
                    pages: Some(pages),
                    memory: Arc::clone(self),
                    charge,
                });
            }
            if self.budget.charged() + size > TOTAL {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        None
    }

    fn pages(&self, size: usize) -> Option<Pages> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // The one that was used last is still in the processor's cache.
        let found = spare.iter().rposition(|pages| pages.len() == size);
        if let Some(found) = found {
            return Some(spare.remove(found));
        }
        while !spare.is_empty() && self.budget.charged() + bytes_of(&spare) > TOTAL {
            spare.pop();
        }
        drop(spare);
        Pages::new(size).ok()
    }

    fn give_back(&self, pages: Pages) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = bytes_of(&spare);
        // These pages are still charged.
        if kept + pages.len() <= MAX_SPARE && kept + self.budget.charged() <= TOTAL {
            spare.push(pages);
        }
    }
}

fn bytes_of(spare: &[Pages]) -> usize {
    spare.iter().map(|pages| pages.len()).sum()
}

/// Memory for replies to one client. It contains old data.
#[derive(Debug)]
pub(super) struct Block {
    /// `None` only while it is dropped.
    pages: Option<Pages>,
    memory: Arc<ReplyMemory>,
    #[expect(dead_code, reason = "held, not read")]
    charge: Charge,
}

impl Block {
    /// Whether to send what has been collected, `length` bytes, before more is added.
    pub(super) fn is_full(&self, length: usize) -> bool {
        length >= self.len() / 2
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.pages.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.pages.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pages) = self.pages.take() {
            self.memory.give_back(pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn one_client_gets_smaller_blocks_and_then_none() {
        let memory = Arc::new(ReplyMemory::default());
        let mut sizes = Vec::new();
        let mut held = Vec::new();
        while let Some(block) = memory.take(ONE, 1024 * 1024, 8192) {
            sizes.push(block.len());
            held.push(block);
        }
        let largest = sizes.iter().filter(|size| **size == SIZES[2]).count();
        assert_eq!(largest, PER_CLIENT / SIZES[2]);
        assert!(sizes.is_sorted_by(|a, b| a >= b));
        assert!(sizes.iter().sum::<usize>() <= PER_CLIENT);
        assert_eq!(memory.refused(), 0, "others may still have some");
        let other = "10.0.0.2".parse().unwrap();
        assert_eq!(memory.take(other, 60_000, 8192).unwrap().len(), SIZES[0]);
        held.clear();
        assert_eq!(memory.budget().charged(), 0);
    }

    #[test]
    fn unused_blocks_are_kept_within_a_limit_and_used_again() {
        let memory = Arc::new(ReplyMemory::default());
        let clients = (1..=20).map(|host| IpAddr::from([10, 0, 0, host]));
        let held: Vec<Block> = clients
            .filter_map(|client| memory.take(client, 300_000, 0))
            .collect();
        assert_eq!(held.len(), 20);
        drop(held);
        let spare = || memory.spare.lock().unwrap().len();
        assert_eq!(spare(), MAX_SPARE / SIZES[1]);
        let block = memory.take(ONE, 300_000, 0);
        assert_eq!(spare(), MAX_SPARE / SIZES[1] - 1);
        drop(block);
    }
}
