//! Everything that was found, for people and as JSON.

use std::fmt::{self, Display, Formatter};

use netroot_printable::Printable;
use netroot_proto::pxe::predict::{Outcome, Prediction};
use netroot_proto::pxe::probe::Asker;
use serde::Serialize;
use serde_json::{Value, json};

use super::files::FileState;
use super::finding::{Finding, Level};
use super::forecast::{Forecast, Forecasts, Verdict};
use super::network::{Server, Trouble, level, listed};

/// What was heard on the interface.
#[derive(Debug)]
pub(super) struct Heard {
    /// The servers.
    pub(super) servers: Vec<Server>,
    /// What machines will do.
    pub(super) forecasts: Forecasts,
    /// What is wrong.
    pub(super) troubles: Vec<Trouble>,
}

/// The whole check.
#[derive(Debug)]
pub(super) struct Report {
    /// The interface, with its addresses; `None` if none could be chosen.
    pub(super) interface: Option<String>,
    /// What was heard; `None` if nothing could be asked.
    pub(super) heard: Option<Heard>,
    /// This host.
    pub(super) findings: Vec<Finding>,
}

impl Report {
    fn all(&self) -> impl Iterator<Item = Level> {
        let heard = self.heard.iter();
        let troubles = heard.flat_map(|heard| heard.troubles.iter().map(|one| one.finding.level));
        let heard = self.heard.iter();
        let machines = heard.flat_map(|heard| heard.forecasts.all.iter().map(level));
        let host = self.findings.iter().map(|finding| finding.level);
        troubles.chain(machines).chain(host)
    }

    /// How many of a level there are.
    pub(super) fn count(&self, of: Level) -> usize {
        self.all().filter(|level| *level == of).count()
    }

    /// One JSON object.
    pub(super) fn json(&self) -> Value {
        let heard = self.heard.as_ref();
        let servers = heard.map(|it| it.servers.iter().map(server).collect::<Vec<_>>());
        let machines = heard.map(|it| {
            let all = it.forecasts.all.iter();
            all.map(machine).collect::<Vec<_>>()
        });
        let network = heard.map(|it| it.troubles.iter().map(trouble).collect::<Vec<_>>());
        json!({
            "interface": self.interface,
            "servers": servers,
            "machines": machines,
            "network": network,
            "host": self.findings,
            "problems": self.count(Level::Problem),
            "warnings": self.count(Level::Warning),
        })
    }
}

fn server(server: &Server) -> Value {
    let files: Vec<Value> = server
        .files
        .iter()
        .map(|(file, askers)| json!({"file": file, "for": askers.iter().map(word).collect::<Vec<_>>()}))
        .collect();
    let class = server.classes.first();
    let class = class.map(|(_, class)| String::from_utf8_lossy(class).into_owned());
    json!({
        "address": server.address,
        "here": server.here,
        "netroot": server.netroot,
        "dhcp": server.is_dhcp(),
        "offers": server.offered,
        "option-60": class,
        "files": files,
        "answers": server.askers.iter().map(word).collect::<Vec<_>>(),
        "port-4011": server.port_4011,
    })
}

/// A kind of machine as a word: `uefi-x64-pxe`.
fn word(asker: &Asker) -> String {
    if *asker == Asker::Init {
        return "init".to_owned();
    }
    let text = asker.to_string().to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

fn prediction(prediction: &Prediction) -> Value {
    let (from, file) = match &prediction.outcome {
        Outcome::Loads { from, file, .. } => (*from, Some(file)),
        Outcome::NoFileServer { file, .. } => (None, Some(file)),
        _ => (None, None),
    };
    json!({
        "machine": word(&prediction.asker),
        "outcome": prediction.outcome.word(),
        "server": prediction.outcome.server(),
        "file": file,
        "from": from,
        "text": prediction.outcome.to_string(),
        "screen": prediction.screen,
    })
}

fn machine(forecast: &Forecast) -> Value {
    let mut value = prediction(&forecast.first);
    let (boots, by) = match forecast.verdict {
        Verdict::Netroot(by) => ("netroot", Some(by)),
        Verdict::Other(by) => ("other", Some(by)),
        Verdict::Served => ("address", None),
        Verdict::Fails => ("fails", None),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("boots".to_owned(), json!(boots));
        object.insert("by".to_owned(), json!(by));
        object.insert("level".to_owned(), json!(level(forecast)));
        object.insert("file-state".to_owned(), json!(forecast.file));
        object.insert(
            "not-answered-because".to_owned(),
            json!(forecast.unanswered),
        );
        object.insert(
            "then".to_owned(),
            json!(forecast.then.as_ref().map(prediction)),
        );
    }
    value
}

fn trouble(trouble: &Trouble) -> Value {
    #[derive(Serialize)]
    struct Steps<'a> {
        product: &'static str,
        place: &'static str,
        steps: Vec<(&'static str, &'a str)>,
    }
    let cures = trouble.cures.iter().map(|cure| Steps {
        product: cure.product.word(),
        place: cure.product.place(),
        steps: cure
            .steps
            .iter()
            .map(|step| (step.word(), step.text()))
            .collect(),
    });
    json!({
        "level": trouble.finding.level,
        "about": trouble.problem.word(),
        "text": trouble.finding.text,
        "cure": trouble.finding.cure,
        "cures": cures.collect::<Vec<_>>(),
    })
}

/// The column of what machines do.
const COLUMN: usize = 24;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(heard) = &self.heard {
            let interface = self.interface.as_deref().unwrap_or("the network");
            writeln!(f, "Who answers on {interface}:")?;
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
            writeln!(f, "\nWhat machines do, {with}:")?;
            for forecast in &heard.forecasts.all {
                fmt_machine(f, forecast)?;
            }
        }
        writeln!(f, "\nThis host:")?;
        for finding in &self.findings {
            fmt_finding(f, finding)?;
        }
        if let Some(heard) = &self.heard
            && !heard.troubles.is_empty()
        {
            writeln!(f, "\nThe network:")?;
            for trouble in &heard.troubles {
                fmt_finding(f, &trouble.finding)?;
                for cure in &trouble.cures {
                    for line in cure.to_string().lines() {
                        writeln!(f, "           {line}")?;
                    }
                }
            }
        }
        let [problems, warnings] = [Level::Problem, Level::Warning].map(|it| self.count(it));
        let many = |number: usize, word: &str| match number {
            1 => format!("1 {word}"),
            _ => format!("{number} {word}s"),
        };
        match (problems, warnings) {
            (0, 0) => writeln!(f, "\nNothing stands in the way."),
            _ => writeln!(
                f,
                "\n{}, {}.",
                many(problems, "problem"),
                many(warnings, "warning")
            ),
        }
    }
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
        writeln!(f, "  {indent:COLUMN$}netroot does not answer: {unanswered}")?;
    }
    Ok(())
}

fn fmt_finding(f: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
    let word = finding.level.word();
    writeln!(f, "  {word:<9}{}", Printable(&finding.text))?;
    for line in &finding.cure {
        writeln!(f, "           {}", Printable(line))?;
    }
    Ok(())
}
