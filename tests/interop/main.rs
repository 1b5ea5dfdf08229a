//! Our server with other clients, and with malformed packets.

mod api;
mod bundles;
mod cases;
mod check;
mod check_config;
mod clients;
mod file_systems;
mod firmware;
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "made for unit tests; only a kernel is needed here"
)]
#[path = "../../crates/initramfs/src/fixture.rs"]
mod fixture;
mod foreign_dhcp;
mod hostile;
mod isolated;
mod lan;
mod lifecycle;
mod machines;
mod malformed_packets;
mod nfs_against_ganesha;
mod nfs_bsd;
#[path = "../nfs_compared/compared.rs"]
mod nfs_compared;
mod nfs_lab;
mod nfs_large;
mod nic_initrd;
mod packet_socket;
mod page;
mod relay;
mod secure_boot;
mod seeing;
mod several_addresses;
mod several_images;
#[path = "../../crates/nfs-export/tests/support/mod.rs"]
mod support;
mod uki;
mod world;
