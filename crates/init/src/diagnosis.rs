//! What a failure alone does not tell: why there is no NIC ([`cards`]), whether a silent server or its router is there
//! at all ([`way`]), whether the wire loses frames ([`loss`]), what a server that answers wrongly is instead
//! ([`unanswered`]), and whether the root's init can run ([`program`]).
//!
//! Asked after the fact, so that a good boot pays nothing for it; what was found is made a cause and a cure by pure
//! functions.

mod cards;
mod loss;
mod program;
mod unanswered;
mod way;

pub(crate) use cards::{Undriven, cure_of_no_nic, undriven_cards};
pub(crate) use loss::Loss;
pub(crate) use program::{HEAD, Kind, Unfit, kind};
pub(crate) use unanswered::Unanswered;
#[cfg(test)]
pub(crate) use way::Neighbour;
pub(crate) use way::{Hop, Way};

#[cfg(test)]
mod tests;
