//! `netroot check-config`: what is wrong in the configuration, and what each machine in it would boot.
//!
//! Beside what the files say by themselves it looks at what they name: directories, kernels, modules, certificates, interfaces
//! ([`crate::serve::preflight`]).

mod swapped;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use netroot_printable::Printable;
use serde::Serialize;

use crate::catalog::{ArrivedAt, Assigned, Catalog, KnownMachine, conditions};
use crate::cli::CheckConfigArgs;
use crate::config::{self, Mistake, Parsed};
use crate::confinement::identity;
use crate::generations;
use crate::json;
use crate::serve::config_files::Snapshot;
use crate::serve::preflight::{Host, Preflight, Then};
use crate::settings::{ConfigPlace, MachineSettings, NetworkSettings, Settings};

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
        Ok(catalog) => checked.boots(&settings, &catalog),
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
    fn boots(&mut self, settings: &Settings, catalog: &Catalog) {
        let images = catalog.images().map(|image| FoundImage {
            name: image.name.clone(),
            kind: image.kind.word(),
            kernel: image.linux().map(str::to_owned),
        });
        self.images = images.collect();
        let machines = settings.catalog.machines.iter();
        let machines = machines.map(|machine| found_machine(machine, &settings.networks, catalog));
        self.machines = machines.collect();
        let rules = settings.catalog.rules.iter().map(|rule| FoundRule {
            origin: rule.origin.to_string(),
            conditions: conditions(rule),
            boots: rule.choice.as_ref().map(ToString::to_string),
        });
        self.rules = rules.collect();
        let nobody = catalog.assign(&KnownMachine::default(), &arrived(""));
        self.default = match &settings.catalog.default {
            Some(choice) => choice.to_string(),
            None => nobody.boots.to_string(),
        };
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
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A configuration in `folder`, in which `/srv` is that folder.
    fn checked(folder: &Path, main: &str) -> Checked {
        let place = ConfigPlace::of_file(folder.join("netroot.toml"));
        let text = main.replace("/srv", &folder.display().to_string());
        fs::write(&place.file, text).unwrap();
        check(&place, &Snapshot::read(&place).unwrap(), None, false)
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
             b                serial 17 on eth1: local (the rule at /srv/netroot.toml:16 for interface eth1)\n\n\
             other machines:\n  interface eth1: local (the rule at /srv/netroot.toml:16)\n  else: wait\n"
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
            lines[0].starts_with("/srv/netroot.toml:2: image.a.root: "),
            "{text}"
        );
        assert!(
            lines[1].starts_with("/srv/netroot.toml:4: image.b.kernel-file: "),
            "{text}"
        );
        assert!(text.matches("No such file").count() == 2, "{text}");
    }
}
