//! A kernel command line: the plan of the init, with what it complains about, and `netroot explain` about it.
#![no_main]

use netroot_proto::cmdline::BootPlan;

libfuzzer_sys::fuzz_target!(|line: &str| {
    for complaint in &BootPlan::parse(line).complaints {
        assert!(complaint.is_consistent(), "{complaint:?}");
    }
    netroot::fuzzing::explain(line);
});
