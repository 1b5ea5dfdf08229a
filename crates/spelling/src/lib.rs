//! The known word that a misspelt one was meant for: an option, a module, an image.

#![forbid(unsafe_code)]

/// How many known words are listed where none is similar.
const LISTED: usize = 24;

/// The word among `known` that is most similar to `word`, if one is similar enough: by one edit, and one more for each
/// five letters. Whether letters are capitals makes no difference. Words of fewer than three letters are similar to
/// everything.
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

/// What to do about a word that is none of those that are known: `did you mean Y?`, or where none is similar `otherwise`
/// and all of them, such as `the images are A, B`.
pub fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
    otherwise: &str,
) -> String {
    let known = known.into_iter();
    if let Some(nearest) = nearest(word, known.clone()) {
        return format!("did you mean {nearest}?");
    }
    let mut listed: Vec<&str> = known.clone().take(LISTED).collect();
    if known.count() > LISTED {
        listed.push("…");
    }
    format!("{otherwise} {}", listed.join(", "))
}

/// The number of insertions, deletions, replacements, and exchanges of two neighbours: the optimal string alignment
/// distance.
fn distance(a: &str, b: &str) -> usize {
    let letters =
        |text: &str| -> Vec<char> { text.chars().map(|c| c.to_ascii_lowercase()).collect() };
    let (a, b) = (letters(a), letters(b));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i + 1;
        next.push(left);
        for (j, (y, pair)) in b.iter().zip(row.windows(2)).enumerate() {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => (0, 0),
            };
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            let neighbours = |letters: &[char], at: usize| {
                let previous = at.checked_sub(1)?;
                letters.get(previous).copied()
            };
            let exchanged = neighbours(&a, i) == Some(*y) && neighbours(&b, j) == Some(*x);
            let two_before = j.checked_sub(1).and_then(|j| before.get(j));
            if let Some(two_before) = two_before.filter(|_| exchanged) {
                left = left.min(two_before + 1);
            }
            next.push(left);
        }
        before = std::mem::replace(&mut row, next);
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
            ("rszie", Some("rsize")),
            ("rsiz", Some("rsize")),
            ("RSIZE", Some("rsize")),
            ("ver", Some("vers")),
            ("vesr", Some("vers")),
            ("nolok", Some("nolock")),
            ("r8168", Some("r8169")),
            ("", None),
            ("ve", None),
            ("something-else", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        for (a, b, edits) in [
            ("kitten", "sitting", 3),
            ("menu", "mneu", 1),
            ("debain", "debian", 1),
            ("ca", "abc", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn where_nothing_is_similar_all_words_are_listed_unless_they_are_many() {
        let say = |word| did_you_mean(word, ["debian", "rescue"], "the images are");
        assert_eq!(say("debain"), "did you mean debian?");
        assert_eq!(say("x"), "the images are debian, rescue");
        let many: Vec<String> = (0..LISTED + 1).map(|number| format!("n{number}")).collect();
        let text = did_you_mean("else", many.iter().map(String::as_str), "expected one of");
        assert!(text.ends_with(", n23, …"), "{text}");
    }
}
