//! The explanation as JSON: `netroot explain --json`.

use netroot_proto::cmdline::{BootPlan, Complaint, Ignored};
use serde::Serialize;
use serde_json::{Value, json};

use super::page::Part;
use super::steps;

/// The object that is printed. Members may be added, and none is removed.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// No parameter is invalid.
    makes_sense: bool,
    /// What is done: the drivers, the network, the root, the start.
    parts: Vec<Part>,
    /// Invalid parameters.
    mistakes: Vec<Value>,
    /// Parameters of other initrds that this init does not support.
    not_followed: Vec<Value>,
    /// Parameters for what this init always does.
    in_any_case: Vec<Value>,
    /// Parameters for the kernel, its modules or the root, as written.
    others: Vec<String>,
}

/// What the init would do with a command line.
pub(super) fn of(plan: &BootPlan) -> Explanation {
    let with_reason = |list: &[Ignored]| list.iter().map(reason).collect();
    Explanation {
        makes_sense: plan.complaints.is_empty(),
        parts: steps::of(plan).into_parts(),
        mistakes: plan.complaints.iter().map(mistake).collect(),
        not_followed: with_reason(&plan.ignored),
        in_any_case: with_reason(&plan.granted),
        others: plan.foreign.clone(),
    }
}

fn reason(ignored: &Ignored) -> Value {
    json!({ "parameter": ignored.parameter, "why": ignored.why })
}

fn mistake(complaint: &Complaint) -> Value {
    json!({
        "parameter": complaint.parameter,
        "value": complaint.value,
        "position": complaint.position,
        "expected": complaint.expected,
        "found": complaint.found,
        "outcome": complaint.outcome,
    })
}
