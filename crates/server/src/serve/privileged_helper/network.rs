//! The helper for the network: it makes sockets anew for an interface that is not what it was.
//!
//! It becomes the unprivileged user, as the server does, with the two capabilities that ports below 1024 and packet
//! sockets take, and has a filter of system calls.

use std::net::IpAddr;
use std::path::PathBuf;

use rustix::thread::CapabilitySet;

use super::answer::Answer;
use super::passed_sockets::{device_answer, listen_answer};
use super::request::NetworkRequest;
use crate::confinement::identity::Identity;
use crate::confinement::seccomp::Work;
use crate::confinement::{self, Confinement};
use crate::serve::listen::interface::{Followed, list};
use crate::serve::listen::sockets::{DeviceSockets, ListenPorts, Listening, SocketError};

/// Where it is found out who has a port that is taken.
const READ: &str = "/proc";

/// What the helper for the network has.
#[derive(Debug)]
pub(super) struct Network {
    interfaces: Vec<Followed>,
    ports: ListenPorts,
}

impl Network {
    /// In the new process.
    pub(super) fn prepare(
        interfaces: Vec<Followed>,
        ports: ListenPorts,
        identity: Option<Identity>,
    ) -> Option<Self> {
        let _ = rustix::thread::set_name(c"netroot-network");
        let confined = confinement::confine(&Confinement {
            identity,
            capabilities: CapabilitySet::NET_BIND_SERVICE | CapabilitySet::NET_RAW,
            read: vec![PathBuf::from(READ)],
            write: Vec::new(),
            work: Work::OpeningSockets,
        });
        // Unconfined, it must not serve. The server notices, and says so.
        confined.ok().map(|_| Self { interfaces, ports })
    }

    /// Does what it is asked for.
    pub(super) fn answer(&mut self, request: NetworkRequest) -> Answer {
        let (NetworkRequest::Device { listener } | NetworkRequest::Listen { listener, .. }) =
            request;
        let Some(followed) = self.interfaces.get_mut(usize::from(listener)) else {
            return Answer::failed("there is no such interface");
        };
        let candidates = match list() {
            Ok(candidates) => candidates,
            Err(error) => return Answer::failed(error.to_string()),
        };
        let Some(interface) = followed.find(&candidates) else {
            return Answer::failed("the interface is gone");
        };
        match request {
            NetworkRequest::Device { .. } => match DeviceSockets::bind(interface.device()) {
                Ok(sockets) => device_answer(sockets),
                Err(error) => failed(&error),
            },
            NetworkRequest::Listen { address, .. } if interface.has(address) => {
                match Listening::bind(IpAddr::V4(address), self.ports) {
                    Ok(listening) => listen_answer(listening),
                    Err(error) => failed(&error),
                }
            }
            NetworkRequest::Listen { address, .. } => {
                Answer::failed(format!("{address} is no address of the interface"))
            }
        }
    }
}

fn failed(error: &SocketError) -> Answer {
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        text += &format!(": {source}");
    }
    Answer::failed(text)
}
