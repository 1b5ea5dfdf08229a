//! Asking that the roots be looked at: by who hands something out that is made from them, and by an administrator.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netroot_net::PciId;
use tokio::sync::{mpsc, oneshot};

/// How many requests wait; more are answered without a look.
const WAITING: usize = 256;
/// How long a machine waits for its script while what it names is being exchanged, because what is served lacks its
/// modules. iPXE and U-Boot wait longer for an answer.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
/// How long a machine waits for its script while the initrd for its network card is made, which takes half a second. Then
/// it gets the one for every card, which takes a second more to load at 100 Mbit/s.
const NIC_WITHIN: Duration = Duration::from_millis(1500);
/// How long a MOUNT waits: the client repeats it, and the init gives up, after some seconds.
const LOOKED_WITHIN: Duration = Duration::from_secs(3);

/// What is asked.
pub(crate) enum LookRequest {
    /// Look now.
    Look {
        /// Wait until what cannot work any more has been exchanged.
        settled: bool,
        /// Called then.
        done: Box<dyn FnOnce() + Send + Sync>,
    },
    /// Make the initrd for a network card.
    Nic(NicRequest),
    /// Look at everything and try again what failed; what happens is told until it is done.
    Reload(mpsc::UnboundedSender<Told>),
}

/// The initrd for a network card is wanted.
#[derive(Debug)]
pub(crate) struct NicRequest {
    /// The image's name.
    pub(crate) image: String,
    /// The card.
    pub(crate) nic: PciId,
    /// Told when it is made, and dropped where it is not.
    pub(crate) done: oneshot::Sender<()>,
}

/// What is told while everything is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Something happens.
    Line {
        /// The sentence.
        text: String,
        /// Something that was to change stays as it is.
        is_warning: bool,
    },
    /// All is done.
    Done {
        /// How much has changed.
        changes: usize,
    },
}

impl fmt::Debug for LookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look { settled, .. } => f.debug_struct("Look").field("settled", settled).finish(),
            Self::Nic(request) => request.fmt(f),
            Self::Reload(_) => f.write_str("Reload"),
        }
    }
}

/// How many looks are over. One that hangs, on a disk that does not answer, is waited for once and not by every machine.
#[derive(Debug, Default)]
struct Progress {
    over: AtomicU64,
    /// The number of the look that somebody has waited for in vain.
    hangs: AtomicU64,
}

impl Progress {
    /// The number of the next look that is over, from 1.
    fn next(&self) -> u64 {
        self.over.load(Ordering::Relaxed) + 1
    }

    fn hangs(&self) -> bool {
        self.hangs.load(Ordering::Relaxed) == self.next()
    }

    /// Somebody has waited long enough, since the look `next` was awaited.
    fn waited_in_vain(&self, next: u64) {
        if self.next() == next {
            self.hangs.store(next, Ordering::Relaxed);
        }
    }
}

/// The asking side. Where nobody looks, nothing is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Looks {
    requests: mpsc::Sender<LookRequest>,
    progress: Arc<Progress>,
}

/// The side that looks.
#[derive(Debug)]
pub(crate) struct Asked {
    requests: mpsc::Receiver<LookRequest>,
    progress: Arc<Progress>,
}

impl Asked {
    /// The next request; `None` once nobody can ask any more.
    pub(crate) async fn next(&mut self) -> Option<LookRequest> {
        self.requests.recv().await
    }

    /// A request that waits already.
    pub(crate) fn waiting(&mut self) -> Option<LookRequest> {
        self.requests.try_recv().ok()
    }

    /// A look is over.
    pub(crate) fn has_looked(&self) {
        self.progress.over.fetch_add(1, Ordering::Relaxed);
    }
}

impl Looks {
    /// Both sides.
    pub(crate) fn new() -> (Self, Asked) {
        let (requests, asked) = mpsc::channel(WAITING);
        let progress = Arc::<Progress>::default();
        let asked = Asked {
            requests: asked,
            progress: Arc::clone(&progress),
        };
        (Self { requests, progress }, asked)
    }

    /// Before something is handed out that is made from a root.
    pub(crate) async fn before_boot(&self) {
        let (done, waits) = oneshot::channel();
        let request = LookRequest::Look {
            settled: true,
            // It may have waited long enough.
            done: Box::new(move || {
                let _ = done.send(());
            }),
        };
        let next = self.progress.next();
        if !self.progress.hangs()
            && self.requests.try_send(request).is_ok()
            && tokio::time::timeout(SETTLED_WITHIN, waits).await.is_err()
        {
            self.progress.waited_in_vain(next);
        }
    }

    /// Has the initrd for a network card made, and waits for it a moment.
    pub(crate) async fn nic_initrd(&self, image: &str, nic: PciId) {
        let (done, told) = oneshot::channel();
        let request = LookRequest::Nic(NicRequest {
            image: image.to_owned(),
            nic,
            done,
        });
        if self.requests.try_send(request).is_ok() {
            // There is the one for every card.
            let _ = tokio::time::timeout(NIC_WITHIN, told).await;
        }
    }

    /// Before a root is mounted, on another thread than the runtime's.
    pub(crate) fn before_mount(&self) {
        let (done, waits) = std::sync::mpsc::channel();
        let request = LookRequest::Look {
            settled: false,
            // It may have waited long enough.
            done: Box::new(move || {
                let _ = done.send(());
            }),
        };
        let next = self.progress.next();
        if !self.progress.hangs()
            && self.requests.try_send(request).is_ok()
            && waits.recv_timeout(LOOKED_WITHIN).is_err()
        {
            self.progress.waited_in_vain(next);
        }
    }

    /// Looks at everything; `None` if too many ask already.
    pub(crate) fn reload(&self) -> Option<mpsc::UnboundedReceiver<Told>> {
        let (told, heard) = mpsc::unbounded_channel();
        let request = LookRequest::Reload(told);
        self.requests.try_send(request).ok()?;
        Some(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_machine_waits_for_its_cards_initrd_no_longer_than_it_should_and_no_longer_than_it_must()
     {
        let (looks, mut asked) = Looks::new();
        let nic: PciId = "8086:10d3".parse().unwrap();
        let began = tokio::time::Instant::now();
        looks.nic_initrd("debian", nic).await;
        assert_eq!(began.elapsed(), NIC_WITHIN);
        // The request is not withdrawn: who boots next has it.
        let Some(LookRequest::Nic(request)) = asked.waiting() else {
            panic!("no request")
        };
        assert!(request.done.send(()).is_err());
        let answers = async {
            if let Some(LookRequest::Nic(request)) = asked.next().await {
                tokio::time::sleep(NIC_WITHIN / 3).await;
                drop(request.done);
            }
        };
        let began = tokio::time::Instant::now();
        tokio::join!(looks.nic_initrd("debian", nic), answers);
        assert_eq!(began.elapsed(), NIC_WITHIN / 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_waited_for_once() {
        let (looks, mut asked) = Looks::new();
        let waited = async |looks: &Looks| {
            let began = tokio::time::Instant::now();
            looks.before_boot().await;
            began.elapsed()
        };
        assert_eq!(waited(&looks).await, SETTLED_WITHIN);
        assert_eq!(waited(&looks).await, Duration::ZERO);
        // It is over: the next is waited for again.
        asked.has_looked();
        assert_eq!(waited(&looks).await, SETTLED_WITHIN);
        asked.has_looked();
        // One that goes on while others are over does not hang.
        let goes_on = async {
            tokio::time::sleep(SETTLED_WITHIN / 2).await;
            asked.has_looked();
        };
        let (first, ()) = tokio::join!(waited(&looks), goes_on);
        assert_eq!(first, SETTLED_WITHIN);
        assert_eq!(waited(&looks).await, SETTLED_WITHIN);
        assert!(asked.waiting().is_some());
    }
}
