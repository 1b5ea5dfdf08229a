//! `netroot explain 'CMDLINE'`: what the init would do with a kernel command line.
//!
//! [`run`] is what the command line calls; [`explain`] is pure. Each line ends with the
//! parameter that it comes from, or with `default`. Invalid parameters, those that this init
//! does not support, and those for the kernel or the root come last.

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

/// Prints what the init would do with `cmdline`, as one JSON object with `json`. Exits with 1
/// if the command line has an invalid parameter.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(cmdline: &str, json: bool) -> anyhow::Result<ExitCode> {
    let plan = BootPlan::parse(cmdline);
    let text = if json {
        let mut text = crate::json::to_string(&explanation::of(&plan))?;
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
        page.heading("invalid");
        plan.complaints
            .iter()
            .for_each(|complaint| page.line(&complaint));
    }
    if !plan.ignored.is_empty() {
        page.heading("not supported");
        for ignored in &plan.ignored {
            page.line(&format_args!("{}: {}", ignored.parameter, ignored.why));
        }
    }
    if !plan.granted.is_empty() {
        page.heading("done in any case");
        for granted in &plan.granted {
            page.line(&format_args!("{}: {}", granted.parameter, granted.why));
        }
    }
    if !plan.foreign.is_empty() {
        page.heading("for the kernel, its modules or the root");
        page.line(&plan.foreign.join(" "));
    }
    page.text()
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(command_line: &str) {
    let plan = BootPlan::parse(command_line);
    let _ = (
        explain(&plan),
        serde_json::to_string(&explanation::of(&plan)),
    );
}

#[cfg(test)]
mod tests;
