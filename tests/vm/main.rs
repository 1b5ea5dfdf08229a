//! Diskless virtual machines, from the firmware to the root's init.

mod debian_server;
mod failures;
mod firmware;
mod harness_checks;
mod hostile_dhcp;
mod hostile_nfs;
mod identity;
mod inform_and_bootp;
mod init_alone;
mod installed;
mod ipv6_router;
mod lan;
mod links;
mod modules;
mod network_managers;
mod nfs_versions;
mod proxy;
mod reports;
mod rescue;
mod rpc_peer;
mod server_outage;
mod server_restart;
mod several_dhcp_servers;
mod shutdown;
mod slow_networks;
mod udev_names;
