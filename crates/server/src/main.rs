//! `netroot`: the boot server and its tools in one binary.

#![forbid(unsafe_code)]

mod cli;
mod embedded_init;
mod initrd_command;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args).map_err(anyhow::Error::from),
        Command::Initrd(args) => initrd_command::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain once, outermost first.
            eprintln!("netroot: {error:#}");
            ExitCode::FAILURE
        }
    }
}
