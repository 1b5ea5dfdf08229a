//! The DHCPv4 leases on disk: every lease that a machine was told of is there, so that a restart, `kill -9` or a
//! power failure gives no machine's address to another one.
//!
//! An acknowledgement is sent once a transaction with its lease is durable ([`writer`]); all that wait share one
//! transaction, which is written at once where the disk is idle ([`pace`]). What waits and what is durable is [`queue`]'s, the database [`store`]'s (redb), its place in the state
//! folder [`file`]'s, and the times of a lease on the disk and in memory [`lease`]'s.
//!
//! An interface has a file of its own, so that servers on two interfaces are independent of each other. All names begin
//! with `leases-<interface>`, and all have mode 0600:
//!
//! * `leases-<interface>.redb`: the database. It is open, and locked, as long as the server runs.
//! * `leases-<interface>.redb.new`: a database until it is complete; renamed then.
//! * `leases-<interface>.redb.unreadable`: a database that could not be read, set aside at start.
//! * `leases-<interface>`: the leases of netroot before it had a database, as JSON lines. They are read when there is no
//!   database, and then renamed to `leases-<interface>.old`.
//!
//! A disk that fails does not end the service: machines without addresses are worse than an address that may be given
//! twice after a restart, which the pool makes unlikely (a machine's first choice follows from its MAC). It is logged
//! once, and so is the recovery.

mod file;
mod lease;
mod pace;
mod queue;
mod store;
mod writer;

pub(crate) use file::{LeaseFile, OpenError};
pub(crate) use writer::{Put, Writer};

#[cfg(test)]
mod power_loss;
