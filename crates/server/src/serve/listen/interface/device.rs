//! An interface without its addresses.

/// An interface as far as the sockets need it that belong to it and not to an address of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its index.
    pub(crate) index: u32,
    /// Whether it has a hardware address that ARP can ask for.
    pub(crate) has_arp: bool,
}
