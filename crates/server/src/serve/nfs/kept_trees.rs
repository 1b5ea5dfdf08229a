//! Who runs from which directory, and which ones nobody runs from any more: kept in the state folder, so that a tree that
//! was exchanged outlives a restart of the server with those who run from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netroot_nfs_export::ExportUser;
use serde::{Deserialize, Serialize};

/// The file in the state folder.
const FILE: &str = "export.users";
/// A machine that has made a call since may run still.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// What is known of the exported directories.
#[derive(Debug, Default)]
pub(crate) struct KeptTrees {
    file: PathBuf,
    kept: Kept,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// By directory.
    #[serde(default)]
    trees: BTreeMap<PathBuf, KeptTree>,
    /// The directories that were roots, and are not exported any more.
    #[serde(default)]
    let_go: BTreeSet<PathBuf>,
}

/// A directory that is exported.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptTree {
    /// What tells its handles from those of another one at its path.
    identity: u32,
    /// The machines' addresses with the last use, in seconds since 1970.
    users: BTreeMap<IpAddr, u64>,
}

impl KeptTrees {
    /// As they were kept. Without the file, or with one that makes no sense, nothing is known.
    pub(crate) fn load(state: &Path) -> Self {
        let file = state.join(FILE);
        let kept = fs::read(&file).unwrap_or_default();
        let kept = serde_json::from_slice(&kept).unwrap_or_default();
        Self { file, kept }
    }

    /// Who used a directory, as far as it is known from before; `identity` is that of what is there now.
    pub(crate) fn users(&self, directory: &Path, identity: u32) -> Vec<ExportUser> {
        let known = self.kept.trees.get(directory);
        let same = known.filter(|known| known.identity == identity);
        same.map(KeptTree::users).unwrap_or_default()
    }

    /// Who ran lately from what was in the place of a directory before, if that was another one: their handles lead nowhere.
    pub(crate) fn stuck(&self, directory: &Path, identity: u32) -> Vec<IpAddr> {
        let known = self.kept.trees.get(directory);
        let other = known.filter(|known| known.identity != identity);
        let users = other.map(KeptTree::users).unwrap_or_default();
        let lately = users.iter().filter(|user| user.idle < LATELY);
        lately.map(|user| user.client).collect()
    }

    pub(crate) fn is_let_go(&self, directory: &Path) -> bool {
        self.kept.let_go.contains(directory)
    }

    /// Nobody runs from it any more.
    pub(crate) fn let_go(&mut self, directory: &Path) {
        self.kept.let_go.insert(directory.to_owned());
        self.kept.trees.remove(directory);
    }

    /// Keeps who uses the directories that are exported now, with their identities, and forgets the others; of those that
    /// were let go, it keeps those that are among `before`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep(
        &mut self,
        used: Vec<(PathBuf, u32, Vec<ExportUser>)>,
        before: &BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let now = now();
        let mut kept = Kept {
            trees: BTreeMap::new(),
            let_go: self.kept.let_go.intersection(before).cloned().collect(),
        };
        for (directory, identity, users) in used {
            let last = |user: ExportUser| (user.client, now.saturating_sub(user.idle.as_secs()));
            kept.let_go.remove(&directory);
            let users = users.into_iter().map(last).collect();
            kept.trees.insert(directory, KeptTree { identity, users });
        }
        if kept == self.kept {
            return Ok(());
        }
        self.kept = kept;
        let part = self.file.with_extension("users.part");
        fs::write(&part, serde_json::to_vec(&self.kept)?)?;
        fs::rename(part, &self.file)
    }
}

impl KeptTree {
    fn users(&self) -> Vec<ExportUser> {
        let now = now();
        let user = |(client, at): (&IpAddr, &u64)| ExportUser {
            client: *client,
            idle: Duration::from_secs(now.saturating_sub(*at)),
        };
        self.users.iter().map(user).collect()
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ran_from_a_directory_is_known_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let [a, b, c] = ["/srv/a", "/srv/b", "/srv/c"].map(PathBuf::from);
        let user = |last, seconds| ExportUser {
            client: IpAddr::from([10, 0, 0, last]),
            idle: Duration::from_secs(seconds),
        };
        let mut trees = KeptTrees::load(state.path());
        trees.let_go(&c);
        let before = BTreeSet::from([a.clone(), c.clone()]);
        let used = vec![
            (
                a.clone(),
                1,
                vec![user(7, 300), user(8, 0), user(9, 10 * 24 * 3600)],
            ),
            (b.clone(), 2, Vec::new()),
        ];
        trees.keep(used, &before).unwrap();
        let trees = KeptTrees::load(state.path());
        assert!(trees.is_let_go(&c) && !trees.is_let_go(&a));
        let users = trees.users(&a, 1);
        assert_eq!(users.len(), 3);
        assert!(users[0].idle >= Duration::from_secs(300), "{users:?}");
        assert!(trees.stuck(&a, 1).is_empty());
        // Another directory is in its place.
        assert!(trees.users(&a, 3).is_empty() && trees.stuck(&b, 3).is_empty());
        let stuck = [user(7, 0).client, user(8, 0).client];
        assert_eq!(trees.stuck(&a, 3), stuck);
        // It is a root once more, or nobody's.
        let mut trees = KeptTrees::load(state.path());
        trees
            .keep(vec![(c.clone(), 4, Vec::new())], &before)
            .unwrap();
        assert!(!trees.is_let_go(&c) && trees.users(&a, 1).is_empty());
        fs::write(state.path().join(FILE), "no JSON").unwrap();
        assert!(KeptTrees::load(state.path()).users(&a, 1).is_empty());
    }
}
