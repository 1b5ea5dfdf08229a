//! Scripts and boot loaders' configurations, made for the machine that asks.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Bytes;
use netroot_net::Mac;

use super::ArtifactStore;
use super::asking::Asking;
use crate::append::Values;
use crate::catalog::{ArrivedAt, Assigned, Boots, Catalog, Image, ImageKind, Recipient};
use crate::serve::artifacts::artifact::{Artifact, Chosen, FileKind, Follows};
use crate::serve::artifacts::content::Content;
use crate::serve::artifacts::script::{self, Menu};
use crate::settings::Choice;

/// How a loader's configuration is written.
struct Syntax {
    image: fn(&Image, &Recipient<'_>) -> String,
    menu: fn(&Menu<'_>, &Recipient<'_>, bool) -> String,
    /// For a machine that waits: what it does, and why.
    wait: fn(Option<Mac>, &str, &str) -> String,
    /// For one that boots nothing from here.
    refuse: fn(Option<Mac>, &str, &str) -> String,
}

impl ArtifactStore {
    /// What iPXE loads of its own accord, before it is known what the machine boots.
    pub(super) fn autoexec(&self, catalog: &Catalog, arrived: &ArrivedAt<'_>) -> Artifact {
        let server = SocketAddr::new(arrived.server, self.http_port);
        text(script::autoexec(server, catalog.offers_shell()), None)
    }

    /// iPXE's script.
    pub(super) fn script(&self, catalog: &Catalog, asking: &Asking<'_>) -> Artifact {
        let server = self.server(asking);
        let assigned = self.assign_in_script(catalog, asking);
        let (mac, why) = (asking.machine.mac, assigned.why.to_string());
        if let Some(why) = unfit(&assigned, asking) {
            let script = script::wait(server, mac, &why, self.place());
            return chosen(Boots::Wait, why, text(script, mac));
        }
        let script = match assigned.boots {
            Boots::Image(image) => {
                let image = self.for_nic(assigned.with_append(image), asking.machine);
                self.with_recipient(asking, &assigned, |to| script::boot(&image, to))
            }
            Boots::Menu => {
                let shell = menu_offers_shell(catalog, &assigned);
                script::menu::ipxe(&menu(catalog, &assigned), server, mac, shell)
            }
            Boots::Wait => script::wait(server, mac, &why, self.place()),
            Boots::Refuse => script::refuse(server, mac, &why),
        };
        chosen(assigned.boots, why, text(script, mac))
    }

    /// The script for an image that was chosen in the menu. Nothing else can be chosen, and by no other machine.
    pub(super) fn chosen_script(
        &self,
        catalog: &Catalog,
        asking: &Asking<'_>,
        chosen: &str,
    ) -> Option<Artifact> {
        let assigned = self.assign_in_script(catalog, asking);
        let mut images = catalog.in_menu_of(&assigned).into_iter();
        let image = match assigned.boots {
            Boots::Menu => images.find(|image| image.name == chosen)?,
            _ => return None,
        };
        if let Some(why) = image.is_for_another_processor(asking.machine.platform) {
            let (server, mac) = (self.server(asking), asking.machine.mac);
            let script = script::wait(server, mac, &why, self.place());
            return Some(self::chosen(Boots::Wait, why, text(script, mac)));
        }
        let image = self.for_nic(assigned.with_append(image), asking.machine);
        let script = self.with_recipient(asking, &assigned, |to| script::boot(&image, to));
        let why = "chosen in the menu".to_owned();
        let script = text(script, asking.machine.mac);
        Some(self::chosen(Boots::Image(&image), why, script))
    }

    /// The same in PXELINUX's syntax.
    pub(super) fn pxelinux(&self, catalog: &Catalog, asking: &Asking<'_>) -> Artifact {
        let syntax = Syntax {
            image: script::pxelinux,
            menu: script::pxelinux_menu,
            wait: script::pxelinux_nothing,
            refuse: script::pxelinux_nothing,
        };
        self.configuration(catalog, asking, &syntax)
    }

    /// The same in GRUB's syntax. Who is not known says who it is: GRUB knows its MAC.
    pub(super) fn grub(&self, catalog: &Catalog, asking: &Asking<'_>) -> Artifact {
        if asking.machine.mac.is_none() {
            return text(script::grub_unknown().to_owned(), None);
        }
        let syntax = Syntax {
            image: script::grub,
            menu: script::grub_menu,
            wait: script::grub_ask_again,
            refuse: script::grub_nothing,
        };
        self.configuration(catalog, asking, &syntax)
    }

    /// A configuration, for loaders that know one file alone.
    fn configuration(&self, catalog: &Catalog, asking: &Asking<'_>, syntax: &Syntax) -> Artifact {
        const WAITS: &str = "waits until it is told what it boots";
        let assigned = self.assign_in_script(catalog, asking);
        let (mac, why) = (asking.machine.mac, assigned.why.to_string());
        if let Some(why) = unfit(&assigned, asking) {
            let config = (syntax.wait)(mac, WAITS, &why);
            return chosen(Boots::Wait, why, text(config, mac));
        }
        let config = match assigned.boots {
            Boots::Image(image) => {
                let image = assigned.with_append(image);
                self.with_recipient(asking, &assigned, |to| (syntax.image)(&image, to))
            }
            Boots::Menu => {
                let menu = menu(catalog, &assigned);
                let images = menu.images.iter();
                let images: Vec<_> = images.map(|image| assigned.with_append(image)).collect();
                let menu = Menu {
                    images: images.iter().map(AsRef::as_ref).collect(),
                    ..menu
                };
                let shell = menu_offers_shell(catalog, &assigned);
                let menu = |to: &Recipient<'_>| (syntax.menu)(&menu, to, shell);
                self.with_recipient(asking, &assigned, menu)
            }
            Boots::Wait => (syntax.wait)(mac, WAITS, &why),
            Boots::Refuse => (syntax.refuse)(mac, "is not booted by this server", &why),
        };
        chosen(assigned.boots, why, text(config, mac))
    }

    /// The command line alone, if the machine boots something that has one.
    pub(super) fn command_line(&self, catalog: &Catalog, asking: &Asking<'_>) -> Option<Artifact> {
        let assigned = self.assign_in_script(catalog, asking);
        let image = assigned.with_append(assigned.image()?);
        let line = self.with_recipient(asking, &assigned, |to| script::command_line(&image, to))?;
        let line = text(line, asking.machine.mac);
        Some(chosen(assigned.boots, assigned.why.to_string(), line))
    }

    fn server(&self, asking: &Asking<'_>) -> SocketAddr {
        SocketAddr::new(asking.arrived.server, self.http_port)
    }

    /// What is known of the machine, for what is made for it.
    fn with_recipient<R>(
        &self,
        asking: &Asking<'_>,
        assigned: &Assigned<'_>,
        make: impl FnOnce(&Recipient<'_>) -> R,
    ) -> R {
        let Asking { machine, asks, .. } = asking;
        let report = machine
            .mac
            .and_then(|mac| self.tokens.issue(mac, asks.machine.mac));
        make(&Recipient {
            server: self.server(asking),
            report: report.as_deref(),
            values: Values {
                name: assigned.host_name(),
                mac: machine.mac,
                ip: machine.address,
                uuid: machine.uuid,
                serial: machine.serial.as_deref(),
                asset: machine.asset.as_deref(),
                manufacturer: machine.manufacturer.as_deref(),
                product: machine.product.as_deref(),
                ..Values::default()
            },
        })
    }
}

/// Why the machine cannot boot what it is assigned, if that is for another processor. It waits then, and boots what it is
/// assigned meanwhile.
fn unfit(assigned: &Assigned<'_>, asking: &Asking<'_>) -> Option<String> {
    match assigned.boots {
        Boots::Image(image) => image.is_for_another_processor(asking.machine.platform),
        _ => None,
    }
}

/// A script with what the machine boots by it, and what is heard of the machine then.
fn chosen(boots: Boots<'_>, why: String, script: Artifact) -> Artifact {
    let (choice, follows) = match boots {
        Boots::Menu => (Choice::Menu, Follows::Script),
        Boots::Wait => (Choice::Wait, Follows::Script),
        Boots::Refuse => (Choice::Refuse, Follows::Nothing),
        Boots::Image(image) => {
            let follows = match &image.kind {
                ImageKind::Root(_) => Follows::Root {
                    reports: script.names_report(),
                },
                ImageKind::Kernel(kernel) => Follows::Kernel {
                    initrd: !kernel.initrds.is_empty(),
                },
                _ => Follows::Nothing,
            };
            (Choice::Image(image.name.clone()), follows)
        }
    };
    Artifact {
        chosen: Some(Arc::new(Chosen {
            choice,
            why,
            follows,
            script: script.text(),
        })),
        ..script
    }
}

/// Whether who sits before a menu may load what is not in it: where no image forbids a shell.
fn menu_offers_shell(catalog: &Catalog, assigned: &Assigned<'_>) -> bool {
    let mut images = catalog.images();
    images.all(|image| assigned.with_append(image).offers_shell())
}

fn menu<'a>(catalog: &'a Catalog, assigned: &Assigned<'a>) -> Menu<'a> {
    let settings = catalog.menu();
    Menu {
        title: settings.title.as_deref(),
        timeout: settings.timeout,
        images: catalog.in_menu_of(assigned),
        own: assigned.own.map(|image| image.name.as_str()),
        default: settings.default.as_deref(),
    }
}

fn text(script: String, machine: Option<Mac>) -> Artifact {
    Artifact {
        content: Content::Memory(Bytes::from(script)),
        content_type: "text/plain; charset=utf-8",
        kind: FileKind::Script,
        machine,
        chosen: None,
    }
}
