//! When a directory that was a root is exported no longer: once the last machine that runs from it is gone. And who runs from
//! which, on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use netroot_nfs_export::{Exchange, ExportOptions, ExportUsers};

use super::{RootWatch, World};
use crate::serve::events::{Change, Event};
use crate::serve::nfs::{self, Runner, SILENT, Step, Terms, TreeUser};

/// Whether nobody runs from a directory any more, of which it is known for so long who does.
fn is_free(runners: &[Runner], known: Duration) -> bool {
    match runners.is_empty() {
        true => known >= SILENT,
        false => runners.iter().all(|runner| runner.is_gone()),
    }
}

impl World {
    fn runner(&self, user: TreeUser) -> Runner {
        Runner {
            idle: user.idle,
            booted: user.mac.and_then(|mac| self.history.booted(mac)),
        }
    }

    /// The directories that nobody runs from any more, with their names, of those that are only kept for who does.
    fn free_trees(
        &self,
        terms: &Terms,
        used: &[ExportUsers],
        exports: &[(PathBuf, ExportOptions)],
    ) -> Vec<(PathBuf, Vec<String>)> {
        let machines = self.timeline.machines();
        let mut trees = terms.trees();
        trees.note(used, |address| machines.at(address));
        let mut free = Vec::new();
        for (directory, options) in exports {
            if nfs::is_booted(options) {
                trees.is_booted(directory);
                continue;
            }
            let users = trees.users_of(directory).into_iter();
            let runners: Vec<_> = users.map(|user| self.runner(user)).collect();
            if is_free(&runners, trees.kept_for(directory)) {
                free.push((directory.clone(), options.names.clone()));
            }
        }
        free
    }
}

impl RootWatch {
    /// Lets go of the directories that nobody runs from any more, opens those that could not be opened, and keeps who runs
    /// from them.
    pub(super) async fn let_go_of_trees(&mut self) {
        self.open_missing_trees().await;
        let Some(nfs) = self.world.nfs.clone() else {
            return;
        };
        let Some(configured) = &mut self.configured else {
            return;
        };
        let Some(terms) = configured.terms.clone() else {
            return;
        };
        let users = nfs.users();
        let free = self.world.free_trees(&terms, &users, &configured.exports);
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
            terms.trees().let_go(&directory);
            released.push(directory);
        }
        let exports = configured.exports.iter();
        let exported: BTreeSet<PathBuf> = exports.map(|(path, _)| path.clone()).collect();
        let roots = configured.catalog.roots();
        let before: BTreeSet<PathBuf> = roots
            .filter_map(|(_, root)| root.swapped.as_ref())
            .flat_map(|swapped| swapped.others().map(|(_, path)| path.clone()))
            .collect();
        let unwritten = terms.trees().keep(&exported, &before);
        if let Some(unwritten) = unwritten {
            // At worst a tree is kept for longer, or for fewer; that the folder cannot be written is told at the start.
            let _ = tokio::task::spawn_blocking(move || unwritten.write()).await;
        }
        for root in released {
            self.say(Event::Change(Change::TreeLetGo { root }));
        }
    }

    /// Opens the earlier roots that could not be opened: their disk is mounted by now, say.
    async fn open_missing_trees(&mut self) {
        let (Some(nfs), Some(configured)) = (self.world.nfs.clone(), &self.configured) else {
            return;
        };
        let Some(terms) = configured.terms.clone() else {
            return;
        };
        let (digest, settings) = (configured.digest, configured.catalog.clone());
        let mut wanted = nfs::exported(&self.world.artifacts.catalog(), &terms);
        terms.name_handles(&mut wanted);
        let is_missing = |(directory, options): &(PathBuf, ExportOptions)| {
            let mut exports = configured.exports.iter();
            !nfs::is_booted(options) && !exports.any(|(other, _)| other == directory)
        };
        wanted.retain(is_missing);
        for (directory, options) in wanted {
            let step = Step {
                open: vec![(directory.clone(), options.clone())],
                ..Step::default()
            };
            let mut opened = BTreeMap::new();
            // It is looked for again in a minute.
            if self
                .export(digest, &settings, &step, &mut opened)
                .await
                .is_err()
                || opened.is_empty()
            {
                continue;
            }
            if let (Some(first), Some(configured)) = (options.names.first(), &mut self.configured) {
                let identity = nfs.identity_of(first).unwrap_or_default();
                nfs.remember_users(first, &terms.trees().users(&directory, identity));
                configured.exports.push((directory, options));
            }
        }
    }
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
