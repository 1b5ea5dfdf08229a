//! Recently used files, held open: a boot consists mostly of GETATTR and LOOKUP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::tree::handle::Handle;
use crate::tree::node::Node;

/// Independent parts with a lock each, so that connections do not wait for one another.
const SHARDS: usize = 8;

/// A bounded map from handles to open files. When it is full, the first file that was not used since the hand last
/// passed it is evicted (the clock algorithm: nearly LRU, and a hit writes one flag).
#[derive(Debug)]
pub(super) struct FileCache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug)]
struct Shard {
    slots: Vec<Slot>,
    slots_by_handle: HashMap<Handle, usize>,
    hand: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Slot {
    handle: Handle,
    node: Arc<Node>,
    used: bool,
}

impl FileCache {
    /// Holds at most `capacity` files, rounded up to one per shard.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    slots: Vec::new(),
                    slots_by_handle: HashMap::new(),
                    hand: 0,
                    capacity: capacity.div_ceil(SHARDS).max(1),
                })
            }),
        }
    }

    pub(super) fn find(&self, handle: &Handle) -> Option<Arc<Node>> {
        let mut shard = self.shard(handle)?;
        let slot_index = *shard.slots_by_handle.get(handle)?;
        let slot = shard.slots.get_mut(slot_index)?;
        slot.used = true;
        Some(Arc::clone(&slot.node))
    }

    /// Adds `node`; returns the one to use, which is another thread's if that was faster.
    pub(super) fn insert(&self, handle: Handle, node: Arc<Node>) -> Arc<Node> {
        let Some(mut shard) = self.shard(&handle) else {
            return node;
        };
        if let Some(known) = shard
            .slots_by_handle
            .get(&handle)
            .copied()
            .and_then(|slot_index| shard.slots.get(slot_index))
        {
            return Arc::clone(&known.node);
        }
        let evicted = shard.add(Slot {
            handle,
            node: Arc::clone(&node),
            used: true,
        });
        drop(shard);
        // Closing may wait for the file system: not with the lock held.
        drop(evicted);
        node
    }

    /// Removes a file that turned out to be deleted.
    pub(super) fn remove(&self, handle: &Handle) {
        if let Some(mut shard) = self.shard(handle)
            && let Some(slot_index) = shard.slots_by_handle.remove(handle)
        {
            shard.slots.swap_remove(slot_index);
            if let Some(moved) = shard.slots.get(slot_index).map(|slot| slot.handle) {
                shard.slots_by_handle.insert(moved, slot_index);
            }
        }
    }

    /// Removes all files.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.slots_by_handle.clear();
            let closed = std::mem::take(&mut shard.slots);
            drop(shard);
            drop(closed);
        }
    }

    /// Removes all files, and holds at most `capacity` from now on, rounded up to one per shard.
    pub(super) fn shrink(&self, capacity: usize) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.capacity = capacity.div_ceil(SHARDS).max(1);
        }
        self.clear();
    }

    fn shard(&self, handle: &Handle) -> Option<std::sync::MutexGuard<'_, Shard>> {
        // The last byte is part of the signature: as good as random, and not chosen by clients.
        let last = handle.as_bytes().last().copied().unwrap_or(0);
        let shard = self.shards.get(usize::from(last) % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// Adds a slot; returns the one that was evicted for it.
    fn add(&mut self, slot: Slot) -> Option<Slot> {
        let handle = slot.handle;
        if self.slots.len() < self.capacity {
            self.slots_by_handle.insert(handle, self.slots.len());
            self.slots.push(slot);
            return None;
        }
        loop {
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            let candidate = self.slots.get_mut(self.hand)?;
            if !std::mem::take(&mut candidate.used) {
                self.slots_by_handle.remove(&candidate.handle);
                self.slots_by_handle.insert(handle, self.hand);
                return Some(std::mem::replace(candidate, slot));
            }
        }
    }
}
