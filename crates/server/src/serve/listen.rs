//! Where the server listens: the interfaces and the sockets on them.

pub(crate) mod arrivals;
pub(crate) mod interface;
pub(crate) mod port_owner;
pub(crate) mod sockets;
