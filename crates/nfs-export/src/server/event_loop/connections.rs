//! The connections of an event loop, and those of them that are to be served.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, EventFlags};

use super::served::Served;
use crate::coarse_time;

/// The connections of a loop.
#[derive(Default)]
pub(super) struct Connections {
    pub(super) all: HashMap<u64, Arc<Served>>,
    /// Those that have events, or more to do.
    pub(super) ready: VecDeque<Arc<Served>>,
    /// When they are looked at, if any has something to free or to wait for, by [`coarse_time`].
    pub(super) look: Option<Duration>,
}

impl Connections {
    /// Each event is told of once only, so whoever was told notes it. Connections are looked at after `tick`. Returns how many
    /// are ready.
    pub(super) fn note(&mut self, events: &[epoll::Event], tick: Duration) -> usize {
        let ending = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        for event in events {
            let ended = { event.flags }.intersects(ending);
            if let Some(served) = self.all.get(&event.data.u64())
                && served.event(ended)
            {
                self.ready.push_back(Arc::clone(served));
            }
        }
        if !self.ready.is_empty() {
            self.look.get_or_insert_with(|| coarse_time::now() + tick);
        }
        self.ready.len()
    }
}
