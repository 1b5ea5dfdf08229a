//! `Range: bytes=…` (RFC 9110 §14): which part of a file is asked for.

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no range, or one that RFC 9110 lets a server ignore (several at once, another unit, nonsense).
    Whole,
    /// From `first` to `last`, both included.
    Slice {
        /// The first byte's position.
        first: u64,
        /// The last byte's position.
        last: u64,
    },
    /// The range starts after the end.
    Unsatisfiable,
}

/// Reads the header's value for a file of `length` bytes.
pub(super) fn parse(header: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = header
        .and_then(|value| value.trim().strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let digits = |text: &str| -> Option<u64> {
        // `parse` alone would take a plus sign.
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let end = length.checked_sub(1);
    match (digits(first), digits(last)) {
        // The last `count` bytes.
        (None, Some(count)) if first.is_empty() => match (count, end) {
            (0, _) | (_, None) => Part::Unsatisfiable,
            (count, Some(end)) => Part::Slice {
                first: length.saturating_sub(count),
                last: end,
            },
        },
        (Some(from), None) if last.is_empty() => slice(from, u64::MAX, end),
        (Some(from), Some(to)) if from <= to => slice(from, to, end),
        _ => Part::Whole,
    }
}

fn slice(first: u64, last: u64, end: Option<u64>) -> Part {
    match end {
        Some(end) if first <= end => Part::Slice {
            first,
            last: last.min(end),
        },
        _ => Part::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_served_in_each_of_its_three_forms() {
        let slice = |first, last| Part::Slice { first, last };
        assert_eq!(parse(Some("bytes=0-0"), 10), slice(0, 0));
        assert_eq!(parse(Some("bytes=2-5"), 10), slice(2, 5));
        assert_eq!(parse(Some("bytes=2-"), 10), slice(2, 9));
        assert_eq!(parse(Some("bytes=2-99"), 10), slice(2, 9));
        assert_eq!(parse(Some("bytes=-3"), 10), slice(7, 9));
        assert_eq!(parse(Some("bytes=-30"), 10), slice(0, 9));
    }

    #[test]
    fn a_range_after_the_end_is_refused_and_an_invalid_one_is_ignored() {
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(parse(Some(range), 10), Part::Unsatisfiable, "{range}");
        }
        assert_eq!(parse(Some("bytes=0-"), 0), Part::Unsatisfiable);
        assert_eq!(parse(Some("bytes=-1"), 0), Part::Unsatisfiable);
        for range in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,4-5",
            "lines=1-2",
            "bytes=+1-2",
            "bytes=a-b",
        ] {
            assert_eq!(parse(Some(range), 10), Part::Whole, "{range}");
        }
        assert_eq!(parse(None, 10), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_slice_is_always_within_the_file(
            header in "(bytes=)?[0-9+, -]{0,24}", length in 0_u64..1000,
        ) {
            if let Part::Slice { first, last } = parse(Some(&header), length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
