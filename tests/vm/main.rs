//! Diskless virtual machines, from the firmware to the root's init.

mod check;
mod debian_server;
mod drop_in;
mod failures;
mod firmware;
mod guix;
mod harness_checks;
mod hostile_dhcp;
mod hostile_nfs;
mod identity;
mod image_swap;
mod images;
mod inform_and_bootp;
mod init_alone;
mod installed;
mod ipv6_router;
mod isolated;
mod lan;
mod links;
mod machines;
mod modules;
mod network_managers;
mod never_stale;
mod nfs_against_nfsd;
#[path = "../nfs_compared/compared.rs"]
mod nfs_compared;
mod nfs_decoded;
mod nfs_suites;
mod nfs_versions;
mod nic_initrd;
mod proxy;
mod read_ahead;
mod relay;
mod reports;
mod rescue;
mod rpc_peer;
mod server_outage;
mod server_restart;
mod several_dhcp_servers;
mod shutdown;
mod slow_networks;
mod submounts;
#[path = "../facts/src/sum.rs"]
mod sum;
mod udev_names;
mod unfit_roots;
