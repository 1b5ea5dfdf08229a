//! The known word that a misspelt one was meant for: an option, a module, a set.

#![forbid(unsafe_code)]

/// The word among `known` that is most similar to `word`, if one is similar enough: by one edit, and one more for each
/// five letters. Words of fewer than three letters are similar to everything.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() < 3 {
        return None;
    }
    let max_distance = 1 + word.len() / 5;
    known
        .into_iter()
        .map(|other| (distance(word, other), other))
        .filter(|(distance, _)| *distance <= max_distance)
        .min()
        .map(|(_, other)| other)
}

/// The Levenshtein distance: the number of insertions, deletions and replacements.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => (0, 0),
            };
            left = (diagonal + usize::from(x != *y))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_word_is_found_if_it_is_similar_enough() {
        let known = ["rsize", "wsize", "vers", "nolock", "r8169"];
        for (word, expected) in [
            ("rszie", None),
            ("rsiz", Some("rsize")),
            ("ver", Some("vers")),
            ("nolok", Some("nolock")),
            ("r8168", Some("r8169")),
            ("", None),
            ("ve", None),
            ("something-else", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
