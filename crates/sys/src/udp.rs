//! UDP sockets as a boot server needs them: broadcast, bound to one interface.
