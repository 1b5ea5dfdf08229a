//! What a machine is assigned, and why.

use std::borrow::Cow;
use std::fmt;

use netroot_proto::pxe::strategy::SecureBootMode;

use super::image::Image;
use super::rule;
use crate::settings::{MachineSettings, Rule};

/// What a machine boots.
#[derive(Debug, Clone)]
pub(crate) struct Assigned<'a> {
    /// What it does.
    pub(crate) boots: Boots<'a>,
    /// With [`Boots::Menu`]: what it would boot without the menu, if that is an image.
    pub(crate) own: Option<&'a Image>,
    /// The machine that it is, if one is configured.
    pub(crate) machine: Option<&'a MachineSettings>,
    /// What is added after the image's own, first the rule's and then the machine's, so that the most particular one
    /// overrides the others.
    pub(crate) append: Option<String>,
    /// Why.
    pub(crate) why: Why<'a>,
    /// Whether its firmware is given the signed chain.
    pub(crate) secure_boot: SecureBootMode,
}

/// What a machine does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Boots<'a> {
    /// It boots this.
    Image(&'a Image),
    /// It asks who sits in front of it.
    Menu,
    /// It asks again and again, until it is told what to boot.
    Wait,
    /// It does not boot from this server.
    Refuse,
}

/// Why a machine does what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why<'a> {
    /// An order for one boot.
    Once,
    /// An order until another one.
    Ordered,
    /// What was ordered failed to boot.
    AfterFailure,
    /// The web hook said so.
    Hook,
    /// The machine's own entry.
    Machine(&'a MachineSettings),
    /// A rule.
    Rule(&'a Rule),
    /// Nothing else is for it.
    Default,
    /// What would decide names this generation, which its root does not have, or no longer.
    NoGeneration(&'a str),
}

impl<'a> Assigned<'a> {
    /// The image that it boots, if any.
    pub(crate) fn image(&self) -> Option<&'a Image> {
        match self.boots {
            Boots::Image(image) => Some(image),
            Boots::Menu | Boots::Wait | Boots::Refuse => None,
        }
    }

    /// `image` with everything that is added to this machine's command line.
    pub(crate) fn with_append<'b>(&self, image: &'b Image) -> Cow<'b, Image> {
        let Some(more) = &self.append else {
            return Cow::Borrowed(image);
        };
        let append = match &image.append {
            Some(own) => format!("{own} {more}"),
            None => more.clone(),
        };
        Cow::Owned(Image {
            append: Some(append),
            ..image.clone()
        })
    }

    /// The name that the machine has.
    pub(crate) fn host_name(&self) -> Option<&'a str> {
        self.machine.map(|machine| machine.name.as_str())
    }
}

impl fmt::Display for Boots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image(image) => &image.name,
            Self::Menu => "menu",
            Self::Wait => "wait",
            Self::Refuse => "refuse",
        })
    }
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("ordered for one boot"),
            Self::Ordered => f.write_str("ordered"),
            Self::AfterFailure => f.write_str("what was ordered failed to boot"),
            Self::Hook => f.write_str("the web hook"),
            Self::Machine(machine) => write!(f, "machine {} ({})", machine.name, machine.origin),
            Self::Rule(rule) => rule::write(f, rule),
            Self::Default => f.write_str("the default"),
            Self::NoGeneration(name) => write!(
                f,
                "it is to boot the generation {name}, which is not in the root (any more)"
            ),
        }
    }
}
