//! `netroot serve`: from [`Settings`] to machines that boot.
//!
//! ```text
//! what cannot be served → why                preflight: for netroot serve, check and check-config
//! interface → Listener                       listen: interface, role, leases, sockets; isolation; netlink
//! datagram → Request → Decision → bytes      dhcp: service, rogue_dhcp, overhear, frame; ipv6_router
//! name → Artifact → transfer                 artifacts, initrd; tftp, http, connection_limits, url_path, status
//! a script is fetched → a boot begins        script_fetch, hook
//! how a boot went → report                   reports, report_summary, report_tokens; readahead: what the next one reads
//! what programs, people and pages ask        api, metrics, bundle
//! directory → export                         opened, root_facts; nfs
//! what changes outside → served as it is     config_files, root_watch, look_requests; running::interfaces; privileged_helper, ended_helper
//! everything that happens → Event            events, machines, counters, clock; service_manager
//! Event → what happened to each machine      history
//! ```
//!
//! What a machine boots is [`crate::catalog`]'s. Why it did not start, or ended: [`ServeError`] (error). [`start`] is the sequence until privileges are given up, [`running`] the
//! server from then on.

mod api;
pub(crate) mod artifacts;
mod bundle;
mod clock;
pub(crate) mod config_files;
mod connection_limits;
mod counters;
pub(crate) mod dhcp;
mod ended_helper;
mod error;
pub(crate) mod events;
mod history;
mod hook;
mod http;
mod initrd;
mod ipv6_router;
pub(crate) mod isolation;
pub(crate) mod listen;
mod look_requests;
pub(crate) mod machines;
mod metrics;
mod netlink;
pub(crate) mod nfs;
pub(crate) mod opened;
pub(crate) mod preflight;
mod privileged_helper;
pub(crate) mod privileges;
mod readahead;
pub(crate) mod report_summary;
mod report_tokens;
pub(crate) mod reported_secure_boot;
mod reports;
mod root_facts;
mod root_watch;
mod running;
mod script_fetch;
mod service_manager;
mod signed_files;
mod start;
mod status;
mod tftp;
mod unified;
mod url_path;

pub(crate) use self::error::ServeError;
pub(crate) use self::start::{confine, run, without_file};

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) use self::{
    http::fuzz as fuzz_http, machines::fuzz_query as fuzz_machine_query,
    reports::fuzz as fuzz_report,
};
