//! A served interface as it is at the moment.

use std::sync::Arc;

use tokio::sync::watch;

use super::interface::{ChangeSocket, Interface};

/// What the tasks of an interface answer by. It is replaced as a whole, by whoever follows the interface.
#[derive(Debug)]
pub(crate) struct LiveInterface {
    now: watch::Sender<Now>,
    /// Where the kernel tells of changes.
    changes: Option<Arc<ChangeSocket>>,
}

#[derive(Debug, Clone)]
struct Now {
    interface: Arc<Interface>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Served,
    /// It is changing.
    Unsettled,
    Missing,
}

impl LiveInterface {
    /// It is served, and nobody follows it.
    pub(crate) fn new(interface: Interface) -> Self {
        Self {
            now: watch::Sender::new(Now {
                interface: Arc::new(interface),
                state: State::Served,
            }),
            changes: None,
        }
    }

    /// It is served, and followed by what the kernel tells on `changes`.
    pub(crate) fn followed(interface: Interface, changes: Arc<ChangeSocket>) -> Self {
        Self {
            changes: Some(changes),
            ..Self::new(interface)
        }
    }

    /// The interface, if it can be served: nobody is answered with an address that it no longer has.
    pub(crate) fn served(&self) -> Option<Arc<Interface>> {
        let now = self.now.borrow();
        (now.state == State::Served).then(|| Arc::clone(&now.interface))
    }

    /// The interface as it was when it was served last.
    pub(crate) fn last(&self) -> Arc<Interface> {
        Arc::clone(&self.now.borrow().interface)
    }

    /// Waits while it is changing. What arrives meanwhile is answered afterwards.
    pub(crate) async fn settled(&self) {
        // What the kernel has told by now is noticed first, by the task that follows it.
        if self
            .changes
            .as_ref()
            .is_some_and(|changes| changes.has_more())
        {
            tokio::task::yield_now().await;
        }
        if self.now.borrow().state != State::Unsettled {
            return;
        }
        let mut changes = self.now.subscribe();
        // The sender is this value itself.
        let _ = changes.wait_for(|now| now.state != State::Unsettled).await;
    }

    /// It is served from now on, as this.
    pub(crate) fn set(&self, interface: Interface) {
        self.now.send_replace(Now {
            interface: Arc::new(interface),
            state: State::Served,
        });
    }

    /// It is changing: nobody is answered until [`LiveInterface::set`] or [`LiveInterface::missing`].
    pub(crate) fn unsettle(&self) {
        self.now.send_modify(|now| now.state = State::Unsettled);
    }

    /// It is not served until it is set again, and what arrives is dropped.
    pub(crate) fn missing(&self) {
        self.now.send_modify(|now| now.state = State::Missing);
    }
}
