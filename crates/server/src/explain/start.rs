//! What the init does once the root is mounted, and when it fails.

use netroot_proto::cmdline::{AfterFailure, BootPlan, InitProgram, Origin, Rescue};

use super::page::Page;

/// The rows about the start of the root's own init.
pub(super) fn add_to_page(plan: &BootPlan, page: &mut Page) {
    page.heading("the start");
    if !plan.root_delay.value.is_zero() {
        let text = format!("{} s before the mount", plan.root_delay.value.as_secs());
        page.row("pause", &text, &plan.root_delay.origin);
    }
    for stage in &plan.breaks {
        let text = format!("with a prompt, {}", stage.value.before());
        page.row("pause", &text, &stage.origin);
    }
    program(plan, page);
    if !plan.init_arguments.is_empty() {
        page.row(
            "",
            &format!("with {}", plan.init_arguments.join(" ")),
            &Origin::Parameter("--".into()),
        );
    }
    failure(plan, page);
    let level = &plan.console_level;
    let text = match level.value {
        ..=4 => "failures only",
        5 | 6 => "failures and warnings",
        7 => "every step",
        8.. => "every step, and details",
    };
    page.row("console", &text, &level.origin);
    if let Some(list) = &plan.readahead {
        let text = format!("what {} lists is read ahead", list.value);
        page.row("readahead", &text, &list.origin);
    }
    if let Some(report) = &plan.report {
        let text = format!("the boot report is sent to {}", report.value);
        page.row("report", &text, &report.origin);
    }
}

fn program(plan: &BootPlan, page: &mut Page) {
    let origin = &plan.program.origin;
    match &plan.program.value {
        InitProgram::Path(path) => page.row("init", path, origin),
        InitProgram::GuixSystem {
            guile,
            activate,
            boot,
        } => {
            let text = format!(
                "Guix System's {boot}, run by {guile}, else by the interpreter of {activate}"
            );
            page.row("init", &text, origin);
        }
        InitProgram::Usual => {
            let text = "the first of /sbin/init, /etc/init, /bin/init, /bin/sh that exists";
            page.row("init", &text, &Origin::Default);
        }
    }
}

fn failure(plan: &BootPlan, page: &mut Page) {
    if let Some(wait) = &plan.root_wait {
        match wait.value {
            None => {
                let text = "the root is awaited without a limit";
                page.row("root wait", &text, &wait.origin);
            }
            Some(limit) => {
                let text = format!("{} s for the root to appear", limit.as_secs());
                page.row("root wait", &text, &wait.origin);
            }
        }
    }
    let after = &plan.after_failure;
    let text = match after.value {
        AfterFailure::TryAgain => {
            "is logged, and the init tries again after increasing pauses".to_owned()
        }
        AfterFailure::RebootAfter(pause) => {
            format!(
                "is logged, and the machine reboots after {} s",
                pause.as_secs()
            )
        }
        AfterFailure::RebootNow => "is logged, and the machine reboots at once".to_owned(),
    };
    page.row("failure", &text, &after.origin);
    let text = match plan.rescue.value {
        Rescue::Never => "never",
        Rescue::OnKey => "by a key during the pause after a failure",
        Rescue::OnFailure => "after a failure, instead of the next try",
    };
    page.row("prompt", &text, &plan.rescue.origin);
}
