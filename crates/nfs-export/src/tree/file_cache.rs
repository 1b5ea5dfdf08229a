//! Files that were used lately, held open: GETATTR and LOOKUP dominate a root's boot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::tree::handle::Handle;
use crate::tree::node::Node;

/// Independent parts, so that connections do not wait for one another.
const SHARDS: usize = 8;

/// A bounded map from handles to open files. When it is full, the first file that was not asked for since the hand
/// last passed it has to go (the clock algorithm: nearly LRU, and a hit writes one flag).
#[derive(Debug)]
pub(crate) struct FileCache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug)]
struct Shard {
    slots: Vec<Slot>,
    places: HashMap<Handle, usize>,
    hand: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Slot {
    handle: Handle,
    object: Arc<Node>,
    used: bool,
}

impl FileCache {
    /// Holds at most `capacity` files, rounded up to one per shard.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    slots: Vec::new(),
                    places: HashMap::new(),
                    hand: 0,
                    capacity: capacity.div_ceil(SHARDS).max(1),
                })
            }),
        }
    }

    pub(crate) fn find(&self, handle: &Handle) -> Option<Arc<Node>> {
        let mut shard = self.shard(handle)?;
        let place = *shard.places.get(handle)?;
        let slot = shard.slots.get_mut(place)?;
        slot.used = true;
        Some(Arc::clone(&slot.object))
    }

    /// Keeps `object`; returns the one to use, which is an older one if another thread was faster.
    pub(crate) fn keep(&self, handle: Handle, object: Arc<Node>) -> Arc<Node> {
        let Some(mut shard) = self.shard(&handle) else {
            return object;
        };
        if let Some(known) = shard
            .places
            .get(&handle)
            .copied()
            .and_then(|place| shard.slots.get(place))
        {
            return Arc::clone(&known.object);
        }
        let evicted = shard.insert(Slot {
            handle,
            object: Arc::clone(&object),
            used: true,
        });
        drop(shard);
        // Closing can wait for the file system; nobody else should wait for it with us.
        drop(evicted);
        object
    }

    /// Forgets a file that turned out to be gone.
    pub(crate) fn forget(&self, handle: &Handle) {
        if let Some(mut shard) = self.shard(handle)
            && let Some(place) = shard.places.remove(handle)
        {
            shard.slots.swap_remove(place);
            if let Some(moved) = shard.slots.get(place).map(|slot| slot.handle) {
                shard.places.insert(moved, place);
            }
        }
    }

    fn shard(&self, handle: &Handle) -> Option<std::sync::MutexGuard<'_, Shard>> {
        // The last bytes are the signature's: as good as random, and nobody but us can choose them.
        let last = handle.as_bytes().last().copied().unwrap_or(0);
        let shard = self.shards.get(usize::from(last) % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn insert(&mut self, slot: Slot) -> Option<Slot> {
        let handle = slot.handle;
        if self.slots.len() < self.capacity {
            self.places.insert(handle, self.slots.len());
            self.slots.push(slot);
            return None;
        }
        loop {
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            let candidate = self.slots.get_mut(self.hand)?;
            if !std::mem::take(&mut candidate.used) {
                self.places.remove(&candidate.handle);
                self.places.insert(handle, self.hand);
                return Some(std::mem::replace(candidate, slot));
            }
        }
    }
}
