//! Diagnosis of failures: why there is no NIC ([`cards`]), whether a silent server or its router is up at all
//! ([`reachability`]), whether the network loses frames ([`packet_loss`]), what answers in place of an RPC server
//! ([`rpc_failure`]), and whether the kernel can run the root's init ([`program`]).
//!
//! Done after a failure, so that a good boot pays nothing for it. Pure functions turn the findings into a cause and
//! advice.

mod cards;
mod packet_loss;
mod program;
mod reachability;
mod rpc_failure;

#[cfg(test)]
pub(crate) use cards::Bus;
pub(crate) use cards::{UnclaimedCard, no_nic_advice, unclaimed_cards};
pub(crate) use packet_loss::PacketLoss;
pub(crate) use program::{HEAD, Kind, NotExecutable, kind};
#[cfg(test)]
pub(crate) use reachability::Neighbour;
pub(crate) use reachability::Reachability;
pub(crate) use rpc_failure::RpcFailure;

#[cfg(test)]
mod tests;
