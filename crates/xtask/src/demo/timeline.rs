//! When each step of a boot happened: the server's events and the console's lines on
//! one clock that starts when the machine is powered on.

use std::time::Duration;

use netroot_harness::{NetrootServe, Transcript};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    step: &'static str,
    /// Since the machine was powered on.
    at: Duration,
    what: String,
}

/// What marks the beginning of a step.
enum Sign {
    /// The first event of one of these kinds.
    Event(&'static [&'static str]),
    /// The first line on the console that contains this.
    Console(&'static str),
}

const STEPS: [(&str, Sign); 10] = [
    ("DHCP", Sign::Event(&["dhcp-discover", "dhcp-offer"])),
    // A card's own iPXE loads none.
    ("loader", Sign::Event(&["loader"])),
    ("script", Sign::Event(&["script"])),
    ("kernel", Sign::Event(&["kernel"])),
    ("initrd", Sign::Event(&["initrd"])),
    ("Linux", Sign::Console("] Linux version ")),
    ("init", Sign::Console("netroot: init ")),
    ("mount", Sign::Console("netroot: root ")),
    ("switch_root", Sign::Console("netroot: switch_root to ")),
    ("login", Sign::Console(" login:")),
];

/// The steps that were reached, in the order of a boot.
pub(super) fn of(server: &NetrootServe, console: &Transcript) -> Vec<Row> {
    let events: Vec<(Duration, String, String)> = server
        .events()
        .into_iter()
        .map(|(at, event)| {
            let at = server.output().on_the_clock_of(console, at);
            (at, event.kind, event.text)
        })
        .collect();
    STEPS
        .iter()
        .filter_map(|(step, sign)| {
            let (at, what) = match sign {
                Sign::Event(kinds) => events
                    .iter()
                    .find(|(_, kind, _)| kinds.contains(&kind.as_str()))
                    .map(|(at, _, text)| (*at, text.clone()))?,
                Sign::Console(text) => {
                    let seen = console.find(text)?;
                    (seen.at, words(&seen.line))
                }
            };
            Some(Row { step, at, what })
        })
        .collect()
}

/// A console line without its prefix, shortened.
fn words(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_prefix("netroot: ").unwrap_or(line);
    let line = line
        .rsplit_once("] Linux version")
        .map_or(line, |(_, rest)| rest.trim());
    line.chars().take(90).collect()
}

/// The table for the terminal: when each step began, and how long it took.
pub(super) fn table(rows: &[Row]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<12} {:>8} {:>8}  (seconds since power-on)",
        "step", "began", "took"
    )];
    let nexts = rows.iter().skip(1).map(Some).chain([None]);
    for (row, next) in rows.iter().zip(nexts) {
        let took = next.map_or_else(String::new, |next| {
            format!("{:.1}", next.at.saturating_sub(row.at).as_secs_f64())
        });
        lines.push(format!(
            "{:<12} {:>8.1} {took:>8}  {}",
            row.step,
            row.at.as_secs_f64(),
            row.what
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_until_the_next_and_the_last_one_takes_nothing() {
        let row = |step, millis| Row {
            step,
            at: Duration::from_millis(millis),
            what: String::new(),
        };
        let lines = table(&[row("mount", 1500), row("login", 9700)]);
        let words: Vec<Vec<&str>> = lines
            .iter()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[1], ["mount", "1.5", "8.2"]);
        assert_eq!(words[2], ["login", "9.7"]);
    }
}
