//! The OpenMetrics text format, version 1.0.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>). Pure.

use std::fmt::{Display, Write};

use super::histogram::{BOUNDS, Histogram};

/// The Content-Type of what [`Exposition::end`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A page that grows by a family of metrics at a time. Every name begins with `netroot_`.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    page: String,
}

/// Labels of a sample: their names, and their values as they are.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// A counter without labels; `name` has no `_total`, and ends with its unit if it has one.
    pub(super) fn counter(&mut self, name: &str, unit: Option<&str>, help: &str, value: u64) {
        self.counters(name, unit, help, [(&[][..], value)]);
    }

    /// A counter with labels.
    pub(super) fn counters<'a>(
        &mut self,
        name: &str,
        unit: Option<&str>,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) {
        self.family(name, "counter", unit, help);
        for (labels, value) in samples {
            self.sample(name, "_total", labels, value);
        }
    }

    /// A gauge with labels.
    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        unit: Option<&str>,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        self.family(name, "gauge", unit, help);
        for (labels, value) in samples {
            self.sample(name, "", labels, value);
        }
    }

    /// What is known and does not change: an info without a value.
    pub(super) fn info<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Labels<'a>>,
    ) {
        self.family(name, "info", None, help);
        for labels in samples {
            self.sample(name, "_info", labels, 1);
        }
    }

    /// Times, as a histogram in seconds.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, &'a Histogram)>,
    ) {
        self.family(name, "histogram", Some("seconds"), help);
        for (labels, histogram) in samples {
            let mut all = labels.to_vec();
            let mut counted = 0;
            let bounds = BOUNDS.map(|bound| format!("{bound:.1}"));
            let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
            for (bound, count) in bounds.zip(histogram.counts) {
                counted += count;
                all.push(("le", bound));
                self.sample(name, "_bucket", &all, counted);
                all.pop();
            }
            self.sample(name, "_count", labels, counted);
            self.sample(name, "_sum", labels, histogram.sum.as_secs_f64());
        }
    }

    /// The whole page.
    pub(super) fn end(mut self) -> String {
        self.page += "# EOF\n";
        self.page
    }

    fn family(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let _ = writeln!(self.page, "# TYPE netroot_{name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.page, "# UNIT netroot_{name} {unit}");
        }
        let _ = writeln!(self.page, "# HELP netroot_{name} {}", Escaped(help));
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: Labels<'_>, value: impl Display) {
        let _ = write!(self.page, "netroot_{name}{suffix}");
        for (number, (label, value)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let _ = write!(self.page, "{before}{label}=\"{}\"", Escaped(value));
        }
        if !labels.is_empty() {
            self.page.push('}');
        }
        let _ = writeln!(self.page, " {value}");
    }
}

/// A string in quotes, or a HELP.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_has_type_unit_and_help_before_the_samples_of_each_family() {
        let mut page = Exposition::default();
        page.counter("read_bytes", Some("bytes"), "What was read.", 3);
        page.info("build", "It.", [&[("version", "0\"1\\2\n")][..]]);
        let mut times = Histogram::default();
        times.observe(Duration::from_millis(500));
        times.observe(Duration::from_secs(1000));
        page.histograms("boot_seconds", "Boots.", [(&[("image", "a")][..], &times)]);
        let page = page.end();
        let first = "# TYPE netroot_read_bytes counter\n# UNIT netroot_read_bytes bytes\n\
                     # HELP netroot_read_bytes What was read.\nnetroot_read_bytes_total 3\n";
        assert!(page.starts_with(first), "{page}");
        let info = "netroot_build_info{version=\"0\\\"1\\\\2\\n\"} 1\n";
        assert!(page.contains(info), "{page}");
        for line in [
            "netroot_boot_seconds_bucket{image=\"a\",le=\"0.1\"} 0\n",
            "netroot_boot_seconds_bucket{image=\"a\",le=\"0.5\"} 1\n",
            "netroot_boot_seconds_bucket{image=\"a\",le=\"600.0\"} 1\n",
            "netroot_boot_seconds_bucket{image=\"a\",le=\"+Inf\"} 2\n",
            "netroot_boot_seconds_count{image=\"a\"} 2\n",
            "netroot_boot_seconds_sum{image=\"a\"} 1000.5\n",
        ] {
            assert!(page.contains(line), "{line}{page}");
        }
        assert!(page.ends_with("\n# EOF\n"));
    }
}
