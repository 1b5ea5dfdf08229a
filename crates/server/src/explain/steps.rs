//! What the init would do with a command line, in the order of a boot.

use netroot_proto::cmdline::BootPlan;

use super::page::Page;
use super::{modules, network, root, start};

/// Every step, each with the parameter that it comes from.
pub(super) fn of(plan: &BootPlan) -> Page {
    let mut page = Page::default();
    modules::tell(plan, &mut page);
    network::tell(plan, &mut page);
    root::tell(plan, &mut page);
    start::tell(plan, &mut page);
    page
}
