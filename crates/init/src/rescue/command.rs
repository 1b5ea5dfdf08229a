//! Parses the commands of the prompt. Pure.

use netroot_proto::cmdline::{Parameter, tokenize};

/// A line of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// An empty line.
    Nothing,
    /// `help`, `?`.
    Help,
    /// `show`.
    Show,
    /// `set PARAMETER`, written as on the command line.
    Set(String),
    /// `unset NAME`.
    Unset(String),
    /// `retry`, `continue`, `exit`.
    Retry,
    /// `log`.
    Log,
    /// `shell`, `sh`.
    Shell,
    /// `reboot`.
    Reboot,
    /// `poweroff`.
    PowerOff,
    /// `set` without a parameter, `unset` without a name.
    Incomplete(&'static str),
    /// Something else.
    Unknown(String),
}

/// The output of `help`.
pub(super) const HELP: &str = "\
show                 the command line, network cards, address, root, and what failed last
set PARAMETER=VALUE  change the command line: set nfsroot=10.0.0.1:/srv/root
unset PARAMETER      remove a parameter
retry                boot with the current parameters (as ^D does)
log                  the last lines of the kernel's log, with those of this init
shell                the root's /bin/sh, if the root is mounted
reboot, poweroff     restart the machine, or switch it off";

impl Command {
    /// Parses a line. A parameter alone, `nfsroot=...`, is set.
    pub(super) fn read(line: &str) -> Self {
        let line = line.trim();
        let (word, rest) = match line.split_once(char::is_whitespace) {
            Some((word, rest)) => (word, rest.trim()),
            None => (line, ""),
        };
        match (word, rest) {
            ("", _) => Self::Nothing,
            ("help" | "?", _) => Self::Help,
            ("show" | "status", _) => Self::Show,
            ("set", "") => Self::Incomplete("set PARAMETER=VALUE"),
            ("set", parameter) => Self::Set(parameter.to_owned()),
            ("unset", "") => Self::Incomplete("unset PARAMETER"),
            ("unset", name) => Self::Unset(name.to_owned()),
            ("retry" | "continue" | "exit", "") => Self::Retry,
            ("log" | "dmesg", _) => Self::Log,
            ("shell" | "sh", "") => Self::Shell,
            ("reboot", "") => Self::Reboot,
            ("poweroff", "") => Self::PowerOff,
            (word, _) if word.contains('=') => Self::Set(line.to_owned()),
            _ => Self::Unknown(word.to_owned()),
        }
    }
}

/// The command line with these parameters (`a=b`, separated by spaces) in place of those with the same names.
pub(super) fn with(cmdline: &str, parameters: &str) -> String {
    let new = tokenize(parameters).parameters;
    let names: Vec<&str> = new.iter().map(|p| p.name.as_str()).collect();
    rebuilt(cmdline, &names, &new)
}

/// The command line without the parameters of that name.
pub(super) fn without(cmdline: &str, name: &str) -> String {
    rebuilt(cmdline, &[name], &[])
}

fn rebuilt(cmdline: &str, names: &[&str], new: &[Parameter]) -> String {
    let line = tokenize(cmdline);
    let old = line.parameters.iter();
    let kept = old.filter(|p| !names.iter().any(|name| p.is(name)));
    let mut words: Vec<String> = kept.chain(new).map(|p| quoted(p.text())).collect();
    if !line.init_arguments.is_empty() {
        words.push("--".to_owned());
        words.extend(line.init_arguments.into_iter().map(quoted));
    }
    words.join(" ")
}

fn quoted(word: String) -> String {
    if word.is_empty() || word.contains(|c: char| c.is_ascii_whitespace()) {
        format!("\"{word}\"")
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use netroot_proto::cmdline::BootPlan;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_parsed_with_their_arguments() {
        for (line, command) in [
            ("", Command::Nothing),
            ("  \r", Command::Nothing),
            ("help", Command::Help),
            (" show ", Command::Show),
            ("retry", Command::Retry),
            ("set ip=dhcp", Command::Set("ip=dhcp".into())),
            ("set   rd.overlay", Command::Set("rd.overlay".into())),
            (
                "nfsroot=10.0.0.1:/x ro",
                Command::Set("nfsroot=10.0.0.1:/x ro".into()),
            ),
            ("unset ip", Command::Unset("ip".into())),
            ("set", Command::Incomplete("set PARAMETER=VALUE")),
            ("unset ", Command::Incomplete("unset PARAMETER")),
            ("log", Command::Log),
            ("sh", Command::Shell),
            ("reboot", Command::Reboot),
            ("poweroff", Command::PowerOff),
            ("reboot now", Command::Unknown("reboot".into())),
            ("ls /", Command::Unknown("ls".into())),
        ] {
            assert_eq!(Command::read(line), command, "{line:?}");
        }
    }

    #[test]
    fn a_parameter_that_is_set_replaces_all_of_the_same_name() {
        let line = "root=/dev/nfs nfsroot=10.0.0.9:/x quiet nfsroot=10.0.0.8:/y ro -- single\n";
        assert_eq!(
            with(line, "nfsroot=10.0.0.1:/x"),
            "root=/dev/nfs quiet ro nfsroot=10.0.0.1:/x -- single"
        );
        assert_eq!(without(line, "nfsroot"), "root=/dev/nfs quiet ro -- single");
        assert_eq!(
            with("rd.net.timeout-dhcp=1", "rd.net.timeout_dhcp=2 ro"),
            "rd.net.timeout_dhcp=2 ro"
        );
        assert_eq!(with("a=\"b c\" d", "e=\"f g\""), "\"a=b c\" d \"e=f g\"");
    }

    proptest! {
        #[test]
        fn setting_one_parameter_leaves_the_others_unchanged(line in "[ a-z=\"/:.-]{0,60}") {
            let meant = tokenize(&line);
            let changed = tokenize(&with(&line, "zzz=1"));
            // An unclosed quote, or one within a word, cannot be reproduced.
            if !line.contains('"') && !meant.parameters.iter().any(|p| p.is("zzz")) {
                prop_assert_eq!(changed.parameters.split_last().unwrap().1, &meant.parameters);
                prop_assert_eq!(changed.init_arguments, meant.init_arguments);
            }
        }

        #[test]
        fn any_input_is_parsed_without_a_panic(line in any::<String>()) {
            if let Command::Set(parameters) = Command::read(&line) {
                let _ = BootPlan::parse(&with("ro", &parameters));
            }
        }
    }
}
