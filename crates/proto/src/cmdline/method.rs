//! How an address is obtained, and how that is written in `ip=`.

/// How an address is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// DHCP.
    Dhcp,
    /// BOOTP only.
    Bootp,
    /// Whatever answers: DHCP and BOOTP replies are both taken.
    Any,
    /// The address is written in the request; no server is asked.
    Static,
    /// The NIC is left alone.
    Off,
    /// The address of a request without a protocol cannot be read: the NIC gets none, and no server is asked for another.
    Unreadable,
}

/// What can be written.
pub(super) const METHODS: &str = "off, none, on, any, dhcp or bootp";

/// One spelling of a method.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    pub(super) method: Method,
    /// What differs from what is asked for, where something does.
    pub(super) caveat: Option<&'static str>,
    pub(super) ipv6: bool,
}

/// The method that a word stands for.
pub(super) fn spelled(word: &str) -> Option<Spelling> {
    let (method, caveat, ipv6) = match word {
        "on" | "any" => (Method::Any, None, false),
        "dhcp" | "dhcp4" | "single-dhcp" => (Method::Dhcp, None, false),
        "bootp" => (Method::Bootp, None, false),
        "off" | "none" | "static" => (Method::Off, None, false),
        "both" => (
            Method::Bootp,
            Some("RARP is not supported; BOOTP alone is used"),
            false,
        ),
        "rarp" => (
            Method::Any,
            Some("RARP is not supported; taken as any"),
            false,
        ),
        "dhcp6" | "auto6" | "either6" | "link6" | "link-local" => (
            Method::Dhcp,
            Some("an NFS root over IPv6 is not supported; taken as dhcp"),
            true,
        ),
        "ibft" => (
            Method::Dhcp,
            Some("the iBFT is not read; taken as dhcp"),
            false,
        ),
        _ => return None,
    };
    Some(Spelling {
        method,
        caveat,
        ipv6,
    })
}

/// Whether a second field is a method, so that the first one is a device.
pub(super) fn names_method(text: &str) -> bool {
    text.split(',')
        .next()
        .is_some_and(|word| spelled(word).is_some())
}
