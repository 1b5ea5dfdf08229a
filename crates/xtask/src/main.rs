//! `cargo xtask`: what a person does with this work tree.

#![forbid(unsafe_code)]

mod run;
mod setup;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "What a person does with this work tree")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the other commands need; they do this first by themselves.
    Setup {
        /// Only make the Debian root.
        #[arg(long)]
        debian_root_only: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Setup {
            debian_root_only: true,
        } => setup::make_debian_root(),
        Task::Setup {
            debian_root_only: false,
        } => setup::run(),
    }
}
