//! `/metrics`: what Prometheus reads, in OpenMetrics' text format.
//!
//! No machine is a label: as many series as machines, which anybody on the network can invent, are what a monitoring system
//! dies of. Which machine it was, is in the log and in the API.

mod exposition;
mod histogram;

use std::time::{Duration, SystemTime};

pub(crate) use self::exposition::CONTENT_TYPE;
use self::exposition::Exposition;
pub(crate) use self::histogram::Histogram;

/// A counter that only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counter {
    /// Its name, without what all have in common.
    pub(crate) name: String,
    /// What it counts.
    pub(crate) help: &'static str,
    /// How many.
    pub(crate) count: u64,
}

/// The addresses of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeUse {
    /// `10.0.0.100-10.0.0.200`; a network's ranges are one.
    pub(crate) range: String,
    /// Those that machines have.
    pub(crate) leased: usize,
    /// Those that others use, or are said to.
    pub(crate) set_aside: usize,
    /// All of them.
    pub(crate) addresses: usize,
}

/// What became of boots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Boots {
    /// How many boots, by image (empty: it was not known) and outcome.
    pub(crate) ended: Vec<(String, &'static str, u64)>,
    /// How many stopped, by cause.
    pub(crate) causes: Vec<(&'static str, u64)>,
    /// How long they took until the machine ran.
    pub(crate) durations: Histogram,
    /// How long each stage took.
    pub(crate) stages: Vec<(&'static str, Histogram)>,
    /// How many machines are in which state.
    pub(crate) machines: Vec<(&'static str, usize)>,
    /// How many files are being sent.
    pub(crate) transfers: usize,
}

/// Everything that is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// How long the server has been running.
    pub(crate) uptime: Duration,
    /// Counters of requests.
    pub(crate) counters: Vec<Counter>,
    /// Connections of NFS that are open; `None` where another server exports the roots.
    pub(crate) nfs_connections: Option<u64>,
    /// The images, each with its kernel's version.
    pub(crate) images: Vec<(String, String)>,
    /// The ranges of addresses.
    pub(crate) ranges: Vec<RangeUse>,
    /// The boots.
    pub(crate) boots: Boots,
}

impl Metrics {
    /// The page.
    pub(crate) fn page(&self) -> String {
        let mut page = Exposition::default();
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.info("build", "The server's version.", [&version[..]]);
        let started = SystemTime::now() - self.uptime;
        let started = started.duration_since(SystemTime::UNIX_EPOCH);
        page.gauges(
            "start_time_seconds",
            Some("seconds"),
            "When the server started, since 1970.",
            [(&[][..], started.unwrap_or_default().as_secs_f64())],
        );
        for Counter { name, help, count } in &self.counters {
            match name.as_str() {
                // A unit is the last word.
                "nfs_bytes_read" => {
                    page.counter("nfs_read_bytes", Some("bytes"), help, *count);
                }
                name => page.counter(name, None, help, *count),
            }
        }
        if let Some(open) = self.nfs_connections {
            let help = "TCP connections of NFS clients that are open.";
            page.gauges("nfs_connections_open", None, help, [(&[][..], count(open))]);
        }
        self.add_images(&mut page);
        self.add_ranges(&mut page);
        self.boots.add(&mut page);
        page.end()
    }

    fn add_images(&self, page: &mut Exposition) {
        let labels = self.images.iter();
        let labels = labels.map(|(image, linux)| [("image", image.as_str()), ("linux", linux)]);
        let labels: Vec<_> = labels.collect();
        page.info(
            "image",
            "An image that machines can boot.",
            labels.iter().map(|labels| &labels[..]),
        );
    }

    fn add_ranges(&self, page: &mut Exposition) {
        let mut samples = Vec::new();
        for range in &self.ranges {
            let free = range
                .addresses
                .saturating_sub(range.leased + range.set_aside);
            for (state, addresses) in [
                ("leased", range.leased),
                ("set-aside", range.set_aside),
                ("free", free),
            ] {
                let labels = [("range", range.range.as_str()), ("state", state)];
                samples.push((labels, many(addresses)));
            }
        }
        page.gauges(
            "dhcp_addresses",
            None,
            "Addresses of a range, by what they are: leased, set aside (somebody else uses them), free.",
            samples.iter().map(|(labels, value)| (&labels[..], *value)),
        );
    }
}

impl Boots {
    fn add(&self, page: &mut Exposition) {
        let machines = self.machines.iter();
        let machines = machines.map(|(state, machines)| ([("state", *state)], many(*machines)));
        let machines: Vec<_> = machines.collect();
        page.gauges(
            "machines",
            None,
            "Machines that are remembered, by what became of their last boot.",
            machines.iter().map(|(labels, value)| (&labels[..], *value)),
        );
        page.gauges(
            "transfers_active",
            None,
            "Files that are being sent, by TFTP and HTTP.",
            [(&[][..], many(self.transfers))],
        );
        let ended = self.ended.iter().map(|(image, outcome, boots)| {
            ([("image", image.as_str()), ("outcome", outcome)], *boots)
        });
        let ended: Vec<_> = ended.collect();
        page.counters(
            "boots",
            None,
            "Boots by image and outcome; one that fails and then runs counts as both.",
            ended.iter().map(|(labels, value)| (&labels[..], *value)),
        );
        let causes = self.causes.iter();
        let causes = causes.map(|(cause, boots)| ([("cause", *cause)], *boots));
        let causes: Vec<_> = causes.collect();
        page.counters(
            "boots_stopped",
            None,
            "Boots after which nothing more was heard of the machine, by cause.",
            causes.iter().map(|(labels, value)| (&labels[..], *value)),
        );
        page.histograms(
            "boot_duration_seconds",
            "Times from a machine's first request until it runs.",
            [(&[][..], &self.durations)],
        );
        let stages = self.stages.iter();
        let stages = stages.map(|(stage, times)| ([("stage", *stage)], times));
        let stages: Vec<_> = stages.collect();
        page.histograms(
            "boot_stage_duration_seconds",
            "Times from one stage of a boot to this one.",
            stages.iter().map(|(labels, times)| (&labels[..], *times)),
        );
    }
}

fn many(number: usize) -> f64 {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "nothing here is as many as 2^53"
)]
fn count(number: u64) -> f64 {
    number as f64
}
