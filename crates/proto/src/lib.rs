//! The protocols of a network boot and the decisions made from them, as pure code.
//!
//! Bytes, text and time go in; values come out. Nothing here opens a socket, reads a
//! clock or a file, or needs root, so every rule of the boot can be tested on its own.
//! The `init` and the server both use these modules:
//!
//! * [`address`]: addresses and hosts as people write them.
//! * [`boot_report`]: what the server looks for in the init's report.
//! * [`cmdline`]: the kernel command line, read once into a [`cmdline::BootPlan`].
//! * [`mount`]: NFS targets and mount options.
//! * [`netlink`]: messages to and from the kernel about its interfaces.
//! * [`dhcp`]: tolerant decoding of DHCP options, leases, and the server's address pool.
//! * [`dns`]: queries for the address of a host name, and checking the answers.
//! * [`pxe`]: what each network-boot firmware needs beyond DHCP.
//! * [`reading`]: values with their origin, and complaints about those that make no sense.
//! * [`root`]: the choice of server and path.
//! * [`sntp`]: a single query for the time.
//! * [`tftp`]: TFTP packets, options and transfers.

#![forbid(unsafe_code)]

pub mod address;
pub mod boot_report;
pub mod cmdline;
pub mod dhcp;
pub mod dns;
pub mod mount;
pub mod netlink;
pub mod pxe;
pub mod readahead;
pub mod reading;
pub mod root;
pub mod sntp;
pub mod tftp;
