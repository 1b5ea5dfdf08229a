//! When a directory that was a root is exported no longer: once the last machine that runs from it is gone. And who runs from
//! which, on the disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use netroot_nfs_export::{Exchange, ExportUser, ExportUsers};

use super::{RootWatch, World};
use crate::serve::events::{Change, Event};
use crate::serve::nfs;

/// How long a machine makes no call that has booted since: no longer those of the root that it ran from, which it made while
/// it was shut down.
const GONE: Duration = Duration::from_secs(2 * 60);
/// The same of one that was not seen to boot. It may sleep over a weekend.
const SILENT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A machine that ran from a directory.
#[derive(Debug, Clone, Copy)]
struct Runner {
    /// How long it has made no call.
    idle: Duration,
    /// How long ago its last boot began in which it was given a script, if one is known.
    booted: Option<Duration>,
}

impl Runner {
    fn is_gone(self) -> bool {
        let has_booted = self.booted.is_some_and(|ago| ago < self.idle);
        self.idle >= SILENT || (has_booted && self.idle >= GONE)
    }
}

/// Whether nobody runs from a directory any more, of which it is known for so long who does.
fn is_free(runners: &[Runner], known: Duration) -> bool {
    match runners.is_empty() {
        true => known >= SILENT,
        false => runners.iter().all(|runner| runner.is_gone()),
    }
}

impl World {
    fn runner(&self, user: ExportUser) -> Runner {
        let mac = self.timeline.machines().at(user.client);
        Runner {
            idle: user.idle,
            booted: mac.and_then(|mac| self.history.booted(mac)),
        }
    }
}

impl RootWatch {
    /// Lets go of the directories that nobody runs from any more, and keeps who runs from the others.
    pub(super) async fn let_go_of_trees(&mut self) {
        let Some(nfs) = self.world.nfs.clone() else {
            return;
        };
        let used = nfs.users();
        let Some(configured) = &mut self.configured else {
            return;
        };
        let Some(terms) = configured.terms.clone() else {
            return;
        };
        let mut free = Vec::new();
        for (directory, options) in &configured.exports {
            if nfs::is_booted(options) {
                self.kept_since.remove(directory);
                continue;
            }
            let users = export_of(&used, options.names.first()).map(|of| &of.users);
            let runners = users.into_iter().flatten();
            let runners: Vec<_> = runners.map(|user| self.world.runner(*user)).collect();
            let since = self.kept_since.entry(directory.clone());
            if is_free(&runners, since.or_insert_with(Instant::now).elapsed()) {
                free.push((directory.clone(), options.names.clone()));
            }
        }
        let mut released = Vec::new();
        for (directory, names) in free {
            let exchange = Exchange {
                removed: names.iter().take(1).cloned().collect(),
                ..Exchange::default()
            };
            if nfs.exchange(exchange).is_err() {
                continue;
            }
            let replaced = nfs.replaced().into_iter();
            for replaced in replaced.filter(|replaced| replaced.names == names) {
                nfs.release(&replaced);
            }
            configured.exports.retain(|(other, _)| *other != directory);
            self.kept_since.remove(&directory);
            terms.trees().let_go(&directory);
            released.push(directory);
        }
        let exports = configured.exports.iter();
        let kept: Vec<(PathBuf, u32, Vec<ExportUser>)> = exports
            .filter_map(|(directory, options)| {
                let of = export_of(&used, options.names.first())?;
                Some((directory.clone(), of.identity, of.users.clone()))
            })
            .collect();
        let roots = configured.catalog.roots();
        let before: BTreeSet<PathBuf> = roots
            .filter_map(|(_, root)| root.swapped.as_ref())
            .flat_map(|swapped| swapped.before.iter().map(|(_, path)| path.clone()))
            .collect();
        let written = tokio::task::spawn_blocking(move || terms.trees().keep(kept, &before));
        // At worst a tree is kept for longer, or for fewer; that the folder cannot be written is told at the start.
        let _ = written.await;
        for root in released {
            self.say(Event::Change(Change::TreeLetGo { root }));
        }
    }
}

/// The export with this first name.
fn export_of<'a>(used: &'a [ExportUsers], first: Option<&String>) -> Option<&'a ExportUsers> {
    let mut used = used.iter();
    used.find(|of| !of.replaced && of.names.first() == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_free_once_its_last_machine_is_gone() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let runner = |idle, booted: Option<u64>| Runner {
            idle: minutes(idle),
            booted: booted.map(minutes),
        };
        let free = |runners: &[Runner]| is_free(runners, minutes(60));
        // It was booted into this one, and is quiet.
        assert!(!free(&[runner(300, Some(400))]));
        // It boots something else.
        assert!(free(&[runner(30, Some(20))]));
        assert!(!free(&[runner(1, Some(0))]));
        // Not seen to boot: for a week.
        assert!(!free(&[runner(6 * 24 * 60, None)]));
        assert!(free(&[runner(7 * 24 * 60, None)]));
        assert!(!free(&[runner(30, Some(20)), runner(0, Some(400))]));
        // It is not known who ran from it.
        assert!(!free(&[]));
        assert!(is_free(&[], minutes(7 * 24 * 60)));
    }
}
