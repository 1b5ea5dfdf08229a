//! `netroot`: the boot server and its tools in one binary.

#![forbid(unsafe_code)]

mod check_kernel;
mod cli;
mod embedded_init;
mod explain;
mod initrd_command;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args)
            .map(|()| ExitCode::SUCCESS)
            .map_err(anyhow::Error::from),
        Command::Initrd(args) => initrd_command::run(&args).map(|()| ExitCode::SUCCESS),
        Command::CheckKernel(args) => check_kernel::run(&args.file, args.json),
        Command::Explain(args) => explain::run(&args.command_line, args.json),
    };
    done.unwrap_or_else(|error| {
        // The chain once, outermost first.
        eprintln!("netroot: {error:#}");
        ExitCode::FAILURE
    })
}
