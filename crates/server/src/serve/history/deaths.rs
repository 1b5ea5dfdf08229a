//! Boots that have been silent for too long are over.

use netroot_net::Mac;
use netroot_proto::pxe::probe::OtherServer;

use super::History;
use super::judge::{Verdict, judge};
use super::kept::Kept;
use crate::serve::events::Event;

/// A boot that has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    /// Whose.
    pub(crate) mac: Mac,
    /// For the log.
    pub(crate) event: Event,
}

impl History {
    /// The boots that have been silent for too long: they have stopped, and why.
    pub(crate) fn take_deaths(&self) -> Vec<Death> {
        let now = self.clock.now();
        let mut kept = self.kept();
        let Kept {
            machines,
            others,
            totals,
            ..
        } = &mut *kept;
        let others: Vec<OtherServer> = others.iter().map(|(_, other)| other.clone()).collect();
        let mut deaths = Vec::new();
        for (mac, record) in machines.all_mut() {
            let is_sent = record.fetching > 0;
            let signed = record.signed.clone();
            let boots = record.boots.iter_mut().rev().enumerate();
            // One before the last is over if the machine itself ended it.
            let boots = boots.filter(|(age, boot)| match age {
                0 => !is_sent,
                _ => boot.started_again,
            });
            for (_, boot) in boots {
                match judge(boot, signed.as_ref(), &others, now) {
                    Verdict::Wait => continue,
                    Verdict::HandedOver => {
                        boot.handed_over(now);
                        totals.ended(boot.image_name(), boot.outcome.name());
                    }
                    Verdict::Dead(cause) => {
                        if !boot.told {
                            boot.told = true;
                            let event = Event::BootStopped {
                                stage: boot.stage.name(),
                                cause: cause.kind(),
                                sentence: cause.to_string(),
                            };
                            deaths.push(Death { mac, event });
                            totals.stopped(cause.kind());
                            totals.ended(boot.image_name(), "stopped");
                        }
                        boot.stopped(cause, now);
                    }
                }
                let _ = self.changes.send(mac);
            }
        }
        deaths
    }
}
