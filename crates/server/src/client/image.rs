//! `netroot image`: which directory the root of each image is, and who runs from those before; `swap` and `rollback` exchange
//! it.
//!
//! The command, not the server, writes which directory it is, into a file that only root may write (`swaps::file`); then it
//! asks the running server to take that over, and puts the file back where it does not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use netroot_printable::Printable;

use crate::client::answers::{Image, Images, Root, Runner, Tree};
use crate::client::ask::{ServerArgs, print_json};
use crate::client::reload::reload;
use crate::client::terminal::{Line, Screen, Tone, ago, print, shown};
use crate::settings;
use crate::swaps::Swaps;
use crate::swaps::file::{self, Locked};

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

        /// Only write it down, for the next start of the server: for one that may not read the directory while it runs.
        #[arg(long)]
        at_restart: bool,

        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make the directory that was the root before the last swap the root again.
    #[command(after_help = ROLLBACK_EXAMPLES)]
    Rollback {
        /// The image.
        #[arg(value_name = "NAME")]
        name: String,

        #[command(flatten)]
        server: ServerArgs,
    },
}

const SWAP_EXAMPLES: &str = "\
Kernel, modules and initrd of the new root are prepared first; where they cannot be, nothing changes and this exits with 1.
From then on machines boot the new root. Those that run from the old one keep it, also over a restart of the server, until
the last of them has booted something else and has made no call for two minutes, or none at all for a week.

Examples:
  netroot image swap debian /srv/debian-13.2
  netroot image                                 who still runs from the old one
  netroot image rollback debian                 back again

It is remembered in netroot-swaps/swaps.json beside the state directory (/var/lib), and counts until another root is configured.";

const ROLLBACK_EXAMPLES: &str = "\
Machines that boot get the root of before; those that run from the newer one keep that. A second rollback takes the first back.

Examples:
  netroot image rollback debian";

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
            server,
        }) => {
            let directory = usable(directory)?;
            let change = |swaps: &mut Swaps, configured: &Path| {
                swaps.swap(name, configured, &directory)?;
                Ok(directory.clone())
            };
            exchange(name, server, *at_restart, change)
        }
        Some(ImageCommand::Rollback { name, server }) => {
            let change =
                |swaps: &mut Swaps, configured: &Path| Ok(swaps.roll_back(name, configured)?);
            exchange(name, server, false, change)
        }
    }
}

fn show(args: &ImageArgs) -> Result<()> {
    if args.json {
        return print_json(&args.server, "/images");
    }
    let all: Images = args.server.json("GET", "/images", None)?;
    let screen = Screen::of_stdout();
    let mut lines = Vec::new();
    for image in &all.images {
        if args.name.as_ref().is_none_or(|name| *name == image.name) {
            lines.extend(image_lines(image));
        }
    }
    if let Some(name) = args.name.as_ref().filter(|_| lines.is_empty()) {
        bail!("{}", no_such(&all, name));
    }
    Ok(print(&lines, screen)?)
}

/// An image, its root, and those before.
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

fn path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// How many machines are named; the others are counted.
const NAMED: usize = 8;

fn run_from(tree: &Tree) -> String {
    let machine = |one: &Runner| {
        let name = one.name.as_deref().unwrap_or(&one.address);
        format!("{} ({})", shown(name), ago(one.idle_seconds))
    };
    let named: Vec<String> = tree.machines.iter().take(NAMED).map(machine).collect();
    let more = tree.machines.len().saturating_sub(NAMED);
    match (named.as_slice(), more) {
        ([], _) => String::new(),
        (named, 0) => format!("; run from it: {}", named.join(", ")),
        (named, more) => format!("; run from it: {} and {more} more", named.join(", ")),
    }
}

fn no_such(all: &Images, name: &str) -> String {
    let names: Vec<String> = all.images.iter().map(|image| shown(&image.name)).collect();
    format!(
        "there is no image {}; there are: {}",
        shown(name),
        names.join(", ")
    )
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

/// Changes what is written, has the server take it over, and puts it back where it does not.
fn exchange(
    name: &str,
    server: &ServerArgs,
    at_restart: bool,
    change: impl FnOnce(&mut Swaps, &Path) -> Result<PathBuf>,
) -> Result<ExitCode> {
    if server.server.is_some() {
        bail!(
            "the root of an image is exchanged on the server's own machine: run this there, as root"
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("only root may say what machines boot: run this as root");
    }
    let (all, root) = ask(name, server)?;
    let state = server
        .state
        .as_deref()
        .unwrap_or(Path::new(settings::STATE));
    let file = file::path(state);
    // It is compared, not believed: the server does not say what is written.
    match &all.swaps {
        Some(theirs) if *theirs == file => {}
        Some(theirs) => bail!(
            "the server reads {}, not {}; name its state directory: --state DIR",
            path(theirs),
            file.display()
        ),
        None => bail!("the server is too old for this; restart it"),
    }
    let cannot_write = || format!("cannot write {}", file.display());
    let locked = Locked::open(&file).with_context(cannot_write)?;
    let before = locked.read()?;
    let mut swaps = before.clone();
    let wanted = change(&mut swaps, &root.configured)?;
    locked.write(&swaps).with_context(cannot_write)?;
    if at_restart {
        println!(
            "{name}: machines boot {} from the next start of the server on",
            path(&wanted)
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut told = Vec::new();
    let done = reload(server, |text| {
        println!("{}", Printable(text));
        told.push(text.to_owned());
    })
    .and_then(|_| Ok(ask(name, server)?.1));
    let why = match done {
        Ok(now) if now.now.directory == wanted => {
            println!("{}", summary(name, &now));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(_) => anyhow!("the server did not take it over; what it said is above"),
        Err(error) => error,
    };
    locked.write(&before).with_context(cannot_write)?;
    // So that it does not come to it later, by itself; it may have ended.
    let _ = reload(server, |_| {});
    Err(why.context(format!("the root of {name} is as it was")))
}

fn ask(name: &str, server: &ServerArgs) -> Result<(Images, Root)> {
    let all: Images = server.json("GET", "/images", None)?;
    let Some(image) = all.images.iter().find(|image| image.name == name) else {
        bail!("{}", no_such(&all, name));
    };
    let Some(root) = image.root.clone() else {
        bail!("{name} has no root that this server exports, so there is none to exchange");
    };
    Ok((all, root))
}

fn summary(name: &str, root: &Root) -> String {
    let running: usize = root.before.iter().map(|tree| tree.machines.len()).sum();
    let those = match running {
        0 => "no machine is known to run from another".to_owned(),
        1 => "1 machine runs from another, and keeps it".to_owned(),
        more => format!("{more} machines run from others, and keep them"),
    };
    format!("{name}: boots {} now; {those}", path(&root.now.directory))
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
                "  before: /srv/b, kept; run from it: lab-1 (4 s ago), 10.0.0.8 (5 min ago)",
                "  before: /srv/a, let go",
                "  before: /srv/d, cannot be opened",
                "  before: /srv/c, replaced at its path",
            ]
        );
        let root = image.root.unwrap();
        let said = summary("debian", &root);
        assert_eq!(
            said,
            "debian: boots /srv/c now; 2 machines run from others, and keep them"
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
