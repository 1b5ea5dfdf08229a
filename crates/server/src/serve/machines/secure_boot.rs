//! What is known of machines' Secure Boot, over restarts: `secure-boot.json` in the state folder.
//!
//! DHCP does not say whether it is on. A machine shows it by what it starts, and its init reports it. What a machine did
//! counts more than what it said, since firmware with its owner's keys may start what others refuse; a report that it is off
//! ends what was known before.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use netroot_net::Mac;
use netroot_proto::pxe::strategy::{Known, Reported};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::file_of_machines::{FileOfMachines, Unread, read};
use crate::serve::reported_secure_boot::ReportedSecureBoot;

/// The file in the state folder.
const FILE: &str = "secure-boot.json";
/// How many machines are remembered.
const MOST: usize = 1024;

/// What a machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Starts {
    /// It refused what is not signed, and started the signed chain.
    Signed,
    /// It started what nobody signed.
    Unsigned,
}

impl Starts {
    const fn shown(known: Known) -> Option<Self> {
        match known {
            Known::Nothing => None,
            Known::Unsigned => Some(Self::Unsigned),
            Known::SignedOnly => Some(Self::Signed),
        }
    }
}

/// What is known of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecureBoot {
    /// What it started last, if that showed anything.
    pub(crate) starts: Option<Starts>,
    /// What its init reported last.
    pub(crate) reported: Option<ReportedSecureBoot>,
    /// When that changed, in seconds since 1970.
    #[serde(default)]
    pub(crate) changed: u64,
}

impl SecureBoot {
    /// For the answer to its firmware.
    pub(crate) fn known(&self) -> Known {
        match (self.starts, &self.reported) {
            (Some(Starts::Signed), _) => Known::SignedOnly,
            (Some(Starts::Unsigned), _) => Known::Unsigned,
            (None, Some(reported)) if reported.enforcing => Known::SignedOnly,
            (None, Some(_)) => Known::Unsigned,
            (None, None) => Known::Nothing,
        }
    }
}

/// All machines. Bounded: of those that start everything, and then of the others, the one that changed longest ago is
/// forgotten first.
#[derive(Debug, Default)]
pub(crate) struct SecureBoots {
    all: Mutex<BTreeMap<Mac, SecureBoot>>,
    file: OnceLock<FileOfMachines>,
    changed: Notify,
    /// The file does not have the last change yet.
    is_unsaved: AtomicBool,
    /// What is wrong with the signed files of images, while no machine is known to need them.
    untold: Mutex<BTreeMap<String, Vec<String>>>,
}

/// What a server with this state folder remembers.
///
/// # Errors
/// The system's; the file makes no sense.
pub(crate) fn remembered(state: &Path) -> io::Result<BTreeMap<Mac, SecureBoot>> {
    match read(&state.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        other => other,
    }
}

impl SecureBoots {
    /// Begins with what was remembered. What cannot be read is returned, and learnt anew.
    pub(super) fn open(&self, state: &Path) -> Option<Unread> {
        let (file, had, unread) = FileOfMachines::open(state.join(FILE));
        self.add(had);
        let _ = self.file.set(file);
        unread
    }

    /// Adds what the file had, and returns all. What is known of a machine by now counts.
    fn add(&self, had: BTreeMap<Mac, SecureBoot>) -> BTreeMap<Mac, SecureBoot> {
        let mut all = self.all();
        for (mac, one) in had {
            all.entry(mac).or_insert(one);
        }
        while all.len() > MOST {
            forget_oldest(&mut all);
        }
        all.clone()
    }

    /// What is known of a machine.
    pub(crate) fn of(&self, mac: Mac) -> Option<SecureBoot> {
        self.all().get(&mac).cloned()
    }

    /// Whether any machine starts only what is signed.
    pub(crate) fn any_is_signed_only(&self) -> bool {
        let all = self.all();
        all.values().any(|one| one.known() == Known::SignedOnly)
    }

    /// A boot showed this.
    pub(super) fn showed(&self, mac: Mac, known: Known) {
        let Some(starts) = Starts::shown(known) else {
            return;
        };
        let is_known = self.all().contains_key(&mac);
        // Most machines have no Secure Boot: what starts everything needs no memory.
        if starts == Starts::Signed || is_known {
            self.change(mac, |one| one.starts = Some(starts));
        }
    }

    /// A machine's init reported this, which `comes_to` that. What its boot showed before was not kept if nothing was known.
    pub(super) fn reported(&self, mac: Mac, reported: &ReportedSecureBoot, comes_to: Reported) {
        self.change(mac, |one| {
            if comes_to.ends {
                one.starts = None;
            } else if let Some(starts) = Starts::shown(comes_to.shown) {
                one.starts = Some(starts);
            }
            one.reported = Some(reported.clone());
        });
    }

    /// Forgets a machine. Returns whether anything was known.
    pub(super) fn forget(&self, mac: Mac) -> bool {
        let was = self.all().remove(&mac).is_some();
        if was {
            self.note_change();
        }
        was
    }

    fn change(&self, mac: Mac, change: impl FnOnce(&mut SecureBoot)) {
        let mut all = self.all();
        let before = all.get(&mac).cloned();
        let mut now = before.clone().unwrap_or_default();
        change(&mut now);
        if before.as_ref() == Some(&now) {
            return;
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        now.changed = since_1970.unwrap_or_default().as_secs();
        if all.len() >= MOST && before.is_none() {
            forget_oldest(&mut all);
        }
        all.insert(mac, now);
        self.note_change();
    }

    fn note_change(&self) {
        self.is_unsaved.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Waits for a change. One that happened before counts, too.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Writes the file, if there was a change since. It waits for the disk. At worst machines are tried anew after a restart;
    /// that the folder cannot be written is told at the start. What is not written now is with the next change, or at the
    /// server's end.
    pub(crate) fn save(&self) {
        if !self.is_unsaved.swap(false, Ordering::SeqCst) {
            return;
        }
        if let Some(file) = self.file.get()
            && file.write(|had| self.add(had)).is_err()
        {
            self.is_unsaved.store(true, Ordering::SeqCst);
        }
    }

    /// Keeps what is wrong with the signed files of an image until a machine needs them.
    pub(crate) fn keep_untold(&self, image: &str, errors: Vec<String>) {
        self.untold().insert(image.to_owned(), errors);
    }

    /// What was kept of an image, once.
    pub(crate) fn take_untold(&self, image: &str) -> Vec<String> {
        self.untold().remove(image).unwrap_or_default()
    }

    fn untold(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Mac, SecureBoot>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room. What starts everything is learnt again at the cost of nothing, and goes first.
fn forget_oldest(all: &mut BTreeMap<Mac, SecureBoot>) {
    let least = all
        .iter()
        .min_by_key(|(_, one)| (one.known() == Known::SignedOnly, one.changed));
    if let Some(least) = least.map(|(mac, _)| *mac) {
        all.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn report(enforcing: bool) -> ReportedSecureBoot {
        ReportedSecureBoot {
            enforcing,
            setup_mode: false,
            authorities: vec!["Microsoft UEFI CA 2023".to_owned()],
        }
    }

    fn comes_to(ends: bool) -> Reported {
        Reported {
            ends,
            shown: Known::Nothing,
        }
    }

    fn known(all: &SecureBoots) -> Known {
        all.of(MAC).unwrap_or_default().known()
    }

    #[test]
    fn what_a_machine_did_is_known_after_a_restart_until_it_does_otherwise() {
        let state = tempfile::tempdir().unwrap();
        let opened = || {
            let all = SecureBoots::default();
            assert!(all.open(state.path()).is_none());
            all
        };
        let all = opened();
        all.showed(MAC, Known::Unsigned);
        assert_eq!(all.of(MAC), None, "most machines start everything");
        all.showed(MAC, Known::SignedOnly);
        all.reported(MAC, &report(true), comes_to(false));
        all.save();
        let all = opened();
        assert_eq!(known(&all), Known::SignedOnly);
        assert!(all.any_is_signed_only());
        all.showed(MAC, Known::Unsigned);
        assert_eq!(known(&all), Known::Unsigned, "with its owner's keys");
        all.showed(MAC, Known::SignedOnly);
        all.reported(MAC, &report(false), comes_to(true));
        assert_eq!(known(&all), Known::Unsigned);
        assert!(all.forget(MAC) && !all.forget(MAC));
        all.save();
        assert_eq!(opened().of(MAC), None);
    }

    #[test]
    fn a_report_counts_where_nothing_was_seen() {
        let all = SecureBoots::default();
        all.reported(MAC, &report(true), comes_to(false));
        assert_eq!(known(&all), Known::SignedOnly);
        all.reported(MAC, &report(false), comes_to(true));
        assert_eq!(known(&all), Known::Unsigned);
    }

    #[test]
    fn what_the_boot_showed_that_reports_counts_more_than_the_report() {
        let all = SecureBoots::default();
        let shown = Known::Unsigned;
        all.showed(MAC, shown);
        all.reported(MAC, &report(true), Reported { ends: false, shown });
        assert_eq!(known(&all), Known::Unsigned, "with its owner's keys");
        // Its network card works by the signed chain alone.
        let shown = Known::SignedOnly;
        all.reported(MAC, &report(false), Reported { ends: false, shown });
        assert_eq!(known(&all), Known::SignedOnly);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_set_aside_and_the_server_learns_anew() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join(FILE);
        std::fs::write(&file, "{\"x\":1}").unwrap();
        remembered(state.path()).unwrap_err();
        let all = SecureBoots::default();
        let Unread {
            file: aside,
            is_set_aside,
            ..
        } = all.open(state.path()).unwrap();
        assert!(is_set_aside);
        assert!(!all.any_is_signed_only());
        all.showed(MAC, Known::SignedOnly);
        all.save();
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "{\"x\":1}");
        assert_eq!(remembered(state.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_yet_is_learnt_once_it_can_be() {
        let (state, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = SecureBoots::default();
        assert!(before.open(elsewhere.path()).is_none());
        before.showed(MAC, Known::SignedOnly);
        before.save();
        let [file, whole] = [&state, &elsewhere].map(|folder| folder.path().join(FILE));
        std::os::unix::fs::symlink(&whole, &file).unwrap();
        let all = SecureBoots::default();
        assert!(!all.open(state.path()).unwrap().is_set_aside);
        let other = Mac([2, 0, 0, 0, 0, 2]);
        all.showed(other, Known::SignedOnly);
        all.save();
        assert!(file.is_symlink() && all.of(MAC).is_none());
        std::fs::rename(whole, file).unwrap();
        // Nothing has changed since, and still it is to be written.
        all.save();
        assert_eq!(known(&all), Known::SignedOnly);
        assert_eq!(remembered(state.path()).unwrap().len(), 2);
    }

    #[test]
    fn machines_are_remembered_in_bounded_number() {
        let all = SecureBoots::default();
        for number in 0..3000_u32 {
            let [a, b, c, d] = number.to_be_bytes();
            all.showed(Mac([2, 0, a, b, c, d]), Known::SignedOnly);
        }
        assert_eq!(all.all().len(), MOST);
        // Those that start everything go first.
        all.reported(MAC, &report(false), comes_to(true));
        assert_eq!(all.of(MAC).unwrap().known(), Known::Unsigned);
        all.showed(Mac([2, 1, 0, 0, 0, 0]), Known::SignedOnly);
        assert_eq!(all.of(MAC), None);
    }
}
