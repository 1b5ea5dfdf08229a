//! udev: a card that is up keeps its name.
//!
//! udev gives a card its predictable name (`enp0s1`) when the real root starts. A kernel before 6.2 refuses that for
//! a card that is up (net/core/dev.c, `dev_change_name`), and udev of systemd 252 then leaves its mark `ID_RENAMING`
//! in its database: systemd-networkd waits for the end of the renaming for ever (`routable (pending)`), and
//! systemd-networkd-wait-online with it. Where the kernel allows it, every file that names the card would be wrong.
//!
//! A rule that names the card as it is called already is followed by no renaming. It leaves the alternative names
//! alone, so `enp0s1` still finds the card, in systemd.network(5) too.

use std::fmt::Write;

use super::Note;

/// The rule's file: after `80-net-setup-link.rules`, which sets the name of the `.link` file, and after whatever an
/// administrator has put before that.
const PATH: &str = "udev/rules.d/81-netroot.rules";

/// The file for the cards that are up, by name.
pub(super) fn note<'a>(up: impl Iterator<Item = &'a str>) -> Option<Note> {
    let mut text = String::from("# Written by netroot's init: what is up cannot be renamed.\n");
    let mut any = false;
    for name in up.filter(|name| is_plain(name)) {
        any = true;
        let _ = writeln!(
            text,
            "SUBSYSTEM==\"net\", KERNEL==\"{name}\", NAME=\"{name}\""
        );
    }
    any.then(|| Note::new(PATH, text))
}

/// Whether a rule means the name itself: others hold patterns, substitutions or quotes (udev(7)).
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_card_keeps_its_name_and_a_hostile_name_is_no_rule() {
        let note = note(["eth0", "a\"b", "e*", "$x", "lan.1"].into_iter()).unwrap();
        assert_eq!(
            note.text.lines().skip(1).collect::<Vec<_>>(),
            [
                "SUBSYSTEM==\"net\", KERNEL==\"eth0\", NAME=\"eth0\"",
                "SUBSYSTEM==\"net\", KERNEL==\"lan.1\", NAME=\"lan.1\"",
            ]
        );
    }

    #[test]
    fn nothing_up_needs_no_rule() {
        assert_eq!(note(std::iter::empty()), None);
        assert_eq!(note(["e*"].into_iter()), None);
    }
}
