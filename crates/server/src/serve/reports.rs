//! Boot reports: how a boot went, as the machine itself reports it.
//!
//! The command line names `POST /report/<mac>/<token>`. The init sends its report there after each failure and before the
//! switch to the root, with earlier failures that it could not send, so that a machine without a screen is not silent.
//! A report is accepted only with a token that the machine's script had, never from another machine's address, and is
//! told under the sender's IP address where nothing shows whose that is. It is limited in size and in number, unknown
//! members are ignored, and what is kept of it is bounded.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use hyper::{Request, StatusCode};
use netroot_limits::{Rate, RateLimiter};
use netroot_net::Mac;
use serde::Serialize;

use crate::serve::events::{Decided, Event, Ignored, Machine, ReportRefusal, Timeline};
use crate::serve::history::History;
use crate::serve::history::nfs_reads::NfsReads;
use crate::serve::machines::WentBack;
use crate::serve::report_summary::{BootSummary, read};
use crate::serve::report_tokens::{ReportTokens, TokenError};
use crate::serve::script_fetch;

/// The longest report, in bytes; the init's have 2 to 30 kB.
pub(super) const BODY: usize = 64 << 10;
/// How long a report may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How many reports of one machine are accepted. The init pauses for two seconds and longer between attempts, but a
/// success may follow a failure at once when somebody types at its prompt.
const EACH: Rate = Rate {
    burst: 4,
    every: Duration::from_millis(500),
};
/// All together are limited by the connections that they come on.
const ALL: Rate = Rate {
    burst: u32::MAX,
    every: Duration::ZERO,
};
/// How many machines' last reports are kept, and how many bytes of them in all. The init's have about 1 kB; `/status`
/// has at most twice as many bytes, where every character has to be escaped.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 256 << 10;

/// The last report of each machine.
#[derive(Debug)]
pub(crate) struct Reports {
    tokens: Arc<ReportTokens>,
    history: Arc<History>,
    reads: Arc<NfsReads>,
    kept: Mutex<HashMap<Machine, Kept>>,
    accepted: Mutex<RateLimiter<Machine>>,
    started: Instant,
}

#[derive(Debug)]
struct Kept {
    received: Instant,
    /// The image that the machine boots.
    image: String,
    summary: BootSummary,
}

impl Kept {
    /// Its length in `/status`, in bytes, if nothing is escaped.
    fn length(&self) -> usize {
        self.summary.length() + self.image.len()
    }
}

/// A report with its age, as `/status` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Last {
    seconds_ago: u64,
    image: String,
    #[serde(flatten)]
    summary: BootSummary,
}

/// The answer to a report that is not accepted.
fn status(refusal: ReportRefusal) -> StatusCode {
    match refusal {
        ReportRefusal::NoMachine => StatusCode::NOT_FOUND,
        ReportRefusal::NotItsToken | ReportRefusal::NotItsOwn => StatusCode::FORBIDDEN,
        ReportRefusal::TooOften => StatusCode::TOO_MANY_REQUESTS,
        ReportRefusal::Body { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ReportRefusal::Meaningless => StatusCode::BAD_REQUEST,
    }
}

impl Reports {
    /// No report yet; they are accepted with `tokens`, and are a part of `history`, behind what machines have read until then.
    pub(crate) fn new(
        tokens: Arc<ReportTokens>,
        history: Arc<History>,
        reads: Arc<NfsReads>,
    ) -> Self {
        Self {
            tokens,
            history,
            reads,
            kept: Mutex::default(),
            accepted: Mutex::new(RateLimiter::new(EACH, ALL, KEPT)),
            started: Instant::now(),
        }
    }

    /// Accepts the report that `peer` sends, and logs it. Returns the status and the text of the answer.
    pub(crate) async fn take<B>(
        &self,
        request: Request<B>,
        peer: IpAddr,
        image_of: impl Fn(Mac) -> String,
        timeline: &Timeline,
    ) -> (StatusCode, String)
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.accept(request, peer, image_of, timeline).await {
            Ok(()) => (StatusCode::NO_CONTENT, String::new()),
            Err(refusal) => {
                timeline.ignored(Machine::Address(peer), Ignored::Report(refusal));
                (status(refusal), format!("{refusal}\n"))
            }
        }
    }

    async fn accept<B>(
        &self,
        request: Request<B>,
        peer: IpAddr,
        image_of: impl Fn(Mac) -> String,
        timeline: &Timeline,
    ) -> Result<(), ReportRefusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mac = match self.tokens.check(request.uri().path()) {
            Ok(mac) => mac,
            Err(TokenError::NoMachine) => return Err(ReportRefusal::NoMachine),
            Err(TokenError::NotItsToken) => return Err(ReportRefusal::NotItsToken),
        };
        let machine = match timeline.machines().at(peer) {
            Some(known) if known == mac => Machine::Mac(mac),
            Some(_) => return Err(ReportRefusal::NotItsOwn),
            // Behind a router. The token shows that the script was handed to it, but not whose machine it is.
            None => Machine::Address(peer),
        };
        if self.reports_too_often(machine) {
            return Err(ReportRefusal::TooOften);
        }
        let body = Limited::new(request.into_body(), BODY).collect();
        let body = tokio::time::timeout(BODY_TIME, body).await;
        let Ok(Ok(body)) = body else {
            return Err(ReportRefusal::Body { most: BODY });
        };
        let summary = read(&body.to_bytes()).ok_or(ReportRefusal::Meaningless)?;
        for failure in summary.late_failures(self.logged_failures(machine, &summary)) {
            timeline.machine(machine, failure);
        }
        self.reads.note(&self.history, timeline);
        timeline.machine(machine, summary.event());
        self.history.reported(machine, &summary);
        if let Machine::Mac(mac) = machine {
            if summary.tells_all_of_secure_boot() {
                let secure_boot = summary.secure_boot.as_ref();
                timeline.machines().reported_secure_boot(mac, secure_boot);
            }
            judge(mac, &summary, timeline).await;
        }
        self.keep(machine, image_of(mac), summary);
        Ok(())
    }

    /// How many failures of the same boot were logged before.
    fn logged_failures(&self, machine: Machine, summary: &BootSummary) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.get(&machine).map(|last| &last.summary);
        last.filter(|last| last.boot_id == summary.boot_id && !last.boot_id.is_empty())
            .map_or(0, |last| last.failed_attempts)
    }

    fn reports_too_often(&self, machine: Machine) -> bool {
        let accepted = self.accepted.lock();
        let accepted = accepted.unwrap_or_else(PoisonError::into_inner);
        accepted.is_over(&machine, self.started.elapsed())
    }

    fn keep(&self, machine: Machine, image: String, summary: BootSummary) {
        let received = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&machine);
        let accepted = self.accepted.lock();
        let mut accepted = accepted.unwrap_or_else(PoisonError::into_inner);
        let now = self.started.elapsed();
        // Of several at once all were let in: what is more than its limit is not left out, and is not counted as such.
        if !accepted.is_over(&machine, now) {
            accepted.allows(machine, now);
        }
        drop(accepted);
        let report = Kept {
            received,
            image,
            summary: summary.shortened(),
        };
        let mut length = report.length() + kept.values().map(Kept::length).sum::<usize>();
        while kept.len() >= KEPT || length > KEPT_BYTES {
            let oldest = kept.iter().min_by_key(|(_, last)| last.received);
            let Some(oldest) = oldest.map(|(machine, _)| *machine) else {
                break;
            };
            length -= kept.remove(&oldest).map_or(0, |last| last.length());
        }
        kept.insert(machine, report);
    }

    /// The last report of each machine.
    pub(crate) fn last(&self) -> BTreeMap<String, Last> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |last: &Kept| Last {
            seconds_ago: last.received.elapsed().as_secs(),
            image: last.image.clone(),
            summary: last.summary.clone(),
        };
        kept.iter()
            .map(|(machine, kept)| (machine.to_string(), last(kept)))
            .collect()
    }

    /// The same as text, one line for each machine.
    pub(crate) fn text(&self) -> String {
        let line = |(
            mac,
            Last {
                seconds_ago,
                summary,
                ..
            },
        ): (String, Last)| {
            format!("  {mac} {} ({seconds_ago} s ago)\n", summary.text)
        };
        self.last().into_iter().map(line).collect()
    }
}

/// What a report means for its machine's order.
async fn judge(mac: Mac, summary: &BootSummary, timeline: &Timeline) {
    let trust = timeline.machines().nic_trust();
    if let Some(drivers) = trust.reported(mac, summary.lacks_driver()) {
        let reported = true;
        let decided = Decided::EveryNic { drivers, reported };
        timeline.machine(Machine::Mac(mac), Event::Decided(decided));
    }
    let orders = timeline.machines().orders();
    if summary.booted {
        if orders.booted(mac) {
            save(timeline).await;
        }
        return;
    }
    let attempts = summary.failed_attempts.max(1);
    let Some(WentBack { failed, to: next }) = orders.failed(mac, &summary.boot_id, attempts) else {
        return;
    };
    save(timeline).await;
    let decided = Decided::WentBack { failed, next };
    timeline.machine(Machine::Mac(mac), Event::Decided(decided));
}

/// The report counts whether or not the disk answers: what fails is in the log.
async fn save(timeline: &Timeline) {
    let _ = script_fetch::save_until(timeline, script_fetch::deadline()).await;
}

/// For `tests/fuzz`: what is logged and shown of a report.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    if let Some(summary) = read(body) {
        let failures = summary.late_failures(0);
        let texts = failures.into_iter().map(|event| event.to_string());
        let _ = (
            texts.count(),
            summary.event().to_string(),
            serde_json::to_string(&summary),
        );
    }
}

#[cfg(test)]
mod tests;
