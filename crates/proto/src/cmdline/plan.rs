//! The plan of a boot: every parameter that this project knows, with its meaning.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::complaint::Complaint;
use super::ip::IpRequest;
use super::link_address::LinkAddress;
use super::overlay::Overlay;
use super::root::RootRequest;
use super::setting::Setting;
use super::tokens::tokenize;
use crate::mount::Access;

/// What follows a boot that failed (`panic=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// `panic=0` or nothing: wait and try again, with growing pauses.
    TryAgain,
    /// `panic=N`: reboot after so long.
    RebootAfter(Duration),
    /// `panic=-1`: reboot at once.
    RebootNow,
}

/// How the network comes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// One request per `ip=` or `nfsaddrs=`, in order. Empty: DHCP on every NIC.
    pub addressing: Vec<IpRequest>,
    /// The NIC that the firmware booted from (`BOOTIF=`, `hwaddr=`).
    pub boot_link: Option<Setting<LinkAddress>>,
    /// The NIC whose lease decides about the root (`bootdev=`).
    pub boot_device: Option<Setting<String>>,
    /// `nameserver=`, in order; they go before those of DHCP.
    pub name_servers: Vec<Setting<Ipv4Addr>>,
    /// How long to wait for a carrier before a NIC is given up (`carrier_timeout=`, 120 s).
    pub carrier_timeout: Setting<Duration>,
    /// DHCP option 60 (`dhcpclass=`).
    pub dhcp_class: Option<Setting<String>>,
}

/// A parameter that belongs to this init and that it does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The parameter as written.
    pub parameter: String,
    /// Why it changes nothing.
    pub why: &'static str,
}

/// The whole command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPlan {
    /// How the network comes up.
    pub network: Network,
    /// Where the root is.
    pub root: RootRequest,
    /// `ro` or `rw`, the last one given; read-only by default, as in the kernel.
    pub access: Setting<Access>,
    /// A writable layer over the root.
    pub overlay: Setting<Overlay>,
    /// `init=`: an absolute path within the root.
    pub init: Option<Setting<String>>,
    /// The words after `--`. The kernel also passes them (and unknown words) to `/init`
    /// in argv, which is what the init hands on.
    pub init_arguments: Vec<String>,
    /// `rootdelay=`: a pause before the root is mounted.
    pub root_delay: Setting<Duration>,
    /// `rootwait[=seconds]`: how long the root is waited for before it counts as a failure;
    /// `None` inside is for ever.
    pub root_wait: Option<Setting<Option<Duration>>>,
    /// `panic=`: what follows a failure.
    pub after_failure: Setting<AfterFailure>,
    /// The console takes messages of levels below this one (`loglevel=`; `quiet` is 4,
    /// `debug` 10, the default 7), where 3 is an error, 4 a warning, 6 information.
    pub console_level: Setting<u8>,
    /// `netroot.report=`: the URL that boot reports go to.
    pub report: Option<Setting<String>>,
    /// What makes no sense, in order.
    pub complaints: Vec<Complaint>,
    /// What is understood and not followed, in order.
    pub ignored: Vec<Ignored>,
}

impl BootPlan {
    /// The plan of a command line (the text of `/proc/cmdline`). Never fails.
    pub fn parse(cmdline: &str) -> Self {
        let line = tokenize(cmdline);
        Self {
            network: Network {
                addressing: Vec::new(),
                boot_link: None,
                boot_device: None,
                name_servers: Vec::new(),
                carrier_timeout: Setting::default_value(Duration::from_secs(120)),
                dhcp_class: None,
            },
            root: RootRequest::Missing,
            access: Setting::default_value(Access::ReadOnly),
            overlay: Setting::default_value(Overlay::Off),
            init: None,
            init_arguments: line.init_arguments,
            root_delay: Setting::default_value(Duration::ZERO),
            root_wait: None,
            after_failure: Setting::default_value(AfterFailure::TryAgain),
            console_level: Setting::default_value(7),
            report: None,
            complaints: Vec::new(),
            ignored: Vec::new(),
        }
    }
}
