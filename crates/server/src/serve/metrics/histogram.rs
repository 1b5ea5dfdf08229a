//! Times by how many there are of which length.

use std::time::Duration;

/// The upper bounds of a histogram's buckets, in seconds: from a virtual machine's boot to a large server's.
pub(super) const BOUNDS: [f64; 13] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0,
];

/// How long something took, each time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// How often it fell into each bucket; the last one is above all bounds.
    pub(super) counts: [u64; 14],
    /// All together.
    pub(super) sum: Duration,
}

impl Histogram {
    /// It took so long once more.
    pub(crate) fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = self.counts.get_mut(bucket.unwrap_or(BOUNDS.len())) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(time);
    }
}
