//! The interface and the local address that a datagram arrived on (`IP_PKTINFO`).
