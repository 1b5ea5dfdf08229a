//! The example file, which has every key.

/// Its text.
pub(super) const EXAMPLE: &str = include_str!("../../examples/netroot.toml");

/// Each key with the table in which the example has it, such as `[[network]]` or `[image.NAME]`; no table for one at the
/// beginning of the file.
pub(super) fn keys() -> impl Iterator<Item = (Option<String>, &'static str)> {
    let mut table = None;
    EXAMPLE.lines().filter_map(move |line| {
        if line.starts_with('[') {
            table = Some(heading(line));
        }
        // One of two that exclude each other is a comment.
        let (key, _) = line.trim_start_matches("# ").split_once(" = ")?;
        let is_key = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        key.bytes().all(is_key).then(|| (table.clone(), key))
    })
}

/// The tables that have this key.
pub(super) fn tables_with(key: &str) -> Vec<String> {
    let with = keys().filter(|(_, one)| *one == key);
    let mut tables: Vec<String> = with
        .map(|(table, _)| table.unwrap_or_else(|| "the beginning of the main file".to_owned()))
        .collect();
    tables.dedup();
    tables
}

/// `[image.debian]` is one of `[image.NAME]`.
fn heading(line: &str) -> String {
    match line.split_once('.') {
        Some((kind, _)) => format!("{kind}.NAME]"),
        None => line.to_owned(),
    }
}

/// What the tables of the files that a test reads are asked for, on its thread.
#[cfg(test)]
pub(super) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static ASKED: RefCell<BTreeSet<(String, &'static str)>> = RefCell::default();
    }

    /// A table such as `image.debian` was asked for these.
    pub(in crate::config) fn add(about: &str, keys: &[&'static str]) {
        let kind = about.split('.').next().unwrap_or_default();
        let keys = keys.iter().map(|key| (kind.to_owned(), *key));
        ASKED.with_borrow_mut(|asked| asked.extend(keys));
    }

    /// Everything so far, by the kind of table.
    pub(in crate::config) fn all() -> BTreeSet<(String, &'static str)> {
        ASKED.take()
    }
}
