//! Parameters for initrds that this init does not follow, with the reason.

use std::borrow::Cow;

use super::other_initrds::{self, Concern};

/// A parameter that belongs to this init and that it does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The parameter as written.
    pub parameter: String,
    /// Why it changes nothing.
    pub why: Cow<'static, str>,
    /// What would have been different if it had been followed, where that may be why a boot fails.
    pub concern: Option<Concern>,
}

impl Ignored {
    /// A parameter whose absence explains nothing.
    pub(super) fn new(parameter: String, why: &'static str) -> Self {
        Self {
            parameter,
            why: Cow::Borrowed(why),
            concern: None,
        }
    }
}

/// Why a parameter asks for nothing: what it asks for happens anyway. In `name`, every `-`
/// is a `_`.
pub(super) fn why_granted(name: &str, value: Option<&str>) -> Option<&'static str> {
    let on = !matches!(value, Some("0" | "no" | "off"));
    Some(match name {
        "rdinit" => "the kernel has followed it: it started this init",
        "boot" if value == Some("nfs") => "an NFS root is all that this init mounts",
        "rd.neednet" if on => "the network always comes up",
        "rd.bootif" if on => "BOOTIF= is followed in any case",
        "fsck.mode" | "fsck.repair" => {
            "an NFS root is not checked; the root's own init reads it for other file systems"
        }
        "rd.net.timeout.route" => {
            "routes are set together with the address, so there is no wait to limit"
        }
        _ => return None,
    })
}

/// Why a parameter of an initrd's is never followed, and what that may explain; `None` for those of the kernel and of
/// the root's own init. In `name`, every `-` is a `_`; `text` is the parameter as written.
pub(super) fn why_not(name: &str, value: Option<&str>, text: &str) -> Option<Ignored> {
    let parameter = text.to_owned();
    if let Some((concern, why)) = other_initrds::why_not(name, value) {
        return Some(Ignored {
            parameter,
            why,
            concern: Some(concern),
        });
    }
    plain(name).map(|why| Ignored::new(parameter, why))
}

fn plain(name: &str) -> Option<&'static str> {
    Some(match name {
        "boot" => "only boot=nfs has a meaning here",
        "rd.neednet" => "an NFS root cannot do without the network",
        "rootfstype" => "the root is NFS",
        "nfsrootdebug" => "it is about the kernel's own mount of the root",
        "ip6" | "rd.net.timeout.ipv6dad" | "rd.net.timeout.ipv6auto" => {
            "an NFS root over IPv6 is not supported"
        }
        "team" => "this init makes no teams; a bond= does the same",
        "rd.overlay.readonly"
        | "rd.live.overlay.readonly"
        | "rd.overlay.reset"
        | "rd.live.overlay.reset" => "it is about an overlay that is kept, and this one is not",
        "rd.live.overlay" | "rd.live.overlay.size" => {
            "it is about a live image; rd.overlay= puts an overlay over an NFS root"
        }
        "overlayroot_cfgdisk" => "overlays are not configured from a disk",
        "ltsp.image" => "the root is the NFS export itself, not an image within it",
        "gnu.repl" => "there is no Guile before the root is mounted",
        "rd.bootif" => "there is no BOOTIF= to leave out",
        "rd.timeout" | "rd.retry" => "it is about devices; rootwait= limits the wait for the root",
        _ if name.starts_with("netroot.") => "this init has no such parameter",
        _ if name.starts_with("rd.") => "it is dracut's, and has no meaning here",
        _ => return None,
    })
}
