//! What the tests and `cargo xtask demo` stand on: private networks, virtual machines
//! that boot through real firmware, and the programs that netroot lives beside.
//!
//! Everything runs inside a [`Net`]: a network, mount and process namespace of its
//! own. When the process that made it ends, even by `kill -9`, the kernel ends
//! everything inside it, so a failed test leaves nothing behind.
//!
//! Every function says in its error what it was doing, and waits always have a deadline
//! and name what they wait for. Nothing here panics, but for one thing: a [`Vm`] that
//! is dropped after the machine in it panicked fails the test.

#![forbid(unsafe_code)]

mod accel;
mod net;
mod nic;
mod peer;
mod program;
mod qmp;
mod root;
mod switch;
mod transcript;
mod vm;

pub mod paths;

pub use accel::Accel;
pub use net::{Bridge, Loss, Net, Tap};
pub use nic::{Cable, Nic, Rom};
pub use peer::dnsmasq::Dnsmasq;
pub use peer::ganesha::{Clients, Ganesha};
pub use peer::netroot::{Event, NetrootServe};
pub use program::{Finished, Program};
pub use root::TinyRoot;
pub use switch::{DhcpMessage, Port, Switch, SwitchConfig};
pub use transcript::{Echo, Seen, Transcript};
pub use vm::{Firmware, Vm, VmBuilder};
