//! The running transfers, each with a way to stop it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::admission::{Admission, Refusal, TransferId, TransferLimits};

/// The running transfers.
#[derive(Debug)]
pub(super) struct Slots {
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    admission: Admission,
    stops: HashMap<TransferId, Arc<Notify>>,
}

/// A transfer's place among them, which it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: TransferId,
    stop: Arc<Notify>,
}

impl Slots {
    /// No transfer is running.
    pub(super) fn new(limits: TransferLimits) -> Arc<Self> {
        Arc::new(Self {
            running: Mutex::new(Running {
                admission: Admission::new(limits),
                stops: HashMap::new(),
            }),
        })
    }

    /// A place for the transfer that `datagram` from `client` asks for; stops those that make room for it.
    ///
    /// # Errors
    /// Why it does not start.
    pub(super) fn enter(
        self: &Arc<Self>,
        client: SocketAddr,
        datagram: &[u8],
        now: Duration,
    ) -> Result<Slot, Refusal> {
        let mut running = self.lock();
        let admitted = running.admission.enter(client, datagram, now)?;
        for id in admitted.stopped {
            running.stop(id);
        }
        let stop = Arc::new(Notify::new());
        running.stops.insert(admitted.id, Arc::clone(&stop));
        Ok(Slot {
            slots: Arc::clone(self),
            id: admitted.id,
            stop,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn stop(&mut self, id: TransferId) {
        if let Some(stop) = self.stops.remove(&id) {
            stop.notify_one();
        }
    }
}

impl Slot {
    /// The client has acknowledged something.
    ///
    /// # Errors
    /// Why the transfer has to stop.
    pub(super) fn progressed(&self, now: Duration) -> Result<(), Refusal> {
        let mut running = self.slots.lock();
        for other in running.admission.progressed(self.id, now)? {
            running.stop(other);
        }
        Ok(())
    }

    /// Waits until another transfer needs the place.
    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.slots.lock();
        running.admission.leave(self.id);
        running.stops.remove(&self.id);
    }
}
