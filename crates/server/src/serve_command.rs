//! `netroot serve`: the settings, from the command line or from files, and then the server.

use anyhow::{Context, Result, anyhow, bail};
use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::advice::Advice;
use crate::cli::{Cli, ServeArgs};
use crate::config::{self, Mistake, Mistakes, Parsed, Places};
use crate::error_chain::with_causes;
use crate::serve::config_files::Snapshot;
use crate::serve::preflight::{Preflight, Then};
use crate::serve::{ServeError, without_file};
use crate::settings::{CONFIG, ConfigPlace, Settings, once_each};
use crate::swaps;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: ServeArgs) -> Result<()> {
    // Which network the range is for is not said.
    let options = &args.options;
    let is_ambiguous =
        !options.isolated.is_empty() && !options.dhcp.is_empty() && options.interface.is_empty();
    let (settings, left_out) = match &args.dir {
        Some(_) => (given(args)?, Vec::new()),
        None => configured(args)?,
    };
    let advice = Advice::of(&settings);
    crate::serve::run(&settings, left_out).map_err(|error| match error {
        ServeError::Interface(_) | ServeError::Role(_) if is_ambiguous => {
            anyhow::Error::from(error).context(
                "--dhcp is for the interface beside the isolated ones, which give their own addresses: leave --dhcp out, or name that interface with --interface",
            )
        }
        error => anyhow!(advice.told(with_causes(&error)).into_owned()),
    })
}

/// What the command line says.
fn given(args: ServeArgs) -> Result<Settings> {
    let settings = Settings::from(args);
    once_each(&settings)?;
    Ok(settings)
}

/// The settings with the roots that were swapped.
fn swapped(mut settings: Settings) -> Settings {
    // What is wrong with the file is told by the start.
    let _ = swaps::file::at_start(&mut settings);
    settings
}

/// What can be served of it on this machine: drop-ins that name what is not there are left out, and told.
///
/// # Errors
/// Such mistakes in the main file.
fn without_mistakes(mut settings: Settings, places: &Places) -> Result<(Settings, Vec<Mistake>)> {
    let mut left_out = Vec::new();
    loop {
        let mut preflight = Preflight::new(&settings, places);
        preflight.files(Then::Serve);
        let mut mistakes = preflight.mistakes;
        if mistakes.is_empty() {
            return Ok((settings, left_out));
        }
        places.sort(&mut mistakes);
        let mut paths: Vec<_> = mistakes.iter().map(|mistake| &mistake.path).collect();
        paths.dedup();
        let left = paths
            .into_iter()
            .try_fold(settings.clone(), |left, path| without_file(&left, path));
        let Some(left) = left else {
            return Err(Mistakes(mistakes)).context("the configuration cannot be served");
        };
        settings = left;
        left_out.extend(mistakes);
    }
}

/// What the files say, and what is wrong with drop-ins that are left out. `--json` and `--control` are the caller's own
/// affair.
fn configured(args: ServeArgs) -> Result<(Settings, Vec<String>)> {
    let is_named = args.config.is_some();
    let file = args.config.unwrap_or_else(|| CONFIG.into());
    let place = ConfigPlace::of_file(file);
    let snapshot = Snapshot::read(&place)?;
    if snapshot.files.is_empty() {
        let file = place.file.display();
        if is_named {
            bail!("cannot serve: there is no file {file}");
        }
        // As a mistake of the command line, which a service manager does not try again.
        Cli::command()
            .error(
                ErrorKind::MissingRequiredArgument,
                format!(
                    "no directory is given, and there is no configuration {file}; name the directory of a root, such as `netroot serve /srv/debian`, or write that file"
                ),
            )
            .exit();
    }
    let (
        Parsed {
            settings, places, ..
        },
        mut left_out,
    ) = config::parse_to_start(&place, &snapshot.files)
        .context("the configuration is not valid")?;
    // What is wrong with a root that was swapped is told, and the configured one served.
    let (mut settings, mistakes) = without_mistakes(swapped(settings), &places)?;
    left_out.extend(mistakes);
    settings.json |= args.json;
    settings.control = args.control.or(settings.control);
    let left_out = left_out.iter().map(ToString::to_string).collect();
    Ok((settings, left_out))
}
