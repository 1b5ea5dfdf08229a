//! What is known of one machine, and how an event changes it. Pure: (state, event, time) → state.

mod beginning;
mod progress;

use std::collections::VecDeque;
use std::mem::size_of;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use netroot_net::Uuid;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::Answer;
use netroot_proto::pxe::probe::OtherServer;

use self::beginning::{begins_another, begins_first};
use super::boot::{Boot, Outcome};
use super::datagram::{Datagram, Inputs, Way};
use super::judge;
use super::stage::Stage;
use super::step;
use crate::serve::artifacts::signed_chain::SignedState;
use crate::serve::artifacts::{FileKind, Follows};
use crate::serve::clock::Moment;
use crate::serve::events::{Decided, Event, Fetch, Ignored};
use crate::serve::report_summary::BootSummary;
use crate::settings::Choice;

/// How many boots are kept of a machine, the last ones.
const BOOTS: usize = 4;
/// How many addresses of a machine.
const ADDRESSES: usize = 4;
/// How many DHCP messages are kept of a machine, and how many bytes of them: a boot has some 20 of 300 to 600 bytes.
const DATAGRAMS: usize = 48;
const DATAGRAM_BYTES: usize = 32 << 10;
/// A boot's first message comes so long before its first event.
const BEFORE_BOOT: Duration = Duration::from_secs(2);
/// After so many NFS calls, a machine whose init does not report runs; and one whose report did not come.
const CALLS_OF_RUNNING: u64 = 200;
const CALLS_WITHOUT_REPORT: u64 = 5000;
/// Who renews the lease asks for another address at once after a refusal, five times in a minute, and then once a minute
/// until it has one (`netroot_proto::dhcp::renew`). One that was silent for so long was switched off, or the refused request
/// was somebody else's in its name.
const FINDS_ADDRESS: Duration = Duration::from_secs(150);
/// The init reports when it hands over; what the root's own init starts is read after that, for so long.
const STARTS_SERVICES: Duration = Duration::from_secs(60);

/// What is known of one machine.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Its addresses, the last one first.
    pub(super) addresses: VecDeque<IpAddr>,
    /// Its UUID, as its firmware says.
    pub(super) uuid: Option<Uuid>,
    /// When it was heard of first, and last.
    pub(super) first: Moment,
    pub(super) heard: Moment,
    /// What it would boot has this for machines with Secure Boot, when it asked last.
    pub(super) signed: Option<Arc<SignedState>>,
    /// It has received what it was sent: not only a name in somebody's packet.
    pub(super) proven: bool,
    /// How many files are being sent to it.
    pub(super) fetching: u32,
    /// When it was refused the address that it has while it ran. It asks for another one, and that is no boot.
    pub(super) refused: Option<Duration>,
    /// Its last DHCP messages, the last one at the end.
    pub(super) datagrams: VecDeque<Datagram>,
    /// Its boots, the last one at the end.
    pub(super) boots: VecDeque<Boot>,
    /// How many there were.
    pub(super) count: u64,
}

/// What an event did to a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// A stage was reached, after so long: the time since the one before.
    pub(super) reached: Option<(Stage, Duration)>,
    /// The boot has ended well or been reported as failed.
    pub(super) ended: bool,
    /// There is something to show.
    pub(super) shown: bool,
}

impl Record {
    /// Of a machine that is heard of for the first time.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            addresses: VecDeque::new(),
            uuid: None,
            first: now,
            heard: now,
            signed: None,
            proven: false,
            fetching: 0,
            refused: None,
            datagrams: VecDeque::new(),
            boots: VecDeque::new(),
            count: 0,
        }
    }

    /// The boot that goes on, or the last one.
    pub(super) fn last(&self) -> Option<&Boot> {
        self.boots.back()
    }

    /// An event of this machine.
    pub(super) fn apply(&mut self, event: &Event, now: Moment) -> Changed {
        self.heard = now;
        if let Event::DhcpAnswer {
            answer: Answer::Acknowledged { address, .. },
            ..
        } = event
        {
            self.has_address((*address).into());
        }
        self.proven |= is_proof(event);
        let stage = step::stage(event);
        let begins = match self.last() {
            _ if step::client(event) == Some(Client::Init) && self.moves(now.now) => false,
            Some(last) => begins_another(last, event, stage, now.now),
            None => begins_first(event, stage),
        };
        if begins {
            self.begin(now);
        }
        self.refused = self.refused_after(event, now.now).filter(|_| !begins);
        let Some(boot) = self.boots.back_mut() else {
            return Changed::default();
        };
        // A machine that runs asks for its address again, and mounts more. The boot is over.
        let is_over = matches!(boot.outcome, Outcome::Running | Outcome::HandedOver);
        let is_plain = step::client(event) == Some(Client::Plain);
        if is_over || (is_plain && boot.stage < Stage::Kernel) {
            return Changed::default();
        }
        boot.heard = now.now;
        if boot.firmware.is_none() {
            let is_firmware =
                |client: &Client| !matches!(client, Client::Plain | Client::Init | Client::Ipxe(_));
            boot.firmware = step::client(event).filter(is_firmware);
        }
        if let Event::Fetched(Fetch {
            chosen: Some(chosen),
            ..
        }) = event
        {
            boot.chosen = Some(Arc::clone(chosen));
        }
        // iPXE's script tries again after a failure. With the initrd once more, that may go well.
        boot.came_back = match stage {
            Some(Stage::Script) => boot.came_back || boot.stage == Stage::Initrd,
            Some(Stage::Initrd) => false,
            _ => boot.came_back,
        };
        boot.add(event, now.now);
        let mut changed = Changed {
            shown: true,
            ..Changed::default()
        };
        if let Some(stage) = stage {
            // It was slow, and not dead; or it tries again; or it may boot by now.
            let goes_on = match boot.outcome.is_without_image() {
                true => stage > boot.stage || boots_image(event),
                false => true,
            };
            if goes_on && boot.outcome != Outcome::Booting {
                boot.outcome = Outcome::Booting;
                boot.ended = None;
            }
            changed.reached = boot.reach(stage, now.now);
        }
        if let Some(outcome) = outcome(event).filter(|it| *it != boot.outcome) {
            boot.end(outcome, now.now);
            changed.ended = true;
        }
        changed
    }

    /// Whether it was refused its address so lately that it looks for another one.
    fn moves(&self, now: Duration) -> bool {
        self.refused
            .is_some_and(|at| now.saturating_sub(at) <= FINDS_ADDRESS)
    }

    /// When it was refused its address while it ran, by what is known: a server whose leases were lost, or that gives other
    /// addresses now, refuses the one that it renews. An init that boots asks for any address first.
    fn refused_after(&self, event: &Event, now: Duration) -> Option<Duration> {
        if step::client(event) != Some(Client::Init) {
            return self.refused;
        }
        let boots = self
            .last()
            .is_some_and(|last| !matches!(last.outcome, Outcome::Running | Outcome::HandedOver));
        match event {
            Event::DhcpAnswer {
                answer: Answer::Refused { .. },
                ..
            } => (!boots).then_some(now),
            Event::DhcpAnswer {
                answer: Answer::Acknowledged { .. },
                ..
            } => None,
            // It still has none.
            _ => self.moves(now).then_some(now),
        }
    }

    /// Another server answered it: whether that is new; `None` if it is not booting.
    pub(super) fn overheard(&mut self, other: OtherServer, now: Moment) -> Option<bool> {
        let boot = self
            .boots
            .back_mut()
            .filter(|boot| boot.stage < Stage::Kernel)?;
        let steps = boot.steps.len();
        boot.add(&Event::OtherOffered(other), now.now);
        Some(boot.steps.len() > steps)
    }

    /// The init's report, after the event that it is in the log.
    pub(super) fn reported(&mut self, summary: &BootSummary) {
        if let Some(boot) = self.boots.back_mut() {
            boot.report = Some(summary.clone());
        }
    }

    /// It has this address.
    pub(super) fn has_address(&mut self, address: IpAddr) {
        self.addresses.retain(|known| *known != address);
        self.addresses.push_front(address);
        self.addresses.truncate(ADDRESSES);
    }

    /// It was sent so much by NFS since it was asked last.
    pub(super) fn used_nfs(&mut self, calls: u64, bytes: u64, now: Moment) -> Changed {
        self.heard = now;
        self.proven = true;
        let Some(boot) = self.boots.back_mut() else {
            return Changed::default();
        };
        boot.nfs.add(calls, bytes);
        let ran_at = boot.ended.filter(|_| boot.outcome == Outcome::Running);
        if ran_at.is_none_or(|at| boot.elapsed(now.now) <= at.saturating_add(STARTS_SERVICES)) {
            boot.nfs_of_boot.add(calls, bytes);
        }
        if matches!(boot.outcome, Outcome::Running | Outcome::HandedOver) {
            return Changed::default();
        }
        boot.heard = now.now;
        // Before it mounts, the init asks what it may mount.
        if boot.stage < Stage::Mount {
            return Changed::default();
        }
        let mut changed = Changed {
            shown: true,
            ..Changed::default()
        };
        changed.reached = boot.reach(Stage::Reads, now.now);
        let enough = match boot.follows() {
            Follows::Root { reports: true } => CALLS_WITHOUT_REPORT,
            _ => CALLS_OF_RUNNING,
        };
        if boot.nfs.calls >= enough {
            changed.reached = boot.reach(Stage::Running, now.now);
            boot.end(Outcome::Running, now.now);
            changed.ended = true;
        }
        changed
    }

    /// A file is being sent to it from now on.
    pub(super) fn fetch_began(&mut self, kind: FileKind, now: Moment) {
        self.fetching = self.fetching.saturating_add(1);
        self.heard = now;
        if let Some(boot) = self.boots.back_mut() {
            boot.heard = now.now;
            boot.asked |= kind == FileKind::Loader;
        }
    }

    /// It is no longer sent.
    pub(super) fn fetch_ended(&mut self, now: Moment) {
        self.fetching = self.fetching.saturating_sub(1);
        if let Some(boot) = self.boots.back_mut() {
            boot.heard = now.now;
        }
    }

    /// A DHCP message of it, or an answer.
    pub(super) fn keep(&mut self, datagram: Datagram) {
        self.datagrams.push_back(datagram);
        let bytes = |kept: &VecDeque<Datagram>| kept.iter().map(Datagram::size).sum::<usize>();
        while self.datagrams.len() > DATAGRAMS || bytes(&self.datagrams) > DATAGRAM_BYTES {
            self.datagrams.pop_front();
        }
    }

    /// What the answer to its last message depended on.
    pub(super) fn decided(&mut self, depended_on: Inputs) {
        if let Some(Datagram {
            way: Way::In { inputs, .. },
            ..
        }) = self.datagrams.back_mut()
        {
            *inputs = Some(Box::new(depended_on));
        }
    }

    /// The messages of its last boot.
    pub(super) fn datagrams_of_last_boot(&self) -> impl Iterator<Item = &Datagram> {
        let since = self.last().map_or(Duration::ZERO, |last| last.started.now);
        let since = since.saturating_sub(BEFORE_BOOT);
        let datagrams = self.datagrams.iter();
        datagrams.filter(move |datagram| datagram.at.now >= since)
    }

    fn begin(&mut self, now: Moment) {
        self.count += 1;
        // GRUB's configuration, or a shim, starts the machine anew where its kernel is refused, long before silence would tell.
        if let Some(before) = self.boots.back_mut() {
            before.started_again = judge::begins_anew(before);
        }
        if self.boots.len() >= BOOTS {
            self.boots.pop_front();
        }
        self.boots.push_back(Boot::new(self.count, now));
    }

    /// What it takes, in bytes.
    pub(super) fn size(&mut self) -> usize {
        let boots = self.boots.iter_mut().map(Boot::size);
        let datagrams = self.datagrams.iter().map(Datagram::size);
        size_of::<Self>() + boots.sum::<usize>() + datagrams.sum::<usize>()
    }

    /// Forgets its first boot, if it has another one. False if there is none to forget.
    pub(super) fn forget_a_boot(&mut self) -> bool {
        self.boots.len() > 1 && self.boots.pop_front().is_some()
    }
}

/// What became of a boot by this event.
fn outcome(event: &Event) -> Option<Outcome> {
    Some(match event {
        Event::Booted { .. } => Outcome::Running,
        Event::BootFailed { failure, .. } => Outcome::Failed(failure.clone()),
        Event::Decided(Decided::Refused { why, .. }) => Outcome::Refused(why.clone()),
        Event::Fetched(Fetch {
            chosen: Some(chosen),
            ..
        }) => {
            let why = chosen.why.clone();
            match chosen.choice {
                Choice::Image(_) => return None,
                Choice::Menu => Outcome::Menu(why),
                Choice::Wait => Outcome::Waiting(why),
                Choice::Refuse => Outcome::Refused(why),
            }
        }
        _ => return None,
    })
}

/// Whether a script of an image was fetched.
fn boots_image(event: &Event) -> bool {
    let Event::Fetched(Fetch { chosen, .. }) = event else {
        return false;
    };
    chosen.as_ref().is_some_and(|it| it.image().is_some())
}

/// Whether only a machine that receives what it is sent can cause this.
fn is_proof(event: &Event) -> bool {
    matches!(
        event,
        Event::Fetched(_)
            | Event::Mounted { .. }
            | Event::Booted { .. }
            | Event::BootFailed { .. }
            | Event::Ignored(Ignored::Mount { .. } | Ignored::HttpUnknown { .. })
    )
}
