//! `netroot check-config`: what is wrong in the configuration, and what each machine in it would boot.
//!
//! Beside what the files say by themselves it looks at what they name: directories, kernels, modules, certificates, interfaces
//! ([`crate::serve::preflight`]).

mod machines;
mod swapped;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use netroot_net::Mac;
use netroot_printable::Printable;
use serde::Serialize;

use self::machines::{FoundMachine, FoundOrder, Known};
use crate::catalog::{Catalog, KnownMachine, conditions};
use crate::cli::CheckConfigArgs;
use crate::config::{self, Mistake, Parsed};
use crate::confinement::identity;
use crate::generations;
use crate::json;
use crate::serve::config_files::Snapshot;
use crate::serve::machines::{Order, read_orders};
use crate::serve::preflight::{Host, Preflight, Then};
use crate::settings::{ConfigPlace, Settings};

/// Exits with 1 if there is a mistake.
pub(crate) fn run(args: &CheckConfigArgs) -> Result<ExitCode> {
    let place = ConfigPlace::of_file(args.config.clone());
    let snapshot = Snapshot::read(&place)?;
    if snapshot.files.is_empty() {
        bail!(
            "there is no configuration {}; write it, or name another with --config",
            place.file.display()
        );
    }
    let host = Host::this().context("cannot list the network interfaces")?;
    let checked = check(&place, &snapshot, Some(&host), true);
    match args.json {
        true => println!("{}", json::to_string(&checked)?),
        false => print!("{}", checked.text(&place, snapshot.files.len())),
    }
    Ok(match checked.mistakes.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Checked {
    /// What cannot be served: with any of them, nothing is.
    mistakes: Vec<FoundMistake>,
    /// What is served, and does not do what it seems to be for.
    warnings: Vec<FoundMistake>,
    images: Vec<FoundImage>,
    machines: Vec<FoundMachine>,
    /// What is ordered for machines that are not in the configuration by their hardware address.
    ordered: Vec<FoundOrder>,
    rules: Vec<FoundRule>,
    /// What a machine boots that nothing is for.
    default: String,
}

#[derive(Debug, Serialize)]
struct FoundMistake {
    file: String,
    line: usize,
    about: String,
    text: String,
    #[serde(skip)]
    shown: String,
}

#[derive(Debug, Serialize)]
struct FoundImage {
    name: String,
    kind: &'static str,
    /// The version of a root's kernel.
    kernel: Option<String>,
}

#[derive(Debug, Serialize)]
struct FoundRule {
    origin: String,
    /// All of them have to hold; none for every machine.
    conditions: Vec<String>,
    boots: Option<String>,
}

/// What is found; `host` is where it is to be served, and `builds` says whether initrds are looked at, too.
fn check(place: &ConfigPlace, snapshot: &Snapshot, host: Option<&Host>, builds: bool) -> Checked {
    let Parsed {
        mut settings,
        mut mistakes,
        mut doubts,
        places,
    } = config::read(place, &snapshot.files);
    doubts.extend(swapped::apply(&mut settings, &places));
    generations::at_start(&mut settings.catalog);
    let mut preflight = Preflight::new(&settings, &places);
    let opened = preflight.files(Then::Tell);
    if builds {
        // A server that may not start at all says so itself.
        preflight.initrds(&opened, identity::choose().ok().flatten());
    }
    preflight.hook();
    if let Some(host) = host {
        preflight.networks(host);
    }
    let images = opened.into_iter().map(|(_, image)| image).collect();
    let (more_mistakes, more_doubts) = (preflight.mistakes, preflight.doubts);
    mistakes.extend(more_mistakes);
    doubts.extend(more_doubts);
    places.sort(&mut mistakes);
    places.sort(&mut doubts);
    // The generations of a root are images of one table, and wrong in the same way.
    mistakes.dedup();
    let missing = generations::missing(&settings.catalog).into_iter();
    let missing = missing.map(|(image, by)| Mistake {
        path: place.file.clone(),
        line: 1,
        about: String::new(),
        text: format!(
            "{by} names the generation {image}, which is not in the root (any more): machines that are to boot it wait"
        ),
    });
    doubts.extend(missing);
    let orders = match read_orders(&settings.state) {
        Ok(orders) => orders,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                let state = settings.state.display();
                let text = format!(
                    "cannot read {state}/orders.json: {error}; what machines are ordered to boot is not shown"
                );
                doubts.extend(Mistake::at(&places.of_main(&[]), String::new(), text));
            }
            BTreeMap::new()
        }
    };
    let mut checked = Checked {
        mistakes: mistakes.into_iter().map(FoundMistake::from).collect(),
        warnings: doubts.into_iter().map(FoundMistake::from).collect(),
        ..Checked::default()
    };
    if !checked.mistakes.is_empty() {
        return checked;
    }
    let catalog = Catalog::new(
        images,
        settings.catalog.machines.clone(),
        settings.catalog.rules.clone(),
        settings.catalog.default.clone(),
        settings.catalog.menu.clone(),
    );
    let catalog = catalog.map(|it| it.with_secure_boot(settings.catalog.secure_boot));
    match catalog {
        Ok(catalog) => checked.boots(&settings, &catalog, &orders),
        Err(error) => checked.mistakes.push(FoundMistake::from(Mistake {
            path: place.file.clone(),
            line: 1,
            about: String::new(),
            text: error.to_string(),
        })),
    }
    checked
}

impl Checked {
    /// Who boots what.
    fn boots(&mut self, settings: &Settings, catalog: &Catalog, orders: &BTreeMap<Mac, Order>) {
        let images = catalog.images().map(|image| FoundImage {
            name: image.name.clone(),
            kind: image.kind.word(),
            kernel: image.linux().map(str::to_owned),
        });
        self.images = images.collect();
        let interfaces = settings.networks.iter();
        let interfaces = interfaces.map(|it| it.interface.as_deref()).collect();
        let known = Known {
            catalog,
            interfaces,
            orders,
        };
        let machines = settings.catalog.machines.iter();
        self.machines = machines.map(|machine| known.machine(machine)).collect();
        self.ordered = known.orders_of_others();
        let rules = settings.catalog.rules.iter().map(|rule| FoundRule {
            origin: rule.origin.to_string(),
            conditions: conditions(rule),
            boots: rule.choice.as_ref().map(ToString::to_string),
        });
        self.rules = rules.collect();
        let nobody = catalog.assign(&KnownMachine::default(), &machines::arrived(""));
        self.default = match &settings.catalog.default {
            Some(choice) => choice.to_string(),
            None => nobody.boots.to_string(),
        };
    }
}

impl From<Mistake> for FoundMistake {
    fn from(mistake: Mistake) -> Self {
        Self {
            shown: mistake.to_string(),
            file: mistake.path.display().to_string(),
            line: mistake.line,
            about: mistake.about,
            text: mistake.text,
        }
    }
}

impl Checked {
    fn text(&self, place: &ConfigPlace, files: usize) -> String {
        let mut text = String::new();
        for mistake in &self.mistakes {
            let _ = writeln!(text, "{}", mistake.shown);
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {}", warning.shown);
        }
        if !self.mistakes.is_empty() {
            return text;
        }
        let drop_ins = match files {
            1 => String::new(),
            2 => " and one drop-in".to_owned(),
            more => format!(" and {} drop-ins", more - 1),
        };
        let _ = writeln!(text, "{}{drop_ins}: valid\n\nimages:", place.file.display());
        for image in &self.images {
            let kernel = image.kernel.as_ref().map(|it| format!(", Linux {it}"));
            let kernel = kernel.unwrap_or_default();
            let (name, kind) = (&image.name, image.kind);
            let _ = writeln!(text, "  {name:<16} {kind}{}", Printable(&kernel));
        }
        if !self.machines.is_empty() {
            text += "\nmachines:\n";
        }
        for machine in &self.machines {
            let _ = write!(text, "{machine}");
        }
        text += "\nother machines:\n";
        for ordered in &self.ordered {
            let _ = writeln!(text, "  {ordered}");
        }
        for rule in &self.rules {
            let boots = rule.boots.as_deref().unwrap_or("what the next rules say");
            let whom = match rule.conditions.as_slice() {
                [] => "all".to_owned(),
                conditions => conditions.join(", "),
            };
            let (whom, origin) = (Printable(&whom), &rule.origin);
            let _ = writeln!(text, "  {whom}: {boots} (the rule at {origin})");
        }
        let _ = writeln!(text, "  else: {}", self.default);
        text
    }
}

#[cfg(test)]
mod tests;
