//! `cargo xtask bench`: side by side with a peer, in one run, as ratios.

pub(crate) mod boot;
mod contestant;
mod initramfs_tools;
mod machine;
mod memory;
mod spread;
mod steps;
