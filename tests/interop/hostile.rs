//! Hostile clients: what they take, and what an honest client still gets meanwhile.
//!
//! Each file attacks one part of the server, with many addresses on the server's network, and asserts figures:
//! bytes answered for bytes asked, memory, slots, lines in the log. Memory is the most that the process ever held.

mod dhcp;
mod host;
mod http;
mod kill;
pub(crate) mod lab;
mod log;
mod memory;
mod nfs;
mod slow_disk;
mod tftp;
