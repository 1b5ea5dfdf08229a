//! udev: interfaces that are up keep their names.
//!
//! udev gives a card its predictable name (`enp0s1`) when the real root starts. Kernels before 6.2 refuse that for a
//! card that is up (net/core/dev.c, `dev_change_name`), and udev of systemd 252 then leaves its mark `ID_RENAMING` in
//! its database: systemd-networkd waits for the end of the renaming for ever (`routable (pending)`), and
//! systemd-networkd-wait-online with it. With newer kernels, every file that names the card would be wrong.
//!
//! A rule that assigns the current name prevents the renaming. It does not affect the alternative names, so `enp0s1`
//! still refers to the card, in systemd.network(5) too.

use std::fmt::Write;

use super::run_file::RunFile;

/// The rule's file. It comes after `80-net-setup-link.rules`, which sets the name from the `.link` file, and after what
/// an administrator may have put before that.
const PATH: &str = "udev/rules.d/81-netroot.rules";

/// The file for the interfaces that are up, by name.
pub(super) fn file<'a>(up: impl Iterator<Item = &'a str>) -> Option<RunFile> {
    let mut text =
        String::from("# Written by netroot's init: an interface that is up cannot be renamed.\n");
    let mut any = false;
    for name in up.filter(|name| is_plain(name)) {
        any = true;
        let _ = writeln!(
            text,
            "SUBSYSTEM==\"net\", KERNEL==\"{name}\", NAME=\"{name}\""
        );
    }
    any.then(|| RunFile::new(PATH, text))
}

/// Whether a name stands for itself in a rule: others contain patterns, substitutions or quotes (udev(7)).
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_keeps_its_name_and_a_hostile_name_gets_no_rule() {
        let file = file(["eth0", "a\"b", "e*", "$x", "lan.1"].into_iter()).unwrap();
        assert_eq!(
            file.text.lines().skip(1).collect::<Vec<_>>(),
            [
                "SUBSYSTEM==\"net\", KERNEL==\"eth0\", NAME=\"eth0\"",
                "SUBSYSTEM==\"net\", KERNEL==\"lan.1\", NAME=\"lan.1\"",
            ]
        );
    }

    #[test]
    fn no_rule_is_written_when_nothing_is_up() {
        assert_eq!(file(std::iter::empty()), None);
        assert_eq!(file(["e*"].into_iter()), None);
    }
}
