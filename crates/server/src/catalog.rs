//! Which machine boots what: values and one function, no sockets and no files.
//!
//! [`Catalog::assign`] is asked for the script, the loader, DHCP's option 17, the export and the report alike, so
//! that all of them agree.

mod assigned;
mod command_line;
mod error;
mod image;
mod known_machine;
mod machine;
mod rule;

use std::collections::BTreeSet;
use std::sync::Arc;

use netroot_proto::dhcp::pool::Kept;
use netroot_proto::pxe::inputs::Loader;
use netroot_proto::pxe::strategy::SecureBootMode;

pub(crate) use self::assigned::{Assigned, Boots, Why};
pub(crate) use self::command_line::{READAHEAD, Recipient, RootArguments};
pub(crate) use self::error::{CatalogError, MachineProblem, no_such_choice, no_such_image};
pub(crate) use self::image::{
    Image, ImageFile, ImageKind, KernelFile, KernelImage, NamedFile, RootImage, RootLocation,
    export_path, file_of_image, is_name, is_tree_path, name_of_directory, tree_path,
};
pub(crate) use self::known_machine::{ArrivedAt, KnownMachine};
use self::machine::NamedMachines;
pub(crate) use self::machine::{is_host_name, machine_errors};
use self::rule::Fit;
pub(crate) use self::rule::conditions;
use crate::append;
use crate::settings::{Choice, MachineSettings, MenuSettings, Rule};

/// The images, and who boots which.
#[derive(Debug)]
pub(crate) struct Catalog {
    images: Vec<Arc<Image>>,
    machines: Arc<NamedMachines>,
    rules: Arc<[Rule]>,
    default: Choice,
    menu: MenuSettings,
    secure_boot: SecureBootMode,
}

/// What was decided beside the configuration, for one machine. The first that is there counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Overrides<'a> {
    /// The image that was ordered for one boot.
    pub(crate) once: Option<&'a str>,
    /// The image that was ordered until another order.
    pub(crate) image: Option<&'a str>,
    /// Whether that is the one from before, since what was ordered then failed to boot.
    pub(crate) after_failure: bool,
    /// The image that the web hook named.
    pub(crate) hook: Option<&'a str>,
}

impl Catalog {
    /// `default` is for the machines that no rule is for: without one, the first image.
    pub(crate) fn new(
        images: Vec<Image>,
        machines: Vec<MachineSettings>,
        rules: Vec<Rule>,
        default: Option<Choice>,
        menu: MenuSettings,
    ) -> Result<Self, CatalogError> {
        let images: Vec<Arc<Image>> = images.into_iter().map(Arc::new).collect();
        let first = images.first().ok_or(CatalogError::Empty)?;
        let first = Choice::Image(first.name.clone());
        let mut names = BTreeSet::new();
        for image in &images {
            if !image::is_name(&image.name) {
                return Err(CatalogError::Name(image.name.clone()));
            }
            if !names.insert(image.name.as_str()) {
                return Err(CatalogError::SameName(image.name.clone()));
            }
            check_append(image.append.as_deref(), || {
                format!("the image {}", image.name)
            })?;
        }
        let exists = |choice: Option<&Choice>, by: &dyn Fn() -> String| match choice {
            Some(Choice::Image(name))
                if !names.contains(name.as_str()) && !is_generation(name, &names) =>
            {
                Err(CatalogError::Unknown {
                    by: by(),
                    missing: no_such_choice(name, names.iter().copied()),
                })
            }
            _ => Ok(()),
        };
        exists(default.as_ref(), &|| "the default".to_owned())?;
        for machine in &machines {
            let by = || format!("{}: the machine {}", machine.origin, machine.name);
            exists(machine.choice.as_ref(), &by)?;
            check_append(machine.append.as_deref(), by)?;
        }
        for rule in &rules {
            let by = || format!("{}: a rule", rule.origin);
            exists(rule.choice.as_ref(), &by)?;
            check_append(rule.append.as_deref(), by)?;
        }
        for name in menu.images.iter().chain(&menu.default) {
            let choice = Choice::Image(name.clone());
            exists(Some(&choice), &|| "the menu".to_owned())?;
        }
        let machines = NamedMachines::new(machines);
        Ok(Self {
            machines: Arc::new(machines.map_err(CatalogError::Machine)?),
            rules: Arc::from(rules),
            default: default.unwrap_or(first),
            images,
            menu,
            secure_boot: SecureBootMode::Auto,
        })
    }

    /// The same, where machines of which nothing else is said have this mode.
    pub(crate) fn with_secure_boot(self, secure_boot: SecureBootMode) -> Self {
        Self {
            secure_boot,
            ..self
        }
    }

    /// What a machine does that reached the server there, by the configuration alone.
    pub(crate) fn assign(&self, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> Assigned<'_> {
        self.assign_with(machine, arrived, Overrides::default())
    }

    /// What a machine does that reached the server there: what was ordered for it, else what the web hook said, else
    /// what its own entry says, else the first rule that matches and says something, else the default. An order for an
    /// image that does not exist any more is none.
    ///
    /// What the rules on the way to that add to the command line is added in their order, and then what the machine's
    /// entry adds: what comes later overrides what comes before. A machine whose entry or order says what it boots gets
    /// nothing from rules.
    pub(crate) fn assign_with(
        &self,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
        over: Overrides<'_>,
    ) -> Assigned<'_> {
        let entry = self.machines.find(machine);
        let named = |name: &str| self.image(name).map(Boots::Image);
        let once = || Some((named(over.once?)?, Why::Once));
        let ordered = || {
            let why = match over.after_failure {
                true => Why::AfterFailure,
                false => Why::Ordered,
            };
            Some((named(over.image?)?, why))
        };
        let hook = || Some((named(over.hook?)?, Why::Hook));
        let own = || {
            let machine = entry?;
            self.boots(machine.choice.as_ref()?, Why::Machine(machine))
        };
        let mut append: Vec<&str> = Vec::new();
        let decided = once().or_else(ordered).or_else(hook).or_else(own);
        let (boots, why) = decided.unwrap_or_else(|| {
            let for_it = self.rules.iter();
            for rule in for_it.filter(|rule| rule::matches(rule, machine, arrived)) {
                append.extend(rule.append.as_deref());
                let choice = rule.choice.as_ref();
                let rule = Why::Rule(rule);
                if let Some(decided) = choice.and_then(|choice| self.boots(choice, rule)) {
                    return decided;
                }
            }
            // Its image exists: that was looked at when this catalog was made.
            let default = self.boots(&self.default, Why::Default);
            default.unwrap_or((Boots::Wait, Why::Default))
        });
        append.extend(entry.and_then(|machine| machine.append.as_deref()));
        let own = match boots {
            Boots::Menu => self.without_menu(machine, arrived),
            _ => None,
        };
        Assigned {
            boots,
            own,
            machine: entry,
            append: (!append.is_empty()).then(|| append.join(" ")),
            why,
            secure_boot: self.secure_boot(entry, machine, arrived),
        }
    }

    /// The rules before what [`Self::assign`] decides by that are for a machine only if it fulfils conditions which are not
    /// known before it asks, with these.
    pub(crate) fn open_rules(
        &self,
        machine: &KnownMachine,
        interface: Option<&str>,
    ) -> Vec<(&Rule, Vec<String>)> {
        let mut open = Vec::new();
        if self.machine(machine).is_some_and(|it| it.choice.is_some()) {
            return open;
        }
        for rule in self.rules.iter() {
            match rule::fit(rule, machine, interface) {
                Fit::Yes if rule.choice.is_some() => break,
                Fit::Yes | Fit::No => {}
                Fit::If(conditions) => open.push((rule, conditions)),
            }
        }
        open
    }

    /// Whether a machine is given the signed chain: as its entry says, else the first rule that matches and says it, else as
    /// for all. It belongs to the machine, whatever that boots.
    fn secure_boot(
        &self,
        entry: Option<&MachineSettings>,
        machine: &KnownMachine,
        arrived: &ArrivedAt<'_>,
    ) -> SecureBootMode {
        let own = entry.and_then(|machine| machine.secure_boot);
        let mut saying = self.rules.iter().filter(|rule| rule.secure_boot.is_some());
        let of_rule = || {
            saying
                .find(|rule| rule::matches(rule, machine, arrived))?
                .secure_boot
        };
        own.or_else(of_rule).unwrap_or(self.secure_boot)
    }

    /// Whether nothing in it forbids the shell to anybody: for a script that any machine may run.
    pub(crate) fn offers_shell(&self) -> bool {
        let images = self.images.iter().map(|image| &image.append);
        let rules = self.rules.iter().map(|rule| &rule.append);
        let machines = self.machines().iter().map(|machine| &machine.append);
        let mut all = images.chain(rules).chain(machines);
        all.all(|append| image::offers_shell(append.as_deref()))
    }

    /// The image that a machine would boot by the configuration if nothing in it said that it asks in the menu.
    fn without_menu(&self, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> Option<&Image> {
        let entry = self.machines.find(machine);
        let rules = self.rules.iter();
        let rules = rules.filter(|rule| rule::matches(rule, machine, arrived));
        let all = entry
            .and_then(|machine| machine.choice.as_ref())
            .into_iter();
        let all = all.chain(rules.filter_map(|rule| rule.choice.as_ref()));
        let mut all = all.chain([&self.default]);
        match all.find(|choice| !matches!(choice, Choice::Menu))? {
            Choice::Image(name) => self.image(name),
            _ => None,
        }
    }

    /// What a choice means and why it counts, which is `why`. A generation that was deleted is waited for: another system
    /// than the one that was chosen is booted by nobody unseen. `None` for another image that does not exist.
    fn boots<'a>(&'a self, choice: &'a Choice, why: Why<'a>) -> Option<(Boots<'a>, Why<'a>)> {
        let boots = match choice {
            Choice::Image(name) => match self.image(name) {
                Some(image) => Boots::Image(image),
                None => {
                    let names = self.images().map(|image| image.name.as_str()).collect();
                    let missing = is_generation(name, &names);
                    return missing.then_some((Boots::Wait, Why::NoGeneration(name)));
                }
            },
            Choice::Menu => Boots::Menu,
            Choice::Wait => Boots::Wait,
            Choice::Refuse => Boots::Refuse,
        };
        Some((boots, why))
    }

    /// The entry of a machine.
    pub(crate) fn machine(&self, machine: &KnownMachine) -> Option<&MachineSettings> {
        self.machines.find(machine)
    }

    /// The image with this name.
    pub(crate) fn image(&self, name: &str) -> Option<&Image> {
        self.images().find(|image| image.name == name)
    }

    /// What firmware loads before it does what it is assigned, or asks what that is. A program that is the image itself asks
    /// nothing.
    pub(crate) fn loaders(&self, assigned: &Assigned<'_>) -> &[Loader] {
        let loaders = match assigned.boots {
            Boots::Image(image) => self
                .image(&image.name)
                .map(|image| image.unified_loaders.as_ref().unwrap_or(&image.loaders)),
            Boots::Menu | Boots::Wait => self.images().next().map(|image| &image.loaders),
            Boots::Refuse => None,
        };
        loaders.map(|loaders| &**loaders).unwrap_or_default()
    }

    /// The machines that are configured.
    pub(crate) fn machines(&self) -> &[MachineSettings] {
        self.machines.all()
    }

    /// The addresses that are kept for one machine each.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        let kept = self.machines().iter().filter_map(|machine| {
            Some(Kept {
                address: machine.address?,
                macs: machine.macs.clone(),
            })
        });
        kept.collect()
    }

    /// Whether the machines of both are the same.
    pub(crate) fn has_machines_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.machines, &other.machines)
    }

    /// Every image.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().map(AsRef::as_ref)
    }

    /// The only image, which has short names beside its own.
    pub(crate) fn only(&self) -> Option<&Image> {
        // The generations of its root are images of it.
        let is_generation = |image: &&Arc<Image>| image.name.contains('@');
        let mut images = self.images.iter().filter(|image| !is_generation(image));
        let only = images.next();
        only.filter(|_| images.next().is_none()).map(AsRef::as_ref)
    }

    /// The same with `image` in the place of the one with its name, if there is one.
    pub(crate) fn with(&self, image: Image) -> Self {
        let new = Arc::new(image);
        let exchanged = |old: &Arc<Image>| match old.name == new.name {
            true => Arc::clone(&new),
            false => Arc::clone(old),
        };
        Self {
            images: self.images.iter().map(exchanged).collect(),
            machines: Arc::clone(&self.machines),
            rules: Arc::clone(&self.rules),
            default: self.default.clone(),
            menu: self.menu.clone(),
            secure_boot: self.secure_boot,
        }
    }

    /// What the machines do that nothing else is for.
    pub(crate) fn default(&self) -> &Choice {
        &self.default
    }

    /// The menu.
    pub(crate) fn menu(&self) -> &MenuSettings {
        &self.menu
    }

    /// The images in the menu that a machine gets, in its order: before those of all machines its own, unless that is
    /// among them.
    pub(crate) fn in_menu_of<'a>(&'a self, assigned: &Assigned<'a>) -> Vec<&'a Image> {
        let named = self.menu.images.iter().filter_map(|name| self.image(name));
        let all = self.images().filter(|_| self.menu.images.is_empty());
        let mut images: Vec<&Image> = named.chain(all).collect();
        if let Some(own) = assigned.own
            && !images.iter().any(|image| image.name == own.name)
        {
            images.insert(0, own);
        }
        images
    }

    /// The paths under which an image's root is exported.
    pub(crate) fn export_paths(&self, image: &Image) -> Vec<String> {
        let mut paths = vec![export_path(&image.name)];
        // A generation of the only image is another export.
        if self.only().is_some_and(|only| only.name == image.name) {
            paths.push("/".to_owned());
        }
        paths
    }
}

/// Whether this is the name that a generation of one of the images has.
fn is_generation(name: &str, images: &BTreeSet<&str>) -> bool {
    let named = name.rsplit_once('@');
    named.is_some_and(|(image, number)| images.contains(image) && number.parse::<u32>().is_ok())
}

fn check_append(text: Option<&str>, by: impl FnOnce() -> String) -> Result<(), CatalogError> {
    let checked = text.map_or(Ok(()), append::check);
    checked.map_err(|error| CatalogError::Append { by: by(), error })
}

#[cfg(test)]
pub(crate) mod tests;
