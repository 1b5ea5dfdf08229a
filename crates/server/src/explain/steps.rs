//! What the init would do with a command line, in the order of a boot.

use netroot_proto::cmdline::BootPlan;

use super::page::Page;
use super::{modules, network, root, start};

/// Every step, each with the parameter that it comes from.
pub(super) fn of(plan: &BootPlan) -> Page {
    let mut page = Page::default();
    modules::add_to_page(plan, &mut page);
    network::add_to_page(plan, &mut page);
    root::add_to_page(plan, &mut page);
    start::add_to_page(plan, &mut page);
    page
}
