//! Our server with other clients, and with malformed packets.

mod clients;
mod hostile;
mod lan;
mod lifecycle;
mod malformed_packets;
mod several_images;
#[path = "../../crates/nfs-export/tests/support/mod.rs"]
mod support;
