//! What differs between the server's tree and a client's, and between two walks of a client.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use super::machine::{Seen, Vague};
use super::real::{Content, Facts, Kind, Real, Tree};

/// How many differences are told.
const MOST: usize = 12;

/// The differences between what is there and what a client sees; `empty` are the folders that are
/// not shown, and what is `vague` is left out.
pub(super) fn with_real(
    real: &Tree<Real>,
    seen: &Tree<Seen>,
    empty: &[&str],
    vague: Vague,
) -> Vec<String> {
    let mut found = paths(real, "the root", seen, "the export");
    let mut clients = Identities {
        names_are_files: vague.links,
        ..Identities::default()
    };
    for (path, here, there) in both(real, seen) {
        if empty.iter().any(|name| name.as_bytes() == path) {
            let is_empty = there.facts.kind == Kind::Folder && there.names.is_empty();
            if !is_empty {
                found.push(format!("/{}: is not an empty folder", path.escape_ascii()));
            }
            continue;
        }
        let is_made_up = vague.made_up.iter().any(|name| name.as_bytes() == path);
        if is_made_up {
            // They all have the inode number 2.
            continue;
        }
        if here.facts != there.facts {
            found.push(format!(
                "/{}: {:?}, the export has {:?}",
                path.escape_ascii(),
                here.facts,
                there.facts
            ));
        }
        clients.add(path, here, there);
    }
    found.extend(clients.differences);
    found.truncate(MOST);
    found
}

/// The differences between two walks of a client, of which the second did not read any file.
pub(super) fn with_earlier(before: &Tree<Seen>, now: &Tree<Seen>) -> Vec<String> {
    let mut found = paths(before, "the first walk", now, "this walk");
    for (path, before, now) in both(before, now) {
        let mut differs = |what: &str, before: &dyn Debug, now: &dyn Debug| {
            found.push(format!(
                "/{}: {what} {now:?}, before {before:?}",
                path.escape_ascii()
            ));
        };
        if before.handle != now.handle {
            differs("handle", &before.handle, &now.handle);
        }
        if (before.fsid, before.fileid) != (now.fsid, now.fileid) {
            differs(
                "fsid and fileid",
                &(before.fsid, before.fileid),
                &(now.fsid, now.fileid),
            );
        }
        let without_content = Facts {
            content: Content::None,
            ..before.facts.clone()
        };
        if without_content != now.facts {
            differs("attributes", &without_content, &now.facts);
        }
    }
    found.truncate(MOST);
    found
}

fn both<'a, A, B>(
    one: &'a Tree<A>,
    other: &'a Tree<B>,
) -> impl Iterator<Item = (&'a [u8], &'a A, &'a B)> {
    one.iter()
        .filter_map(|(path, found)| Some((&**path, found, other.get(path)?)))
}

/// The paths that only one of them has.
fn paths<A, B>(one: &Tree<A>, its: &str, other: &Tree<B>, others: &str) -> Vec<String> {
    let only = |path: &[u8], has: &str| format!("/{}: only in {has}", path.escape_ascii());
    let missing = one.keys().filter(|path| !other.contains_key(*path));
    let added = other.keys().filter(|path| !one.contains_key(*path));
    missing
        .map(|path| only(path, its))
        .chain(added.map(|path| only(path, others)))
        .take(MOST)
        .collect()
}

/// A client's file system and inode number.
type Numbers = (u64, u64);

/// Which file of the client's is which of the server's: one inode number and one handle for each file, and one file for
/// each of them.
#[derive(Default)]
struct Identities {
    /// Each name of a file counts as a file.
    names_are_files: bool,
    /// The server's mount, device and inode, with the client's numbers and its handle.
    client: HashMap<(u64, u64, u64), (Numbers, Vec<u8>)>,
    /// The other way round, to the device and inode.
    server: HashMap<Numbers, (u64, u64)>,
    handles: HashMap<Vec<u8>, (u64, u64)>,
    differences: Vec<String>,
}

impl Identities {
    fn add(&mut self, path: &[u8], here: &Real, there: &Seen) {
        let (_, device, inode) = here.identity;
        let numbers = (there.fsid, there.fileid);
        let handle = there.handle.data.to_vec();
        let mut check = |what: &str, other: Option<String>| {
            if let Some(other) = other {
                let path = path.escape_ascii();
                self.differences.push(format!("/{path}: {what}: {other}"));
            }
        };
        if !self.names_are_files {
            check(
                "another name of the same file has other numbers, or another handle",
                other(&mut self.client, here.identity, (numbers, handle.clone())),
            );
        }
        check(
            "another file has the same inode number",
            other(&mut self.server, numbers, (device, inode)),
        );
        check(
            "another file has the same handle",
            other(&mut self.handles, handle, (device, inode)),
        );
    }
}

/// What the map has already for this key, if it is not the same.
fn other<K: Hash + Eq + Debug, V: PartialEq + Debug + Clone>(
    map: &mut HashMap<K, V>,
    key: K,
    value: V,
) -> Option<String> {
    let text = format!("{key:?}: {value:?}");
    let first = map.entry(key).or_insert_with(|| value.clone());
    (*first != value).then(|| format!("{text}, and {first:?}"))
}
