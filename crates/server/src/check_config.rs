//! `netroot check-config`: what is wrong in the configuration, and what it means.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::CheckConfigArgs;
use crate::config::{self, Mistakes};
use crate::serve::configuration::Snapshot;
use crate::settings::{ConfigPlace, Settings};

/// Exits with 1 if there is a mistake.
pub(crate) fn run(args: &CheckConfigArgs) -> Result<ExitCode> {
    let place = ConfigPlace::of_file(args.config.clone());
    let snapshot = Snapshot::read(&place)?;
    if snapshot.files.is_empty() {
        bail!("there is no configuration {}", place.file.display());
    }
    let parsed = config::parse(&place, &snapshot.files);
    let code = match parsed {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    };
    match &parsed {
        Ok(settings) => print!("{}", text(settings, snapshot.files.len())),
        Err(Mistakes(mistakes)) => {
            for mistake in mistakes {
                println!("{mistake}");
            }
        }
    }
    Ok(code)
}

fn text(settings: &Settings, files: usize) -> String {
    let catalog = &settings.catalog;
    format!(
        "{files} files: {} images, {} machines, {} rules\n",
        catalog.images.len(),
        catalog.machines.len(),
        catalog.rules.len()
    )
}
