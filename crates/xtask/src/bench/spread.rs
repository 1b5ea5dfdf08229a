//! Repeated measurements of one thing, and their summary.

use std::fmt;

/// Numbers in the order of measurement. Their unit is in the heading above them.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread(Vec<f64>);

impl Spread {
    pub(super) fn add(&mut self, number: f64) {
        self.0.push(number);
    }

    /// The median; of an even number, the mean of the middle two.
    pub(super) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = sorted.get(sorted.len() / 2)?;
        let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(f64::midpoint(*upper, *lower))
    }

    /// The least and the most.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let least = self.0.iter().copied().reduce(f64::min)?;
        let most = self.0.iter().copied().reduce(f64::max)?;
        Some((least, most))
    }
}

/// The number that so many of 100 are at most.
pub(super) fn percentile(numbers: &mut [f64], of_100: usize) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)?;
    numbers.get(last * of_100 / 100).copied()
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for number in &self.0 {
            write!(f, "{number:6.2} ")?;
        }
        match self.median() {
            Some(median) => write!(f, "  median {median:.2}"),
            None => write!(f, "  nothing measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64]) -> Spread {
        Spread(numbers.to_vec())
    }

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        assert_eq!(of(&[9.0, 1.0, 5.0]).median(), Some(5.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(of(&[1.0, 4.0, 2.0, 9.0]).median(), Some(3.0));
    }

    #[test]
    fn the_range_is_from_the_least_to_the_most() {
        assert_eq!(of(&[9.0, 1.0, 5.0]).range(), Some((1.0, 9.0)));
    }

    #[test]
    fn no_numbers_have_no_median() {
        assert_eq!(of(&[]).median(), None);
        assert_eq!(of(&[]).range(), None);
    }
}
