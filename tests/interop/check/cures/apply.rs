//! Applies a cure's lines, as they are printed, to a server's configuration.

use anyhow::{Context, Result};
use netroot_proto::pxe::cures::Product;
use serde_json::{Map, Value};

/// A step: its word, and its text.
pub(super) type Step = (String, String);

/// The configuration after the steps of a cure.
pub(super) fn apply(product: Product, config: &str, steps: &[Step]) -> Result<String> {
    let of = |word: &str| {
        let these = steps.iter().filter(move |(it, _)| it == word);
        these.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    let removed: Vec<String> = of("remove").into_iter().flat_map(patterns).collect();
    let added: Vec<&str> = of("add").into_iter().map(|it| remark(it).0).collect();
    match product {
        Product::Dnsmasq => {
            let kept = config.lines().filter(|line| {
                let line = plain(line);
                !removed.iter().any(|it| is_like(&plain(it), &line))
            });
            let all: Vec<&str> = kept.chain(added).collect();
            Ok(all.join("\n") + "\n")
        }
        Product::Kea => {
            let mut config: Value = serde_json::from_str(config)?;
            let server = config.get_mut("Dhcp4").context("Dhcp4")?;
            for pattern in &removed {
                if let Some(key) = pattern.strip_suffix(": [ … ]") {
                    let server = server.as_object_mut().context("an object")?;
                    server.remove(key.trim_matches('"')).context("a list")?;
                    continue;
                }
                remove_from_json(server, &JsonPattern::read(pattern)?);
            }
            for text in added {
                let text = format!("{{ {} }}", text.trim_end_matches(','));
                let added: Map<String, Value> =
                    serde_json::from_str(&text).with_context(|| text.clone())?;
                server.as_object_mut().context("an object")?.extend(added);
            }
            Ok(serde_json::to_string_pretty(&config)?)
        }
        _ => Ok(added.join("\n") + "\n" + &without_statements(config, &removed)),
    }
}

/// A step's lines, and the remark after four spaces.
pub(super) fn remark(step: &str) -> (&str, &str) {
    let (lines, remark) = step.split_once("    (").unwrap_or((step, ""));
    (lines, remark.strip_suffix(')').unwrap_or(remark))
}

/// What is to be removed, with what the remark tells is as good.
pub(super) fn patterns(step: &str) -> Vec<String> {
    let (lines, remark) = remark(step);
    let remark = remark.split("; ").next().unwrap_or_default();
    let also = ["or ", "and every other "];
    let also = also.iter().find_map(|it| remark.strip_prefix(it));
    let mut all = listed(lines);
    all.extend(also.map(listed).unwrap_or_default());
    all
}

/// The parts between `, `, outside of braces.
pub(super) fn listed(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    for part in text.split(", ") {
        match all.last_mut() {
            Some(last) if open => {
                last.push_str(", ");
                last.push_str(part);
            }
            _ => all.push(part.to_owned()),
        }
        let last = all.last().map(String::as_str).unwrap_or_default();
        open = last.matches('{').count() > last.matches('}').count();
    }
    all
}

/// Whether `…` of a pattern can stand for something that makes it the text.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('…') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_like(after, rest)))
}

/// A line of dnsmasq's configuration without its comment, spaces, quotation marks and tags.
pub(super) fn plain(line: &str) -> String {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.replace([' ', '"'], "");
    let Some((option, value)) = line.split_once('=') else {
        return line;
    };
    let values = value.split(',').filter(|it| !it.starts_with("tag:"));
    format!("{option}={}", values.collect::<Vec<_>>().join(","))
}

/// dhcpd's configuration without statements like these.
pub(super) fn without_statements(config: &str, removed: &[String]) -> String {
    let mut kept = String::new();
    for statement in config.split_inclusive([';', '{', '}']) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let plain = words.join(" ");
        if !removed.iter().any(|it| is_like(it, &plain)) {
            kept.push_str(statement);
        }
    }
    kept
}

/// What is to be removed from Kea's configuration.
pub(super) enum JsonPattern {
    /// A member of any object.
    Member(String, String),
    /// Elements of arrays that have these members.
    Element(Map<String, Value>),
}

impl JsonPattern {
    pub(super) fn read(pattern: &str) -> Result<Self> {
        let element = pattern.starts_with('{');
        let pattern = match element {
            true => pattern.replace(", … }", " }"),
            false => format!("{{ {pattern} }}"),
        };
        let members: Map<String, Value> =
            serde_json::from_str(&pattern).with_context(|| pattern.clone())?;
        if element {
            return Ok(Self::Element(members));
        }
        let only = members.into_iter().next();
        let (key, value) = only.with_context(|| pattern.clone())?;
        let value = value.as_str().context("a text")?.to_owned();
        Ok(Self::Member(key, value))
    }
}

pub(super) fn remove_from_json(value: &mut Value, pattern: &JsonPattern) {
    match value {
        Value::Object(members) => {
            if let JsonPattern::Member(key, like) = pattern {
                members.retain(|name, value| {
                    let is_it = value.as_str().is_some_and(|it| is_like(like, it));
                    !(name == key && is_it)
                });
            }
            members
                .values_mut()
                .for_each(|it| remove_from_json(it, pattern));
        }
        Value::Array(elements) => {
            if let JsonPattern::Element(wanted) = pattern {
                let is_it = |one: &Value| wanted.iter().all(|(key, it)| one.get(key) == Some(it));
                elements.retain(|one| !is_it(one));
            }
            elements
                .iter_mut()
                .for_each(|it| remove_from_json(it, pattern));
        }
        _ => {}
    }
}
