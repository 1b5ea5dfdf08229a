//! System calls that need unsafe code, and nothing else.
//!
//! Every other crate of the workspace denies `unsafe`. What rustix and nix offer safely is called from where it
//! is needed; what only libc has is wrapped here, one file per thing, each unsafe block with an argument why it
//! is sound.
//!
//! | module | what | for |
//! |---|---|---|
//! | [`packet`] | `AF_PACKET` sockets bound to one interface | init: DHCP before there is an address |
//! | [`handle`] | file handles that outlive a path (`name_to_handle_at`, `open_by_handle_at`) | the export |
//! | [`arrival`] | which interface and address a datagram arrived on | the server |
//! | [`pages`] | big buffers that are gone when they are dropped | the export |
//! | [`solicitation`] | router solicitations (ICMPv6) of one interface | the server: iPXE's wait for a router |
//! | [`tap`] | tap devices as files of frames | the tests' switch |
//! | [`tcp`] | how long TCP waits before it says again what nobody acknowledged | the export, the server |
//! | [`udp`] | server sockets: broadcast, one interface, address reuse | the server |
//! | `unwind` | no unwinder, where a panic aborts | init: a quarter of its size |
#![allow(unsafe_code)]

pub mod arrival;
pub mod handle;
pub mod packet;
pub mod pages;
pub mod solicitation;
pub mod tap;
pub mod tcp;
pub mod udp;
#[cfg(all(panic = "abort", target_env = "musl"))]
mod unwind;
