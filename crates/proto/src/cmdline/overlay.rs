//! The writable layer over a read-only root.

use super::word::{Notes, Word};
use crate::reading::Reading;

/// Whether a writable layer goes over the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The root as the server exports it.
    Off,
    /// An overlay whose upper layer is a tmpfs: changes live until power-off.
    Tmpfs {
        /// tmpfs `size=` as written (`512m`, `50%`); `None` leaves the kernel's half of memory.
        size: Option<String>,
    },
}

impl Overlay {
    /// Reads whichever parameter `word` is. `None` where it says nothing after all.
    pub(super) fn read(word: &Word<'_>, notes: &mut Notes) -> Option<Self> {
        let value = word.value;
        match (word.name, value) {
            ("rd.overlay", _) => Some(Self::read_dracut(value, &mut notes.reading(word))),
            ("overlayroot", _) => {
                let value = value.unwrap_or("tmpfs");
                Some(Self::read_overlayroot(value, &mut notes.reading(word)))
            }
            // dracut's older switches, and that of Debian's dracut for FAI.
            _ => match notes.boolean(word, "left out")? {
                true => Some(Self::Tmpfs { size: None }),
                false => Some(Self::Off),
            },
        }
    }

    /// `rd.overlay`, `rd.overlay=0|1|tmpfs[:size=…]` (dracut, which also knows devices).
    fn read_dracut(value: Option<&str>, reading: &mut Reading<'_>) -> Self {
        match value {
            None | Some("1" | "yes" | "on" | "true") => Self::Tmpfs { size: None },
            Some("" | "0" | "no" | "off" | "false") => Self::Off,
            Some(value) => Self::read_tmpfs(value, "1, 0 or tmpfs[:size=...]", reading),
        }
    }

    /// `overlayroot=tmpfs[:size=…,recurse=0,swap=1,debug=1]` or `disabled` (cloud-initramfs-tools).
    fn read_overlayroot(value: &str, reading: &mut Reading<'_>) -> Self {
        match value {
            "" | "disabled" => Self::Off,
            value => Self::read_tmpfs(value, "tmpfs[:size=...] or disabled", reading),
        }
    }

    fn read_tmpfs(value: &str, expected: &'static str, reading: &mut Reading<'_>) -> Self {
        let (kind, list) = value.split_once([':', ',']).unwrap_or((value, ""));
        if kind != "tmpfs" {
            // Somebody wants their changes kept; a tmpfs loses them, but it boots.
            reading.complain(
                0,
                expected,
                value,
                "a tmpfs is used: changes are lost at power-off",
            );
            return Self::Tmpfs { size: None };
        }
        let mut size = None;
        let mut position = kind.len() + 1;
        for option in list.split(',').filter(|_| !list.is_empty()) {
            match option.split_once('=') {
                Some(("size", value)) if is_size(value) => size = Some(value.to_owned()),
                Some(("size", value)) => {
                    let expected = "a size such as 512m or 50%";
                    let outcome = "the kernel's half of the memory is used";
                    reading.complain(position + "size=".len(), expected, value, outcome);
                }
                // What overlayroot does with swap, nested mounts and its log has no
                // counterpart here.
                Some(("swap" | "recurse" | "debug" | "dir" | "driver", _)) => {}
                _ => reading.complain(position, "size=...", option, "left out"),
            }
            position += option.len() + 1;
        }
        Self::Tmpfs { size }
    }
}

/// What tmpfs takes as a size (`mm/shmem.c`): a number with k, m or g (or t, p, e), or a
/// share of the memory.
fn is_size(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number && (unit.is_empty() || unit == "%" || (unit.len() == 1 && "kKmMgGtTpPeE".contains(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::Complaint;

    fn dracut(value: Option<&str>) -> (Overlay, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let overlay = Overlay::read_dracut(
            value,
            &mut Reading::new("rd.overlay", value, &mut complaints),
        );
        (overlay, complaints)
    }

    fn overlayroot(value: &str) -> (Overlay, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let mut reading = Reading::new("overlayroot", Some(value), &mut complaints);
        (Overlay::read_overlayroot(value, &mut reading), complaints)
    }

    fn sized(size: &str) -> Overlay {
        Overlay::Tmpfs {
            size: Some(size.into()),
        }
    }

    #[test]
    fn rd_overlay_is_a_switch() {
        for on in [None, Some("1"), Some("tmpfs")] {
            assert_eq!(
                dracut(on),
                (Overlay::Tmpfs { size: None }, vec![]),
                "{on:?}"
            );
        }
        assert_eq!(dracut(Some("0")), (Overlay::Off, vec![]));
        assert_eq!(dracut(Some("tmpfs:size=1g")), (sized("1g"), vec![]));
    }

    #[test]
    fn overlayroot_takes_options_after_a_colon() {
        assert_eq!(
            overlayroot("tmpfs"),
            (Overlay::Tmpfs { size: None }, vec![])
        );
        assert_eq!(
            overlayroot("tmpfs:swap=1,recurse=0,size=25%"),
            (sized("25%"), vec![])
        );
        assert_eq!(overlayroot("disabled"), (Overlay::Off, vec![]));
    }

    #[test]
    fn invalid_devices_and_sizes_are_reported() {
        let (overlay, complaints) = dracut(Some("LABEL=persist"));
        assert_eq!(overlay, Overlay::Tmpfs { size: None });
        assert_eq!(
            (complaints[0].position, complaints[0].found.as_str()),
            (0, "LABEL=persist")
        );
        let (overlay, complaints) = overlayroot("tmpfs:debug=1,size=lots");
        assert_eq!(overlay, Overlay::Tmpfs { size: None });
        assert_eq!(
            (complaints[0].position, complaints[0].found.as_str()),
            (19, "lots")
        );
    }
}
