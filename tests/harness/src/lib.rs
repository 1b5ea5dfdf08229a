//! The basis of the tests and `cargo xtask demo`: private networks, virtual machines
//! that boot through real firmware, and the servers used alongside netroot.
//!
//! Everything runs inside a [`Net`]: its own network, mount and process namespaces.
//! When the process that created it ends, even by `kill -9`, the kernel kills
//! everything inside it, so a failed test leaves nothing behind.
//!
//! Errors name the operation that failed; every wait has a deadline and names what it
//! waits for. Nothing here panics, with one exception: dropping a [`Vm`] whose machine
//! has panicked fails the test.

#![forbid(unsafe_code)]

mod accel;
mod bare_kernel;
mod isolated_lab;
mod kept_state;
mod net;
mod nic;
mod peer;
mod processor;
mod program;
mod qmp;
mod root;
mod signed_binary;
mod signing_key;
mod switch;
mod transcript;
mod vm;

pub mod media;
pub mod paths;

pub use accel::Accel;
pub use bare_kernel::{
    BareEnd, BareExport, BareKernel, BareLab, BareTimes, Booted, Stage, bare_end,
};
pub use isolated_lab::IsolatedLab;
pub use kept_state::KeptState;
pub use net::{Bridge, Loss, Net, Tap};
pub use nic::{Cable, Nic, Rom};
pub use peer::dhcp_relay::RelayedNetwork;
pub use peer::dnsmasq::Dnsmasq;
pub use peer::foreign_dhcp::{BootPart, ForeignDhcp, IscServer};
pub use peer::ganesha::{Clients, Ganesha};
pub use peer::iscsi_target::IscsiTarget;
pub use peer::netroot::{Event, NetrootServe};
pub use peer::nfsd;
pub use peer::nginx::Nginx;
pub use processor::Processor;
pub use program::{Finished, Program};
pub use root::{GuixRoot, ShapedRoot, TinyRoot};
pub use signed_binary::{certificates_entry, with_signatures};
pub use signing_key::SigningKey;
pub use switch::{DhcpMessage, Port, Switch, SwitchConfig};
pub use transcript::{Echo, Seen, Transcript};
pub use vm::{Firmware, KERNEL_PARAMETERS, QUICK_KERNEL_PARAMETERS, SignatureLists, Vm, VmBuilder};
