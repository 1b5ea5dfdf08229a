//! Everything that the other commands need from the machine, installed once.
//!
//! It says what it will do and why before it does it, does only what is missing, and
//! never asks. Without root it does what it may and prints the commands for the rest.

mod debian_root;
mod layer;
mod packages;
mod recipe;
mod toolchain;

use anyhow::{Result, bail};

/// One thing that is missing and can be done.
trait Step {
    /// What will be done, and why: one line each.
    fn plan(&self) -> Vec<String>;
    /// Whether it changes the system and not only this user's files.
    fn needs_root(&self) -> bool;
    /// The command lines that do it, for a person.
    fn commands(&self) -> Vec<String>;
    /// Does it.
    fn run(&self) -> Result<()>;
}

/// Brings this machine to where the other commands work.
///
/// # Errors
/// When a step fails, or when something is missing that needs root and this is not.
pub(crate) fn run() -> Result<()> {
    take(missing()?)
}

/// The same, and what the tests alone need: more programs in that root.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_tests() -> Result<()> {
    let mut steps = missing()?;
    if let Some(step) = layer::missing() {
        steps.push(Box::new(step));
    }
    take(steps)
}

fn take(steps: Vec<Box<dyn Step>>) -> Result<()> {
    if steps.is_empty() {
        println!("set-up: complete, nothing to install");
        return Ok(());
    }
    println!("set-up: this machine still needs:");
    for line in steps.iter().flat_map(|step| step.plan()) {
        println!("  {line}");
    }
    let is_root = nix::unistd::geteuid().is_root();
    let (ours, theirs): (Vec<_>, Vec<_>) = steps
        .into_iter()
        .partition(|step| is_root || !step.needs_root());
    for step in ours {
        for command in step.commands() {
            println!("set-up: $ {command}");
        }
        step.run()?;
    }
    if theirs.is_empty() {
        println!("set-up: complete");
        return Ok(());
    }
    let commands: Vec<String> = theirs
        .iter()
        .flat_map(|step| step.commands())
        .map(|command| format!("  sudo {command}"))
        .collect();
    bail!(
        "the rest needs root. As root, or with sudo, run:\n{}\nand then this command again",
        commands.join("\n")
    );
}

fn missing() -> Result<Vec<Box<dyn Step>>> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    if let Some(step) = packages::missing()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = toolchain::missing()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = debian_root::missing()? {
        steps.push(Box::new(step));
    }
    Ok(steps)
}

/// Makes the Debian root alone: what a user without root is told to run with sudo.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_debian_root() -> Result<()> {
    match debian_root::missing()? {
        None => {
            println!("set-up: the Debian root is complete");
            Ok(())
        }
        Some(step) => step.run(),
    }
}

/// Makes the layer of the tests alone, for the same user.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_tests_layer() -> Result<()> {
    match layer::missing() {
        None => {
            println!("set-up: the layer of the tests is complete");
            Ok(())
        }
        Some(step) => step.run(),
    }
}
