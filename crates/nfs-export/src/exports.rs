//! The exports of a server, found by path and by handle, and exchanged while it runs.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::export::{Export, ExportError, ExportNames};
use crate::tree::handle::Handle;
use crate::users::{ExportUser, ExportUsers};

/// The most replaced exports of a name that are kept; each holds open files. When there are more, the one that has been
/// without a call for the longest time goes.
const MAX_REPLACED: usize = 8;
/// The most of all names together.
const MAX_ALL_REPLACED: usize = 64;
/// For how long after its last call a client runs from an export, when it mounts a name that this one had earlier. A machine
/// that runs `mount` has just read that; one that is switched off and on again has not.
const RUNS: Duration = Duration::from_secs(60);
/// The longest time from a boot's beginning to its mount.
const BOOTS: Duration = Duration::from_secs(30 * 60);

/// Exports with distinct names and handles. A value does not change: a call uses the same one from its start to its end.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    /// What clients mount.
    current: Vec<Arc<Export>>,
    /// Whose names lead to another export by now, for clients that mounted them before.
    replaced: Vec<Arc<Replaced>>,
}

/// An export that was replaced by another one.
#[derive(Debug)]
struct Replaced {
    export: Arc<Export>,
    since: Instant,
    /// When a handle of it was last used, in seconds after `since`.
    used: AtomicU64,
}

/// What is to be exported from now on ([`Server::exchange`](crate::Server::exchange)), in this order: a name may be taken
/// away from one and given to another.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The exports that are taken away, by their first names. Who has mounted them keeps them.
    pub removed: Vec<String>,
    /// All names that an export has from now on, by its first name until now. Its handles stay.
    pub renamed: Vec<(String, ExportNames)>,
    /// Each takes the place of the one with its first name, or comes beside the others. Who has mounted that one keeps it.
    pub put: Vec<Export>,
}

/// Why a set of exports cannot be exchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("two exports contradict each other")]
    Conflict(Conflict),
    #[error(transparent)]
    Name(#[from] ExportError),
}

impl From<Conflict> for ExchangeError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// Why a set of exports cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Two exports have this name.
    Name(String),
    /// Two exports, with these first names, would have the same handles.
    Handles(String, String),
}

/// An export that was replaced or taken away ([`Server::exchange`](crate::Server::exchange)), and is served to clients that
/// mounted it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedExport {
    /// Its names.
    pub names: Vec<String>,
    /// How long no handle of it has been used.
    pub idle: Duration,
    /// Whether its directory has been deleted.
    pub deleted: bool,
    /// Tells it from others of the same names.
    pub(crate) id: u32,
}

impl Exports {
    pub(crate) fn new(exports: Vec<Export>) -> Result<Self, Conflict> {
        let current = exports.into_iter().map(Arc::new).collect();
        Self::checked(current, Vec::new())
    }

    fn checked(current: Vec<Arc<Export>>, replaced: Vec<Arc<Replaced>>) -> Result<Self, Conflict> {
        let mut names = HashSet::new();
        let mut ids = HashMap::new();
        for export in &current {
            for name in export.names() {
                if !names.insert(name) {
                    return Err(Conflict::Name(name.clone()));
                }
            }
            let own = export.names().first().cloned().unwrap_or_default();
            if let Some(first) = ids.insert(export.tree().export_id(), own.clone()) {
                return Err(Conflict::Handles(first, own));
            }
        }
        Ok(Self { current, replaced })
    }

    /// The same after this exchange.
    fn with(&self, exchange: Exchange) -> Result<Self, ExchangeError> {
        let Exchange {
            put,
            renamed,
            removed,
        } = exchange;
        let mut current = self.current.clone();
        let mut replaced = self.replaced.clone();
        let is_removed =
            |old: &Arc<Export>| old.names().first().is_some_and(|own| removed.contains(own));
        for old in current.extract_if(.., |old| is_removed(old)) {
            keep(&mut replaced, old);
        }
        // Two may take each other's names.
        let place = |first: &String| {
            let mut named = current.iter();
            named.position(|export| export.names().first() == Some(first))
        };
        let renamed: Vec<_> = renamed
            .into_iter()
            .map(|(first, names)| (place(&first), names))
            .collect();
        for (place, names) in renamed {
            if let Some(export) = place.and_then(|place| current.get_mut(place)) {
                *export = Arc::new(export.renamed(names)?);
            }
        }
        for export in put {
            let id = export.tree().export_id();
            let gone = replaced.iter().map(|old| &old.export);
            let mut known = current.iter().chain(gone);
            let export = match known.find(|old| old.tree().export_id() == id) {
                Some(old) => export.with_users_of(old),
                None => export,
            };
            // A directory that is back in its place has the handles that it had.
            replaced.retain(|old| old.export.tree().export_id() != id);
            let first = export.names().first();
            let before = current.iter().position(|old| old.names().first() == first);
            let export = Arc::new(export);
            match before.and_then(|at| current.get_mut(at)) {
                Some(place) => {
                    let old = std::mem::replace(place, export);
                    if old.tree().export_id() != id {
                        keep(&mut replaced, old);
                    }
                }
                None => current.push(export),
            }
        }
        // Two may take each other's directories.
        let is_current = |old: &Export| current.iter().any(|now| now.identity() == old.identity());
        replaced.retain(|old| !is_current(&old.export));
        Ok(Self::checked(current, replaced)?)
    }

    fn without(&self, id: u32) -> Self {
        let mut replaced = self.replaced.clone();
        replaced.retain(|old| old.export.tree().export_id() != id);
        let current = self.current.clone();
        Self { current, replaced }
    }

    /// What clients can mount.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Export> {
        self.current.iter().map(AsRef::as_ref)
    }

    /// Whether this client may use any export.
    pub(crate) fn allow(&self, client: IpAddr) -> bool {
        let replaced = self.replaced.iter().map(|old| &*old.export);
        self.iter()
            .chain(replaced)
            .any(|export| export.allows(client))
    }

    /// The export that a handle claims to belong to; the signature is not checked.
    pub(crate) fn by_handle(&self, handle: &Handle) -> Option<&Export> {
        let claimed = handle.claimed_export()?;
        let is = |export: &Export| export.tree().has_id(claimed);
        let current = self.iter().find(|export| is(export));
        current.or_else(|| {
            let replaced = self.replaced.iter().find(|old| is(&old.export))?;
            replaced.note_use();
            Some(&*replaced.export)
        })
    }

    /// The export with the longest name that is a prefix of the path, and the rest of the path. A client that runs from
    /// one that had this name earlier, or was told to mount it then, is given that one; `told` says how long ago it was told.
    pub(crate) fn by_path<'a>(
        &'a self,
        path: &'a [u8],
        client: IpAddr,
        told: impl FnOnce(IpAddr) -> Option<Duration>,
    ) -> Option<(&'a Export, &'a [u8])> {
        let (name, export, below) = self
            .iter()
            .flat_map(|export| export.names().iter().map(move |name| (export, name)))
            .filter_map(|(export, name)| Some((name, export, rest_below(name.as_bytes(), path)?)))
            .max_by_key(|(name, _, _)| name.len())?;
        let earlier = self
            .iter()
            .filter_map(|old| Some((old.lost(name)?.elapsed(), old)));
        let earlier: Vec<(Duration, &Export)> = earlier.collect();
        if earlier.is_empty() {
            return Some((export, below));
        }
        if let Some(told) = told(client).filter(|told| *told <= BOOTS) {
            // The one that had the name then is the first that has lost it since.
            let since = earlier.iter().filter(|(lost, _)| *lost < told);
            let had = since.max_by_key(|(lost, _)| *lost);
            return Some((had.map_or(export, |(_, old)| *old), below));
        }
        let idle = |export: &Export| export.users().idle(client).filter(|idle| *idle <= RUNS);
        let of_name = idle(export);
        let runs = earlier.into_iter();
        let runs = runs.filter_map(|(_, old)| Some((idle(old)?, old)));
        let runs = runs.min_by_key(|(idle, _)| *idle);
        let runs = runs.filter(|(idle, _)| of_name.is_none_or(|of_name| *idle < of_name));
        Some((runs.map_or(export, |(_, old)| old), below))
    }

    /// Who uses each export.
    fn users(&self) -> Vec<ExportUsers> {
        let replaced = self.replaced.iter().map(|old| (&old.export, true));
        let all = self.current.iter().map(|one| (one, false)).chain(replaced);
        let users = all.map(|(export, replaced)| ExportUsers {
            names: export.names().to_vec(),
            identity: export.identity(),
            original: export.original().map(Path::to_owned),
            replaced,
            users: export.users().list(),
        });
        users.collect()
    }
}

/// Keeps an export for who has mounted it. Of too many of its name, or altogether, the one that was used least lately goes.
fn keep(replaced: &mut Vec<Arc<Replaced>>, old: Arc<Export>) {
    let first = old.names().first().cloned();
    let id = old.tree().export_id();
    old.tree().keep_few_files_open();
    replaced.retain(|other| other.export.tree().export_id() != id);
    replaced.push(Arc::new(Replaced::new(old)));
    let of_name = |old: &Replaced| old.export.names().first() == first.as_ref();
    forget_idlest(replaced, MAX_REPLACED, of_name);
    forget_idlest(replaced, MAX_ALL_REPLACED, |_| true);
}

fn forget_idlest(
    replaced: &mut Vec<Arc<Replaced>>,
    most: usize,
    counts: impl Fn(&Replaced) -> bool,
) {
    let counted = || replaced.iter().enumerate().filter(|(_, old)| counts(old));
    if counted().count() <= most {
        return;
    }
    if let Some((at, _)) = counted().max_by_key(|(_, old)| old.idle()) {
        replaced.remove(at);
    }
}

impl Replaced {
    fn new(export: Arc<Export>) -> Self {
        Self {
            export,
            since: Instant::now(),
            used: AtomicU64::new(0),
        }
    }

    fn note_use(&self) {
        let now = self.since.elapsed().as_secs();
        self.used.store(now, Ordering::Relaxed);
    }

    fn idle(&self) -> Duration {
        let used = Duration::from_secs(self.used.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(used)
    }
}

/// The exports that are served now.
#[derive(Debug)]
pub(crate) struct ServedExports(RwLock<Arc<Exports>>);

impl ServedExports {
    pub(crate) fn new(exports: Exports) -> Self {
        Self(RwLock::new(Arc::new(exports)))
    }

    /// For one call.
    pub(crate) fn now(&self) -> Arc<Exports> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All at once, or nothing.
    pub(crate) fn exchange(&self, exchange: Exchange) -> Result<(), ExchangeError> {
        let mut served = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *served = Arc::new(served.with(exchange)?);
        Ok(())
    }

    pub(crate) fn replaced(&self) -> Vec<ReplacedExport> {
        let served = self.now();
        let replaced = served.replaced.iter().map(|old| ReplacedExport {
            names: old.export.names().to_vec(),
            idle: old.idle(),
            deleted: old.export.tree().is_deleted(),
            id: old.export.tree().export_id(),
        });
        replaced.collect()
    }

    /// Who uses each export.
    pub(crate) fn users(&self) -> Vec<ExportUsers> {
        self.now().users()
    }

    /// The identity of the export that has this name.
    pub(crate) fn identity_of(&self, name: &str) -> Option<u32> {
        let served = self.now();
        let mut all = served.iter();
        let named = all.find(|export| export.names().iter().any(|own| own == name));
        named.map(Export::identity)
    }

    /// Who used the export with this first name before the server started.
    pub(crate) fn remember_users(&self, name: &str, users: &[ExportUser]) {
        let served = self.now();
        let mut current = served.iter();
        let of_name = current.find(|export| export.names().first().is_some_and(|own| own == name));
        if let Some(export) = of_name {
            for user in users {
                export.users().remember(*user);
            }
        }
    }

    /// Its handles are stale from now on.
    pub(crate) fn release(&self, replaced: &ReplacedExport) {
        let mut served = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *served = Arc::new(served.without(replaced.id));
    }
}

/// The rest of `path` below `name`, `None` if it is not below. Repeated slashes count as one.
fn rest_below<'a>(name: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = path;
    for part in name
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
    {
        rest = trim(rest).strip_prefix(part)?;
        if rest.first().is_some_and(|byte| *byte != b'/') {
            return None;
        }
    }
    Some(trim(rest))
}

fn trim(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/") {
        path = rest;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::rest_below;

    #[test]
    fn a_path_belongs_to_the_export_whose_name_is_a_prefix_by_components() {
        assert_eq!(rest_below(b"/image", b"/image"), Some(&b""[..]));
        assert_eq!(rest_below(b"/image", b"//image///usr/"), Some(&b"usr/"[..]));
        assert_eq!(rest_below(b"/image", b"/images"), None);
        assert_eq!(rest_below(b"/image", b"/"), None);
        assert_eq!(rest_below(b"/", b"/anything"), Some(&b"anything"[..]));
        assert_eq!(rest_below(b"/a/b", b"/a//b/c"), Some(&b"c"[..]));
    }
}
