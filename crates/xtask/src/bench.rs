//! `cargo xtask bench`: side by side with a peer, in one run, as ratios.

mod bench_network;
pub(crate) mod boot;
pub(crate) mod calls;
mod case;
mod congestion_control;
mod contestant;
mod dnsmasq;
mod initramfs_tools;
mod machine;
mod memory;
pub(crate) mod nfs;
mod processors;
pub(crate) mod serve;
mod spread;
mod steps;
