//! One interface: what this host has for it, who answers there, and what machines will do.

use netroot_proto::pxe::cures::Product;
use netroot_proto::pxe::predict::Outcome;

use super::files::FileState;
use super::finding::{Finding, Level};
use super::forecast::{self, Forecast, Forecasts, Planned, Verdict};
use super::network::{self, Server, Trouble};
use super::progress::progress;
use super::subject::{Network, Subject, directory_hint};
use super::survey::{self, Survey, SurveyError};
use super::{files, host};
use crate::advice::Advice;
use crate::serve::artifacts::loaders;
use crate::serve::listen::interface::{Candidate, Interface, InterfaceError};
use crate::serve::preflight::Given;

/// What was heard on an interface.
#[derive(Debug)]
pub(super) struct Heard {
    /// The servers.
    pub(super) servers: Vec<Server>,
    /// What machines will do.
    pub(super) forecasts: Forecasts,
    /// What is wrong.
    pub(super) troubles: Vec<Trouble>,
}

/// One interface.
#[derive(Debug)]
pub(super) struct Section {
    /// As it is to be served.
    network: Network,
    /// `None` if nobody can be asked there.
    interface: Option<Interface>,
    /// The same as it will be, where netroot brings it up.
    planned: Option<Interface>,
    /// What was heard; `None` if nothing could be asked.
    pub(super) heard: Option<Heard>,
    /// What this host has for it.
    pub(super) findings: Vec<Finding>,
}

impl Section {
    /// `chosen` is the interface as it is, or why it cannot be served so; `given` is what netroot would make of it.
    pub(super) fn new(
        network: &Network,
        chosen: Result<Interface, InterfaceError>,
        given: Result<Given, (&'static str, String)>,
    ) -> Self {
        let mut findings = Vec::new();
        let mut planned = None;
        let interface = match (chosen, given) {
            (Err(_), Ok(given)) => {
                let text = format!(
                    "{} has no address yet, or is down: netroot brings it up as a network of its own, with {}",
                    given.interface.name, given.interface
                );
                findings.push(Finding::note("interface", text));
                planned = Some(given.interface);
                None
            }
            (Err(error), Err(_)) if !network.is_isolated() => {
                let mut finding = Finding::failed("interface", &error);
                if let InterfaceError::Unknown { name, .. } = &error {
                    finding
                        .text
                        .push_str(&directory_hint(name).unwrap_or_default());
                }
                findings.push(finding);
                None
            }
            (chosen, Err((key, text))) => {
                let is_of_interface = matches!(key, "interface" | "address");
                let about = if is_of_interface { "interface" } else { "dhcp" };
                findings.push(Finding::problem(about, text));
                chosen.ok().filter(|_| !is_of_interface)
            }
            (Ok(interface), Ok(_)) => Some(interface),
        };
        Self {
            network: network.clone(),
            interface,
            planned,
            heard: None,
            findings,
        }
    }

    /// The interface's name; `None` if none was named and none could be chosen.
    pub(super) fn name(&self) -> Option<&str> {
        let chosen = self.interface.as_ref().map(|it| it.name.as_str());
        chosen.or(self.network.interface())
    }

    /// The interface with its addresses: `eth0 (10.0.0.1/24)`.
    pub(super) fn title(&self) -> String {
        match &self.interface {
            Some(interface) => interface.to_string(),
            None => self.name().unwrap_or("the network").to_owned(),
        }
    }

    /// How its addresses are given, as in a configuration: `proxy`, `dhcp` or `isolated`.
    pub(super) fn mode(&self) -> &'static str {
        match (self.network.is_isolated(), self.network.range()) {
            (true, _) => "isolated",
            (false, Some(_)) => "dhcp",
            (false, None) => "proxy",
        }
    }

    /// Looks at the interface itself, its ports and its firewall; `all` are the host's interfaces.
    pub(super) fn look(&mut self, subject: &Subject, all: &[Candidate]) {
        if let Some(interface) = &self.interface {
            let found = host::look_at_interface(subject, interface, all);
            self.findings.extend(found);
        } else if let Some(interface) = &self.planned {
            let found = host::look_at_planned(subject, interface);
            self.findings.extend(found);
        }
    }

    /// Asks on the network, which takes seconds.
    pub(super) fn listen(
        &mut self,
        subject: &Subject,
        product: Option<Product>,
        server_here: bool,
    ) {
        if let (None, Some(planned)) = (&self.interface, &self.planned) {
            // Nobody is there, and netroot will be.
            let survey = Survey::of_nobody(planned);
            self.heard = Some(heard(
                &self.network,
                subject,
                planned,
                product,
                &survey,
                |_| None,
            ));
            return;
        }
        let Some(interface) = self.interface.as_ref().filter(|it| it.has_frames) else {
            return;
        };
        let findings = &mut self.findings;
        match listen(
            &self.network,
            subject,
            interface,
            product,
            server_here,
            findings,
        ) {
            Ok(heard) => self.heard = Some(heard),
            Err(error) => findings.push(Finding::failed("network", &error)),
        }
    }

    /// The same, which names settings like this.
    pub(super) fn told(mut self, advice: Advice) -> Self {
        let findings = self.findings.into_iter();
        self.findings = findings.map(|one| one.told(advice)).collect();
        if let Some(heard) = &mut self.heard {
            for trouble in &mut heard.troubles {
                trouble.finding = trouble.finding.clone().told(advice);
            }
        }
        self
    }

    /// How many things of a level stand in the way here: the causes, not each machine that they keep from booting. What
    /// machines suffer from without a cause that was found counts as one. `loaders` is the level of what this host's
    /// loaders are a cause of.
    pub(super) fn count(&self, of: Level, loaders: Option<Level>) -> usize {
        let troubles = self.heard.iter().flat_map(|heard| &heard.troubles);
        let causes = troubles
            .map(|trouble| &trouble.finding)
            .chain(&self.findings);
        let causes: Vec<Level> = causes.map(|finding| finding.level).collect();
        let mut machines = self.heard.iter().flat_map(|heard| &heard.forecasts.all);
        let suffers = machines.any(|machine| network::level(machine) == of);
        let explained = causes.iter().chain(&loaders).any(|level| *level >= of);
        let found = causes.iter().filter(|level| **level == of).count();
        found + usize::from(suffers && !explained && of >= Level::Warning)
    }

    /// How many kinds of machines there are, and how many of them will not boot, those aside that were not to be
    /// expected to.
    pub(super) fn machines(&self) -> Option<(usize, usize)> {
        let all = &self.heard.as_ref()?.forecasts.all;
        let expected = |one: &&Forecast| network::level(one) >= Level::Warning;
        let fails = all.iter().filter(expected);
        let fails = fails.filter(|one| one.verdict == Verdict::Fails);
        Some((all.len(), fails.count()))
    }
}

fn listen(
    network: &Network,
    subject: &Subject,
    interface: &Interface,
    product: Option<Product>,
    server_here: bool,
    findings: &mut Vec<Finding>,
) -> Result<Heard, SurveyError> {
    let survey = survey::survey(interface, server_here, progress)?;
    if let Some(why) = &survey.deaf {
        let text = format!("servers on this host were not heard: {why}");
        findings.push(Finding::note("network", text));
    }
    progress(&format!(
        "looking for the files that machines on {} would load",
        interface.name
    ));
    Ok(heard(
        network,
        subject,
        interface,
        product,
        &survey,
        files::look,
    ))
}

/// What follows from what was heard; `look` asks a server for a file.
fn heard(
    network: &Network,
    subject: &Subject,
    interface: &Interface,
    product: Option<Product>,
    survey: &Survey,
    look: impl FnMut(&Outcome) -> Option<FileState>,
) -> Heard {
    let planned = Planned {
        loaders: loaders::find(subject.settings.ipxe.as_deref()).by_platform,
        http_port: subject.settings.http_port,
        range: network.range().or_else(|| match network.is_isolated() {
            true => network::hosts(interface),
            false => None,
        }),
        image: subject.image_name(),
    };
    let forecasts = forecast::forecast(survey, interface, &planned, look);
    let mut netroots = forecasts.netroots.clone();
    netroots.sort_unstable();
    let servers = network::servers(survey, interface, &netroots);
    let wanted = network::Wanted {
        product,
        planned: &planned,
        advice: Advice::of(&subject.settings),
    };
    let troubles = network::troubles(&servers, &forecasts, interface, wanted);
    Heard {
        servers,
        forecasts,
        troubles,
    }
}
