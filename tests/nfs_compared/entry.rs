//! The entries of a directory.

use std::collections::BTreeMap;

use super::text::shown;

/// An entry of a directory.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) cookie: u64,
    /// READDIRPLUS: its attributes, and whether it has a handle.
    pub(crate) more: Option<(BTreeMap<String, String>, bool)>,
}

/// What there is to say of entries, whose order and cookies are the server's own.
pub(crate) fn facts(entries: &[Entry]) -> BTreeMap<String, String> {
    let mut listed: Vec<String> = entries
        .iter()
        .map(|entry| format!("{}#{}", entry.name, entry.number))
        .collect();
    listed.sort();
    let count = listed.len();
    let mut once = listed.clone();
    once.dedup();
    let mut answer = BTreeMap::from([
        ("entries".to_owned(), shown(listed.join(" ").as_bytes())),
        ("number".to_owned(), count.to_string()),
        ("repeated".to_owned(), (count - once.len()).to_string()),
    ]);
    for entry in entries {
        let Some((attributes, handle)) = &entry.more else {
            continue;
        };
        let name = if entry.name.starts_with('.') {
            "dots"
        } else {
            "others"
        };
        let with = match (attributes.is_empty(), handle) {
            (true, false) => "name only",
            (false, true) => "attributes and handle",
            (true, true) => "handle",
            (false, false) => "attributes",
        };
        answer.insert(name.to_owned(), with.to_owned());
        let number = attributes.get("obj.fileid").map(String::as_str);
        if number.is_some_and(|number| number != entry.number.to_string()) {
            answer.insert("number of attributes".to_owned(), "another".to_owned());
        }
    }
    answer
}
