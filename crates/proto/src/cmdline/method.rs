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

/// Every spelling.
const SPELLINGS: [(&[&str], Spelling); 8] = [
    (&["on", "any"], plain(Method::Any)),
    (&["dhcp", "dhcp4", "single-dhcp"], plain(Method::Dhcp)),
    (&["bootp"], plain(Method::Bootp)),
    (&["off", "none", "static"], plain(Method::Off)),
    (
        &["both"],
        with_caveat(Method::Bootp, "RARP is not supported; BOOTP alone is used"),
    ),
    (
        &["rarp"],
        with_caveat(Method::Any, "RARP is not supported; taken as any"),
    ),
    (
        &["dhcp6", "auto6", "either6", "link6", "link-local"],
        Spelling {
            ipv6: true,
            ..with_caveat(
                Method::Dhcp,
                "an NFS root over IPv6 is not supported; taken as dhcp",
            )
        },
    ),
    (
        &["ibft"],
        with_caveat(Method::Dhcp, "the iBFT is not read; taken as dhcp"),
    ),
];

const fn plain(method: Method) -> Spelling {
    Spelling {
        method,
        caveat: None,
        ipv6: false,
    }
}

const fn with_caveat(method: Method, caveat: &'static str) -> Spelling {
    Spelling {
        caveat: Some(caveat),
        ..plain(method)
    }
}

/// The method that a word stands for.
pub(super) fn spelled(word: &str) -> Option<Spelling> {
    let mut all = SPELLINGS.iter();
    let (_, found) = all.find(|(words, _)| words.contains(&word))?;
    Some(*found)
}

/// Whether a second field is a method, so that the first one is a device.
pub(super) fn names_method(text: &str) -> bool {
    text.split(',')
        .next()
        .is_some_and(|word| spelled(word).is_some())
}

/// Whether a word alone is a method, or a misspelt one.
pub(super) fn could_be_method(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b',' | b'-');
    names_method(text) || text.bytes().all(plain)
}

/// Whether a word is a method but for a letter.
pub(super) fn is_misspelt(text: &str) -> bool {
    let known = SPELLINGS.iter().flat_map(|(words, _)| words.iter());
    netroot_spelling::nearest(text, known.copied()).is_some()
}
