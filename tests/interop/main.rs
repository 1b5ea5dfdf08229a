//! Our server against other people's clients, and against packets that nobody should send.

mod clients;
mod lan;
mod lifecycle;
mod malformed_packets;
