//! Ways to boot a machine, and which of them works for it.
//!
//! Most firmware boots from the usual answer. Some needs the second request on port 4011
//! (danderson/netboot#43), and some hangs in a loader that uses the firmware's own network
//! driver. Neither reports it: the machine stops and starts again from the beginning. So
//! after answers that do not lead to a boot, the next way is tried.
//!
//! # Who says that a boot failed
//! A DISCOVER can be sent by anybody in the name of any machine, and a boot that fails before
//! its first file leaves nothing else. What only the machine itself can do is to fetch a file
//! by the address that it was given ([`Progress`]). Therefore:
//!
//! * Once a machine has loaded its boot loader, the announcement that led to it is kept.
//!   Messages alone never change it again; only a server that starts anew forgets it. A forger who
//!   asks while a machine loads can have the next one load the signed chain, which starts
//!   everywhere; the script that comes late takes that back.
//! * The loader is changed only for a machine that has loaded it without coming to its script:
//!   once if none of its boots came there, because firmware with Secure Boot refuses what is not signed
//!   each time, and DHCP does not say that it is on; twice otherwise. What a machine did or reported before
//!   ([`Known`]) is where it begins.
//! * Until a machine has loaded anything, failures count that are as far apart as boots are.
//!   Firmware waits 4 s and more for offers, then for its file, and starts again; a burst of
//!   requests is one attempt. A forger who has this patience makes the server try the other
//!   announcement, which most firmware boots from too; where it does not, two failed boots
//!   of the machine bring the first one back, and the first success ends it.
//! * A machine's report of its Secure Boot counts once after its firmware has asked: the first one is its init's, sent while
//!   the root's init starts. Every program that runs on the machine later can read where reports go, and send another.
//! * A flood of invented machines makes the table forget newcomers, never a machine that has
//!   loaded a file from here.

use std::collections::HashMap;
use std::time::Duration;

use netroot_net::Mac;

/// How the boot file is announced to the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Proxy: "load this file" (43.6 = 8). DHCP: file and server in the header, as without
    /// PXE.
    #[default]
    Usual,
    /// Proxy: no option 43, so that the firmware sends a second request to port 4011. DHCP:
    /// with option 60 and 43.6 = 8.
    Other,
}

/// Which boot loader firmware is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoaderChoice {
    /// [`super::inputs::Loader::first`].
    #[default]
    First,
    /// [`super::inputs::Loader::signed`]; the first if there is none.
    Signed,
    /// [`super::inputs::Loader::second`]; the first if there is none.
    Second,
}

/// What is known of a machine's Secure Boot, from its boots or from its own report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// It starts the first loader: none of its failures is taken for Secure Boot before there are two.
    Unsigned,
    /// It starts only the signed chain.
    SignedOnly,
}

impl Known {
    /// What a machine shows that starts this loader.
    const fn of_loader(loader: LoaderChoice) -> Self {
        match loader {
            LoaderChoice::First => Self::Unsigned,
            LoaderChoice::Signed => Self::SignedOnly,
            LoaderChoice::Second => Self::Nothing,
        }
    }
}

/// Whether machines are given the signed chain, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecureBootMode {
    /// Those that refuse what is not signed.
    #[default]
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

impl SecureBootMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    /// The loader that is named where `chosen` is by what is known of the machine, and where there is a signed one if
    /// `can_sign`.
    #[must_use]
    pub const fn loader(self, chosen: LoaderChoice, can_sign: bool) -> LoaderChoice {
        match (self, chosen) {
            (Self::Always, _) if can_sign => LoaderChoice::Signed,
            (Self::Never, LoaderChoice::Signed) => LoaderChoice::First,
            (Self::Auto | Self::Always | Self::Never, other) => other,
        }
    }
}

/// What an answer to firmware could name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// There was a signed loader that it could be.
    pub can_sign: bool,
    /// Whether it is named.
    pub mode: SecureBootMode,
}

/// What a machine's own report of its Secure Boot comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// The signed chain was given to it because of Secure Boot, which is off: it is given the first loader again.
    pub ends: bool,
    /// What the boot has shown that it reports.
    pub shown: Known,
}

/// What was known when an answer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// The loader that the machine loaded last.
    pub loaded: Option<LoaderChoice>,
    /// Its Secure Boot.
    pub known: Known,
    /// It loaded a loader since, and started none.
    pub refused: bool,
}

/// The way to boot a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strategy {
    /// How the boot file is announced.
    pub style: Style,
    /// Which loader.
    pub loader: LoaderChoice,
}

/// How far a machine has come since its last DHCP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It has been sent the name of its boot loader.
    Answered,
    /// It has loaded the boot loader.
    Loaded,
    /// The boot loader has requested its script: the strategy works.
    Booted,
}

/// After this many failed boots another way is tried. A single failure may be a
/// person pressing Escape, or a machine being switched off.
const MAX_FAILURES: u32 = 2;
/// The shortest time from the start of a boot that fails to the next one. Attempts that are closer
/// together count as one, unless the first has come to its report.
const SHORTEST_ATTEMPT: Duration = Duration::from_secs(20);
/// A machine that has not loaded anything, and has not asked for this long, is forgotten first.
const STALE_AFTER: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
struct Record {
    strategy: Strategy,
    transaction: u32,
    /// When the present attempt began.
    began: Duration,
    /// How far it has come.
    progress: Progress,
    /// The announcement has led to the boot loader.
    announced: bool,
    /// Attempts that ended before the loader, until one did not.
    without_loader: u32,
    /// Attempts that ended in the loader, until one did not.
    without_script: u32,
    /// There is a signed loader for what it asked for last.
    can_sign: bool,
    /// The configuration says which loader that is: what comes of it says nothing of the machine.
    is_told: bool,
    /// What was known at first.
    known: Known,
    /// The loader that it loaded last.
    loaded: Option<LoaderChoice>,
    /// The same, if it loaded it in the present attempt and has not reported since. Only that shows what it starts: a boot may
    /// also begin with iPXE from a disk.
    loaded_now: Option<LoaderChoice>,
    /// The first loader has led to a script: the machine does not refuse it.
    first_works: bool,
    /// It is given another loader because boots with the first one failed, and has not reported since that Secure Boot is
    /// why.
    first_failed: bool,
    /// It has reported since its firmware asked.
    has_reported: bool,
    /// When the machine asked first, and last.
    first: Duration,
    seen: Duration,
}

impl Record {
    /// Counts the present attempt as failed, unless it came to the end.
    fn fail(&mut self) {
        match self.progress {
            // Anybody may have said that there was an attempt.
            Progress::Answered if self.announced => {}
            Progress::Answered => {
                self.without_loader += 1;
                if self.without_loader >= MAX_FAILURES {
                    self.without_loader = 0;
                    self.strategy.style = match self.strategy.style {
                        Style::Usual => Style::Other,
                        Style::Other => Style::Usual,
                    };
                }
            }
            // Firmware that tries HTTP after PXE, where the signed one cannot go on: that is no failure of the signed one.
            Progress::Loaded
                if self.strategy.loader == LoaderChoice::Signed
                    && self.loaded != Some(LoaderChoice::Signed) => {}
            // Nor does what the configuration says give way to another one.
            Progress::Loaded if self.is_told => {}
            Progress::Loaded => {
                self.without_script += 1;
                let enough = self.without_script >= MAX_FAILURES;
                let next = match self.strategy.loader {
                    LoaderChoice::First if self.can_sign && (enough || !self.first_works) => {
                        LoaderChoice::Signed
                    }
                    LoaderChoice::First | LoaderChoice::Signed if enough => LoaderChoice::Second,
                    LoaderChoice::Second if enough => LoaderChoice::First,
                    same => same,
                };
                if next != self.strategy.loader {
                    self.without_script = 0;
                    self.first_failed = next != LoaderChoice::First;
                    self.strategy.loader = next;
                }
            }
            Progress::Booted => {}
        }
    }

    /// The record that is forgotten for a new one has the least value.
    fn value(&self, now: Duration) -> (u8, Duration) {
        let stale = now.saturating_sub(self.seen) >= STALE_AFTER;
        match (self.announced, stale) {
            (false, true) => (0, self.seen),
            // The last one to appear: those of a flood displace each other.
            (false, false) => (1, Duration::MAX.saturating_sub(self.first)),
            (true, _) => (2, self.seen),
        }
    }
}

/// The strategies for recently seen machines.
#[derive(Debug, Default)]
pub struct Strategies {
    machines: HashMap<Mac, Record>,
    capacity: usize,
}

impl Strategies {
    /// Remembers at most `capacity` machines; of those that have not loaded anything, the last
    /// one to appear is forgotten first.
    pub fn new(capacity: usize) -> Strategies {
        Strategies {
            machines: HashMap::new(),
            capacity,
        }
    }

    /// The strategy for a firmware request with this `transaction`. A new transaction is a new
    /// boot, unless the last one began a moment ago and has not reported; the one before it now counts as failed if
    /// it made no progress. Do not call this for iPXE requests: they show that the strategy
    /// worked.
    /// A machine that is new begins with what is `known` of it.
    pub fn choose(&mut self, mac: Mac, transaction: u32, now: Duration, known: Known) -> Strategy {
        if !self.machines.contains_key(&mac) {
            self.make_room(now);
        }
        let record = self.machines.entry(mac).or_insert(Record {
            strategy: Strategy {
                loader: match known {
                    Known::SignedOnly => LoaderChoice::Signed,
                    Known::Nothing | Known::Unsigned => LoaderChoice::First,
                },
                ..Strategy::default()
            },
            transaction,
            began: now,
            progress: Progress::Answered,
            announced: false,
            without_loader: 0,
            without_script: 0,
            can_sign: false,
            is_told: false,
            known,
            loaded: None,
            loaded_now: None,
            first_works: known == Known::Unsigned,
            first_failed: false,
            has_reported: false,
            first: now,
            seen: now,
        });
        record.seen = now;
        let next = record.transaction != transaction;
        let is_over = record.has_reported || now >= record.began.saturating_add(SHORTEST_ATTEMPT);
        if next && is_over {
            record.fail();
            record.transaction = transaction;
            record.began = now;
            record.progress = Progress::Answered;
            record.loaded_now = None;
            record.has_reported = false;
        }
        record.strategy
    }

    /// The strategy of the boot that the machine is in, for a request that begins none: the second one of its firmware, on
    /// port 4011.
    pub fn current(&self, mac: Mac) -> Strategy {
        self.machines
            .get(&mac)
            .map(|record| record.strategy)
            .unwrap_or_default()
    }

    /// The loader that the machine has loaded since its firmware asked, as far as it has not reported since.
    pub fn loaded_now(&self, mac: Mac) -> Option<LoaderChoice> {
        self.machines.get(&mac)?.loaded_now
    }

    /// Records what the answer to the machine could name. Returns what was known before.
    pub fn answered(&mut self, mac: Mac, answered: Answered) -> Before {
        let Some(record) = self.machines.get_mut(&mac) else {
            return Before::default();
        };
        record.can_sign = answered.can_sign && answered.mode == SecureBootMode::Auto;
        record.is_told = answered.can_sign && answered.mode == SecureBootMode::Always;
        if answered.mode == SecureBootMode::Never {
            record.strategy.loader = answered.mode.loader(record.strategy.loader, false);
        }
        Before {
            loaded: record.loaded,
            known: record.known,
            refused: record.without_script > 0 || record.strategy.loader == LoaderChoice::Signed,
        }
    }

    /// The machine has reported whether its firmware enforces Secure Boot, or nothing of it (`None`). One that was given the
    /// signed chain for that reason is given the first loader again if it does not; one whose boots with the first loader
    /// failed for another reason is not. `None` for what does not count: another report of the same boot, or, where the
    /// firmware's request was not seen, one of a machine of which something `is_known`.
    pub fn reported(
        &mut self,
        mac: Mac,
        enforcing: Option<bool>,
        is_known: bool,
    ) -> Option<Reported> {
        let Some(record) = self.machines.get_mut(&mac) else {
            let ends = !enforcing.filter(|_| !is_known)?;
            return Some(Reported {
                ends,
                shown: Known::Nothing,
            });
        };
        let is_first = !std::mem::replace(&mut record.has_reported, true);
        let enforcing = enforcing.filter(|_| is_first)?;
        let loaded = record
            .loaded_now
            .take()
            .filter(|_| record.progress == Progress::Booted && !record.is_told);
        let shown = loaded.map_or(Known::Nothing, Known::of_loader);
        if enforcing {
            record.first_failed = false;
            return Some(Reported { ends: false, shown });
        }
        let ends = !record.first_failed;
        if ends {
            record.known = Known::Unsigned;
            if record.strategy.loader == LoaderChoice::Signed {
                record.strategy.loader = LoaderChoice::First;
            }
        }
        Some(Reported { ends, shown })
    }

    /// What was known of the machine's Secure Boot is forgotten: it is tried anew.
    pub fn forget(&mut self, mac: Mac) {
        self.machines.remove(&mac);
    }

    /// Records that the machine has loaded this loader, like [`Strategies::progressed`].
    pub fn loaded(&mut self, mac: Mac, loader: LoaderChoice) {
        if let Some(record) = self.machines.get_mut(&mac) {
            record.loaded = Some(loader);
            record.loaded_now = Some(loader);
        }
        self.progressed(mac, Progress::Loaded);
    }

    /// The same of a first loader that is signed, but not by those who sign the signed chain (a unified kernel image): that it
    /// starts says nothing of what nobody signed.
    pub fn loaded_signed_first(&mut self, mac: Mac) {
        self.loaded(mac, LoaderChoice::First);
        if let Some(record) = self.machines.get_mut(&mac) {
            record.loaded_now = None;
        }
    }

    /// Records that the machine has come this far. Only what the machine itself has done may
    /// be told: a transfer to an address that is known to be its own. Returns what that shows of its Secure Boot.
    pub fn progressed(&mut self, mac: Mac, progress: Progress) -> Known {
        let Some(record) = self.machines.get_mut(&mac) else {
            return Known::Nothing;
        };
        record.progress = record.progress.max(progress);
        if progress >= Progress::Loaded {
            record.announced = true;
            record.without_loader = 0;
        }
        if progress >= Progress::Booted {
            record.without_script = 0;
            if record.is_told {
                return Known::Nothing;
            }
            // Not one that a request meanwhile has put in its place.
            if let Some(loaded) = record.loaded {
                record.strategy.loader = loaded;
                record.first_works |= loaded == LoaderChoice::First;
            }
            return record.loaded_now.map_or(Known::Nothing, Known::of_loader);
        }
        Known::Nothing
    }

    fn make_room(&mut self, now: Duration) {
        if self.machines.len() >= self.capacity
            && let Some(least) = self
                .machines
                .iter()
                .min_by_key(|(_, record)| record.value(now))
                .map(|(mac, _)| *mac)
        {
            self.machines.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const USUAL: Strategy = Strategy {
        style: Style::Usual,
        loader: LoaderChoice::First,
    };

    const OTHER: Strategy = Strategy {
        style: Style::Other,
        loader: LoaderChoice::First,
    };
    const MINUTE: Duration = Duration::from_secs(60);

    fn auto(can_sign: bool) -> Answered {
        Answered {
            can_sign,
            mode: SecureBootMode::Auto,
        }
    }

    /// The strategy after these boots, a minute apart, where there is no signed loader.
    fn after(boots: &[Option<Progress>]) -> Strategy {
        after_with(false, boots)
    }

    /// The same where there may be one.
    fn after_with(signed: bool, boots: &[Option<Progress>]) -> Strategy {
        let mut strategies = Strategies::new(8);
        let mut transaction = 0;
        for progress in boots {
            transaction += 1;
            // Each boot sends its DISCOVER several times.
            strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
            let strategy =
                strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
            strategies.answered(MAC, auto(signed));
            if progress.is_some_and(|progress| progress >= Progress::Loaded) {
                strategies.loaded(MAC, strategy.loader);
            }
            if *progress == Some(Progress::Booted) {
                strategies.progressed(MAC, Progress::Booted);
            }
        }
        transaction += 1;
        strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing)
    }

    #[test]
    fn a_working_strategy_is_kept() {
        assert_eq!(after(&[Some(Progress::Booted); 9]), USUAL);
        assert_eq!(after(&[None, Some(Progress::Booted), None]), USUAL);
    }

    #[test]
    fn two_boots_without_a_transfer_change_the_style() {
        assert_eq!(after(&[None]), USUAL);
        assert_eq!(after(&[None, None]), OTHER);
        assert_eq!(after(&[None, None, None, None]), USUAL);
        assert_eq!(
            after(&[None, None, Some(Progress::Booted), Some(Progress::Booted)]),
            OTHER
        );
    }

    #[test]
    fn two_boots_that_stop_in_the_loader_change_the_loader() {
        let loaded = Some(Progress::Loaded);
        assert_eq!(after(&[loaded]).loader, LoaderChoice::First);
        assert_eq!(after(&[loaded; 2]).loader, LoaderChoice::Second);
        assert_eq!(after(&[loaded; 4]).loader, LoaderChoice::First);
    }

    #[test]
    fn one_boot_that_stops_in_the_loader_may_be_secure_boot() {
        let loader = |boots: &[Progress]| {
            let boots: Vec<_> = boots.iter().copied().map(Some).collect();
            after_with(true, &boots).loader
        };
        let (loaded, booted) = (Progress::Loaded, Progress::Booted);
        assert_eq!(loader(&[loaded]), LoaderChoice::Signed);
        // Somebody may switch it off once in the middle.
        assert_eq!(loader(&[loaded; 2]), LoaderChoice::Signed);
        assert_eq!(loader(&[loaded; 3]), LoaderChoice::Second);
        assert_eq!(loader(&[loaded; 5]), LoaderChoice::First);
        assert_eq!(loader(&[loaded; 6]), LoaderChoice::Signed);
        // What has worked is kept when somebody presses a key once; Secure Boot may be switched on later.
        assert_eq!(loader(&[booted, loaded]), LoaderChoice::First);
        assert_eq!(loader(&[booted, loaded, loaded]), LoaderChoice::Signed);
        assert_eq!(loader(&[loaded, booted, loaded]), LoaderChoice::Signed);
        let [again, never] = [[loaded, booted, loaded, loaded], [booted; 4]];
        assert_eq!(loader(&again), LoaderChoice::Second);
        assert_eq!(loader(&never), LoaderChoice::First);
    }

    #[test]
    fn a_signed_first_loader_shows_nothing_and_gives_way_like_another() {
        let mut strategies = Strategies::new(8);
        let mut boot = |number: u32, booted| {
            let strategy = strategies.choose(MAC, number, MINUTE * number, Known::Nothing);
            strategies.answered(MAC, auto(true));
            match strategy.loader {
                LoaderChoice::First => strategies.loaded_signed_first(MAC),
                other => strategies.loaded(MAC, other),
            }
            let shown = match booted {
                true => strategies.progressed(MAC, Progress::Booted),
                false => Known::Nothing,
            };
            (strategy.loader, shown)
        };
        let nothing = (LoaderChoice::First, Known::Nothing);
        assert_eq!(boot(1, true), nothing);
        assert_eq!([boot(2, false), boot(3, false)], [nothing; 2]);
        assert_eq!(boot(4, true), (LoaderChoice::Signed, Known::SignedOnly));
    }

    /// Firmware that boots by HTTP where that failed by PXE, and a signed chain that cannot go on by HTTP.
    #[test]
    fn what_was_not_given_has_not_failed() {
        let mut strategies = Strategies::new(8);
        for boot in 0..6 {
            let (pxe, http) = (2 * boot, 2 * boot + 1);
            let strategy = strategies.choose(MAC, pxe, MINUTE * pxe, Known::Nothing);
            let expected = match boot {
                0 => LoaderChoice::First,
                _ => LoaderChoice::Signed,
            };
            assert_eq!(strategy.loader, expected, "{boot}");
            strategies.answered(MAC, auto(true));
            strategies.loaded(MAC, strategy.loader);
            if boot > 0 {
                strategies.progressed(MAC, Progress::Booted);
            }
            strategies.choose(MAC, http, MINUTE * http, Known::Nothing);
            strategies.answered(MAC, auto(false));
            strategies.loaded(MAC, LoaderChoice::First);
        }
    }

    /// A forger's request by HTTP, while shim is loaded by PXE.
    #[test]
    fn a_forged_request_takes_no_signed_loader_away() {
        let mut strategies = Strategies::new(8);
        strategies.choose(MAC, 1, MINUTE, Known::Nothing);
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, LoaderChoice::First);
        let signed = strategies.choose(MAC, 2, MINUTE * 2, Known::Nothing);
        assert_eq!(signed.loader, LoaderChoice::Signed);
        strategies.choose(MAC, 99, MINUTE * 3, Known::Nothing);
        strategies.answered(MAC, auto(false));
        strategies.loaded(MAC, LoaderChoice::Signed);
        strategies.progressed(MAC, Progress::Booted);
        for boot in 4..9 {
            let strategy = strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
            assert_eq!(strategy.loader, LoaderChoice::Signed);
            strategies.answered(MAC, auto(true));
            strategies.loaded(MAC, LoaderChoice::Signed);
            strategies.progressed(MAC, Progress::Booted);
        }
    }

    #[test]
    fn a_burst_of_requests_in_a_machines_name_is_one_attempt() {
        let mut strategies = Strategies::new(8);
        for transaction in 0..1000 {
            let now = Duration::from_millis(19) * transaction;
            assert_eq!(
                strategies.choose(MAC, transaction, now, Known::Nothing),
                USUAL
            );
        }
    }

    #[test]
    fn requests_in_the_name_of_a_machine_that_has_booted_change_nothing() {
        let signed = Strategy {
            loader: LoaderChoice::Signed,
            ..USUAL
        };
        for (progress, expected) in [(Progress::Loaded, signed), (Progress::Booted, USUAL)] {
            let mut strategies = Strategies::new(8);
            strategies.choose(MAC, 0, Duration::ZERO, Known::Nothing);
            strategies.answered(MAC, auto(true));
            strategies.progressed(MAC, progress);
            for transaction in 1..1000 {
                let strategy =
                    strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
                assert_eq!(strategy, expected, "{transaction}");
            }
        }
    }

    #[test]
    fn a_script_that_comes_late_is_no_failure() {
        let mut strategies = Strategies::new(8);
        for boot in (0..100).step_by(2) {
            strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
            strategies.progressed(MAC, Progress::Loaded);
            // A forger's, while the loader loads.
            strategies.choose(
                MAC,
                boot + 1,
                MINUTE * boot + SHORTEST_ATTEMPT,
                Known::Nothing,
            );
            strategies.progressed(MAC, Progress::Booted);
        }
        assert_eq!(
            strategies.choose(MAC, 100, MINUTE * 100, Known::Nothing),
            USUAL
        );
    }

    #[test]
    fn a_forger_with_patience_loses_to_the_first_boot() {
        let mut strategies = Strategies::new(8);
        for transaction in 0..3 {
            strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
        }
        assert_eq!(strategies.choose(MAC, 3, MINUTE * 3, Known::Nothing), OTHER);
        strategies.progressed(MAC, Progress::Loaded);
        for transaction in 4..100 {
            let strategy =
                strategies.choose(MAC, transaction, MINUTE * transaction, Known::Nothing);
            assert_eq!(strategy.style, Style::Other);
            assert_ne!(strategy.loader, LoaderChoice::Second);
        }
    }

    #[test]
    fn a_flood_of_machines_forgets_neither_those_that_booted_nor_those_that_try() {
        let mut strategies = Strategies::new(3);
        let booted = Mac([2, 0, 0, 0, 0, 2]);
        strategies.choose(booted, 1, Duration::ZERO, Known::Nothing);
        strategies.progressed(booted, Progress::Booted);
        for boot in 1..4 {
            strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
            for n in 0..100 {
                let flood = Mac([2, 9, 9, 9, 0, n]);
                let later = Duration::from_millis(1 + u64::from(n));
                strategies.choose(flood, 1, MINUTE * boot + later, Known::Nothing);
            }
        }
        assert_eq!(strategies.machines.len(), 3);
        assert!(strategies.machines.contains_key(&booted));
        assert_eq!(strategies.choose(MAC, 3, MINUTE * 3, Known::Nothing), OTHER);
        // Those that were not heard of for an hour make room.
        strategies.choose(Mac([2, 9, 9, 9, 1, 1]), 1, MINUTE * 100, Known::Nothing);
        assert!(!strategies.machines.contains_key(&MAC));
        assert!(strategies.machines.contains_key(&booted));
    }

    /// One boot, which comes to its script. Returns the loader, and what that shows.
    fn booted(strategies: &mut Strategies, boot: u32, known: Known) -> (LoaderChoice, Known) {
        let strategy = strategies.choose(MAC, boot, MINUTE * boot, known);
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, strategy.loader);
        (
            strategy.loader,
            strategies.progressed(MAC, Progress::Booted),
        )
    }

    #[test]
    fn a_machine_begins_with_what_is_known_of_it() {
        let mut strategies = Strategies::new(8);
        let signed = (LoaderChoice::Signed, Known::SignedOnly);
        let first = (LoaderChoice::First, Known::Unsigned);
        assert_eq!(booted(&mut strategies, 1, Known::SignedOnly), signed);
        strategies.forget(MAC);
        assert_eq!(booted(&mut strategies, 1, Known::Unsigned), first);
        strategies.forget(MAC);
        // One boot may fail by chance where Secure Boot was off.
        for (boot, expected) in [
            (1, LoaderChoice::First),
            (2, LoaderChoice::First),
            (3, LoaderChoice::Signed),
        ] {
            let strategy = strategies.choose(MAC, boot, MINUTE * boot, Known::Unsigned);
            assert_eq!(strategy.loader, expected, "{boot}");
            strategies.answered(MAC, auto(true));
            strategies.loaded(MAC, strategy.loader);
        }
    }

    #[test]
    fn a_machine_that_reports_secure_boot_off_is_given_the_first_loader_again() {
        let mut strategies = Strategies::new(8);
        booted(&mut strategies, 1, Known::SignedOnly);
        strategies.reported(MAC, Some(true), false);
        let (loader, _) = booted(&mut strategies, 2, Known::SignedOnly);
        assert_eq!(loader, LoaderChoice::Signed);
        strategies.reported(MAC, Some(false), false);
        let (loader, shown) = booted(&mut strategies, 3, Known::SignedOnly);
        assert_eq!((loader, shown), (LoaderChoice::First, Known::Unsigned));
    }

    #[test]
    fn a_report_counts_once_after_firmware_has_asked() {
        let mut strategies = Strategies::new(8);
        // What booted before this server started, or by other means: it counts where nothing is known.
        assert_eq!(strategies.reported(MAC, Some(true), true), None);
        let first = strategies.reported(MAC, Some(true), false).unwrap();
        assert!(!first.ends);
        booted(&mut strategies, 1, Known::Nothing);
        assert!(strategies.reported(MAC, Some(false), true).is_some());
        // A user of the machine, who read where reports go.
        assert_eq!(strategies.reported(MAC, Some(true), true), None);
        let (loader, _) = booted(&mut strategies, 2, Known::Unsigned);
        assert_eq!(loader, LoaderChoice::First);
        // An init that says nothing of it leaves nobody else to say it.
        assert_eq!(strategies.reported(MAC, None, true), None);
        assert_eq!(strategies.reported(MAC, Some(true), true), None);
        booted(&mut strategies, 3, Known::Unsigned);
        assert!(strategies.reported(MAC, Some(true), true).is_some());
    }

    #[test]
    fn a_report_shows_what_its_boot_started_and_what_comes_after_it_shows_nothing() {
        let mut strategies = Strategies::new(8);
        booted(&mut strategies, 1, Known::Nothing);
        let reported = strategies.reported(MAC, Some(true), false).unwrap();
        assert_eq!(reported.shown, Known::Unsigned, "with its owner's keys");
        // A program of the machine that runs fetches the script again, or a boot begins with iPXE from a disk.
        assert_eq!(strategies.progressed(MAC, Progress::Booted), Known::Nothing);
        strategies.choose(MAC, 2, MINUTE * 2, Known::Nothing);
        assert_eq!(strategies.progressed(MAC, Progress::Booted), Known::Nothing);
    }

    /// A virtual machine boots in less than the shortest attempt.
    #[test]
    fn of_two_boots_in_quick_succession_each_report_counts_and_of_one_the_first() {
        let mut strategies = Strategies::new(8);
        let second = Duration::from_secs(1);
        for boot in 1..5 {
            let began = MINUTE + second * boot * 8;
            // It asks several times, and may try another way to boot.
            for (transaction, after) in [(2 * boot, 0), (2 * boot, 1), (2 * boot + 1, 2)] {
                strategies.choose(MAC, transaction, began + second * after, Known::SignedOnly);
            }
            strategies.answered(MAC, auto(true));
            strategies.loaded(MAC, LoaderChoice::Signed);
            strategies.progressed(MAC, Progress::Booted);
            let reported = strategies.reported(MAC, Some(true), true).unwrap();
            assert_eq!(reported.shown, Known::SignedOnly, "{boot}");
            assert_eq!(strategies.reported(MAC, Some(false), true), None, "{boot}");
        }
    }

    #[test]
    fn what_a_machine_loaded_is_known_until_it_reports_or_begins_anew() {
        let mut strategies = Strategies::new(8);
        booted(&mut strategies, 1, Known::SignedOnly);
        assert_eq!(strategies.loaded_now(MAC), Some(LoaderChoice::Signed));
        strategies.reported(MAC, Some(true), true);
        assert_eq!(strategies.loaded_now(MAC), None);
        booted(&mut strategies, 2, Known::SignedOnly);
        // It asks again in the same transaction, and then in another one.
        strategies.choose(MAC, 2, MINUTE * 3, Known::SignedOnly);
        assert_eq!(strategies.loaded_now(MAC), Some(LoaderChoice::Signed));
        strategies.choose(MAC, 3, MINUTE * 3, Known::SignedOnly);
        assert_eq!(strategies.loaded_now(MAC), None);
    }

    #[test]
    fn a_machine_whose_network_card_only_the_signed_chain_can_use_keeps_it_without_secure_boot() {
        let mut strategies = Strategies::new(8);
        strategies.choose(MAC, 1, MINUTE, Known::Nothing);
        strategies.answered(MAC, auto(true));
        strategies.loaded(MAC, LoaderChoice::First);
        for boot in 2..6 {
            let (loader, _) = booted(&mut strategies, boot, Known::Nothing);
            assert_eq!(loader, LoaderChoice::Signed, "{boot}");
            assert!(!strategies.reported(MAC, Some(false), false).unwrap().ends);
        }
    }

    #[test]
    fn a_mode_changes_nothing_where_there_is_no_signed_loader() {
        for mode in [SecureBootMode::Always, SecureBootMode::Never] {
            let mut strategies = Strategies::new(8);
            let answered = Answered {
                can_sign: false,
                mode,
            };
            for (boot, expected) in [
                (1, LoaderChoice::First),
                (2, LoaderChoice::First),
                (3, LoaderChoice::Second),
            ] {
                let chosen = strategies.choose(MAC, boot, MINUTE * boot, Known::SignedOnly);
                let loader = mode.loader(chosen.loader, false);
                let expected = match (mode, expected) {
                    // There is none: the answer names the first one.
                    (SecureBootMode::Always, LoaderChoice::First) => LoaderChoice::Signed,
                    _ => expected,
                };
                assert_eq!(loader, expected, "{mode:?} {boot}");
                strategies.answered(MAC, answered);
                strategies.loaded(MAC, loader);
            }
        }
    }

    #[test]
    fn what_the_configuration_says_shows_nothing_of_the_machine() {
        let mut strategies = Strategies::new(8);
        let always = Answered {
            can_sign: true,
            mode: SecureBootMode::Always,
        };
        strategies.choose(MAC, 1, MINUTE, Known::Nothing);
        strategies.answered(MAC, always);
        strategies.loaded(MAC, LoaderChoice::Signed);
        let shown = strategies.progressed(MAC, Progress::Booted);
        assert_eq!(shown, Known::Nothing);
        let next = strategies.choose(MAC, 2, MINUTE * 2, Known::Nothing);
        assert_eq!(next, USUAL);
        // Nor is a machine that fails given the signed chain where the configuration forbids it.
        for boot in 3..6 {
            let never = Answered {
                can_sign: true,
                mode: SecureBootMode::Never,
            };
            let strategy = strategies.choose(MAC, boot, MINUTE * boot, Known::Nothing);
            assert_ne!(strategy.loader, LoaderChoice::Signed);
            strategies.answered(MAC, never);
            strategies.loaded(MAC, strategy.loader);
        }
    }
}
