//! The directory that the init leaves to the root.

/// Where the real root finds what this init learnt; `/run` moves along.
pub(crate) const RUN: &str = "/run/netroot";
