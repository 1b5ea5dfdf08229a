//! From a root in a temporary folder to an initrd, and back by a reader that shares no code with the writer.

// clippy.toml excuses tests, and not what tests call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, unreachable_pub)]

mod archive;
mod contents;
mod distributions;
mod failures;
mod fake_root;
#[path = "../../src/fixture.rs"]
mod fixture;
mod kernels;
mod laid_out;
mod odd_kernels;
mod one_nic;
mod out_of_tree;
mod reproducible;
