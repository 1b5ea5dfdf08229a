//! The files that the package installs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::release::{CONFIGURATION_FILE, Release};
use super::tree::{make_folder, set_mode, write};
use crate::architecture::Architecture;
use crate::build;
use crate::run::{output, run};

const UNIT: &str = include_str!("netroot.service");
const USER: &str = include_str!("sysusers.conf");
const CONFIGURATION: &str = include_str!("netroot.conf");
const EXAMPLE: &str = include_str!("../../../server/examples/netroot.toml");
const COPYRIGHT: &str = include_str!("copyright");

/// Where each shell looks for completions: what `manual` writes, and the file in the package.
const COMPLETIONS: [(&str, &str); 3] = [
    (
        "netroot.bash",
        "usr/share/bash-completion/completions/netroot",
    ),
    ("_netroot", "usr/share/zsh/vendor-completions/_netroot"),
    (
        "netroot.fish",
        "usr/share/fish/vendor_completions.d/netroot.fish",
    ),
];

/// Lays out the files below `tree`; `manual` is a directory for what is generated.
pub(super) fn lay_out(tree: &Path, manual: &Path, release: &Release) -> Result<()> {
    program(tree, release.architecture)?;
    write(&tree.join("usr/lib/systemd/system/netroot.service"), UNIT)?;
    write(&tree.join("usr/lib/sysusers.d/netroot.conf"), USER)?;
    write(&tree.join(CONFIGURATION_FILE), CONFIGURATION)?;
    build::manual(manual)?;
    let doc = tree.join("usr/share/doc/netroot");
    pages(tree, manual)?;
    for (generated, place) in COMPLETIONS {
        write(&tree.join(place), std::fs::read(manual.join(generated))?)?;
    }
    write(&doc.join("copyright"), copyright(release.architecture)?)?;
    write(&doc.join("examples/netroot.toml"), EXAMPLE)?;
    make_folder(&tree.join("etc/netroot/conf.d"))?;
    compressed(
        &doc.join("changelog.Debian"),
        release.changelog()?.as_bytes(),
    )?;
    let workspace = paths::workspace();
    for (source, name) in [
        ("CHANGELOG.md", "changelog"),
        ("README.md", "README.md"),
        ("crates/server/EVENTS.md", "EVENTS.md"),
    ] {
        let source = workspace.join(source);
        let text = std::fs::read(&source).with_context(|| format!("read {}", source.display()))?;
        compressed(&doc.join(name), &text)?;
    }
    Ok(())
}

fn program(tree: &Path, architecture: Architecture) -> Result<()> {
    let built = build::netroot_for(architecture)?;
    let folder = tree.join("usr/bin");
    make_folder(&folder)?;
    let program = folder.join("netroot");
    // The flags of dh_strip.
    run(Command::new(format!("{}-strip", architecture.gnu()))
        .args(["--strip-unneeded", "--remove-section=.comment"])
        .args(["--remove-section=.note", "-o"])
        .arg(&program)
        .arg(&built))?;
    set_mode(&program, 0o755)
}

fn pages(tree: &Path, manual: &Path) -> Result<()> {
    for file in std::fs::read_dir(manual)? {
        let file = file?.path();
        if file.extension().is_some_and(|section| section == "1") {
            let name = file.file_name().context("a page with a name")?;
            let place = tree.join("usr/share/man/man1").join(name);
            compressed(&place, &std::fs::read(&file)?)?;
        }
    }
    Ok(())
}

/// Writes `path` with `.gz` added, without a name or time in it.
fn compressed(path: &Path, content: &[u8]) -> Result<()> {
    write(path, content)?;
    run(Command::new("gzip").args(["-9n"]).arg(path))
}

/// With the licence of every crate in the server and in the inits.
fn copyright(architecture: Architecture) -> Result<String> {
    let mut crates = BTreeSet::new();
    for (package, target) in [
        ("netroot", architecture.target()),
        ("netroot-init", "x86_64-unknown-linux-musl"),
        ("netroot-init", "aarch64-unknown-linux-musl"),
    ] {
        let tree = output(
            Command::new("cargo")
                .args(["tree", "--package", package, "--target", target])
                .args(["--edges", "normal,no-proc-macro", "--prefix", "none"])
                .args(["--format", "{p}|{l}"])
                .current_dir(paths::workspace()),
        )?;
        crates.extend(tree.lines().filter_map(crate_line));
    }
    let crates: Vec<String> = crates.into_iter().collect();
    let mit = std::fs::read_to_string(paths::workspace().join("LICENSE-MIT"))?;
    Ok(COPYRIGHT
        .replace("@CRATES@\n", &crates.concat())
        .replace("@EXPAT@", &field(mit.trim())))
}

/// A line for a crate that is not of this work tree, from `serde v1.0.1|MIT OR Apache-2.0 (*)`.
fn crate_line(line: &str) -> Option<String> {
    let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
    let (name, rest) = package.split_once(" v")?;
    if rest.contains('/') {
        return None;
    }
    let version = rest.split_whitespace().next()?;
    Some(format!("  {name} {version}, {licence}\n"))
}

/// The text as the continuation of a field: an indented line each, a dot for an empty one.
fn field(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.trim_end() {
            "" => " .".to_owned(),
            line => format!(" {line}"),
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_others_is_a_line_with_its_licence() {
        let line = crate_line("serde v1.0.228|MIT OR Apache-2.0 (*)");
        assert_eq!(
            line.as_deref(),
            Some("  serde 1.0.228, MIT OR Apache-2.0\n")
        );
        let ours = "netroot-net v0.1.0 (/src/crates/net)|MIT OR Apache-2.0";
        assert_eq!(crate_line(ours), None);
    }

    #[test]
    fn an_empty_line_of_a_field_is_a_dot() {
        assert_eq!(field("a\n\nb  "), " a\n .\n b");
    }

    #[test]
    fn the_unit_allows_a_thread_for_each_nfs_connection_that_waits() {
        // Before: 256, which one client with 240 connections used up for everybody, since nobody else's could start.
        let tasks = UNIT.lines().find_map(|line| line.strip_prefix("TasksMax="));
        assert!(tasks.unwrap().parse::<usize>().unwrap() >= 1024 + 64);
    }

    #[test]
    fn the_unit_reads_the_file_that_is_installed() {
        let file = format!("EnvironmentFile=-/{}\n", CONFIGURATION_FILE);
        assert!(UNIT.contains(&file));
        for variable in ["ROOT=\n", "OPTIONS=\"\"\n"] {
            assert!(CONFIGURATION.contains(variable));
        }
    }
}
