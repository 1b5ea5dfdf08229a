//! Writes the manual pages and the shells' completions of `netroot` into a folder: `manual FOLDER`.
//!
//! `cargo xtask package` runs it. It is no part of `netroot`, whose size it would add to.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

fn main() -> ExitCode {
    let done = std::env::args_os()
        .nth(1)
        .context("usage: manual FOLDER")
        .and_then(|folder| write_all(&PathBuf::from(folder)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manual: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut netroot::command_line(), "netroot", folder)
            .with_context(|| format!("write the completions for {shell}"))?;
    }
    let mut command = netroot::command_line().disable_help_subcommand(true);
    // Names the subcommands' pages and fills their usage: `netroot-serve`.
    command.build();
    write_page(&command, folder)?;
    for subcommand in command.get_subcommands() {
        write_page(subcommand, folder)?;
    }
    Ok(())
}

fn write_page(command: &Command, folder: &Path) -> Result<()> {
    let page = Man::new(command.clone())
        .source(concat!("netroot ", env!("CARGO_PKG_VERSION")))
        .manual("netroot");
    let file = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    if command.get_arguments().next().is_some() {
        page.render_options_section(&mut text)?;
    }
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    examples(command).to_writer(&mut text)?;
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}

/// What `--help` shows last, with its line breaks; clap_mangen would fill its lines, under the heading EXTRA.
fn examples(command: &Command) -> Roff {
    let text = command.get_after_help().map(ToString::to_string);
    let text = text.unwrap_or_default();
    let (examples, notes) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut section = Roff::new();
    let examples = examples.trim_start_matches("Examples:\n");
    for (heading, text) in [("EXAMPLES", examples), ("NOTES", notes)] {
        if text.is_empty() {
            continue;
        }
        section.control("SH", [heading]).control("nf", []);
        for line in text.lines() {
            section.text([roman(line)]);
        }
        section.control("fi", []);
    }
    section
}
