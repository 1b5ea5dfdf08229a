//! `netroot images`: the images that a running server has.

use anyhow::Result;
use clap::Args;

use crate::client::answers::{Image, Images};
use crate::client::ask::{ServerArgs, print_json};
use crate::client::table::{Column, table};
use crate::client::terminal::{Line, Screen, Tone, print, shown};

/// The arguments of `netroot images`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagesArgs {
    /// Print the server's JSON (API.md) instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Prints the images.
///
/// # Errors
/// What the server refuses.
pub(crate) fn images(args: &ImagesArgs) -> Result<()> {
    if args.json {
        return print_json(&args.server, "/images");
    }
    let all: Images = args.server.json("GET", "/images", None)?;
    let screen = Screen::of_stdout();
    Ok(print(&image_list(&all, screen), screen)?)
}

/// Of each image.
const COLUMNS: [Column; 7] = [
    // Its name.
    Column::needed(0),
    // Its title.
    Column::detail(5),
    // Its kind.
    Column::needed(2),
    // Its kernel.
    Column::needed(3),
    // Its directory.
    Column::detail(4),
    // Its source.
    Column::detail(6),
    // Whether it is the default.
    Column::needed(1),
];

/// A line for each image.
pub(crate) fn image_list(images: &Images, screen: Screen) -> Vec<Line> {
    let is_default = |image: &Image| image.name == images.default;
    let row = |image: &Image| {
        let title = match image.title == image.name {
            true => String::new(),
            false => shown(&image.title),
        };
        let default = match is_default(image) {
            true => "default",
            false => "",
        };
        [
            (Tone::Plain, shown(&image.name)),
            (Tone::Plain, title),
            (Tone::Soft, shown(&image.kind)),
            (
                Tone::Plain,
                image.kernel.as_deref().map(shown).unwrap_or_default(),
            ),
            (Tone::Plain, directory(image)),
            (
                Tone::Soft,
                image.source.as_deref().map(shown).unwrap_or_default(),
            ),
            (Tone::Good, default.to_owned()),
        ]
    };
    let rows: Vec<_> = images.images.iter().map(row).collect();
    let rows = table(&COLUMNS, &rows, screen);
    let mut lines: Vec<Line> = rows.into_iter().flatten().map(Line::Row).collect();
    if !images.images.iter().any(is_default) && !images.default.is_empty() {
        let other = format!(
            "machines that nothing else is for: {}",
            shown(&images.default)
        );
        lines.push(Line::words(2, Tone::Soft, other));
    }
    lines
}

/// The directory that machines boot; only who may order is told it.
fn directory(image: &Image) -> String {
    let root = image.root.as_ref();
    root.map(|root| shown(&root.now.directory.to_string_lossy()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::terminal::tests::text;

    #[test]
    fn the_default_is_marked_among_the_images() {
        let images = |default: &str| -> Images {
            let json = serde_json::json!({ "default": default, "images": [
                { "name": "debian", "title": "debian", "kind": "root", "kernel": "6.1", "source": null },
                { "name": "disk", "title": "Own disk", "kind": "local-disk", "kernel": null, "source": null },
            ]});
            serde_json::from_value(json).unwrap()
        };
        assert_eq!(
            text(&image_list(&images("debian"), Screen::PLAIN)),
            [
                "  debian            root        6.1  default",
                "  disk    Own disk  local-disk",
            ]
        );
        let json = serde_json::json!({ "default": "debian", "images": [{
            "name": "debian", "title": "debian", "kind": "root", "kernel": "6.1", "source": "10.0.0.1:/debian",
            "root": {
                "configured": "/srv/old", "tree": 2, "directory": "/srv/new", "served": true, "machines": [],
                "unserved": [], "before": [],
            },
        }]});
        let swapped = serde_json::from_value(json).unwrap();
        assert_eq!(
            text(&image_list(&swapped, Screen::PLAIN)),
            ["  debian  root  6.1  /srv/new  10.0.0.1:/debian  default"]
        );
        let menu = text(&image_list(&images("menu"), Screen::PLAIN));
        assert_eq!(menu[2], "  machines that nothing else is for: menu");
    }
}
