//! A path that may be a kernel's.

use super::kernel_names::named_by_path;

/// A path that may be a kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kernel) struct Candidate {
    /// In the root.
    pub(in crate::kernel) path: String,
    /// The version or flavour that its name shows; empty if it shows none.
    pub(in crate::kernel) named: String,
    /// The directory of module trees that belongs to it and to no other kernel.
    pub(in crate::kernel) own_modules: Option<String>,
    /// The system of NixOS or Guix System that it belongs to.
    pub(in crate::kernel) system: Option<String>,
    /// Whether it is of the current generation of a system with generations.
    pub(in crate::kernel) current: bool,
    /// Why there should be a file; `None` where it is only usual.
    pub(in crate::kernel) expected: Option<&'static str>,
}

impl Candidate {
    pub(super) fn usual(path: String, named: &str) -> Self {
        let named = match named {
            "" => named_by_path(&path).to_owned(),
            named => named.to_owned(),
        };
        Self {
            path,
            named,
            own_modules: None,
            system: None,
            current: false,
            expected: None,
        }
    }

    /// A path that the administrator names.
    pub(in crate::kernel) fn asked_for(path: &str) -> Self {
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        Self {
            // Guix System's.
            own_modules: Some(format!("{folder}/lib/modules")),
            ..Self::usual(path.to_owned(), "")
        }
    }
}
