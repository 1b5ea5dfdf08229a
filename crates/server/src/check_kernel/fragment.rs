//! The fragments of `kernel-config/`: what a kernel needs, and why.

use serde::Serialize;
use thiserror::Error;

use super::config::assignment;

/// How important a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Weight {
    /// No boot without each of its symbols.
    Essential,
    /// No boot without at least one of them.
    Any,
    /// Something works less well without one.
    Useful,
}

/// A group of symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) weight: Weight,
    pub(super) title: String,
    pub(super) requirements: Vec<Requirement>,
}

/// One symbol and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// Without `CONFIG_`.
    pub(super) symbol: String,
    /// Whether it is to be set; `# CONFIG_X is not set` requirements it away.
    pub(super) set: bool,
    /// The part that needs it.
    pub(super) who: String,
    /// The consequence if the requirement is not met.
    pub(super) otherwise: String,
    /// The module's name, if the symbol can be a module.
    pub(super) module: Option<String>,
    /// The only architecture that has the symbol, as the head of a configuration calls it
    /// (`x86`); `None` for all.
    pub(super) arch: Option<String>,
}

/// A line that the format does not allow.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{file} line {line}: {what}")]
pub(super) struct FragmentError {
    file: String,
    /// Counted from 1.
    line: usize,
    what: &'static str,
}

/// Reads several fragments, each given as its name and its text. A section goes on where one with its weight and title
/// began in an earlier fragment.
pub(super) fn parse_all(fragments: &[(&str, &str)]) -> Result<Vec<Section>, FragmentError> {
    let mut sections = Vec::new();
    for (file, text) in fragments {
        let parsed = parse(text).map_err(|(line, what)| FragmentError {
            file: (*file).to_owned(),
            line,
            what,
        })?;
        for section in parsed {
            let begun = sections.iter_mut().find(|begun: &&mut Section| {
                (begun.weight, &begun.title) == (section.weight, &section.title)
            });
            match begun {
                Some(begun) => begun.requirements.extend(section.requirements),
                None => sections.push(section),
            }
        }
    }
    Ok(sections)
}

/// The comments before a symbol, as far as they are read.
#[derive(Default)]
struct Notes {
    who: Option<String>,
    otherwise: Option<String>,
    module: Option<String>,
    arch: Option<String>,
}

fn parse(text: &str) -> Result<Vec<Section>, (usize, &'static str)> {
    let mut sections: Vec<Section> = Vec::new();
    let mut notes = Notes::default();
    let (mut section_otherwise, mut section_arch) = (None, None);
    for (index, line) in text.lines().enumerate() {
        let fail = |what| (index + 1, what);
        if let Some(heading) = line.strip_prefix("## ") {
            let (weight, title) = heading
                .split_once(": ")
                .ok_or(fail("no weight and title"))?;
            let weight = match weight {
                "essential" => Weight::Essential,
                "any" => Weight::Any,
                "useful" => Weight::Useful,
                _ => return Err(fail("the weight is essential, any or useful")),
            };
            sections.push(Section {
                weight,
                title: title.to_owned(),
                requirements: Vec::new(),
            });
            (notes, section_otherwise, section_arch) = (Notes::default(), None, None);
            continue;
        }
        if let Some((symbol, set)) = required(line) {
            let section = sections
                .last_mut()
                .ok_or(fail("a symbol before the first section"))?;
            let notes = std::mem::take(&mut notes);
            section.requirements.push(Requirement {
                symbol: symbol.to_owned(),
                set,
                who: notes.who.ok_or(fail("a symbol without `# who:`"))?,
                otherwise: notes
                    .otherwise
                    .or_else(|| section_otherwise.clone())
                    .ok_or(fail("a symbol without `# else:`"))?,
                module: notes.module,
                arch: notes.arch.or_else(|| section_arch.clone()),
            });
        } else if line.is_empty() {
            // A note of its own below a heading is for the whole section.
            if let Some(otherwise) = notes.otherwise.take() {
                section_otherwise = Some(otherwise);
            }
            if let Some(arch) = notes.arch.take() {
                section_arch = Some(arch);
            }
        } else if let Some(comment) = line.strip_prefix('#') {
            match comment.trim().split_once(": ") {
                Some(("who", text)) => notes.who = Some(text.to_owned()),
                Some(("else", text)) => notes.otherwise = Some(text.to_owned()),
                Some(("module", text)) => notes.module = Some(text.to_owned()),
                Some(("arch", text)) => notes.arch = Some(text.to_owned()),
                // The file's own introduction.
                _ if sections.is_empty() => {}
                _ => return Err(fail("a comment is `who:`, `else:`, `module:` or `arch:`")),
            }
        } else {
            return Err(fail("expected CONFIG_NAME=y or # CONFIG_NAME is not set"));
        }
    }
    Ok(sections)
}

fn required(line: &str) -> Option<(&str, bool)> {
    if let Some((symbol, "y")) = assignment(line) {
        return Some((symbol, true));
    }
    let symbol = line
        .strip_prefix("# CONFIG_")?
        .strip_suffix(" is not set")?;
    Some((symbol, false))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_compiled_in_fragments_are_valid() {
        let sections = parse_all(&super::super::FRAGMENTS).unwrap();
        let symbols: Vec<&str> = sections
            .iter()
            .flat_map(|s| &s.requirements)
            .map(|requirement| requirement.symbol.as_str())
            .collect();
        let distinct: HashSet<&str> = symbols.iter().copied().collect();
        assert_eq!(symbols.len(), distinct.len(), "a symbol is listed twice");
        for needed in ["BLK_DEV_INITRD", "PACKET", "NFS_FS", "NFS_V3", "VIRTIO_NET"] {
            assert!(distinct.contains(needed), "{needed}");
        }
        assert!(sections.iter().any(|s| s.weight == Weight::Any));
    }

    #[test]
    fn a_symbol_takes_the_consequence_from_its_section_unless_it_has_its_own() {
        let text = "# An introduction.\n\n## any: NICs\n# else: no network\n\n# who: some\n# module: a_b\nCONFIG_A=y\n\n\
                    # who: others\n# else: worse\n# CONFIG_B is not set\n";
        let sections = parse(text).unwrap();
        let requirement =
            |symbol: &str, set, who: &str, otherwise: &str, module: Option<&str>| Requirement {
                symbol: symbol.into(),
                set,
                who: who.into(),
                otherwise: otherwise.into(),
                module: module.map(str::to_owned),
                arch: None,
            };
        assert_eq!(
            sections,
            [Section {
                weight: Weight::Any,
                title: "NICs".into(),
                requirements: vec![
                    requirement("A", true, "some", "no network", Some("a_b")),
                    requirement("B", false, "others", "worse", None)
                ],
            }]
        );
    }

    #[test]
    fn a_section_of_one_architecture_goes_on_with_the_one_of_its_title() {
        let one = "## useful: x\n# else: y\n\n# who: z\nCONFIG_A=y\n";
        let other = "## useful: x\n# arch: arm64\n\n# who: z\n# else: y\nCONFIG_B=y\n";
        let sections = parse_all(&[("one", one), ("other", other)]).unwrap();
        let [section] = &sections[..] else {
            panic!("{sections:?}");
        };
        let archs: Vec<Option<&str>> = section
            .requirements
            .iter()
            .map(|requirement| requirement.arch.as_deref())
            .collect();
        assert_eq!(archs, [None, Some("arm64")]);
    }

    #[test]
    fn an_invalid_line_is_reported_with_its_number() {
        for (text, line) in [
            ("CONFIG_A=y\n", 1),
            ("## vital: x\n", 1),
            ("## essential: x\n# who: y\nCONFIG_A=y\n", 3),
            ("## essential: x\n# else: y\nCONFIG_A=y\n", 3),
            ("## essential: x\nCONFIG_A=m\n", 2),
            ("## essential: x\n# how: y\n", 2),
        ] {
            let error = parse_all(&[("f", text)]).unwrap_err();
            assert_eq!((error.file.as_str(), error.line), ("f", line), "{text:?}");
        }
    }
}
