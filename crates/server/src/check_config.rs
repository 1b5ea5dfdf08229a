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

    /// What is shown of the machines, and of all others, with this in the state folder's orders.
    fn machines(main: &str, orders: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir(folder.join("state")).unwrap();
        fs::write(folder.join("state/orders.json"), orders).unwrap();
        let main = format!(
            "default = \"wait\"\n[server]\nstate = \"/srv/state\"\n[image.local]\nlocal-disk = true\n[image.other]\nlocal-disk = true\n{main}"
        );
        let checked = checked(folder, &main);
        let text = shown(folder, &checked);
        let (_, machines) = text.split_once("\n\nmachines:\n").expect(&text);
        machines.to_owned()
    }

    #[test]
    fn a_machine_has_all_its_identities_and_each_hardware_address_its_rules() {
        let main = r#"[machine.a]
mac = ["02:00:00:00:00:01", "02:00:00:00:01:02"]
uuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
client-id = "01:02:00:00:00:00:01"
[machine.b]
client-id = "bench"
[[rule]]
mac = "02:00:00:00:01"
boot = "local"
"#;
        assert_eq!(
            machines(main, "{}"),
            "  a                02:00:00:00:00:01, 02:00:00:00:01:02, 1b4e28ba-2fa1-11d2-883f-0016d3cca427, client-id 01:02:00:00:00:00:01 \
             by 02:00:00:00:00:01: wait (the default)\n  \
             a                02:00:00:00:00:01, 02:00:00:00:01:02, 1b4e28ba-2fa1-11d2-883f-0016d3cca427, client-id 01:02:00:00:00:00:01 \
             by 02:00:00:00:01:02: local (the rule at /srv/netroot.toml:14 for mac 02:00:00:00:01)\n  \
             b                client-id bench: if mac 02:00:00:00:01: local (the rule at /srv/netroot.toml:14); else wait (the default)\n\n\
             other machines:\n  mac 02:00:00:00:01: local (the rule at /srv/netroot.toml:14)\n  else: wait\n"
        );
    }

    #[test]
    fn a_rule_by_what_is_known_when_a_machine_asks_is_a_condition() {
        let main = r#"[machine.a]
mac = "02:00:00:00:00:01"
append = "who=a"
[machine.b]
mac = "02:00:00:00:00:02"
address = "10.0.0.7"
[machine.c]
mac = "02:00:00:00:00:03"
boot = "other"
[[rule]]
vendor-class = "PXEClient"
append = "quiet"
[[rule]]
arch = "efi-arm64"
mac = "02:00:00:00:00"
boot = "local"
[[rule]]
arch = "bios"
mac = "02:00:00:00:09"
boot = "menu"
[[rule]]
subnet = "10.0.0.0/24"
circuit = "rack-3"
boot = "refuse"
[[rule]]
subnet = "10.0.0.0/24"
boot = "local"
[[rule]]
arch = "bios"
boot = "menu"
"#;
        let text = machines(main, "{}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "  a                02:00:00:00:00:01: if vendor-class PXEClient: with quiet, too (the rule at /srv/netroot.toml:17); \
                 if arch efi-arm64: local (the rule at /srv/netroot.toml:20); \
                 if subnet 10.0.0.0/24, circuit rack-3: refuse (the rule at /srv/netroot.toml:28); \
                 if subnet 10.0.0.0/24: local (the rule at /srv/netroot.toml:32); \
                 if arch bios: menu (the rule at /srv/netroot.toml:35); else wait (the default), with who=a",
                "  b                02:00:00:00:00:02 at 10.0.0.7: if vendor-class PXEClient: with quiet, too (the rule at /srv/netroot.toml:17); \
                 if arch efi-arm64: local (the rule at /srv/netroot.toml:20); \
                 if circuit rack-3: refuse (the rule at /srv/netroot.toml:28); \
                 else local (the rule at /srv/netroot.toml:32 for subnet 10.0.0.0/24)",
                "  c                02:00:00:00:00:03: other (machine c (/srv/netroot.toml:14))",
            ]
        );
    }

    #[test]
    fn what_is_ordered_comes_before_the_configuration() {
        let main = r#"[machine.a]
mac = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
boot = "other"
[machine.b]
mac = "02:00:00:00:00:03"
[[rule]]
arch = "bios"
boot = "menu"
"#;
        let orders = r#"{
"02:00:00:00:00:01": {"once": "local"}, "02:00:00:00:00:02": {"image": "gone"},
"02:00:00:00:00:03": {"once": "other", "image": "local"},
"02:00:00:00:00:04": {"image": "local"}, "02:00:00:00:00:05": {"once": "gone"},
"02:00:00:00:00:06": {"trial": null}
}"#;
        assert_eq!(
            machines(main, orders),
            "  a                02:00:00:00:00:01, 02:00:00:00:00:02 by 02:00:00:00:00:01: local (ordered for one boot), then other (machine a (/srv/netroot.toml:8))\n  \
             a                02:00:00:00:00:01, 02:00:00:00:00:02 by 02:00:00:00:00:02: other (machine a (/srv/netroot.toml:8))\n  \
             b                02:00:00:00:00:03: other (ordered for one boot), then local (ordered)\n\n\
             other machines:\n  02:00:00:00:00:04: local (ordered)\n  \
             arch bios: menu (the rule at /srv/netroot.toml:13)\n  else: wait\n"
        );
        // A file that makes no sense is told, and left where it is.
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir(folder.join("state")).unwrap();
        fs::write(folder.join("state/orders.json"), "[").unwrap();
        let main = "[server]\nstate = \"/srv/state\"\n[image.local]\nlocal-disk = true\n";
        let text = shown(folder, &checked(folder, main));
        assert!(
            text.contains("warning: /srv/netroot.toml:1: cannot read /srv/state/orders.json: ")
                && text.contains("; what machines are ordered to boot is not shown"),
            "{text}"
        );
        assert!(folder.join("state/orders.json").exists());
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
