//! Name → artifact: everything that TFTP and HTTP serve.
//!
//! [`store`] is the look-up; [`loaders`] finds iPXE's binaries, and [`script`] writes what they are told.

pub(crate) mod loaders;
pub(crate) mod script;
pub(crate) mod store;
