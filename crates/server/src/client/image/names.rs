//! Machines, paths and images as the command prints them.

use std::path::Path;

use crate::client::answers::{Images, Runner};
use crate::client::terminal::shown;

pub(super) fn machine(one: &Runner) -> String {
    shown(one.name.as_deref().unwrap_or(&one.address))
}

pub(super) fn path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

pub(super) fn no_such(all: &Images, name: &str) -> String {
    let names: Vec<String> = all.images.iter().map(|image| shown(&image.name)).collect();
    format!(
        "there is no image {}; there are: {}",
        shown(name),
        names.join(", ")
    )
}
