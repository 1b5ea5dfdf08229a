//! Asking that the roots be looked at: by who hands something out that is made from them, and by an administrator.

use std::fmt;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// How many requests wait; more are answered without a look.
const WAITING: usize = 256;
/// How long a machine waits for its script while what it names is being exchanged, because what is served lacks its
/// modules. iPXE and U-Boot wait longer for an answer.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
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
    /// Look at everything and try again what failed; what happens is told until it is done.
    Reload(mpsc::UnboundedSender<Told>),
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
            Self::Reload(_) => f.write_str("Reload"),
        }
    }
}

/// The asking side. Where nobody looks, nothing is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Looks(mpsc::Sender<LookRequest>);

impl Looks {
    /// Both sides.
    pub(crate) fn new() -> (Self, mpsc::Receiver<LookRequest>) {
        let (asking, asked) = mpsc::channel(WAITING);
        (Self(asking), asked)
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
        if self.0.try_send(request).is_ok() {
            let _ = tokio::time::timeout(SETTLED_WITHIN, waits).await;
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
        if self.0.try_send(request).is_ok() {
            let _ = waits.recv_timeout(LOOKED_WITHIN);
        }
    }

    /// Looks at everything; `None` if too many ask already.
    pub(crate) fn reload(&self) -> Option<mpsc::UnboundedReceiver<Told>> {
        let (told, heard) = mpsc::unbounded_channel();
        self.0.try_send(LookRequest::Reload(told)).ok()?;
        Some(heard)
    }
}
