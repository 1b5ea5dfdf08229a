//! Messages of nf_tables (`include/uapi/linux/netfilter/nf_tables.h`): one table with two chains, and what other tables
//! have. Pure.
//!
//! Hand-written: the crates that speak this protocol are under the GPL (`rustables`), need a C library (`nftnl`) or start
//! the program `nft` (`nftables`), which the server cannot; what is needed of it is eight expressions.

mod expression;
mod ruleset;
mod table;

pub(super) use self::ruleset::{Chain, Ruleset, list_chains, list_rules};
pub(super) use self::table::{Table, create, delete};
