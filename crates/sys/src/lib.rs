//! System calls that need unsafe code, and nothing else.
//!
//! Every other crate of the workspace denies `unsafe`. What rustix and nix wrap is called where it is needed; what
//! only libc has is wrapped here, one file per subject, each unsafe block with an argument for its soundness.
//!
//! | module | what | for |
//! |---|---|---|
//! | [`packet`] | `AF_PACKET` sockets bound to one interface | init: DHCP before it has an address |
//! | [`handle`] | file handles that outlive a path (`name_to_handle_at`, `open_by_handle_at`) | the export |
//! | [`helper_process`] | a second process of this program (`fork` without `exec`) | the server's privileged helpers |
//! | [`arrival`] | which interface and address a datagram arrived on | the server |
//! | [`datagrams`] | several datagrams in one call | the server: TFTP |
//! | [`pages`] | large buffers that are returned to the kernel when dropped | the export |
//! | `readable` | sockets that the runtime waits for, with the feature `tokio` | the server: TFTP, DHCP |
//! | [`router_solicitation`] | router solicitations (ICMPv6) of one interface | the server: iPXE waits for a router |
//! | [`scheduling`] | threads that run when no other would | init: what runs beside the root's init |
//! | [`tap`] | tap devices as files of frames | the tests' switch |
//! | [`tcp`] | a cap on TCP's retransmission timeout | the export, the server |
//! | [`thread`] | threads that nobody waits for | init: less code to start them |
//! | [`udp`] | server sockets: broadcast, one interface, address reuse | the server |
//! | `unwind` | no unwinder in programs that abort on a panic | init: saves a quarter of its size |
#![allow(unsafe_code)]

pub mod arrival;
pub mod datagrams;
pub mod handle;
pub mod helper_process;
pub mod packet;
pub mod pages;
#[cfg(feature = "tokio")]
pub mod readable;
pub mod router_solicitation;
pub mod scheduling;
mod socket_option;
pub mod tap;
pub mod tcp;
pub mod thread;
pub mod udp;
#[cfg(all(panic = "abort", target_env = "musl"))]
mod unwind;
