//! A switch in front of a machine's cards, for what the host's kernel may lack: a spanning tree's
//! delay, VLAN tags, LACP.
//!
//! A thread that passes frames between the cards (Unix datagram sockets, QEMU's `dgram` back-end, since 7.2) and a
//! tap that is plugged into a bridge of the network. [`fabric`], which is pure, decides where a frame goes.

mod fabric;
mod frame;
mod lacp;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use self::fabric::{DhcpMessage, SwitchConfig};
use self::fabric::{Fabric, Out};
use crate::net::{Bridge, Net};

/// One end of a cable from a card to a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The card's socket, which QEMU makes.
    pub(crate) card: PathBuf,
    /// The switch's.
    pub(crate) switch: PathBuf,
}

/// A running switch. Dropping it powers it off.
#[derive(Debug)]
pub struct Switch {
    ports: Vec<Port>,
    fabric: Shared,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The state shared by the thread and its owner.
#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<Fabric>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Fabric> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often the thread checks whether to stop and whether LACP has something to send, in milliseconds.
const TURN: u16 = 50;
/// How long a frame waits for a card before it is dropped: a card without a driver accepts none.
const PUSH: Duration = Duration::from_millis(20);
/// The longest frame with its tag, including those of a card with segmentation offload.
const LONGEST: usize = 1 << 16;

impl Switch {
    /// A switch with `ports` ports for a machine, plugged into `bridge` by a tap called `name`.
    ///
    /// # Errors
    /// When the tap or the sockets cannot be made.
    pub fn start(
        net: &Net,
        bridge: &Bridge,
        name: &str,
        ports: usize,
        config: SwitchConfig,
    ) -> Result<Self> {
        let tap = net.tap(name, bridge)?;
        let uplink = net.within(|| {
            netroot_sys::tap::open(&tap.0).with_context(|| format!("open the tap {}", tap.0))
        })?;
        let path = |at: usize, end: &str| net.logs().join(format!("{name}-{at}-{end}"));
        let ports: Vec<Port> = (0..ports)
            .map(|at| Port {
                card: path(at, "card"),
                switch: path(at, "switch"),
            })
            .collect();
        let cables = ports.iter().map(Port::open).collect::<Result<Vec<_>>>()?;
        let fabric = Shared(Arc::new(Mutex::new(Fabric::new(ports.len(), config))));
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            uplink,
            cables,
            fabric: fabric.clone(),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work.run())
            .context("start the switch's thread")?;
        Ok(Self {
            ports,
            fabric,
            stop,
            thread: Some(thread),
        })
    }

    /// The port with this number.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn port(&self, number: usize) -> Result<&Port> {
        let port = self.ports.get(number);
        port.with_context(|| format!("the switch has no port {number}"))
    }

    /// The DHCP messages that the machine sent so far, in order, whether or not they passed.
    pub fn dhcp_messages(&self) -> Vec<DhcpMessage> {
        self.fabric.lock().dhcp_messages().to_owned()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Port {
    /// The switch's end of the cable.
    fn open(&self) -> Result<Cable> {
        let socket = UnixDatagram::bind(&self.switch)
            .with_context(|| format!("make the socket {}", self.switch.display()))?;
        socket.set_write_timeout(Some(PUSH))?;
        Ok(Cable {
            socket,
            card: self.card.clone(),
        })
    }
}

/// The switch's end of a cable to a card.
struct Cable {
    socket: UnixDatagram,
    card: PathBuf,
}

struct Work {
    uplink: File,
    cables: Vec<Cable>,
    fabric: Shared,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(self) {
        let mut buffer = vec![0; LONGEST];
        while !self.stop.load(Ordering::Relaxed) {
            // What cannot be read now can be read next time, or the tap has gone with its network.
            let ready = self.wait().unwrap_or_default();
            for end in ready {
                let outs = self.take(end, &mut buffer);
                self.send(outs);
            }
            let words = self.fabric.lock().due_frames(Instant::now());
            self.send(words);
        }
    }

    /// The ends with a frame to read: `None` is the uplink, a number is that port.
    fn wait(&self) -> Result<Vec<Option<usize>>> {
        let fds = std::iter::once(self.uplink.as_fd())
            .chain(self.cables.iter().map(|cable| cable.socket.as_fd()));
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::from(TURN))?;
        let readable = fds.iter().enumerate().filter(|(_, fd)| {
            fd.revents()
                .is_some_and(|events| events.contains(PollFlags::POLLIN))
        });
        Ok(readable.map(|(at, _)| at.checked_sub(1)).collect())
    }

    fn take(&self, end: Option<usize>, buffer: &mut [u8]) -> Vec<Out> {
        let length = match end {
            None => (&self.uplink).read(buffer).ok(),
            Some(at) => self
                .cables
                .get(at)
                .and_then(|cable| cable.socket.recv(buffer).ok()),
        };
        let Some(frame) = length.and_then(|length| buffer.get(..length)) else {
            return Vec::new();
        };
        let now = Instant::now();
        match end {
            None => self.fabric.lock().sent_by_network(frame, now),
            Some(at) => self.fabric.lock().sent_by_machine(at, frame, now),
        }
    }

    fn send(&self, outs: Vec<Out>) {
        for out in outs {
            // A frame that is not accepted is lost, as on a cable.
            let _ = match out {
                Out::Up(frame) => (&self.uplink).write(&frame),
                Out::Down(at, frame) => match self.cables.get(at) {
                    Some(cable) => cable.socket.send_to(&frame, &cable.card),
                    None => continue,
                },
            };
        }
    }
}
