//! Virtual machines without a disk, from the firmware to the root's init.

mod debian_server;
mod dhcp_dialects;
mod dhcp_lies;
mod dhcp_roots;
mod direct;
mod failures;
mod firmware;
mod hostile_nfs;
mod identity;
mod ipv6_router;
mod links;
mod modules;
mod network_managers;
mod nfs_versions;
mod outage;
mod proxy;
mod reports;
mod rescue;
mod restart;
mod rpc_peer;
mod shutdown;
mod slow;
mod the_harness;
mod wire;
