//! Isolated networks: an interface that has a network of its own, apart from the host's others.
//!
//! ```text
//! subnet         which network
//! keeper         the helper process that makes it, keeps it, and gives everything back
//! links          addresses and forwarding of interfaces; note: what has to be given back
//! nftables       the table that keeps it apart, or translates; netfilter: its socket
//! firewall       other firewalls that are in the way
//! name_servers   those that its machines can ask
//! ```

mod firewall;
mod keeper;
mod links;
mod name_servers;
mod netfilter;
mod nftables;
mod note;
mod subnet;

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netroot_net::Prefix;
use netroot_sys::helper_process::{self, HelperProcessError};
use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use self::firewall::Blocked;
use self::keeper::{Keeper, KeeperError};
pub(crate) use self::name_servers::of_this_machine as name_servers;
use self::netfilter::Netfilter;
use self::subnet::Wanted;
use crate::confinement::identity::{self, IdentityError};
use crate::error_chain::with_causes;
use crate::serve::ended_helper;
use crate::serve::listen::interface::Candidate;
use crate::serve::privileges::{self, PrivilegeError};
use crate::settings::{Mode, NetworkSettings, Settings};

/// How long everything may take: another server's end, modules of the kernel, a cable.
const START: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};
/// How long giving everything back may take.
const END: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Why there are no isolated networks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IsolationError {
    /// In the settings.
    #[error("an isolated network needs the name of its interface")]
    Unnamed,
    /// A capability is missing.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// No unprivileged user to become.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No process.
    #[error(transparent)]
    Process(#[from] HelperProcessError),
    /// No socket pair.
    #[error("cannot talk to the helper process for isolated networks")]
    Socket(#[from] Errno),
    /// It is not ready in time.
    #[error(
        "the helper process for isolated networks was not ready within {} s",
        waited.as_secs()
    )]
    Silent {
        /// How long.
        waited: Duration,
    },
    /// It has ended.
    #[error("the helper process for isolated networks has ended; this is a bug")]
    Ended,
    /// It has ended while the server served.
    #[error(
        "the helper process for isolated networks has ended, so that nothing follows their interfaces any more, and nothing would give back what they took; start netroot again, which puts that in order"
    )]
    Alone,
    /// What it says.
    #[error("{0}")]
    Refused(String),
}

/// What the helper process says when it is ready.
#[derive(Debug, Serialize, Deserialize)]
enum Introduction {
    Ready(Vec<Blocked>),
    Refused(String),
}

/// The isolated networks, as long as this exists.
#[derive(Debug)]
pub(crate) struct Isolation {
    socket: Arc<OwnedFd>,
    /// Whether the server ends.
    ending: Arc<AtomicBool>,
    /// The firewalls that are in the way.
    pub(crate) blocked: Vec<Blocked>,
}

/// The interfaces as they will be once the isolated networks are there; `routes` are this machine's, each with the index
/// of its interface.
///
/// # Errors
/// Why one cannot be, in a sentence.
pub(crate) fn planned(
    network: &NetworkSettings,
    candidates: &[Candidate],
    routes: &[(Prefix, u32)],
) -> Result<Vec<Candidate>, String> {
    let one = wanted(network).transpose().map_err(|it| it.to_string())?;
    let one: Vec<Wanted> = one.into_iter().collect();
    let planned = subnet::plan(&one, candidates, routes).map_err(|it| it.to_string())?;
    let changed = |candidate: &Candidate| {
        let plan = planned.iter().find(|one| one.name == candidate.name());
        match plan.map(|plan| (plan.address.address(), plan.address.length())) {
            Some((IpAddr::V4(address), length)) => candidate.clone().with_address(address, length),
            _ => candidate.clone(),
        }
    };
    Ok(candidates.iter().map(changed).collect())
}

/// Whether this machine can keep these interfaces apart, and the firewalls that are in the way of those that others are
/// reached from (`nat`). Nothing is changed; nf_tables is only asked what there is.
///
/// # Errors
/// What isolated networks need and is not there, in a sentence.
pub(crate) fn look(networks: &[(&str, bool)]) -> Result<Vec<Blocked>, String> {
    privileges::check_isolation().map_err(|error| with_causes(&error))?;
    let ruleset = Netfilter::open().and_then(|netfilter| netfilter.ruleset());
    let ruleset = ruleset.map_err(|error| {
        let interfaces = networks.iter().map(|(interface, _)| *interface);
        let interfaces = interfaces.collect::<Vec<_>>().join(", ");
        KeeperError::Tables { interfaces, error }.to_string()
    })?;
    let mut blocked = Vec::new();
    for (interface, _) in networks.iter().filter(|(_, nat)| *nat) {
        links::can_forward(interface).map_err(|error| {
            let interface = (*interface).to_owned();
            KeeperError::Forwarding { interface, error }.to_string()
        })?;
        blocked.extend(firewall::blocked(&ruleset, interface));
    }
    Ok(blocked)
}

/// Makes the isolated networks; `None` if there are to be none.
///
/// # Errors
/// [`IsolationError`]. Call it while there is one thread.
pub(crate) fn start(settings: &Settings) -> Result<Option<Isolation>, IsolationError> {
    let wanted = settings.networks.iter().filter_map(wanted);
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    if wanted.is_empty() {
        return Ok(None);
    }
    privileges::check()?;
    privileges::check_isolation()?;
    let identity = identity::choose()?;
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    helper_process::start(theirs, |socket| {
        outlive_the_server();
        match Keeper::start(settings, &wanted, identity) {
            Ok(mut keeper) => {
                introduce(&socket, &Introduction::Ready(keeper.blocked()));
                keeper.keep(&socket);
                keeper.end();
            }
            Err(error) => introduce(&socket, &Introduction::Refused(error.to_string())),
        }
    })?;
    let mut waiting = [PollFd::new(&ours, PollFlags::IN)];
    if poll(&mut waiting, Some(&START))? == 0 {
        let waited = Duration::from_secs(START.tv_sec.unsigned_abs());
        return Err(IsolationError::Silent { waited });
    }
    let mut buffer = vec![0; 64 << 10];
    let (length, _) = rustix::net::recv(&ours, &mut buffer[..], RecvFlags::empty())?;
    let said = buffer.get(..length).unwrap_or_default();
    match serde_json::from_slice(said) {
        Ok(Introduction::Ready(blocked)) => Ok(Some(Isolation {
            socket: Arc::new(ours),
            ending: Arc::default(),
            blocked,
        })),
        Ok(Introduction::Refused(why)) => Err(IsolationError::Refused(why)),
        Err(_) => Err(IsolationError::Ended),
    }
}

fn wanted(network: &NetworkSettings) -> Option<Result<Wanted, IsolationError>> {
    let Mode::Isolated(isolated) = &network.mode else {
        return None;
    };
    let interface = network.interface.clone().ok_or(IsolationError::Unnamed);
    Some(interface.map(|interface| Wanted {
        interface,
        subnet: isolated.subnet,
        nat: isolated.nat,
    }))
}

/// What stops a server is sent to all processes of its terminal or its unit: this one ends after it.
fn outlive_the_server() {
    let stopping = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    // Without it, a stop leaves what the next start gives back.
    let _ = stopping.thread_block();
}

fn introduce(socket: &OwnedFd, introduction: &Introduction) {
    let said = serde_json::to_vec(introduction).unwrap_or_default();
    let mut none = SendAncillaryBuffer::default();
    // The server sees that nothing comes.
    let parts = [IoSlice::new(&said)];
    let _ = rustix::net::sendmsg(socket, &parts, &mut none, SendFlags::NOSIGNAL);
}

impl Isolation {
    /// Calls `ended` if the helper process ends before the server does, which it should not. Its tables and switches stay:
    /// the networks are as much apart as they were. But an interface that comes, or comes again, gets neither an address
    /// nor rules, and the confined server can start no other helper. So the server has to end: whoever starts it again
    /// makes everything anew, and machines that run wait for as long.
    ///
    /// # Errors
    /// There is no thread.
    pub(crate) fn watch(&self, ended: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let ending = Arc::clone(&self.ending);
        ended_helper::watch("isolation", Arc::clone(&self.socket), move || {
            if !ending.load(Ordering::Acquire) {
                ended();
            }
        })
    }
}

impl Drop for Isolation {
    /// Waits until everything is given back: who starts netroot again finds nothing of this.
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        let _ = rustix::net::shutdown(&*self.socket, Shutdown::Write);
        let _ = poll(&mut [PollFd::new(&*self.socket, PollFlags::IN)], Some(&END));
    }
}
