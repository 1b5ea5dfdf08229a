//! Names into addresses: the part of DNS (RFC 1035) that a machine needs to find its NFS server.
//!
//! [`Question::new`] makes a query for the address of a name, [`Question::answer`] judges a datagram that came
//! back, and [`candidates`] says which names a resolver tries for what is written. Sockets, time and chance are
//! the caller's.

mod name;
mod question;
mod reply;

pub use name::{Name, NameError, candidates};
pub use question::Question;
pub use reply::{Answer, Ignored};
