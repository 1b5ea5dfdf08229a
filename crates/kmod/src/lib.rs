//! What the init, which loads modules, and the initrd builder, which packs them, must agree on with kmod: how an
//! alias pattern is matched, and what a module is called.
//!
//! * [`fnmatch`]: the patterns of `modules.alias`.
//! * [`path_matches`]: the same by component, for paths.
//! * [`module_name`] and [`module_stem`]: a module's name, and its path without the suffix.
//!
//! Pure, without dependencies: this is part of the init.

#![forbid(unsafe_code)]

mod fnmatch;
mod name;
mod path_pattern;

pub use fnmatch::fnmatch;
pub use name::{module_name, module_stem};
pub use path_pattern::path_matches;
