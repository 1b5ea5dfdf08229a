//! `netroot explain 'CMDLINE'`: what the init would do with a kernel command line.
//!
//! [`run`] is what the command line calls; [`explain`] is pure. Each line ends with the
//! parameter that it comes from, or with `default`. What makes no sense, what this init does
//! not follow, and what belongs to others comes after.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use netroot_proto::cmdline::BootPlan;

mod explanation;
mod modules;
mod network;
mod page;
mod root;
mod start;
mod steps;

/// Prints what the init would do with `cmdline`, as one JSON object with `json`. Succeeds
/// unless something in it makes no sense, which ends with 1.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(cmdline: &str, json: bool) -> anyhow::Result<ExitCode> {
    let plan = BootPlan::parse(cmdline);
    let text = if json {
        let mut text = serde_json::to_string(&explanation::of(&plan))?;
        text.push('\n');
        text
    } else {
        explain(&plan)
    };
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
    let mut page = steps::of(plan);
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
        page.heading("what is the kernel's own, its modules' or the root's");
        page.line(&plan.foreign.join(" "));
    }
    page.text()
}

#[cfg(test)]
mod tests;
