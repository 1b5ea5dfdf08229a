//! `netroot explain 'CMDLINE'`: what the init would do with a kernel command line.
//!
//! [`run`] is what the command line calls; [`explain`] is pure. Each line ends with the
//! parameter that it comes from, or with `default`. What makes no sense, what this init does
//! not follow, and what belongs to others comes after.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use netroot_proto::cmdline::{BootPlan, Origin};

mod network;
mod root;
mod start;

/// Prints what the init would do with `cmdline`. Succeeds unless something in it makes no
/// sense, which ends with 1.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(cmdline: &str) -> anyhow::Result<ExitCode> {
    let plan = BootPlan::parse(cmdline);
    let text = explain(&plan);
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")?;
    Ok(if plan.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the init would do, for people.
fn explain(plan: &BootPlan) -> String {
    let mut page = Page::default();
    network::tell(plan, &mut page);
    root::tell(plan, &mut page);
    start::tell(plan, &mut page);
    if !plan.complaints.is_empty() {
        page.heading("what makes no sense");
        plan.complaints
            .iter()
            .for_each(|complaint| page.line(&complaint));
    }
    if !plan.ignored.is_empty() {
        page.heading("what is not followed");
        for ignored in &plan.ignored {
            page.line(&format_args!("{}: {}", ignored.parameter, ignored.why));
        }
    }
    if !plan.granted.is_empty() {
        page.heading("what happens in any case");
        for granted in &plan.granted {
            page.line(&format_args!("{}: {}", granted.parameter, granted.why));
        }
    }
    if !plan.foreign.is_empty() {
        page.heading("what is the kernel's own or the root's");
        page.line(&plan.foreign.join(" "));
    }
    page.0
}

/// The longest parameter that is told in full, in bytes.
const MOST_OF_ORIGIN: usize = 40;

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn heading(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line_of(format_args!("{title}"));
    }

    /// `  label       what happens (where that comes from)`.
    fn row(&mut self, label: &str, text: &dyn fmt::Display, origin: &Origin) {
        // A long parameter would hide what it means, and is on the command line anyway.
        let origin = match origin {
            Origin::Parameter(text) if text.len() > MOST_OF_ORIGIN => {
                format!("{}=...", text.split('=').next().unwrap_or_default())
            }
            origin => origin.to_string(),
        };
        self.line_of(format_args!("  {label:<10}{text} ({origin})"));
    }

    fn line(&mut self, text: &dyn fmt::Display) {
        self.line_of(format_args!("  {text}"));
    }

    fn line_of(&mut self, text: fmt::Arguments<'_>) {
        let mut line = String::new();
        // Writing to a `String` cannot fail.
        let _ = line.write_fmt(text);
        // A parameter may hold anything; the terminal gets none of it raw.
        self.0.extend(
            line.chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c }),
        );
        self.0.push('\n');
    }
}

#[cfg(test)]
mod tests;
