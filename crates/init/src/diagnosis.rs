//! What a failure alone does not tell: why there is no NIC ([`cards`]), whether a silent server or its router is there
//! at all ([`way`]), whether the wire loses frames ([`loss`]), what a server that answers wrongly is instead
//! ([`unanswered`]), and whether the root's init can run ([`program`]).
//!
//! Asked after the fact, so that a good boot pays nothing for it; what was found is made a cause and a cure by pure
//! functions.

mod cards;
mod packet_loss;
mod program;
mod reachability;
mod rpc_failure;

pub(crate) use cards::{UnclaimedCard, no_nic_advice, unclaimed_cards};
pub(crate) use packet_loss::PacketLoss;
pub(crate) use program::{HEAD, Kind, Unfit, kind};
#[cfg(test)]
pub(crate) use reachability::Neighbour;
pub(crate) use reachability::{NextHop, Reachability};
pub(crate) use rpc_failure::RpcFailure;

#[cfg(test)]
mod tests;
