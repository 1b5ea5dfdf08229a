//! What became of all boots since the server started, for the metrics. Bounded: by the names of stages, causes and outcomes,
//! and by the number of images.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stage::Stage;
use crate::serve::metrics::Histogram;

/// The most images that are counted apart; the others are one.
const IMAGES: usize = 64;
/// What boots of more images are counted as.
const OTHERS: &str = "other";

/// What became of all boots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many boots, by image (empty: it was not known) and outcome.
    pub(crate) boots: BTreeMap<(String, &'static str), u64>,
    /// How many stopped, by cause.
    pub(crate) causes: BTreeMap<&'static str, u64>,
    /// How long they took until the machine ran.
    pub(crate) durations: Histogram,
    /// How long each stage took: from the one before.
    pub(crate) stages: BTreeMap<Stage, Histogram>,
}

impl Totals {
    /// A boot has this outcome.
    pub(super) fn ended(&mut self, image: Option<&str>, outcome: &'static str) {
        let image = image.unwrap_or_default();
        let mut known = self.boots.keys().map(|(image, _)| image.as_str());
        let is_known = known.any(|known| known == image);
        let image = match is_known || self.boots.len() < IMAGES {
            true => image,
            false => OTHERS,
        };
        let count = self.boots.entry((image.to_owned(), outcome));
        *count.or_default() += 1;
    }

    /// A boot stopped.
    pub(super) fn stopped(&mut self, cause: &'static str) {
        *self.causes.entry(cause).or_default() += 1;
    }

    /// A machine runs so long after its boot began.
    pub(super) fn ran(&mut self, time: Duration) {
        self.durations.observe(time);
    }

    /// A stage was reached so long after the one before.
    pub(super) fn reached(&mut self, stage: Stage, time: Duration) {
        self.stages.entry(stage).or_default().observe(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_images_is_bounded() {
        let mut totals = Totals::default();
        for number in 0..1000 {
            totals.ended(Some(&number.to_string()), "running");
            totals.ended(Some(&number.to_string()), "stopped");
        }
        assert!(totals.boots.len() <= 2 * IMAGES + 2);
        assert!(totals.boots.values().sum::<u64>() == 2000);
    }
}
