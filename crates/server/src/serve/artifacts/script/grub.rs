//! GRUB's syntax, for machines with Secure Boot: the signed GRUB of a root, which shim has started.
//!
//! Paths without a device are of the server and protocol that GRUB itself came by (its variable `root`): TFTP, or HTTP
//! where the firmware booted so.

use std::fmt::Write;

use netroot_net::Mac;
use netroot_printable::Printable;

use super::menu::Menu;
use super::words::words;
use crate::catalog::{Image, ImageFile, ImageKind, Recipient};

/// Where GRUB's own configuration is looked for: below the prefix that Debian and Ubuntu compile in, or beside its image.
const NAME: &str = "grub.cfg";
/// Nobody is a superuser, so that nobody may edit an entry or open the command line (GRUB's manual, "Authentication and
/// authorization"). Entries are started by anybody (`--unrestricted`).
const NO_SHELL: &str = "set superusers=\"\"\nexport superusers\n";
/// How long a failure stays on the screen, in seconds.
const SHOWN: u8 = 10;

/// What [`super::boot`] does, as a configuration.
pub(crate) fn grub(image: &Image, to: &Recipient<'_>) -> String {
    let mac = to.values.mac;
    let whom = mac.map_or_else(|| "any machine".to_owned(), |mac| mac.to_string());
    let name = &image.name;
    let version = image.linux().map(|version| format!("Linux {version}"));
    let with = version.as_ref().map(|version| format!(" with {version}"));
    let with = with.unwrap_or_default();
    let mut config = format!("# netroot: {whom} boots {name}{with}\n");
    if !image.offers_shell() {
        config += NO_SHELL;
    }
    let shown = version.map(|version| format!(", {version}"));
    let shown = quoted(&format!(
        "netroot: {name}{}, from {}",
        shown.unwrap_or_default(),
        to.server.ip()
    ));
    match commands(image, to) {
        Ok(commands) => config + "echo " + &shown + "\n" + &commands + &after_failure(),
        Err(why) => config + &say(&format!("nothing can be booted: {why}")) + &after_failure(),
    }
}

/// The menu as a configuration. What cannot be booted so is named in a comment. `shell`: whoever chooses may change the
/// command line, or load something else.
pub(crate) fn grub_menu(menu: &Menu<'_>, to: &Recipient<'_>, shell: bool) -> String {
    let mut config = format!("# netroot: {}\n", words(&menu.title(to.server)));
    if !shell {
        config += NO_SHELL;
    }
    if let Some(default) = menu.default() {
        let _ = writeln!(config, "set default={}", entry(default));
    }
    // In seconds; -1 is for ever. A default that is not among the entries would be the first of them.
    let default = menu
        .images
        .iter()
        .find(|image| menu.default() == Some(&image.name));
    let has_default = default.is_some_and(|image| commands(image, to).is_ok());
    match menu.timeout.filter(|_| has_default) {
        Some(time) => {
            let _ = writeln!(config, "set timeout={}", time.as_secs().max(1));
        }
        None => config += "set timeout=-1\n",
    }
    for image in &menu.images {
        match commands(image, to) {
            Ok(commands) => {
                let title = quoted(&words(image.title()));
                let (id, after) = (entry(&image.name), after_failure());
                let _ = write!(
                    config,
                    "\nmenuentry {title} --id {id} --unrestricted {{\n{commands}{after}}}\n"
                );
            }
            Err(why) => {
                let why = Printable(&why);
                let _ = writeln!(config, "\n# netroot: without {}: {why}", image.name);
            }
        }
    }
    config
}

/// The name of an image's entry. It begins with a letter, since GRUB takes a default that begins with a digit for a number.
fn entry(image: &str) -> String {
    quoted(&format!("image-{image}"))
}

/// The configuration of a machine that boots nothing; `why` is what says so. It goes on with its next boot device.
pub(crate) fn grub_nothing(mac: Option<Mac>, what: &str, why: &str) -> String {
    NO_SHELL.to_owned() + &about(mac, what, why) + &format!("sleep {SHOWN}\nexit\n")
}

/// The configuration of a machine that waits: it starts again after a while, and asks again.
pub(crate) fn grub_ask_again(mac: Option<Mac>, what: &str, why: &str) -> String {
    NO_SHELL.to_owned() + &about(mac, what, why) + "sleep 30\nreboot\n"
}

/// The configuration for who asks from an address that is not known to be a machine's: it asks again under its MAC.
pub(crate) const fn grub_unknown() -> &'static str {
    "# netroot: the machine's own configuration has its MAC in its name\n\
     set superusers=\"\"\n\
     export superusers\n\
     configfile /boot/$net_default_mac.grub\n\
     sleep 10\n\
     reboot\n"
}

fn about(mac: Option<Mac>, what: &str, why: &str) -> String {
    let whom = mac.map_or_else(|| "this machine".to_owned(), |mac| mac.to_string());
    say(&format!("{whom} {what}: {why}"))
}

fn say(text: &str) -> String {
    let text = Printable(text).to_string();
    format!("echo {}\n", quoted(&format!("netroot: {}", words(&text))))
}

/// GRUB goes on with the next line when one has failed, and has said why.
fn after_failure() -> String {
    say("it cannot be booted (the lines above say why); trying again")
        + &format!("sleep {SHOWN}\nreboot\n")
}

/// What boots an image, or why nothing does.
fn commands(image: &Image, to: &Recipient<'_>) -> Result<String, String> {
    match &image.kind {
        ImageKind::Root(_) | ImageKind::Kernel(_) => Ok(linux(image, to)),
        ImageKind::Efi(_) => {
            let program = image.file_name(ImageFile::Program);
            let load = format!("chainloader {}", quoted(&format!("/{program}")));
            Ok(boot_after(&[load]))
        }
        // Firmware goes on with its next boot option.
        ImageKind::LocalDisk => Ok("exit\n".to_owned()),
        ImageKind::Disk(_) | ImageKind::Iso(_) => Err(format!(
            "{} is the image of a disk, which GRUB does not boot",
            image.name
        )),
    }
}

fn linux(image: &Image, to: &Recipient<'_>) -> String {
    let nic = to.values.mac.map(Mac::hyphenated);
    let arguments = image.arguments(to, nic.as_deref());
    let mut script = String::new();
    for parameter in &arguments.left_out {
        let parameter = Printable(parameter);
        let _ = writeln!(
            script,
            "# netroot: without {parameter}: what that stands for is not known of this machine"
        );
    }
    let file = |file| quoted(&format!("/{}", image.file_name(file)));
    let mut kernel = format!("linux {}", file(ImageFile::Kernel));
    for word in arguments_of(&arguments.line) {
        if word.contains(['\'', '\\']) {
            script += "# netroot: GRUB writes a backslash before each quote and backslash of the command line\n";
        }
        let _ = write!(kernel, " {}", quoted(&word));
    }
    let files = image.files().into_iter();
    let initrds: Vec<String> = files
        .filter(|one| *one != ImageFile::Kernel)
        .map(file)
        .collect();
    let mut loads = vec![kernel];
    if !initrds.is_empty() {
        loads.push(format!("initrd {}", initrds.join(" ")));
    }
    script + &boot_after(&loads)
}

/// GRUB goes on after a command that failed: it boots only what was loaded whole.
fn boot_after(loads: &[String]) -> String {
    let ifs = loads.iter().map(|load| format!("if {load}; then\n"));
    ifs.collect::<String>() + "boot\n" + &"fi\n".repeat(loads.len())
}

/// The parameters of a kernel's command line. Spaces within double quotes do not part them (`lib/cmdline.c` of Linux), and
/// the quotes go: GRUB writes its own around a parameter with a space.
fn arguments_of(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut in_quotes = false;
    for c in line.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            c if c.is_ascii_whitespace() && !in_quotes => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A word of GRUB's: as it is, or in single quotes, in which nothing is special.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    // A control character would end the line.
    let word: String = word.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The machine for which a name is GRUB's configuration: `None` in it for who asks. GRUB also looks for names with its
/// address and its UUID, which are not served: it goes on to these.
pub(crate) fn grub_machine(name: &str) -> Option<Option<Mac>> {
    let file = match name.split_once('/') {
        None => name,
        Some(("grub", file)) => file,
        // Fedora's and openSUSE's are compiled with the folder of their vendor.
        Some(("images" | "EFI", rest)) => rest.split_once('/')?.1,
        Some(("boot", file)) => return file.strip_suffix(".grub")?.parse().ok().map(Some),
        Some(_) => return None,
    };
    match file.strip_prefix(NAME)?.strip_prefix("-01-") {
        Some(mac) => mac.parse().ok().map(Some),
        None => (file == NAME).then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_grub_whatever_is_in_it() {
        assert_eq!(
            quoted("nfsroot=10.0.0.1:/a,vers=3"),
            "nfsroot=10.0.0.1:/a,vers=3"
        );
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("x;reboot"), "'x;reboot'");
        assert_eq!(quoted("${x}"), "'${x}'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\nreboot"), "'areboot'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn nothing_is_booted_that_was_not_loaded() {
        let loads = ["linux /k".to_owned(), "initrd /i".to_owned()];
        let expected = "if linux /k; then\nif initrd /i; then\nboot\nfi\nfi\n";
        assert_eq!(boot_after(&loads), expected);
    }

    #[test]
    fn an_image_whose_name_begins_with_a_digit_is_no_entry_number() {
        assert_eq!(entry("12-bookworm"), "image-12-bookworm");
    }

    #[test]
    fn a_quoted_parameter_stays_one() {
        let words = arguments_of(r#"ro  dyndbg="file a.c +p" "b c"=d quiet"#);
        assert_eq!(words, ["ro", "dyndbg=file a.c +p", "b c=d", "quiet"]);
    }

    #[test]
    fn names_of_configurations() {
        let mac = "52:54:00:12:34:56".parse().unwrap();
        for (name, expected) in [
            ("grub/grub.cfg", Some(None)),
            ("grub.cfg", Some(None)),
            ("images/debian/grub.cfg", Some(None)),
            ("EFI/fedora/grub.cfg", Some(None)),
            (
                "images/debian/grub.cfg-01-52-54-00-12-34-56",
                Some(Some(mac)),
            ),
            ("boot/52:54:00:12:34:56.grub", Some(Some(mac))),
            ("grub/x86_64-efi/grub.cfg", None),
            ("grub/x86_64-efi/command.lst", None),
            ("grub.cfg-0A000001", None),
            ("grub.cfg-01-52", None),
            ("images/grub.cfg", None),
            ("boot/x.grub", None),
            ("other/grub.cfg", None),
        ] {
            assert_eq!(grub_machine(name), expected, "{name}");
        }
    }
}
