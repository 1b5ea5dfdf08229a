//! DHCP options, leases and the server's decisions.
