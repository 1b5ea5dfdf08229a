//! Resolving host names: the part of DNS (RFC 1035) that a machine needs to find its NFS server.
//!
//! [`Question::new`] makes a query for the addresses of a name, [`Question::answer`] checks a datagram that was
//! received, and [`candidates`] lists the names that a resolver tries for a host as written. The caller provides
//! sockets, time and random numbers.

mod name;
mod question;
mod reply;

pub use name::{Name, NameError, candidates};
pub use question::Question;
pub use reply::{Answer, Ignored};
