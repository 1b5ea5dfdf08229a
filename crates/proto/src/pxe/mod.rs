//! What each network-boot firmware needs beyond DHCP.
