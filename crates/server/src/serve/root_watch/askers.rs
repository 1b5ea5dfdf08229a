//! Who has asked for a look and waits for what comes of it: machines, and administrators.

use std::fmt;

use netroot_printable::Printable;
use tokio::sync::mpsc;

use crate::serve::events::{Change, Event};
use crate::serve::look_requests::Told;

/// How many machines wait for an exchange.
const WAITING: usize = 1024;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Askers {
    /// Machines that wait for an exchange.
    waiting: Vec<Waiting>,
    reloads: Vec<mpsc::UnboundedSender<Told>>,
    /// How much has changed since the last reload was asked for.
    changes: usize,
}

struct Waiting {
    /// Until what cannot work any more has been exchanged.
    settled: bool,
    done: Box<dyn FnOnce() + Send + Sync>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("settled", &self.settled)
            .finish_non_exhaustive()
    }
}

impl Askers {
    /// A machine waits; `settled` until what cannot work any more has been exchanged. Too many are not told.
    pub(super) fn wait(&mut self, settled: bool, done: Box<dyn FnOnce() + Send + Sync>) {
        if self.waiting.len() < WAITING {
            self.waiting.push(Waiting { settled, done });
        }
    }

    /// An administrator is told what happens from now on.
    pub(super) fn reload(&mut self, told: mpsc::UnboundedSender<Told>) {
        self.changes = 0;
        self.reloads.push(told);
    }

    /// Tells administrators what happens.
    pub(super) fn tell(&mut self, event: &Event) {
        let is_change = matches!(
            event,
            Event::Change(
                Change::RootReplaced { .. }
                    | Change::NewBoots { .. }
                    | Change::LoaderReplaced { .. }
                    | Change::ImageAdded { .. }
                    | Change::ImageChanged { .. }
                    | Change::ImageSwapped { .. }
                    | Change::ImageRemoved { .. }
                    | Change::AssignmentsChanged
            )
        );
        self.changes += usize::from(is_change);
        for reload in &self.reloads {
            let _ = reload.send(Told::Line {
                text: Printable(&event.to_string()).to_string(),
                is_warning: matches!(event, Event::Warning(_)),
            });
        }
    }

    /// After a look: `is_broken` if what is served cannot work and is about to be exchanged, `is_settled` if nothing is.
    pub(super) fn answer(&mut self, is_broken: bool, is_settled: bool) {
        let (waiting, answered) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.settled && is_broken);
        self.waiting = waiting;
        for Waiting { done, .. } in answered {
            done();
        }
        if is_settled {
            let changes = self.changes;
            for reload in self.reloads.drain(..) {
                let _ = reload.send(Told::Done { changes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn machines_wait_while_what_is_served_is_broken_and_administrators_until_all_is_settled() {
        let mut askers = Askers::default();
        let answered = Arc::new(AtomicUsize::new(0));
        let wait = |askers: &mut Askers, settled| {
            let answered = Arc::clone(&answered);
            let done = move || {
                answered.fetch_add(1, Ordering::Relaxed);
            };
            askers.wait(settled, Box::new(done));
        };
        wait(&mut askers, true);
        wait(&mut askers, false);
        let (told, mut heard) = mpsc::unbounded_channel();
        askers.reload(told);
        askers.answer(true, false);
        assert_eq!(answered.load(Ordering::Relaxed), 1);
        let loader = "ipxe.efi".to_owned();
        askers.tell(&Event::Change(Change::LoaderReplaced { loader }));
        assert!(matches!(
            heard.try_recv(),
            Ok(Told::Line {
                is_warning: false,
                ..
            })
        ));
        askers.tell(&Event::Change(Change::ImageSwapped {
            image: "debian".to_owned(),
            root: "/srv/b".into(),
            before: "/srv/a".into(),
        }));
        assert!(matches!(heard.try_recv(), Ok(Told::Line { .. })));
        askers.answer(false, true);
        assert_eq!(answered.load(Ordering::Relaxed), 2);
        assert_eq!(heard.try_recv(), Ok(Told::Done { changes: 2 }));
    }
}
