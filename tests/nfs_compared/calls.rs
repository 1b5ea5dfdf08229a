//! The calls, one per line, in the words of `script`.

mod changes;
mod faults;
mod files;
mod services;

/// Every line but empty ones and comments.
pub(crate) fn lines() -> Vec<String> {
    let text = [
        files::FILES,
        files::LOOKUPS,
        files::CONTENTS,
        files::LISTINGS,
        changes::CHANGES,
        changes::HANDLES,
        faults::FAULTS,
        services::HEADERS,
        services::MOUNTS,
        services::PORTS,
    ];
    let lines = text.iter().flat_map(|text| text.lines()).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}
