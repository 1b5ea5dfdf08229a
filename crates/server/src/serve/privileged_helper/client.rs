//! The server's side of a helper.

use std::io;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use netroot_net::PciId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::Mutex;

use super::answer::Done;
use super::channel::{self, Message};
use super::passed_sockets;
use super::request::{
    self, FileRequest, INTRODUCTION, ImageNumber, NetworkRequest, Outcome, Reply, Request,
    RootRequest,
};
use crate::serve::listen::sockets::{DeviceSockets, Listening};

/// How long a helper may take to start.
const START: Duration = Duration::from_secs(30);

/// Why a helper has not done what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    /// It has ended. Nothing starts it again but a new start of netroot.
    #[error("the helper process has ended; start netroot again")]
    Ended,
    /// It does not answer.
    #[error("the helper process has not answered within {} s", waited.as_secs())]
    Silent {
        /// How long.
        waited: Duration,
    },
    /// It answers nonsense, which is a bug.
    #[error("the helper process does not answer as it should; this is a bug")]
    Nonsense,
    /// The socket.
    #[error("cannot talk to the helper process")]
    Socket(#[source] io::Error),
    /// It tried and failed.
    #[error("{why}")]
    Failed {
        /// What it says.
        why: String,
    },
    /// It can never do this here: `CAP_SYS_ADMIN` or a newer kernel is missing.
    #[error("{why}")]
    Impossible {
        /// What it says.
        why: String,
    },
}

impl From<Errno> for HelperError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::Ended,
            Errno::MSGSIZE => Self::Nonsense,
            errno => Self::Socket(errno.into()),
        }
    }
}

/// Waits until the helper at the other end is ready, and returns what it sends with that.
pub(super) fn introduction(socket: &OwnedFd) -> Result<Done, HelperError> {
    waited_for(socket, INTRODUCTION, START)
}

/// Asks a helper and waits for its answer, in a thread that has nothing else to do.
pub(super) fn ask<R: Request>(
    socket: &OwnedFd,
    number: u16,
    request: R,
) -> Result<Done, HelperError> {
    send(socket, number, request)?;
    waited_for(socket, number, request.patience())
}

fn waited_for(socket: &OwnedFd, number: u16, patience: Duration) -> Result<Done, HelperError> {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| HelperError::Nonsense)?;
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(HelperError::Silent { waited: patience }),
            Err(Errno::INTR) => continue,
            ready => ready?,
        };
        let message = channel::receive(socket, RecvFlags::DONTWAIT)?;
        if let Some(done) = answer_in(message, number) {
            return done;
        }
    }
}

fn send<R: Request>(socket: impl AsFd, number: u16, request: R) -> Result<(), HelperError> {
    let bytes = [&number.to_be_bytes()[..], &request.encode()].concat();
    Ok(channel::send(socket, &bytes, &[], SendFlags::DONTWAIT)?)
}

/// The answer to the request with this number; `None` for one that came too late and is nobody's any more.
fn answer_in(message: Option<Message>, number: u16) -> Option<Result<Done, HelperError>> {
    let Some(message) = message else {
        return Some(Err(HelperError::Ended));
    };
    let Some(reply) = Reply::decode(&message.bytes) else {
        return Some(Err(HelperError::Nonsense));
    };
    if reply.number != number {
        return None;
    }
    let done = Done {
        present: reply.present,
        content: reply.content,
        files: message.files.into_iter(),
    };
    let why = || done.text().into_owned();
    Some(match reply.outcome {
        Outcome::Failed => Err(HelperError::Failed { why: why() }),
        Outcome::Impossible => Err(HelperError::Impossible { why: why() }),
        Outcome::Done => Ok(done),
    })
}

/// A helper process, as it is started.
#[derive(Debug)]
pub(crate) struct Helper<R> {
    socket: OwnedFd,
    requests: PhantomData<R>,
}

impl<R: Request> Helper<R> {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            requests: PhantomData,
        }
    }

    /// Waits until it is ready, and returns what it sends with that.
    pub(super) fn introduction(&self) -> Result<Option<OwnedFd>, HelperError> {
        Ok(introduction(&self.socket)?.files.next())
    }

    /// To ask it from tasks. Call it within the runtime.
    ///
    /// # Errors
    /// The runtime's.
    pub(crate) fn into_client(self) -> io::Result<Client<R>> {
        let socket = std::os::unix::net::UnixDatagram::from(self.socket);
        socket.set_nonblocking(true)?;
        let socket = UnixDatagram::from_std(socket)?;
        Ok(Client {
            state: Mutex::new(State { socket, number: 0 }),
            requests: PhantomData,
        })
    }
}

/// A helper process that tasks ask, one after the other.
#[derive(Debug)]
pub(crate) struct Client<R> {
    state: Mutex<State>,
    requests: PhantomData<R>,
}

#[derive(Debug)]
struct State {
    /// The runtime has no type for `SOCK_SEQPACKET`: it waits for this one, and does nothing else with it.
    socket: UnixDatagram,
    /// The last request's.
    number: u16,
}

impl<R: Request> Client<R> {
    pub(super) async fn ask(&self, request: R) -> Result<Done, HelperError> {
        let mut state = self.state.lock().await;
        state.number = request::next(state.number);
        let number = state.number;
        send(&state.socket, number, request)?;
        let waited = request.patience();
        let answer = tokio::time::timeout(waited, answer_to(number, &state.socket));
        answer.await.map_err(|_| HelperError::Silent { waited })?
    }
}

async fn answer_to(number: u16, socket: &UnixDatagram) -> Result<Done, HelperError> {
    loop {
        let message = socket.async_io(Interest::READABLE, || {
            Ok(channel::receive(socket, RecvFlags::DONTWAIT)?)
        });
        let message = message.await.map_err(HelperError::Socket)?;
        if let Some(done) = answer_in(message, number) {
            return done;
        }
    }
}

impl Client<NetworkRequest> {
    /// New sockets for an interface (its number in `Settings::networks`). The old ones have to be closed, unless the
    /// interface was made anew.
    ///
    /// # Errors
    /// [`HelperError`].
    pub(crate) async fn device(&self, listener: u16) -> Result<DeviceSockets, HelperError> {
        let done = self.ask(NetworkRequest::Device { listener }).await?;
        passed_sockets::device_sockets(done).ok_or(HelperError::Nonsense)
    }

    /// New listeners at an address of an interface (its number in `Settings::networks`).
    ///
    /// # Errors
    /// [`HelperError`].
    pub(crate) async fn listen(
        &self,
        listener: u16,
        address: Ipv4Addr,
    ) -> Result<Listening, HelperError> {
        let request = NetworkRequest::Listen { listener, address };
        let done = self.ask(request).await?;
        passed_sockets::listening(done).ok_or(HelperError::Nonsense)
    }
}

impl Client<RootRequest> {
    /// The directory of an image as it is at its path now, with the mounts below it: a descriptor (`O_PATH`) of a mount of
    /// its own, below which the confined server may read. It stays readable until eight others of the same path have been
    /// opened.
    ///
    /// # Errors
    /// [`HelperError::Impossible`]: this server cannot follow a root that was replaced, and has to be started again.
    pub(crate) async fn root(&self, image: ImageNumber) -> Result<OwnedFd, HelperError> {
        let mut done = self.ask(RootRequest::Root { image }).await?;
        done.files.next().ok_or(HelperError::Nonsense)
    }

    /// Has it read the configuration with this digest; `served` is the one that is served.
    ///
    /// # Errors
    /// [`HelperError::Failed`]: among others, it has changed again.
    pub(crate) async fn configuration(&self, digest: u64, served: u64) -> Result<(), HelperError> {
        let request = RootRequest::Configuration { digest, served };
        self.ask(request).await.map(|_| ())
    }
}

impl Client<FileRequest> {
    /// The initrd of an image: the one that is given, or one that is built for what is at the image's path now and kept
    /// under this fingerprint; with a line for each thing that its builder noted.
    ///
    /// # Errors
    /// [`HelperError`]: above all, it could not be built.
    pub(crate) async fn initrd(
        &self,
        image: ImageNumber,
        fingerprint: u64,
    ) -> Result<(OwnedFd, Vec<String>), HelperError> {
        let request = FileRequest::Initrd { image, fingerprint };
        let mut done = self.ask(request).await?;
        let file = done.files.next().ok_or(HelperError::Nonsense)?;
        Ok((file, done.text().lines().map(str::to_owned).collect()))
    }

    /// The initrd for one network card, built for what is at the image's path now and kept under this fingerprint.
    ///
    /// # Errors
    /// [`HelperError`]: above all, it could not be built.
    pub(crate) async fn nic_initrd(
        &self,
        image: ImageNumber,
        fingerprint: u64,
        nic: PciId,
    ) -> Result<OwnedFd, HelperError> {
        let request = FileRequest::NicInitrd {
            image,
            fingerprint,
            nic,
        };
        let mut done = self.ask(request).await?;
        done.files.next().ok_or(HelperError::Nonsense)
    }

    /// A file with the configuration as it is now (`Snapshot`); `served` is the one that is served.
    ///
    /// # Errors
    /// [`HelperError`].
    pub(crate) async fn configuration(&self, served: u64) -> Result<OwnedFd, HelperError> {
        let mut done = self.ask(FileRequest::Configuration { served }).await?;
        done.files.next().ok_or(HelperError::Nonsense)
    }

    /// One of the files that an image is made of, by its place in `ImageSource::files`.
    ///
    /// # Errors
    /// [`HelperError`].
    pub(crate) async fn file(&self, image: ImageNumber, file: u16) -> Result<OwnedFd, HelperError> {
        let mut done = self.ask(FileRequest::File { image, file }).await?;
        done.files.next().ok_or(HelperError::Nonsense)
    }

    /// The boot loaders that are installed now, each with the name that machines ask for.
    ///
    /// # Errors
    /// [`HelperError`].
    pub(crate) async fn loaders(&self) -> Result<Vec<(String, OwnedFd)>, HelperError> {
        let done = self.ask(FileRequest::Loaders).await?;
        let names: Vec<_> = done.text().lines().map(str::to_owned).collect();
        Ok(names.into_iter().zip(done.files).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::super::helper_end::answer_until_closed;
    use super::*;

    const THIRD: ImageNumber = ImageNumber {
        configuration: 0,
        image: 3,
        generation: 0,
        tree: 0,
    };

    #[tokio::test]
    async fn answers_and_the_end_of_a_helper_are_seen() {
        let (here, there) = channel::pair().unwrap();
        let helper = std::thread::spawn(move || {
            let mut left = 2;
            answer_until_closed(&there, |request| {
                left -= 1;
                match (request, left) {
                    (RootRequest::Root { image: THIRD }, 1) => {
                        Answer::done(vec![there.try_clone().unwrap()])
                    }
                    _ => Answer::impossible("not here"),
                }
            });
        });
        let client = Helper::<RootRequest>::new(here).into_client().unwrap();
        client.root(THIRD).await.unwrap();
        let refused = client.root(THIRD).await.unwrap_err();
        assert!(
            matches!(refused, HelperError::Impossible { .. }),
            "{refused}"
        );
        drop(client);
        helper.join().unwrap();

        let (here, there) = channel::pair().unwrap();
        drop(there);
        let client = Helper::<RootRequest>::new(here).into_client().unwrap();
        let ended = client.root(THIRD).await.unwrap_err();
        assert!(matches!(ended, HelperError::Ended), "{ended}");
    }
}
