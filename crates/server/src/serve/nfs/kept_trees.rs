//! Who runs from which directory, and which ones nobody runs from any more: kept in the state folder, so that a tree that
//! was exchanged outlives a restart of the server with those who run from it.
//!
//! A user is a machine at an address: another machine that gets the address later is another user.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netroot_net::Mac;
use netroot_nfs_export::{ExportUser, ExportUsers};
use serde::{Deserialize, Serialize};

/// The file in the state folder.
const FILE: &str = "export.users";
/// A machine that has made a call since may run still.
const LATELY: Duration = Duration::from_secs(24 * 3600);
/// How much later a use is than the one that is known, at least, in seconds: both are rounded.
const LATER: u64 = 2;
/// The most users of a directory that are known.
const MOST: usize = 8192;

/// What is known of the exported directories.
#[derive(Debug, Default)]
pub(crate) struct KeptTrees {
    file: PathBuf,
    kept: Kept,
    written: Kept,
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
    /// Since when it is only kept for those who run from it, in seconds since 1970.
    #[serde(default)]
    kept_since: Option<u64>,
    /// Who uses it.
    #[serde(default, rename = "machines")]
    users: Users,
}

/// The last use, in seconds since 1970, by address and machine.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Line>", into = "Vec<Line>")]
struct Users(BTreeMap<(IpAddr, Option<Mac>), u64>);

/// A user in the file: address, MAC and the last use.
type Line = (IpAddr, Option<String>, u64);

impl From<Vec<Line>> for Users {
    fn from(lines: Vec<Line>) -> Self {
        let user = |(address, mac, last): Line| {
            let mac = mac.and_then(|mac| mac.parse().ok());
            ((address, mac), last)
        };
        Self(lines.into_iter().map(user).collect())
    }
}

impl From<Users> for Vec<Line> {
    fn from(users: Users) -> Self {
        let users = users.0.into_iter();
        let line = |((address, mac), last): ((IpAddr, Option<Mac>), u64)| {
            (address, mac.map(|mac| mac.to_string()), last)
        };
        users.map(line).collect()
    }
}

impl Users {
    /// What is known of an address.
    fn at(&self, address: IpAddr) -> impl Iterator<Item = (Option<Mac>, u64)> {
        let from = self.0.range((address, None)..);
        let of = from.take_while(move |((at, _), _)| *at == address);
        of.map(|((_, mac), last)| (*mac, *last))
    }

    /// The machine that has this address by now used it at `last`.
    fn note(&mut self, address: IpAddr, mac: Option<Mac>, last: u64) {
        let newest = self.at(address).map(|(_, last)| last).max();
        if newest.is_some_and(|newest| last < newest.saturating_add(LATER)) {
            return;
        }
        // Its hardware address was not known yet, or is not known any more.
        let only = {
            let mut all = self.at(address);
            all.next().filter(|_| all.next().is_none())
        };
        let mac = match (only, mac) {
            (Some((None, _)), Some(_)) => {
                self.0.remove(&(address, None));
                mac
            }
            (Some((known, _)), None) => known,
            _ => mac,
        };
        self.0.insert((address, mac), last);
        if self.0.len() > MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, last)| **last)
        {
            let oldest = *oldest.0;
            self.0.remove(&oldest);
        }
    }
}

/// A machine that used a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeUser {
    /// Where.
    pub(crate) address: IpAddr,
    /// Which one had the address then.
    pub(crate) mac: Option<Mac>,
    /// How long it has made no call.
    pub(crate) idle: Duration,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Unwritten {
    file: PathBuf,
    kept: Kept,
}

impl Unwritten {
    /// Whole, or as it was, also after the power has failed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self) -> io::Result<()> {
        let part = self.file.with_extension("users.part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(&self.kept)?)?;
        file.sync_all()?;
        fs::rename(part, &self.file)?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl KeptTrees {
    /// As they were kept. Without the file, or with one that makes no sense, nothing is known.
    pub(crate) fn load(state: &Path) -> Self {
        let file = state.join(FILE);
        let kept = fs::read(&file).unwrap_or_default();
        let kept: Kept = serde_json::from_slice(&kept).unwrap_or_default();
        let written = kept.clone();
        Self {
            file,
            kept,
            written,
        }
    }

    /// Who used a directory, as far as it is known from before; `identity` is that of what is there now.
    pub(crate) fn users(&self, directory: &Path, identity: u32) -> Vec<ExportUser> {
        let known = self.kept.trees.get(directory);
        let same = known.filter(|known| known.identity == identity);
        let users = same.map(KeptTree::users).unwrap_or_default().into_iter();
        let user = |user: TreeUser| ExportUser {
            client: user.address,
            idle: user.idle,
        };
        users.map(user).collect()
    }

    /// Who ran lately from what was in the place of a directory before, if that was another one: their handles lead nowhere.
    pub(crate) fn stuck(&self, directory: &Path, identity: u32) -> Vec<IpAddr> {
        let known = self.kept.trees.get(directory);
        let other = known.filter(|known| known.identity != identity);
        let users = other.map(KeptTree::users).unwrap_or_default();
        let lately = users.iter().filter(|user| user.idle < LATELY);
        let mut stuck: Vec<IpAddr> = lately.map(|user| user.address).collect();
        stuck.dedup();
        stuck
    }

    pub(crate) fn is_let_go(&self, directory: &Path) -> bool {
        self.kept.let_go.contains(directory)
    }

    /// Nobody runs from it any more.
    pub(crate) fn let_go(&mut self, directory: &Path) {
        self.kept.let_go.insert(directory.to_owned());
        self.kept.trees.remove(directory);
    }

    /// Who uses the directories that are exported now; `mac` says which machine has an address.
    pub(crate) fn note(&mut self, used: &[ExportUsers], mac: impl Fn(IpAddr) -> Option<Mac>) {
        let now = now();
        for of in used.iter().filter(|of| !of.replaced) {
            let Some(directory) = &of.original else {
                continue;
            };
            let tree = self.kept.trees.entry(directory.clone()).or_default();
            if tree.identity != of.identity {
                *tree = KeptTree {
                    identity: of.identity,
                    ..KeptTree::default()
                };
            }
            for user in &of.users {
                let last = now.saturating_sub(user.idle.as_secs());
                tree.users.note(user.client, mac(user.client), last);
            }
        }
    }

    /// Who used a directory.
    pub(crate) fn users_of(&self, directory: &Path) -> Vec<TreeUser> {
        let known = self.kept.trees.get(directory);
        known.map(KeptTree::users).unwrap_or_default()
    }

    /// For how long a directory has only been kept for those who run from it; from now on, if machines booted it until now.
    pub(crate) fn kept_for(&mut self, directory: &Path) -> Duration {
        let now = now();
        let tree = self.kept.trees.get_mut(directory);
        let since = tree.map(|tree| *tree.kept_since.get_or_insert(now));
        Duration::from_secs(now.saturating_sub(since.unwrap_or(now)))
    }

    /// Machines boot it.
    pub(crate) fn is_booted(&mut self, directory: &Path) {
        if let Some(tree) = self.kept.trees.get_mut(directory) {
            tree.kept_since = None;
        }
    }

    /// Forgets what is neither exported now nor among the roots `before`, which may be mounted again. Returns what is to be
    /// written, if something has changed.
    pub(crate) fn keep(
        &mut self,
        exported: &BTreeSet<PathBuf>,
        before: &BTreeSet<PathBuf>,
    ) -> Option<Unwritten> {
        let known = |path: &PathBuf| exported.contains(path) || before.contains(path);
        self.kept.trees.retain(|directory, _| known(directory));
        let is_let_go = |path: &PathBuf| before.contains(path) && !exported.contains(path);
        self.kept.let_go.retain(is_let_go);
        if self.kept == self.written {
            return None;
        }
        self.written = self.kept.clone();
        Some(Unwritten {
            file: self.file.clone(),
            kept: self.kept.clone(),
        })
    }
}

impl KeptTree {
    fn users(&self) -> Vec<TreeUser> {
        let now = now();
        let user = |(user, last): (&(IpAddr, Option<Mac>), &u64)| TreeUser {
            address: user.0,
            mac: user.1,
            idle: Duration::from_secs(now.saturating_sub(*last)),
        };
        self.users.0.iter().map(user).collect()
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(directory: &str, identity: u32, users: Vec<ExportUser>) -> ExportUsers {
        ExportUsers {
            names: Vec::new(),
            identity,
            original: Some(directory.into()),
            replaced: false,
            users,
        }
    }

    fn user(last: u8, seconds: u64) -> ExportUser {
        ExportUser {
            client: IpAddr::from([10, 0, 0, last]),
            idle: Duration::from_secs(seconds),
        }
    }

    fn unknown(_: IpAddr) -> Option<Mac> {
        None
    }

    fn paths(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn who_ran_from_a_directory_is_known_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let [a, b, c] = ["/srv/a", "/srv/b", "/srv/c"].map(Path::new);
        let mut trees = KeptTrees::load(state.path());
        trees.let_go(c);
        let before = paths(&["/srv/a", "/srv/c"]);
        let users = vec![user(7, 300), user(8, 0), user(9, 10 * 24 * 3600)];
        let all = [used("/srv/a", 1, users), used("/srv/b", 2, Vec::new())];
        trees.note(&all, unknown);
        let unwritten = trees.keep(&paths(&["/srv/a", "/srv/b"]), &before).unwrap();
        unwritten.write().unwrap();
        assert!(trees.keep(&paths(&["/srv/a", "/srv/b"]), &before).is_none());
        let trees = KeptTrees::load(state.path());
        assert!(trees.is_let_go(c) && !trees.is_let_go(a));
        let users = trees.users(a, 1);
        assert_eq!(users.len(), 3);
        assert!(users[0].idle >= Duration::from_secs(300), "{users:?}");
        assert!(trees.stuck(a, 1).is_empty());
        // Another directory is in its place.
        assert!(trees.users(a, 3).is_empty() && trees.stuck(b, 3).is_empty());
        let stuck = [user(7, 0).client, user(8, 0).client];
        assert_eq!(trees.stuck(a, 3), stuck);
        // It is a root once more; one whose disk is not there is not forgotten, what is no root is.
        let mut trees = KeptTrees::load(state.path());
        trees.note(&[used("/srv/c", 4, Vec::new())], unknown);
        trees.keep(&paths(&["/srv/c"]), &before).unwrap();
        assert!(!trees.is_let_go(c) && trees.users(a, 1).len() == 3);
        trees.keep(&paths(&["/srv/c"]), &paths(&[])).unwrap();
        assert!(trees.users(a, 1).is_empty());
        fs::write(state.path().join(FILE), "no JSON").unwrap();
        assert!(KeptTrees::load(state.path()).users(a, 1).is_empty());
    }

    #[test]
    fn a_machine_is_not_the_one_that_had_its_address_before() {
        let directory = Path::new("/srv/a");
        let [laptop, other] = ["52:54:00:00:00:01", "52:54:00:00:00:02"];
        let [laptop, other] = [laptop, other].map(|mac| mac.parse::<Mac>().unwrap());
        let mut trees = KeptTrees::default();
        let macs = |trees: &KeptTrees| -> Vec<Option<Mac>> {
            let users = trees.users_of(directory).into_iter();
            users.map(|user| user.mac).collect()
        };
        let mut note = |idle, mac: Option<Mac>| {
            trees.note(&[used("/srv/a", 1, vec![user(7, idle)])], |_| mac);
            macs(&trees)
        };
        assert_eq!(note(5000, None), [None]);
        assert_eq!(note(4000, Some(laptop)), [Some(laptop)]);
        // Another one has the address, and makes no call of this export.
        assert_eq!(note(4000, Some(other)), [Some(laptop)]);
        assert_eq!(note(3000, Some(other)), [Some(laptop), Some(other)]);
        assert_eq!(trees.users(directory, 1).len(), 2);
    }

    #[test]
    fn since_when_a_directory_is_only_kept_outlives_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let directory = Path::new("/srv/a");
        let mut trees = KeptTrees::load(state.path());
        trees.note(&[used("/srv/a", 1, Vec::new())], unknown);
        assert_eq!(trees.kept_for(directory), Duration::ZERO);
        let tree = trees.kept.trees.get_mut(directory).unwrap();
        tree.kept_since = Some(now() - 5000);
        let unwritten = trees.keep(&paths(&["/srv/a"]), &paths(&[])).unwrap();
        unwritten.write().unwrap();
        let mut trees = KeptTrees::load(state.path());
        assert!(trees.kept_for(directory) >= Duration::from_secs(5000));
        trees.is_booted(directory);
        assert_eq!(trees.kept_for(directory), Duration::ZERO);
    }
}
