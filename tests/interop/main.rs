//! Our server with other clients, and with malformed packets.

mod clients;
mod lan;
mod lifecycle;
mod malformed_packets;
