//! Everything that was found, for people and as JSON.

mod json;

use std::fmt::{self, Display, Formatter};

use netroot_printable::Printable;
use netroot_proto::pxe::probe::Asker;

use super::files::FileState;
use super::finding::{Finding, Level};
use super::forecast::Forecast;
use super::network::{Server, level, listed};
use super::section::{Heard, Section};
use crate::advice::Advice;

/// The whole check.
#[derive(Debug)]
pub(super) struct Report {
    /// By interface.
    pub(super) sections: Vec<Section>,
    /// What all interfaces share.
    pub(super) host: Vec<Finding>,
}

impl Report {
    /// The same, which names settings like this.
    pub(super) fn told(self, advice: Advice) -> Self {
        let told = |findings: Vec<Finding>| {
            let findings = findings.into_iter();
            findings.map(|one| one.told(advice)).collect()
        };
        let sections = self.sections.into_iter();
        Self {
            sections: sections.map(|one| one.told(advice)).collect(),
            host: told(self.host),
        }
    }

    /// How many things of a level stand in the way.
    pub(super) fn count(&self, of: Level) -> usize {
        let sections = self.sections.iter();
        let host = self.host.iter().filter(|finding| finding.level == of);
        host.count() + sections.map(|one| self.count_in(one, of)).sum::<usize>()
    }

    /// The same of one interface.
    fn count_in(&self, section: &Section, of: Level) -> usize {
        let loaders = self.host.iter().filter(|one| one.about == "loader");
        section.count(of, loaders.map(|one| one.level).max())
    }
}

/// The columns of what machines do, of what was looked at, and of lines that belong to it.
const COLUMN: usize = 24;
const LEVEL: usize = 9;
const ABOUT: usize = 13;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            let title = section.title();
            if let Some(heard) = &section.heard {
                fmt_heard(f, &title, heard)?;
            }
            let name = section.name().unwrap_or("the network");
            writeln!(f, "This host, for {name}:")?;
            for finding in &section.findings {
                fmt_finding(f, finding)?;
            }
            writeln!(f)?;
            if let Some(heard) = &section.heard
                && !heard.troubles.is_empty()
            {
                writeln!(f, "The network of {name}:")?;
                for trouble in &heard.troubles {
                    fmt_finding(f, &trouble.finding)?;
                    for cure in &trouble.cures {
                        for line in cure.to_string().lines() {
                            writeln!(f, "  {:LEVEL$}{line}", "")?;
                        }
                    }
                }
                writeln!(f)?;
            }
        }
        writeln!(f, "This host, for every interface:")?;
        for finding in &self.host {
            fmt_finding(f, finding)?;
        }
        writeln!(f)?;
        if let [_, _, ..] = self.sections.as_slice() {
            for section in &self.sections {
                let counts = [Level::Problem, Level::Warning].map(|it| self.count_in(section, it));
                let name = section.name().unwrap_or("the network");
                writeln!(f, "{name}: {}", summary(counts, section.machines()))?;
            }
            let of = |level| self.host.iter().filter(|one| one.level == level).count();
            let counts = [Level::Problem, Level::Warning].map(of);
            writeln!(f, "this host: {}", summary(counts, None))?;
        }
        let machines = match self.sections.as_slice() {
            [only] => only.machines(),
            _ => None,
        };
        let counts = [Level::Problem, Level::Warning].map(|it| self.count(it));
        let text = summary(counts, machines);
        let in_all = match self.sections.len() {
            0 | 1 => "",
            _ => "In all: ",
        };
        writeln!(f, "{in_all}{text}.")
    }
}

/// `1 problem, 2 warnings; 5 of 10 kinds of machines would not boot`.
fn summary([problems, warnings]: [usize; 2], machines: Option<(usize, usize)>) -> String {
    let many = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    };
    let mut text = match (problems, warnings) {
        (0, 0) => "nothing stands in the way".to_owned(),
        _ => format!(
            "{}, {}",
            many(problems, "problem"),
            many(warnings, "warning")
        ),
    };
    if let Some((all, fails)) = machines
        && fails > 0
    {
        text.push_str(&format!(
            "; {fails} of {all} kinds of machines would not boot"
        ));
    }
    text
}

fn fmt_heard(f: &mut Formatter<'_>, title: &str, heard: &Heard) -> fmt::Result {
    writeln!(f, "Who answers on {title}:")?;
    if heard.servers.is_empty() {
        writeln!(f, "  nobody")?;
    }
    for server in &heard.servers {
        fmt_server(f, server)?;
    }
    let with = match heard.forecasts.heard_own {
        true => "beside the netroot of this host, which was heard",
        false => "if this host runs netroot serve",
    };
    writeln!(f, "\nWhat machines do there, {with}:")?;
    for forecast in &heard.forecasts.all {
        fmt_machine(f, forecast)?;
    }
    writeln!(f)
}

fn fmt_server(f: &mut Formatter<'_>, server: &Server) -> fmt::Result {
    let kind = match (server.netroot, server.is_dhcp()) {
        (true, true) => "netroot, as the DHCP server",
        (true, false) => "netroot, beside a DHCP server",
        (false, true) => "DHCP server",
        (false, false) => "boot server (ProxyDHCP)",
    };
    write!(f, "  {}: {kind}", server.name())?;
    if let Some(address) = server.offered.first() {
        write!(f, ", offers {address}")?;
    }
    if let Some(seconds) = server.sample.lease_time {
        write!(f, " for {seconds} s")?;
    }
    if let Some(router) = server.sample.routers.first() {
        write!(f, ", router {router}")?;
    }
    if let Some(product) = server.product {
        write!(f, "; probably {product}, by who made its network card")?;
    }
    writeln!(f)?;
    if let Some((_, class)) = server.classes.first() {
        let class = String::from_utf8_lossy(class);
        write!(f, "    option 60: {}", Printable(&class))?;
        match server.port_4011 {
            Some(true) => writeln!(f, "; port 4011 answers")?,
            Some(false) => writeln!(f, "; port 4011 does not answer")?,
            None => writeln!(f)?,
        }
    }
    for (file, askers) in &server.files {
        writeln!(f, "    {} to {}", Printable(file), listed(askers))?;
    }
    Ok(())
}

fn fmt_machine(f: &mut Formatter<'_>, forecast: &Forecast) -> fmt::Result {
    let mark = match level(forecast) {
        Level::Ok | Level::Note => "",
        Level::Warning => "warning: ",
        Level::Problem => "PROBLEM: ",
    };
    let asker = forecast.first.asker.to_string();
    write!(f, "  {asker:COLUMN$}{mark}{}", forecast.first.outcome)?;
    match &forecast.file {
        Some(FileState::There { size: Some(size) }) => write!(f, " ({size} bytes)")?,
        Some(FileState::Refused { said }) => {
            write!(f, "; that server says {:?}", Printable(said).to_string())?;
        }
        Some(FileState::Silent) => write!(f, "; that server does not answer")?,
        Some(FileState::There { size: None }) | None => {}
    }
    writeln!(f)?;
    let indent = "";
    if let Some(then) = &forecast.then {
        writeln!(f, "  {indent:COLUMN$}then iPXE {}", then.outcome)?;
    }
    if let Some(screen) = forecast.first.screen {
        writeln!(f, "  {indent:COLUMN$}it shows \"{screen}\"")?;
    }
    // Who is no firmware is answered by whoever gives addresses.
    let boots = !matches!(forecast.first.asker, Asker::Plain | Asker::Init);
    if let Some(unanswered) = &forecast.unanswered
        && boots
    {
        writeln!(
            f,
            "  {indent:COLUMN$}netroot has nothing for it: {unanswered}"
        )?;
    }
    Ok(())
}

/// The level, what was looked at, and what was found; below it what mends it.
fn fmt_finding(f: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
    let (word, about) = (finding.level.word(), finding.about);
    let text = Printable(&finding.text);
    writeln!(f, "  {word:<LEVEL$}{about:<ABOUT$}{text}")?;
    for line in &finding.cure {
        writeln!(f, "  {:LEVEL$}{}", "", Printable(line))?;
    }
    Ok(())
}
