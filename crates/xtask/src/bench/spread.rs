//! A few times of the same thing, and what to say of them.

use std::fmt;
use std::time::Duration;

/// Times in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread(Vec<Duration>);

impl Spread {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The middle one; with an even number the mean of the two in the middle.
    pub(super) fn median(&self) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort();
        let upper = sorted.get(sorted.len() / 2)?;
        let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some((*upper + *lower) / 2)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for time in &self.0 {
            write!(f, "{:6.2} ", time.as_secs_f64())?;
        }
        match self.median() {
            Some(median) => write!(f, "  median {:.2} s", median.as_secs_f64()),
            None => write!(f, "  no times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[u64]) -> Spread {
        Spread(seconds.iter().copied().map(Duration::from_secs).collect())
    }

    #[test]
    fn the_median_does_not_care_about_the_order() {
        assert_eq!(of(&[9, 1, 5]).median(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(of(&[1, 4, 2, 9]).median(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn no_times_have_no_median() {
        assert_eq!(of(&[]).median(), None);
    }
}
