//! Which kernel modules the init loads in addition to those of the NICs, and which it does not.

use netroot_proto::cmdline::BootPlan;

use super::page::Page;

/// The rows about modules that the command line names.
pub(super) fn add_to_page(plan: &BootPlan, page: &mut Page) {
    let orders = &plan.modules;
    if orders.wanted.is_empty() && orders.unwanted.is_empty() {
        return;
    }
    page.heading("the drivers");
    for module in &orders.wanted {
        let text = format!(
            "{} is loaded whether or not a device needs it",
            module.value
        );
        page.row("module", &text, &module.origin);
    }
    for module in &orders.unwanted {
        let text = format!("{} is never loaded for a device", module.value);
        page.row("module", &text, &module.origin);
    }
}
