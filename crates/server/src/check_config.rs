//! `netroot check-config`: what is wrong in the configuration, and what each machine in it would boot.
//!
//! Beside what the files say by themselves it opens what they name: directories, kernels, images.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use netroot_printable::Printable;
use serde::Serialize;

use crate::catalog::{ArrivedAt, Assigned, Catalog, KnownMachine};
use crate::cli::CheckConfigArgs;
use crate::config::{self, Mistake, Mistakes};
use crate::generations;
use crate::json;
use crate::serve::config_files::Snapshot;
use crate::serve::opened::Opened;
use crate::settings::{
    ConfigPlace, ImageSettings, MachineSettings, NetworkSettings, Origin, Settings,
};

/// Exits with 1 if there is a mistake.
pub(crate) fn run(args: &CheckConfigArgs) -> Result<ExitCode> {
    let place = ConfigPlace::of_file(args.config.clone());
    let snapshot = Snapshot::read(&place)?;
    if snapshot.files.is_empty() {
        bail!("there is no configuration {}", place.file.display());
    }
    let checked = check(&place, &snapshot);
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
    mistakes: Vec<FoundMistake>,
    images: Vec<FoundImage>,
    machines: Vec<FoundMachine>,
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
struct FoundMachine {
    name: String,
    identities: Vec<String>,
    address: Option<Ipv4Addr>,
    /// One, or one for each interface where that makes a difference.
    boots: Vec<FoundChoice>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct FoundChoice {
    /// `None`: wherever it is.
    interface: Option<String>,
    boots: String,
    why: String,
    append: Option<String>,
}

#[derive(Debug, Serialize)]
struct FoundRule {
    origin: String,
    boots: Option<String>,
}

fn check(place: &ConfigPlace, snapshot: &Snapshot) -> Checked {
    let settings = match config::parse(place, &snapshot.files) {
        Ok(mut settings) => {
            generations::add(&mut settings.catalog);
            settings
        }
        Err(Mistakes(mistakes)) => {
            return Checked {
                mistakes: mistakes.into_iter().map(FoundMistake::from).collect(),
                ..Checked::default()
            };
        }
    };
    let mut mistakes = Vec::new();
    let mut images = Vec::new();
    for image in &settings.catalog.images {
        match Opened::open(image) {
            Ok(opened) => images.push(opened.image(image, settings.nfs_port, Arc::from([]))),
            Err(error) => mistakes.push(cannot_open(image, place, &error)),
        }
    }
    let catalog = Catalog::new(
        images,
        settings.catalog.machines.clone(),
        settings.catalog.rules.clone(),
        settings.catalog.default.clone(),
        settings.catalog.menu.clone(),
    );
    match catalog {
        Ok(catalog) => found(&settings, &catalog, mistakes),
        Err(error) => {
            // Names of images that cannot be opened are missed, which is said already.
            if mistakes.is_empty() {
                mistakes.push(Mistake {
                    path: place.file.clone(),
                    line: 1,
                    about: String::new(),
                    text: error.to_string(),
                });
            }
            Checked {
                mistakes: mistakes.into_iter().map(FoundMistake::from).collect(),
                ..Checked::default()
            }
        }
    }
}

fn cannot_open(
    image: &ImageSettings,
    place: &ConfigPlace,
    error: &dyn std::error::Error,
) -> Mistake {
    let (path, line) = match &image.origin {
        Origin::File { path, line } => (path.clone(), *line),
        Origin::CommandLine => (place.file.clone(), 1),
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let _ = write!(text, ": {deeper}");
        cause = deeper.source();
    }
    let name = image.name.as_deref().unwrap_or_default();
    Mistake {
        path,
        line,
        about: format!("image.{name}"),
        text,
    }
}

fn found(settings: &Settings, catalog: &Catalog, mistakes: Vec<Mistake>) -> Checked {
    let images = catalog.images().map(|image| FoundImage {
        name: image.name.clone(),
        kind: image.kind.word(),
        kernel: image.linux().map(str::to_owned),
    });
    let machines = settings.catalog.machines.iter();
    let machines = machines.map(|machine| found_machine(machine, &settings.networks, catalog));
    let rules = settings.catalog.rules.iter().map(|rule| FoundRule {
        origin: rule.origin.to_string(),
        boots: rule.choice.as_ref().map(ToString::to_string),
    });
    let nobody = catalog.assign(&KnownMachine::default(), &arrived(""));
    let default = match &settings.catalog.default {
        Some(choice) => choice.to_string(),
        None => nobody.boots.to_string(),
    };
    Checked {
        mistakes: mistakes.into_iter().map(FoundMistake::from).collect(),
        images: images.collect(),
        machines: machines.collect(),
        rules: rules.collect(),
        default,
    }
}

/// The server's address there does not matter to who boots what.
fn arrived(interface: &str) -> ArrivedAt<'_> {
    ArrivedAt {
        interface,
        server: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

fn found_machine(
    machine: &MachineSettings,
    networks: &[NetworkSettings],
    catalog: &Catalog,
) -> FoundMachine {
    let known = KnownMachine {
        mac: machine.macs.first().copied(),
        uuid: machine.uuid,
        serial: machine.serial.clone(),
        client_ids: machine.client_id.iter().cloned().collect(),
        address: machine.address.map(IpAddr::V4),
        ..KnownMachine::default()
    };
    let choice = |interface: Option<&str>| {
        let arrived = arrived(interface.unwrap_or_default());
        let Assigned {
            boots, why, append, ..
        } = catalog.assign(&known, &arrived);
        FoundChoice {
            interface: interface.map(str::to_owned),
            boots: boots.to_string(),
            why: why.to_string(),
            append,
        }
    };
    let interfaces = networks.iter().filter_map(|it| it.interface.as_deref());
    let mut boots: Vec<FoundChoice> = interfaces.map(|it| choice(Some(it))).collect();
    let same = |one: &FoundChoice| {
        boots
            .first()
            .is_none_or(|it| it.boots == one.boots && it.append == one.append)
    };
    if boots.iter().all(same) {
        boots = vec![FoundChoice {
            interface: None,
            ..choice(networks.first().and_then(|it| it.interface.as_deref()))
        }];
    }
    let macs = machine.macs.iter().map(ToString::to_string);
    let uuid = machine.uuid.iter().map(ToString::to_string);
    let serial = machine
        .serial
        .iter()
        .map(|serial| format!("serial {serial}"));
    FoundMachine {
        name: machine.name.clone(),
        identities: macs.chain(uuid).chain(serial).collect(),
        address: machine.address,
        boots,
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
            let whom = machine.identities.join(", ");
            let at = machine.address.map(|address| format!(" at {address}"));
            for choice in &machine.boots {
                let on = choice.interface.as_ref().map(|name| format!(" on {name}"));
                let append = choice.append.as_ref().map(|it| format!(", with {it}"));
                let _ = writeln!(
                    text,
                    "  {:<16} {}{}{}: {} ({}){}",
                    machine.name,
                    Printable(&whom),
                    at.as_deref().unwrap_or_default(),
                    on.unwrap_or_default(),
                    choice.boots,
                    choice.why,
                    Printable(&append.unwrap_or_default())
                );
            }
        }
        text += "\nother machines:\n";
        for rule in &self.rules {
            let boots = rule.boots.as_deref().unwrap_or("see the next rules");
            let _ = writeln!(text, "  the rule at {}: {boots}", rule.origin);
        }
        let _ = writeln!(text, "  else: {}", self.default);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A configuration in `folder`, in which `/srv` is that folder.
    fn checked(folder: &Path, main: &str) -> Checked {
        let place = ConfigPlace::of_file(folder.join("netroot.toml"));
        let text = main.replace("/srv", &folder.display().to_string());
        fs::write(&place.file, text).unwrap();
        check(&place, &Snapshot::read(&place).unwrap())
    }

    fn shown(folder: &Path, checked: &Checked) -> String {
        let place = ConfigPlace::of_file(folder.join("netroot.toml"));
        let text = checked.text(&place, 1);
        text.replace(&folder.display().to_string(), "/srv")
    }

    #[test]
    fn every_machine_is_shown_with_what_it_would_boot_and_why() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("vmlinuz"), "a kernel").unwrap();
        let main = r#"default = "wait"
[[network]]
interface = "eth0"
[[network]]
interface = "eth1"
[image.local]
local-disk = true
[image.rescue]
kernel-file = "/srv/vmlinuz"
[machine.a]
mac = "02:00:00:00:00:01"
boot = "rescue"
append = "quiet"
[machine.b]
serial = "17"
[[rule]]
interface = "eth1"
boot = "local"
"#;
        let checked = checked(folder, main);
        assert_eq!(
            shown(folder, &checked),
            "/srv/netroot.toml: valid\n\nimages:\n  local            local-disk\n  rescue           kernel\n\n\
             machines:\n  a                02:00:00:00:00:01: rescue (machine a (/srv/netroot.toml:10)), with quiet\n  \
             b                serial 17 on eth0: wait (the default)\n  \
             b                serial 17 on eth1: local (the rule at /srv/netroot.toml:16)\n\n\
             other machines:\n  the rule at /srv/netroot.toml:16: local\n  else: wait\n"
        );
    }

    #[test]
    fn what_cannot_be_opened_is_a_mistake_at_its_image() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let checked = checked(
            folder,
            "[image.a]\nroot = \"/srv/absent\"\n[image.b]\nkernel-file = \"/srv/absent\"\n[image.c]\nlocal-disk = true\n",
        );
        let text = shown(folder, &checked);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].starts_with("/srv/netroot.toml:1: image.a: "),
            "{text}"
        );
        assert!(
            lines[1].starts_with("/srv/netroot.toml:3: image.b: "),
            "{text}"
        );
        assert!(text.matches("No such file").count() == 2, "{text}");
    }
}
