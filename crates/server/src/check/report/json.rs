//! The check as JSON.

use netroot_proto::pxe::cures::Product;
use netroot_proto::pxe::predict::{Outcome, Prediction};
use netroot_proto::pxe::probe::Asker;
use serde::Serialize;
use serde_json::{Value, json};

use super::Report;
use crate::check::finding::Level;
use crate::check::forecast::{Forecast, Verdict};
use crate::check::network::{Server, Trouble, level};
use crate::check::section::Section;

impl Report {
    /// One JSON object.
    pub(in crate::check) fn json(&self) -> Value {
        let sections = self.sections.iter();
        json!({
            "interfaces": sections.map(|one| self.section_json(one)).collect::<Vec<_>>(),
            "host": self.host,
            "problems": self.count(Level::Problem),
            "warnings": self.count(Level::Warning),
        })
    }

    fn section_json(&self, section: &Section) -> Value {
        let heard = section.heard.as_ref();
        let servers = heard.map(|it| it.servers.iter().map(server).collect::<Vec<_>>());
        let machines = heard.map(|it| {
            let all = it.forecasts.all.iter();
            all.map(machine).collect::<Vec<_>>()
        });
        let network = heard.map(|it| it.troubles.iter().map(trouble).collect::<Vec<_>>());
        json!({
            "interface": section.name(),
            "title": section.title(),
            "mode": section.mode(),
            "servers": servers,
            "machines": machines,
            "network": network,
            "host": section.findings,
            "problems": self.count_in(section, Level::Problem),
            "warnings": self.count_in(section, Level::Warning),
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
        "probably": server.product.map(Product::word),
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
