//! The kernel command line, read once into a plan of the boot.
//!
//! [`tokenize`] splits the text by the kernel's own quoting rules, and [`BootPlan::parse`]
//! gives every parameter its meaning. Parsing never fails: a value that makes no sense
//! becomes a [`Complaint`] that names the parameter, the position and what was expected,
//! and the boot continues with the rest. Every value keeps its [`Origin`], so that the
//! init's console and `netroot explain` can say where it came from.
//!
//! Grammar: Linux `Documentation/admin-guide/nfs/nfsroot.rst`, `net/ipv4/ipconfig.c`,
//! `fs/nfs/nfsroot.c`, `lib/cmdline.c`; `dracut.cmdline(7)`; `initramfs-tools(7)`.

mod bond;
mod boot_link;
mod device;
#[cfg(test)]
mod dialects;
mod fstab;
mod ignored;
mod ip;
mod ip_fields;
mod ip_meant;
mod method;
mod modules;
mod network;
mod other_initrds;
mod overlay;
mod plan;
mod program;
mod report;
mod root;
mod route;
mod selector;
mod stage;
mod tokens;
mod udev_naming;
mod word;

pub use bond::{Bond, BondAttribute, BondMode};
pub use device::{Bridge, Rename, Vlan};
pub use fstab::Fstab;
pub use ignored::Ignored;
pub use ip::{IpRequest, classful_prefix};
pub use ip_fields::ClientIdentifier;
pub use method::Method;
pub use modules::ModuleOrders;
pub use network::{NetworkPlan, NetworkTimeouts};
pub use other_initrds::Concern;
pub use overlay::Overlay;
pub use plan::{AfterFailure, BootPlan};
pub use program::{InitProgram, USUAL_PROGRAMS};
pub use report::ReportUrl;
pub use root::{NfsRequest, RootRequest};
pub use route::StaticRoute;
pub use selector::NicSelector;
pub use stage::{Rescue, Stage};
pub use tokens::{CommandLine, Parameter, tokenize};
pub use udev_naming::UdevNaming;

pub use crate::reading::{Complaint, MacError, Origin, Setting, read_mac};
