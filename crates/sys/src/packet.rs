//! Packet sockets: Ethernet frames of one interface, before it has an address.
