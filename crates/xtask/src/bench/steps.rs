//! The init's own boot report (`/run/netroot/report.json`): how long each step took, and the peak memory of its
//! process.

use std::collections::BTreeMap;

use serde_json::Value;

use super::spread::Spread;

/// The prefix of the report in the output of the tiny root's init.
const REPORT: &str = "facts: report ";

/// The reports of several boots: the duration of each step in milliseconds, and the peak memory.
#[derive(Default)]
pub(super) struct Steps {
    /// In the order of the first boot.
    names: Vec<String>,
    milliseconds: BTreeMap<String, Spread>,
    memory_kib: Spread,
}

impl Steps {
    /// Adds the report on a console. A console without a report, such as another initrd's, adds nothing.
    pub(super) fn add(&mut self, console: &str) {
        let lines = console.lines();
        let mut reports = lines.filter_map(|line| line.trim_end().strip_prefix(REPORT));
        let report = reports.next().map(serde_json::from_str);
        let Some(Ok(report)) = report else {
            return;
        };
        if let Some(kib) = memory_kib(&report) {
            self.memory_kib.add(kib);
        }
        for (name, milliseconds) in steps(&report).unwrap_or_default() {
            if !self.names.contains(&name) {
                self.names.push(name.clone());
            }
            self.milliseconds.entry(name).or_default().add(milliseconds);
        }
    }

    /// The medians, as text; none without a report.
    pub(super) fn line(&self) -> Option<String> {
        let median = |name: &String| {
            let median = self.milliseconds.get(name)?.median()?;
            Some(format!("{name} {median:.0}"))
        };
        let words: Vec<String> = self.names.iter().filter_map(median).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// The median of the process's peak memory, in KiB.
    pub(super) fn memory_kib(&self) -> Option<f64> {
        self.memory_kib.median()
    }
}

/// The process's peak resident memory.
fn memory_kib(report: &Value) -> Option<f64> {
    report.get("memory_kib")?.as_f64()
}

/// The steps of a report, with their duration in milliseconds.
fn steps(report: &Value) -> Option<Vec<(String, f64)>> {
    let step = |step: &Value| {
        let begin = step.get("begin_ms")?.as_f64()?;
        let end = step.get("end_ms")?.as_f64()?;
        Some((step.get("name")?.as_str()?.to_owned(), end - begin))
    };
    report.get("steps")?.as_array()?.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_medians_of_the_phases_are_listed_in_order() {
        let boot = |dhcp: u32| {
            format!(
                "noise\r\nfacts: report {{\"memory_kib\":1196,\"steps\":[{{\"name\":\"link\",\"begin_ms\":1,\"end_ms\":3}},\
                 {{\"name\":\"dhcp\",\"begin_ms\":3,\"end_ms\":{dhcp}}}]}}\r\n"
            )
        };
        let mut steps = Steps::default();
        assert_eq!(steps.line(), None);
        for end in [13, 5, 4] {
            steps.add(&boot(end));
        }
        steps.add("facts: report cannot read it");
        assert_eq!(steps.line().as_deref(), Some("link 2, dhcp 2"));
        assert_eq!(steps.memory_kib(), Some(1196.0));
    }
}
