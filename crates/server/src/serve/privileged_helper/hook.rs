//! The helper that asks the web hook: the one process of the server that connects to others by TCP, to one port.
//!
//! The server sends it what is known of a machine, and gets back what the hook answers; both are bounded. It has no file, no
//! capability, no socket but those to the hook, and the addresses and certificates that it read at start.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::thread::CapabilitySet;
use rustls::ClientConfig;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::channel::{self, MOST_BYTES};
use super::client::{HelperError, introduction};
use super::helper_end;
use super::process::{self, StartError};
use crate::confinement::identity::Identity;
use crate::confinement::seccomp::Work;
use crate::confinement::{self, Confinement};
use crate::http_client::{AuthorityError, Connection, Limit, Request, tls};
use crate::settings::HookSettings;

/// How many machines are asked about at once; more wait.
const AT_ONCE: usize = 16;
/// The longest answer, in bytes.
const ANSWER: u64 = 2048;
/// The most characters that are told of why a certificate is not believed.
const REASON: usize = 500;

/// The hook cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookStartError {
    /// Nobody knows its address.
    #[error(
        "cannot find the address of the web hook's host {host}: {error}; name it by its address in [hook] url, or start netroot once names can be looked up"
    )]
    Address {
        /// The host.
        host: String,
        /// Why.
        error: io::Error,
    },
    /// Nobody vouches for it.
    #[error("cannot ask the web hook by https")]
    Authority(#[from] AuthorityError),
    /// The process.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The helper, as it is started.
#[derive(Debug)]
pub(crate) struct HookHelper(OwnedFd);

/// The server's end of it.
#[derive(Debug)]
pub(crate) struct HookSocket(UnixDatagram);

/// What it takes to reach the hook: its addresses, and who vouches for it.
type Reached = (Vec<SocketAddr>, Option<Arc<ClientConfig>>);

/// Looks up where the hook is, and reads who vouches for it.
///
/// # Errors
/// [`HookStartError`].
pub(crate) fn reach(settings: &HookSettings) -> Result<Reached, HookStartError> {
    let url = &settings.url.0;
    let addresses = url.addresses().map_err(|error| HookStartError::Address {
        host: url.host.clone(),
        error,
    })?;
    let tls = url.tls.then(|| tls(settings.ca.as_deref())).transpose()?;
    Ok((addresses, tls))
}

/// Starts it.
///
/// # Errors
/// [`HookStartError`]. Call it while there is one thread.
pub(crate) fn start(
    settings: &HookSettings,
    identity: Option<Identity>,
) -> Result<HookHelper, HookStartError> {
    let (addresses, tls) = reach(settings)?;
    let confined = Confinement {
        identity,
        capabilities: CapabilitySet::empty(),
        read: Vec::new(),
        write: Vec::new(),
        work: Work::AskingHook {
            port: settings.url.0.port,
        },
    };
    let helper = process::start(|socket| {
        if confinement::confine(&confined).is_ok() {
            helper_end::introduce(&socket, None);
            answer(&socket, settings, &addresses, tls.as_ref());
        }
    })?;
    introduction(&helper).map_err(StartError::First)?;
    Ok(HookHelper(helper))
}

/// Answers until the server closes its end.
fn answer(
    socket: &OwnedFd,
    settings: &HookSettings,
    addresses: &[SocketAddr],
    tls: Option<&Arc<ClientConfig>>,
) {
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                // Each message goes to one of them, whole.
                while let Ok(Some(message)) = received(socket) {
                    let Some((number, facts)) = message.split_first_chunk::<2>() else {
                        continue;
                    };
                    let facts = String::from_utf8_lossy(facts);
                    let (status, text) = match asked(&facts, settings, addresses, tls) {
                        Ok(text) => (0, text),
                        Err(why) => (1, why),
                    };
                    let bytes = [&number[..], &[status], text.as_bytes()].concat();
                    if channel::send(socket, &bytes, &[], SendFlags::empty()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn received(socket: &OwnedFd) -> Result<Option<Vec<u8>>, Errno> {
    loop {
        match channel::receive(socket, RecvFlags::empty()) {
            Ok(message) => return Ok(message.map(|message| message.bytes)),
            Err(Errno::INTR | Errno::MSGSIZE) => {}
            Err(other) => return Err(other),
        }
    }
}

/// What the hook answers, or why not.
fn asked(
    facts: &str,
    settings: &HookSettings,
    addresses: &[SocketAddr],
    tls: Option<&Arc<ClientConfig>>,
) -> Result<String, String> {
    let url = &settings.url.0;
    let limit = Limit::Until(Instant::now() + settings.deadline);
    let tls = tls.map(|config| (Arc::clone(config), url.host.as_str()));
    let why = |error: io::Error| match error.kind() {
        // Its kind is that of an answer without sense.
        // A certificate for other hosts is told with all of their names.
        _ if error.get_ref().is_some_and(|it| it.is::<rustls::Error>()) => {
            error.to_string().chars().take(REASON).collect()
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no answer within {} ms", settings.deadline.as_millis())
        }
        ErrorKind::InvalidData => "its answer is no HTTP/1".to_owned(),
        ErrorKind::FileTooLarge => format!("its answer is longer than {ANSWER} bytes"),
        _ => error.to_string(),
    };
    let connection = Connection::tcp(addresses, tls, limit).map_err(why)?;
    let request = Request {
        method: "POST",
        path: &url.path,
        host: &url.place(),
        token: None,
        body: Some(facts),
    };
    let mut answer = connection.request(&request).map_err(why)?;
    if !answer.is_success() {
        return Err(format!("it answers with status {}", answer.status));
    }
    // No Content: the rules decide.
    if answer.status == 204 {
        return Ok(String::new());
    }
    answer.text(ANSWER).map_err(why)
}

impl HookHelper {
    /// To ask it from tasks. Call it within the runtime.
    ///
    /// # Errors
    /// The runtime's.
    pub(crate) fn into_socket(self) -> io::Result<HookSocket> {
        let socket = std::os::unix::net::UnixDatagram::from(self.0);
        socket.set_nonblocking(true)?;
        Ok(HookSocket(UnixDatagram::from_std(socket)?))
    }
}

impl HookSocket {
    /// The longest question, in bytes: a message to the helper, less the number of the question.
    pub(crate) const LONGEST: usize = MOST_BYTES - size_of::<u16>();

    /// Asks about a machine, of which `facts` are known.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn send(&self, number: u16, facts: &str) -> Result<(), String> {
        if facts.len() > Self::LONGEST {
            return Err("too much is known of the machine".to_owned());
        }
        let bytes = [&number.to_be_bytes()[..], facts.as_bytes()].concat();
        channel::send(&self.0, &bytes, &[], SendFlags::DONTWAIT).map_err(|errno| match errno {
            Errno::AGAIN => "too many machines are asked about at once".to_owned(),
            errno => HelperError::from(errno).to_string(),
        })
    }

    /// The next answer, with the number of its question; `None` once the helper has ended.
    pub(crate) async fn next(&self) -> Option<(u16, Result<String, String>)> {
        loop {
            let receive = || Ok(channel::receive(&self.0, RecvFlags::DONTWAIT)?);
            let message = self.0.async_io(Interest::READABLE, receive).await.ok()??;
            let Some((head, text)) = message.bytes.split_first_chunk::<3>() else {
                continue;
            };
            let [high, low, status] = *head;
            let text = String::from_utf8_lossy(text).into_owned();
            let answer = if status == 0 { Ok(text) } else { Err(text) };
            return Some((u16::from_be_bytes([high, low]), answer));
        }
    }
}
