//! The exported directory tree: file handles, and the files behind them.

pub(crate) mod attributes;
pub(crate) mod file_cache;
pub(crate) mod handle;
pub(crate) mod handle_key;
pub(crate) mod inode_index;
pub(crate) mod name;
pub(crate) mod node;
pub(crate) mod root_dir;
pub(crate) mod status;
