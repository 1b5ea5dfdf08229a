//! The exports of a server, found by path and by handle.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::export::Export;
use crate::tree::handle::Handle;

/// Exports with distinct names and handles.
#[derive(Debug)]
pub(crate) struct Exports(Vec<Export>);

/// Why a set of exports cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Two exports have this name.
    Name(String),
    /// Two exports, with these first names, would have the same handles.
    Handles(String, String),
}

impl Exports {
    pub(crate) fn new(exports: Vec<Export>) -> Result<Self, Conflict> {
        let mut names = HashSet::new();
        let mut ids = HashMap::new();
        for export in &exports {
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
        Ok(Self(exports))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Export> {
        self.0.iter()
    }

    /// Whether this client may mount any export.
    pub(crate) fn allow(&self, client: IpAddr) -> bool {
        self.iter().any(|export| export.allows(client))
    }

    /// The export that a handle claims to belong to; the signature is not checked.
    pub(crate) fn by_handle(&self, handle: &Handle) -> Option<&Export> {
        let claimed = handle.claimed_export()?;
        self.iter()
            .find(|export| export.tree().export_id() == claimed)
    }

    /// The export with the longest name that is a prefix of the path, and the rest of the path.
    pub(crate) fn by_path<'a>(&'a self, path: &'a [u8]) -> Option<(&'a Export, &'a [u8])> {
        self.0
            .iter()
            .flat_map(|export| export.names().iter().map(move |name| (export, name)))
            .filter_map(|(export, name)| {
                Some((name.len(), export, rest_below(name.as_bytes(), path)?))
            })
            .max_by_key(|(length, _, _)| *length)
            .map(|(_, export, below)| (export, below))
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
