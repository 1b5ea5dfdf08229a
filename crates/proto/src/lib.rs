//! Network protocols and the decisions about them, as pure code.
//!
//! Bytes, text and time come in; values come out. Nothing here opens a socket, reads a
//! clock or a file, or needs root, so every rule of the boot can be tested on its own.
//! The `init` and the server both build on these rooms:
//!
//! * [`address`]: addresses and hosts as people write them.
//! * [`cmdline`]: the kernel command line, read once into a [`cmdline::BootPlan`].
//! * [`mount`]: NFS targets and mount options.
//! * [`dhcp`]: DHCP options decoded tolerantly, leases, and the server's decisions.
//! * [`dns`]: questions for the address of a name, and answers judged.
//! * [`pxe`]: what each network-boot firmware needs beyond DHCP.
//! * [`reading`]: values with their origin, and complaints about them.
//! * [`root`]: the choice of server and path.
//! * [`sntp`]: the time, asked for once.
//! * [`tftp`]: TFTP packets, options and transfers.

#![forbid(unsafe_code)]

pub mod address;
pub mod cmdline;
pub mod dhcp;
pub mod dns;
pub mod mount;
pub mod pxe;
pub mod reading;
pub mod root;
pub mod sntp;
pub mod tftp;
