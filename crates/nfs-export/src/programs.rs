//! From a message to a reply: which program, which version, which procedure.

mod mount;
mod nfs;
mod nfsacl;
mod portmap;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::counters::{Counters, count};
use crate::event::Event;
use crate::export::Export;
use crate::rpc::decode::Garbage;
use crate::rpc::message::{self as rpc, Call, Denial, Message, Reason, Unavailable};
use crate::rpc::reply_buffer::{Budget, Outbox};

/// Mounts remembered for MOUNT's DUMP.
const MOST_MOUNTS: usize = 1024;

/// Whether an answer may wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Give up where data would have to be read from a disk.
    InMemory,
    /// Wait for it.
    Wait,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A reply was written.
    Replied,
    /// There is nobody, or nothing, to answer.
    Ignored,
    /// Nothing was written: the answer has to wait for a disk, and the caller had no patience.
    WouldWait,
}

/// Why a procedure has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    Garbage,
    NoSuchProcedure,
    WouldWait,
}

impl From<Garbage> for Interrupted {
    fn from(_: Garbage) -> Self {
        Self::Garbage
    }
}

/// Where the programs can be reached, for the portmapper to tell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) nfs: u16,
    pub(crate) portmap_tcp: Option<u16>,
    pub(crate) portmap_udp: Option<u16>,
}

/// Everything that is shared between the connections.
pub(crate) struct Service {
    pub(crate) exports: Vec<Export>,
    pub(crate) ports: Ports,
    pub(crate) counters: Arc<Counters>,
    pub(crate) budget: Arc<Budget>,
    mounts: Mutex<Vec<(IpAddr, String)>>,
    events: Box<dyn Fn(Event) + Send + Sync>,
}

impl Service {
    pub(crate) fn new(
        exports: Vec<Export>,
        ports: Ports,
        events: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Self {
        Self {
            exports,
            ports,
            counters: Arc::default(),
            budget: Arc::default(),
            mounts: Mutex::default(),
            events,
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.events)(event);
    }

    /// Whether any export is for this client.
    pub(crate) fn knows(&self, client: IpAddr) -> bool {
        self.exports.iter().any(|export| export.allows(client))
    }

    pub(crate) fn remember_mount(&self, client: IpAddr, path: &str) {
        let mut mounts = self.mounts();
        let known = mounts
            .iter()
            .any(|(address, known)| *address == client && known == path);
        if !known && mounts.len() < MOST_MOUNTS {
            mounts.push((client, path.to_owned()));
        }
    }

    /// Forgets one path of a client, or all of them; says whether there was one.
    pub(crate) fn forget_mounts(&self, client: IpAddr, path: Option<&str>) -> bool {
        let mut mounts = self.mounts();
        let before = mounts.len();
        mounts.retain(|(address, known)| {
            *address != client || path.is_some_and(|path| path != known)
        });
        mounts.len() < before
    }

    pub(crate) fn mounts(&self) -> std::sync::MutexGuard<'_, Vec<(IpAddr, String)>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one message.
    pub(crate) fn answer(
        &self,
        client: SocketAddr,
        message: &[u8],
        out: &mut Outbox,
        patience: Patience,
    ) -> Outcome {
        let start = out.len();
        let outcome = match rpc::parse(message) {
            Message::Ignore(reason) => {
                count(match reason {
                    Reason::Truncated => &self.counters.truncated,
                    Reason::NotACall => &self.counters.not_calls,
                });
                Outcome::Ignored
            }
            Message::Denied { xid, why } => {
                count(&self.counters.denied);
                rpc::denied(out, xid, why);
                Outcome::Replied
            }
            Message::Call(call) => self.dispatch(client, &call, out, patience),
        };
        match outcome {
            Outcome::Replied => count(&self.counters.calls),
            Outcome::Ignored | Outcome::WouldWait => out.truncate(start),
        }
        outcome
    }

    fn dispatch(
        &self,
        client: SocketAddr,
        call: &Call<'_>,
        out: &mut Outbox,
        patience: Patience,
    ) -> Outcome {
        let only = match call.program {
            nfs3_types::nfs3::PROGRAM => nfs3_types::nfs3::VERSION,
            nfsacl::PROGRAM => nfsacl::VERSION,
            nfs3_types::mount::PROGRAM => nfs3_types::mount::VERSION,
            nfs3_types::portmap::PROGRAM => nfs3_types::portmap::VERSION,
            _ => return self.unavailable(call, out, Unavailable::Program),
        };
        if call.version != only {
            return self.unavailable(call, out, Unavailable::Version { only });
        }
        // A stranger may learn from MOUNT that nothing here is for it, and from the portmapper where to ask.
        let is_nfs = matches!(call.program, nfs3_types::nfs3::PROGRAM | nfsacl::PROGRAM);
        if is_nfs && call.procedure != 0 && !self.knows(client.ip()) {
            count(&self.counters.denied);
            rpc::denied(out, call.xid, Denial::Address);
            return Outcome::Replied;
        }
        let start = out.len();
        rpc::begin_success(out, call.xid);
        let request = nfs::Request {
            service: self,
            client: client.ip(),
            caller: call.caller,
            patience,
        };
        let (procedure, arguments) = (call.procedure, call.arguments);
        let result = match call.program {
            nfs3_types::nfs3::PROGRAM => nfs::answer(&request, procedure, arguments, out),
            nfsacl::PROGRAM => nfsacl::answer(&request, procedure, arguments, out),
            nfs3_types::mount::PROGRAM => {
                mount::answer(self, client, call.procedure, call.arguments, out)
            }
            _ => portmap::answer(&self.ports, call.procedure, call.arguments, out),
        };
        match result {
            Ok(()) => return Outcome::Replied,
            Err(Interrupted::WouldWait) => return Outcome::WouldWait,
            Err(_) => out.truncate(start),
        }
        match result {
            Err(Interrupted::Garbage) => self.unavailable(call, out, Unavailable::Garbage),
            _ => self.unavailable(call, out, Unavailable::Procedure),
        }
    }

    fn unavailable(&self, call: &Call<'_>, out: &mut Outbox, why: Unavailable) -> Outcome {
        count(match why {
            Unavailable::Garbage => &self.counters.garbage,
            _ => &self.counters.unavailable,
        });
        rpc::unavailable(out, call.xid, why);
        Outcome::Replied
    }
}
