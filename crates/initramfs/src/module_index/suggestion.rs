//! Suggestions for misspelt module names. Pure.

use netroot_kmod::module_name;

use super::index::Index;

impl Index {
    /// The existing name that is most similar to `name`, if it is similar enough.
    pub(crate) fn suggestion<'a>(
        &'a self,
        name: &str,
        others: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let name = module_name(name);
        let max_distance = 1 + name.len() / 5;
        self.modules
            .keys()
            .chain(self.builtin.keys())
            .map(String::as_str)
            .chain(others)
            .map(|known| (distance(&name, known), known))
            .filter(|(distance, _)| *distance <= max_distance)
            .min()
            .map(|(_, known)| known)
    }
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
    use super::super::index::tests::texts;
    use super::*;

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let index = Index::parse(&texts()).unwrap();
        let sets = || ["netboot"].into_iter();
        assert_eq!(index.suggestion("r8168", sets()), Some("r8169"));
        assert_eq!(index.suggestion("netbot", sets()), Some("netboot"));
        assert_eq!(
            index.suggestion("crc32-intel", sets()),
            Some("crc32c_intel")
        );
        assert_eq!(index.suggestion("something-else", sets()), None);
    }
}
