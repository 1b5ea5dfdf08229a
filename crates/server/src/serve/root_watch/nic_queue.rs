//! Which initrds for one network card are to be made, and who waits for them. Pure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use netroot_limits::{Rate, RateLimiter};
use netroot_net::PciId;
use tokio::sync::oneshot;

use crate::serve::look_requests::NicRequest;

/// How many cards wait. More are for machines that take the initrd for every card.
const WAITING: usize = 32;

/// How often one is built: who asks for one card after the other neither keeps the processor busy nor fills the log.
const BUILDS: Rate = Rate {
    burst: 32,
    every: Duration::from_secs(10),
};

/// What is to be made, and for whom.
#[derive(Debug)]
pub(super) struct NicQueue {
    /// What is being made.
    running: Option<Wanted>,
    waiting: VecDeque<Wanted>,
    pub(super) builds: Arc<Mutex<RateLimiter<()>>>,
    pub(super) since: Instant,
}

impl Default for NicQueue {
    fn default() -> Self {
        Self {
            running: None,
            waiting: VecDeque::new(),
            builds: Arc::new(Mutex::new(RateLimiter::new(BUILDS, BUILDS, 1))),
            since: Instant::now(),
        }
    }
}

#[derive(Debug)]
struct Wanted {
    image: String,
    nic: PciId,
    /// Who is told when it is made, or cannot be.
    told: Vec<oneshot::Sender<()>>,
}

impl NicQueue {
    /// Somebody wants one. Who is not told takes what there is.
    pub(super) fn add(&mut self, request: NicRequest) {
        let NicRequest { image, nic, done } = request;
        let mut all = self.running.iter_mut().chain(&mut self.waiting);
        if let Some(same) = all.find(|one| one.image == image && one.nic == nic) {
            same.told.retain(|one| !one.is_closed());
            same.told.push(done);
        } else if self.waiting.len() < WAITING {
            let told = vec![done];
            self.waiting.push_back(Wanted { image, nic, told });
        }
    }

    /// The next that is to be made, if nothing is.
    pub(super) fn start(&mut self) -> Option<(String, PciId)> {
        if self.running.is_none() {
            self.running = self.waiting.pop_front();
            let next = self.running.as_ref();
            return next.map(|next| (next.image.clone(), next.nic));
        }
        None
    }

    /// What was being made is, or cannot be.
    pub(super) fn end(&mut self) {
        for done in self.running.take().into_iter().flat_map(|one| one.told) {
            // It may have waited long enough.
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(device: u16) -> PciId {
        PciId {
            vendor: 0x8086,
            device,
        }
    }

    fn ask(queue: &mut NicQueue, device: u16) -> oneshot::Receiver<()> {
        let (done, told) = oneshot::channel();
        queue.add(NicRequest {
            image: "debian".to_owned(),
            nic: nic(device),
            done,
        });
        told
    }

    #[test]
    fn machines_with_the_same_card_wait_for_one_initrd_and_one_is_made_at_a_time() {
        let mut queue = NicQueue::default();
        let mut first: Vec<_> = (0..10).map(|_| ask(&mut queue, 1)).collect();
        assert_eq!(queue.start().map(|(_, nic)| nic), Some(nic(1)));
        // It is being made already.
        first.push(ask(&mut queue, 1));
        let mut second = ask(&mut queue, 2);
        assert!(queue.start().is_none());
        queue.end();
        for told in &mut first {
            told.try_recv().unwrap();
        }
        assert!(second.try_recv().is_err());
        assert_eq!(queue.start().map(|(_, nic)| nic), Some(nic(2)));
        queue.end();
        second.try_recv().unwrap();
        assert!(queue.start().is_none());
    }

    #[test]
    fn who_asks_for_too_many_is_told_at_once() {
        let mut queue = NicQueue::default();
        let mut told: Vec<_> = (0..1000).map(|device| ask(&mut queue, device)).collect();
        assert_eq!(queue.waiting.len(), WAITING);
        let results = told.iter_mut().map(oneshot::Receiver::try_recv);
        let closed = results.filter(|one| *one == Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(closed.count(), 1000 - WAITING);
        // Those who do not wait any more are not kept.
        for _ in 0..1000 {
            drop(ask(&mut queue, 0));
        }
        let kept = queue.waiting.front().map(|one| one.told.len());
        assert_eq!(kept, Some(2));
    }
}
