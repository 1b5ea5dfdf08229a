//! `netroot image`: which directory the root of each image is, and which machines still run from an earlier one; `swap`,
//! `rollback` and `forget` change it.
//!
//! The command, not the server, writes which directory it is, into a file that only root may write (`swaps::file`); then it
//! asks the running server to take that over, and puts the file back where it does not.

mod exchange;
mod lost_roots;
mod names;
mod undo;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use self::exchange::{LocalArgs, Wanted, exchange};
use self::names::{machine, no_such, path};
use crate::client::answers::{Image, Images, Runner, Tree};
use crate::client::ask::ServerArgs;
use crate::client::terminal::{Line, Screen, Tone, ago, print, shown};

/// The arguments of `netroot image`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageArgs {
    #[command(subcommand)]
    command: Option<ImageCommand>,

    /// Only this image.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Print the server's JSON (API.md) instead of text.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// What is done with one.
#[derive(Debug, Clone, Subcommand)]
enum ImageCommand {
    /// Make another directory the root of an image: machines that boot get it, those that run keep the one that they have.
    #[command(after_help = SWAP_EXAMPLES)]
    Swap {
        /// The image: one of those that netroot images lists.
        #[arg(value_name = "NAME")]
        name: String,

        /// The directory of the new root, with its kernel and modules.
        #[arg(value_name = "DIR")]
        directory: PathBuf,

        /// Takes effect when the server restarts; use this when the running server may not read DIR.
        #[arg(long)]
        at_restart: bool,

        #[command(flatten)]
        local: LocalArgs,
    },
    /// Go back to the root that the image had before the last swap.
    #[command(after_help = ROLLBACK_EXAMPLES)]
    Rollback {
        /// The image.
        #[arg(value_name = "NAME")]
        name: String,

        /// Takes effect when the server restarts; use this when the server does not start.
        #[arg(long)]
        at_restart: bool,

        #[command(flatten)]
        local: LocalArgs,
    },
    /// Forget the swaps of an image, so that machines boot the configured root, or one of its earlier roots.
    #[command(after_help = FORGET_EXAMPLES)]
    Forget {
        /// The image.
        #[arg(value_name = "NAME")]
        name: String,

        /// Only this earlier root, which machines do not boot; it may be gone by now.
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,

        /// Also where machines run from what is forgotten: they lose it. Without a running server that is not known.
        #[arg(long)]
        force: bool,

        #[command(flatten)]
        local: LocalArgs,
    },
}

const SWAP_EXAMPLES: &str = "\
Kernel, modules and initrd of the new root are prepared first; where they cannot be, or the command is interrupted, nothing
changes and this exits with 1 (or by the signal). From then on machines boot the new root. Those that run from an earlier one
keep it, also over a restart of the server, until the last of them has booted something else and has made no call for two
minutes, or none at all for a week.

A swap is written to netroot-swaps/swaps.json beside the state directory (/var/lib). It counts while the configuration's root
is the directory that was swapped from, or one that was swapped to, such as DIR; that one is booted then. With any other root
in the configuration, that is booted, the log says so once, and the entry is dropped by the next swap, rollback or forget.

Examples:
  netroot image swap debian /srv/debian-13.2
  netroot image                                 which machines still run from an earlier root
  netroot image rollback debian                 back again";

const ROLLBACK_EXAMPLES: &str = "\
Machines that boot get the root that the image had before the last swap; those that run from the newer one keep it. A second
rollback takes the first back.

Examples:
  netroot image rollback debian";

const FORGET_EXAMPLES: &str = "\
Examples:
  netroot image forget debian
  netroot image forget debian /srv/debian-13.1          it is no earlier root any more, and may be deleted";

/// Does it.
///
/// # Errors
/// What the server refuses, and what cannot be written.
pub(crate) fn run(args: &ImageArgs) -> Result<ExitCode> {
    match &args.command {
        None => show(args).map(|()| ExitCode::SUCCESS),
        Some(ImageCommand::Swap {
            name,
            directory,
            at_restart,
            local,
        }) => {
            let wanted = Wanted::Swap(usable(directory)?);
            exchange(name, local, &wanted, *at_restart)
        }
        Some(ImageCommand::Rollback {
            name,
            at_restart,
            local,
        }) => exchange(name, local, &Wanted::RollBack, *at_restart),
        Some(ImageCommand::Forget {
            name,
            directory,
            force,
            local,
        }) => {
            let wanted = match directory {
                Some(directory) => Wanted::ForgetRoot(known(directory), *force),
                None => Wanted::Forget(*force),
            };
            exchange(name, local, &wanted, false)
        }
    }
}

fn show(args: &ImageArgs) -> Result<()> {
    let is_meant = |name: &str| args.name.as_ref().is_none_or(|meant| meant == name);
    if args.json {
        let mut all: serde_json::Value = args.server.json("GET", "/images", None)?;
        if let Some(images) = all.get_mut("images").and_then(|it| it.as_array_mut()) {
            let name = |image: &serde_json::Value| image.get("name")?.as_str().map(is_meant);
            images.retain(|image| name(image).unwrap_or_default());
        }
        println!("{}", crate::json::to_string(&all)?);
        return Ok(());
    }
    let all: Images = args.server.json("GET", "/images", None)?;
    let screen = Screen::of_stdout();
    let images = all.images.iter().filter(|image| is_meant(&image.name));
    let lines: Vec<Line> = images.flat_map(image_lines).collect();
    if let Some(name) = args.name.as_ref().filter(|_| lines.is_empty()) {
        bail!("{}", no_such(&all, name));
    }
    Ok(print(&lines, screen)?)
}

/// An image, its root, and the earlier ones.
fn image_lines(image: &Image) -> Vec<Line> {
    let mut lines = vec![Line::words(0, Tone::Good, shown(&image.name))];
    let Some(root) = &image.root else {
        let what = match &image.source {
            Some(source) => format!("its root is on another server: {}", shown(source)),
            None => format!("no root: {}", shown(&image.kind)),
        };
        lines.push(Line::words(2, Tone::Soft, what));
        return lines;
    };
    let kernel = image.kernel.as_deref().map(shown).unwrap_or_default();
    let now = format!(
        "boots {} (Linux {kernel}){}",
        path(&root.now.directory),
        run_from(&root.now)
    );
    lines.push(Line::words(2, Tone::Plain, now));
    if root.configured != root.now.directory {
        let configured = format!("configured: {}", path(&root.configured));
        lines.push(Line::words(2, Tone::Soft, configured));
    }
    for newer in &root.unserved {
        let what = format!(
            "swapped to: {}, cannot be served{}",
            path(&newer.directory),
            run_from(newer)
        );
        lines.push(Line::words(2, Tone::Warning, what));
    }
    for before in &root.before {
        let (tone, what) = match (before.served, before.tree) {
            (false, _) if before.let_go => (Tone::Soft, "let go".to_owned()),
            (false, _) => (Tone::Warning, "cannot be opened".to_owned()),
            (true, None) => (
                Tone::Plain,
                format!("replaced at its path{}", run_from(before)),
            ),
            (true, Some(_)) => (Tone::Plain, format!("kept{}", run_from(before))),
        };
        let before = format!("before: {}, {what}", path(&before.directory));
        lines.push(Line::words(2, tone, before));
    }
    lines
}

/// How many machines are named; the others are counted.
const NAMED: usize = 8;

fn run_from(tree: &Tree) -> String {
    let named = |one: &Runner| format!("{} ({})", machine(one), ago(one.idle_seconds));
    let named: Vec<String> = tree.machines.iter().take(NAMED).map(named).collect();
    let more = tree.machines.len().saturating_sub(NAMED);
    match (named.as_slice(), more) {
        ([], _) => String::new(),
        (named, 0) => format!("; run from it: {}", named.join(", ")),
        (named, more) => format!("; run from it: {} and {more} more", named.join(", ")),
    }
}

/// A directory that was a root, as it was written down. It may be gone.
fn known(directory: &Path) -> PathBuf {
    let real = directory
        .canonicalize()
        .or_else(|_| std::path::absolute(directory));
    real.unwrap_or_else(|_| directory.to_owned())
}

/// The directory as root will find it again, if it is fit to be one.
fn usable(directory: &Path) -> Result<PathBuf> {
    let named = directory.display();
    let real =
        (directory.canonicalize()).with_context(|| format!("cannot use {named} as a root"))?;
    if !real.is_dir() {
        bail!("cannot use {named} as a root: it is no directory");
    }
    if real.to_str().is_none() {
        bail!("cannot use {named} as a root: its path is no text in UTF-8; rename it");
    }
    if real == Path::new("/") {
        bail!("cannot use {named} as a root: it is this machine's own");
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::terminal::tests::text;

    #[test]
    fn an_image_is_shown_with_who_runs_from_which_of_its_roots() {
        let json = serde_json::json!({
            "name": "debian", "title": "debian", "kind": "root", "kernel": "6.12", "source": null,
            "root": {
                "configured": "/srv/a", "tree": 3, "directory": "/srv/c", "served": true, "machines": [],
                "unserved": [{ "tree": 5, "directory": "/srv/e", "served": false, "machines": [] }],
                "before": [
                    { "tree": 2, "directory": "/srv/b", "served": true, "machines": [
                        { "address": "10.0.0.7", "mac": null, "name": "lab-1", "idle_seconds": 4 },
                        { "address": "10.0.0.8", "mac": null, "name": null, "idle_seconds": 300 },
                    ]},
                    { "tree": 1, "directory": "/srv/a", "served": false, "let_go": true, "machines": [] },
                    { "tree": 4, "directory": "/srv/d", "served": false, "let_go": false, "machines": [] },
                    { "tree": null, "directory": "/srv/c", "served": true, "machines": [] },
                ],
            },
        });
        let image: Image = serde_json::from_value(json).unwrap();
        let lines = text(&image_lines(&image));
        assert_eq!(
            lines,
            [
                "debian",
                "  boots /srv/c (Linux 6.12)",
                "  configured: /srv/a",
                "  swapped to: /srv/e, cannot be served",
                "  before: /srv/b, kept; run from it: lab-1 (4 s ago), 10.0.0.8 (5 min ago)",
                "  before: /srv/a, let go",
                "  before: /srv/d, cannot be opened",
                "  before: /srv/c, replaced at its path",
            ]
        );
    }

    #[test]
    fn only_a_directory_can_be_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("current");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert_eq!(
            usable(&link).unwrap(),
            folder.path().canonicalize().unwrap()
        );
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, why) in [
            (file.as_path(), "it is no directory"),
            (Path::new("/absent"), "cannot use /absent"),
            (Path::new("/"), "this machine's own"),
        ] {
            let error = usable(path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
