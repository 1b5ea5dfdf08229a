//! The name of a machine's script, as DHCP says it.

/// The name of a machine's script over HTTP and TFTP.
pub(crate) const SCRIPT_PATH: &str = "boot/{mac}.ipxe";
/// The same where the configuration has machines. iPXE expands it (`fetch_next_server_and_filename` in usr/autoboot.c, since
/// 2011); its DHCP requests have the UUID and the NIC. With the longest address and port, 112 bytes of at most 127.
pub(super) const ASKING_SCRIPT_PATH: &str =
    "boot/{mac}.ipxe?serial=${serial:uristring}&product=${product:uristring}";
