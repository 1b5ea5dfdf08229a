//! What the server has warned of, for the page and `netroot status`: as long as it is so, as far as that is told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::view::utc;
use crate::advice::Advice;
use crate::serve::artifacts::signed_ipxe;
use crate::serve::clock::Moment;
use crate::serve::events::{Change, Event, InterfaceChange, Warning};

/// How many are kept, and how long a text may be, in bytes.
const KEPT: usize = 16;
const LONGEST: usize = 1024;
/// Mistakes of the configuration that are told so soon after one another are those of one look at it.
const ONE_LOOK: Duration = Duration::from_secs(1);

/// The last warnings.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    shown: ShownWarning,
    warning: Warning,
    /// When it was given last, on the server's clock.
    at: Duration,
}

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShownWarning {
    /// When it was given last, UTC.
    time: String,
    /// The sentence.
    text: String,
    /// How often.
    count: u32,
}

impl ShownWarning {
    /// The same, whose sentence names settings like this.
    pub(super) fn told(mut self, advice: Advice) -> Self {
        self.text = advice.told(self.text).into_owned();
        self
    }
}

impl Warnings {
    /// Something happened to the server itself: it warns, or what it has warned of is no longer so.
    pub(super) fn take(&self, event: &Event, now: Moment) {
        match event {
            Event::Warning(warning) => self.add(warning, now),
            other => self.kept().retain(|one| !mends(other, &one.warning)),
        }
    }

    fn add(&self, warning: &Warning, now: Moment) {
        // They are told as warnings, both that a file cannot be used and that it can be again.
        if let Warning::ApiTokens { error } | Warning::ApiCertificate { error } = warning {
            let of_this_file = std::mem::discriminant(warning);
            let is_of_this_file = |one: &Kept| std::mem::discriminant(&one.warning) == of_this_file;
            let told = error.as_ref().map(|_| warning.to_string());
            // What was wrong with an earlier one is not what is wrong with this one.
            self.kept()
                .retain(|one| !is_of_this_file(one) || told.as_ref() == Some(&one.shown.text));
            if told.is_none() {
                return;
            }
        }
        let mut text = warning.to_string();
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or_default());
            text.push('…');
        }
        let mut kept = self.kept();
        // Of an image's signed files each look says all that is wrong.
        if let Warning::SecureBoot { image: now_of, .. } = warning {
            kept.retain(|one| {
                !matches!(&one.warning, Warning::SecureBoot { image, .. } if image == now_of)
                    || now.now.saturating_sub(one.at) < ONE_LOOK
            });
        }
        // What was wrong at an earlier look, and is not told any more, was mended meanwhile.
        if is_of_configuration(warning) {
            kept.retain(|one| {
                one.shown.text == text
                    || !is_of_configuration(&one.warning)
                    || now.now.saturating_sub(one.at) < ONE_LOOK
            });
        }
        let at = kept.iter().position(|one| one.shown.text == text);
        let before = at.and_then(|at| kept.remove(at));
        let count = before.map_or(0, |one| one.shown.count).saturating_add(1);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        let time = utc(now.wall);
        kept.push_back(Kept {
            shown: ShownWarning { time, text, count },
            warning: warning.clone(),
            at: now.now,
        });
    }

    /// The last ones, the last one at the end.
    pub(super) fn shown(&self) -> Vec<ShownWarning> {
        self.kept().iter().map(|one| one.shown.clone()).collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of_configuration(warning: &Warning) -> bool {
    matches!(
        warning,
        Warning::ConfigurationKept { .. }
            | Warning::WithoutEffect { .. }
            | Warning::DropInLeftOut { .. }
            | Warning::SwapNotServed { image: None, .. }
    )
}

/// Whether what was warned of is no longer so after an event.
fn mends(event: &Event, warning: &Warning) -> bool {
    match (event, warning) {
        (Event::Change(Change::ConfigurationServed), warning) => {
            is_of_configuration(warning) || matches!(warning, Warning::TakesRestart { .. })
        }
        (
            Event::Change(
                Change::ImageSwapped { image: now, .. } | Change::ImageRemoved { image: now },
            ),
            Warning::SwapNotServed { image, .. },
        ) => image.as_ref().is_none_or(|image| image == now),
        (
            Event::Change(Change::ImageSwapped { image: now, .. }),
            Warning::KernelKept { image, .. } | Warning::NoNicInitrd { image, .. },
        ) => image == now,
        // One of them is the root again, or is none any more.
        (
            Event::Change(Change::ImageSwapped {
                root: now, before, ..
            }),
            Warning::RootGone { root } | Warning::RootNotFollowed { root, .. },
        ) => [now, before].contains(&root),
        (
            Event::Change(
                Change::NewBoots { image: now, .. } | Change::ImageRemoved { image: now },
            ),
            Warning::KernelKept { image, .. }
            | Warning::NoNicInitrd { image, .. }
            | Warning::NoUnified { image, .. }
            | Warning::UnifiedLeavesOut { image, .. }
            | Warning::SecureBoot { image, .. },
        )
        | (
            Event::Change(
                Change::ImageChanged { image: now } | Change::ImageRemoved { image: now },
            ),
            Warning::ImageKept { image, .. },
        ) => now == image,
        (
            Event::Change(Change::ImageAdded { image: now }),
            Warning::GenerationLeftOut { image, .. } | Warning::GenerationMissing { image, .. },
        ) => now == image,
        (
            Event::Change(Change::RootReplaced { root: now }),
            Warning::RootGone { root } | Warning::RootNotFollowed { root, .. },
        ) => now == root,
        (Event::Change(Change::LoaderReplaced { .. }), Warning::LoadersKept { .. }) => true,
        (Event::Change(Change::LoaderReplaced { loader }), Warning::SignedIpxe { .. }) => {
            signed_ipxe::is_of_pair(loader)
        }
        (Event::LeasesRecovered { file: now }, Warning::LeasesUnwritable { file, .. }) => {
            now == file
        }
        (
            Event::InterfaceChanged {
                interface: now,
                change: InterfaceChange::Back { .. } | InterfaceChange::Differs(_),
            },
            Warning::NotFollowed { interface, .. } | Warning::RangeElsewhere { interface, .. },
        ) => now == interface,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        let now = Duration::from_secs(seconds);
        Moment { now, wall: now }
    }

    fn wrong(error: &str) -> Event {
        let error = error.to_owned();
        Event::Warning(Warning::ConfigurationKept { error })
    }

    fn texts(warnings: &Warnings) -> Vec<String> {
        let shown = warnings.shown().into_iter();
        shown.map(|one| one.text).collect()
    }

    #[test]
    fn the_last_warnings_are_kept_each_once() {
        let warnings = Warnings::default();
        let warning = |number: u64| {
            let interface = format!("eth{number}");
            Event::Warning(Warning::NoDhcpServer { interface })
        };
        for number in 0..40 {
            warnings.take(&warning(number % 20), at(number));
        }
        warnings.take(&warning(19), at(40));
        let shown = warnings.shown();
        assert_eq!(shown.len(), KEPT);
        let last = shown.last().unwrap();
        assert_eq!(
            (last.time.as_str(), last.count),
            ("1970-01-01T00:00:40.000Z", 2)
        );
        warnings.take(&wrong(&"ü".repeat(LONGEST)), at(41));
        assert!(warnings.shown().last().unwrap().text.len() <= LONGEST + 3);
    }

    #[test]
    fn what_was_mended_is_no_warning_any_more() {
        let warnings = Warnings::default();
        let root = || Event::Warning(Warning::OwnRoot);
        warnings.take(&root(), at(0));
        // Two mistakes of one look, and one of them at the next.
        warnings.take(&wrong("netroot.toml:3: one"), at(10));
        warnings.take(&wrong("netroot.toml:5: two"), at(10));
        assert_eq!(texts(&warnings).len(), 3);
        warnings.take(&wrong("netroot.toml:5: two"), at(20));
        let now = texts(&warnings);
        assert_eq!(now.len(), 2);
        assert!(now[1].contains("netroot.toml:5: two"), "{now:?}");
        warnings.take(&Event::Change(Change::ConfigurationServed), at(30));
        assert_eq!(texts(&warnings).len(), 1, "the other warning stays");
        let image = || "debian".to_owned();
        let kept = Event::Warning(Warning::ImageKept {
            image: image(),
            error: String::new(),
        });
        warnings.take(&kept, at(40));
        let other = Change::ImageChanged {
            image: "rescue".to_owned(),
        };
        warnings.take(&Event::Change(other), at(41));
        assert_eq!(texts(&warnings).len(), 2);
        warnings.take(
            &Event::Change(Change::ImageChanged { image: image() }),
            at(42),
        );
        assert_eq!(texts(&warnings).len(), 1);
        // Of signed files all that is wrong is told, and what was wrong before is not any more.
        let signed = |error: &str| {
            let (image, error) = (image(), error.to_owned());
            Event::Warning(Warning::SecureBoot { image, error })
        };
        for (second, error, expected) in [
            (43, "shim is signed by somebody", 2),
            (43, "the kernel is signed by somebody", 3),
            (46, "the kernel is not signed", 2),
        ] {
            warnings.take(&signed(error), at(second));
            assert_eq!(texts(&warnings).len(), expected, "{error}");
        }
        let (image, linux) = (image(), "6.1.0".to_owned());
        let boots = Change::NewBoots { image, linux };
        warnings.take(&Event::Change(boots), at(47));
        assert_eq!(texts(&warnings).len(), 1);
        // A token file or a certificate that can be used again is told as a warning as well.
        let wrong = || Some("no such file".to_owned());
        let other = || Some("no key".to_owned());
        for (tokens, certificate, expected) in [
            (wrong(), wrong(), 3),
            (other(), wrong(), 3),
            (None, other(), 2),
            (wrong(), None, 2),
            (None, None, 1),
        ] {
            let warning = Warning::ApiTokens { error: tokens };
            warnings.take(&Event::Warning(warning), at(50));
            let warning = Warning::ApiCertificate { error: certificate };
            warnings.take(&Event::Warning(warning), at(50));
            assert_eq!(texts(&warnings).len(), expected);
        }
    }
}
