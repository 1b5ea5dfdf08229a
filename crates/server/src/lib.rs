//! The boot server and its tools, as a library: what the program `netroot` is made of.
//!
//! [`Settings`] is everything that can be configured; [`serve`] serves it. The command line fills one network and one
//! image.

#![forbid(unsafe_code)]
// The fuzz targets reach a few parsers. Without an entry to the rest, the compiler makes no code of it, which takes minutes
// with coverage; but it is all dead code then.
#![cfg_attr(fuzzing, allow(dead_code, unused_imports))]

mod advice;
mod append;
mod catalog;
mod check;
mod check_config;
mod check_kernel;
mod cli;
mod client;
mod config;
mod confinement;
mod control_socket;
mod embedded_init;
mod error_chain;
mod explain;
#[cfg(fuzzing)]
pub mod fuzzing;
mod generations;
mod http_client;
mod http_url;
mod initrd_command;
mod json;
mod live_folder;
mod option_value;
mod output_file;
mod serve;
mod serve_command;
mod serve_options;
mod settings;
mod signing_files;
mod swaps;
mod uki_command;
mod unified_image;

use std::process::ExitCode;

use clap::CommandFactory;
use netroot_printable::Printable;

pub use self::settings::{
    ApiSettings, HookSettings, HookUrl, HookUrlError, TcpApiSettings, TlsSettings,
};
pub use http_url::HttpUrlError;
pub use netroot_nfs_export::{HiddenPaths, HidePattern};
pub use settings::{
    Allow, CatalogSettings, Choice, ConfigPlace, DhcpSettings, Generations, ImageSettings,
    ImageSource, InitrdSource, IsolatedSettings, Location, MachineSettings, MenuSettings, Mode,
    NetworkSettings, Origin, RangeSettings, RootSettings, Rule, Settings, SwappedRoot, UkiSettings,
};

use cli::{Cli, Command};
use config::Mistakes;

/// Serves until SIGTERM or SIGINT. Confines the calling thread for good: call it from the only one.
///
/// # Errors
/// What cannot be served, in one sentence with its cause and what to do about it.
#[cfg(not(fuzzing))]
pub fn serve(settings: &Settings) -> anyhow::Result<()> {
    Ok(serve::run(settings, Vec::new())?)
}

/// The command line of `netroot`, from which the manual pages and the shells' completions are made.
#[cfg(not(fuzzing))]
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Gives up everything that [`serve`] gives up before it serves, as what `settings` describe would: for tests of what is
/// left. Call it from the only thread.
///
/// # Errors
/// What cannot be given up.
#[cfg(not(fuzzing))]
pub fn confine(settings: &Settings) -> anyhow::Result<()> {
    Ok(serve::confine(settings)?)
}

/// The program `netroot`: does what the command line of this process asks for.
#[cfg(not(fuzzing))]
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::of_process().command {
        Command::Serve(args) => serve_command::run(*args).map(|()| ExitCode::SUCCESS),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Status(args) => client::status::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Machines(args) => client::machines::machines(&args).map(|()| ExitCode::SUCCESS),
        Command::Images(args) => client::images::images(&args).map(|()| ExitCode::SUCCESS),
        Command::Image(args) => client::image::run(&args),
        Command::BootOnce(args) => client::order::boot_once(&args).map(|()| ExitCode::SUCCESS),
        Command::Assign(args) => client::order::assign(&args).map(|()| ExitCode::SUCCESS),
        Command::Bundle(args) => client::bundle::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Reload(args) => client::reload::run(&args),
        Command::Initrd(args) => initrd_command::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Uki(args) => uki_command::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check::run(&args),
        Command::CheckKernel(args) => check_kernel::run(&args.file, args.json),
        Command::Explain(args) => explain::run(&args.command_line, args.json),
    };
    done.unwrap_or_else(|error| {
        eprintln!("netroot: {}", shown(&error));
        ExitCode::FAILURE
    })
}

/// An error's chain once, outermost first; mistakes of a configuration on a line each. It may name files of a root that is
/// not the administrator's own.
fn shown(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for (number, cause) in error.chain().enumerate() {
        let between = if number == 0 { "" } else { ": " };
        match cause.downcast_ref::<Mistakes>() {
            Some(Mistakes(mistakes)) if mistakes.len() > 1 => {
                text += between.trim_end();
                for mistake in mistakes {
                    text += &format!("\n{}", Printable(&mistake.to_string()));
                }
            }
            _ => text += &format!("{between}{}", Printable(&cause.to_string())),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::config::Mistake;

    #[test]
    fn every_mistake_of_a_configuration_has_a_line() {
        let mistake = |line, text: &str| Mistake {
            path: "/etc/netroot/netroot.toml".into(),
            line,
            about: "machine.c".to_owned(),
            text: text.to_owned(),
        };
        let said = |mistakes| {
            let failed = Err::<(), _>(Mistakes(mistakes)).context("the configuration is not valid");
            shown(&failed.unwrap_err())
        };
        assert_eq!(
            said(vec![mistake(1, "a\nb")]),
            "the configuration is not valid: /etc/netroot/netroot.toml:1: machine.c: a\\nb"
        );
        assert_eq!(
            said(vec![mistake(1, "a"), mistake(7, "b")]),
            "the configuration is not valid:\n/etc/netroot/netroot.toml:1: machine.c: a\n/etc/netroot/netroot.toml:7: machine.c: b"
        );
    }
}
