//! The plan of a boot: every parameter that this project knows, with its meaning.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::complaint::{Complaint, Reading};
use super::ip::IpRequest;
use super::ip_fields::dotted_quad;
use super::link_address::{self, LinkAddress};
use super::overlay::Overlay;
use super::root::{RootParameters, RootRequest};
use super::setting::{Origin, Setting};
use super::tokens::{CommandLine, Parameter, tokenize};
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
    /// `panic=`: what follows a failure.
    pub after_failure: Setting<AfterFailure>,
    /// The console takes messages of levels below this one (`loglevel=`; `quiet` is 4,
    /// `debug` 10, the default 7), where 3 is an error, 4 a warning, 6 information.
    pub console_level: Setting<u8>,
    /// What makes no sense, in order.
    pub complaints: Vec<Complaint>,
    /// What an initrd could follow and this one does not, in order.
    pub ignored: Vec<Ignored>,
    /// The rest, as written: the kernel's parameters and those of the root's init.
    pub foreign: Vec<String>,
}

impl BootPlan {
    /// The plan of a command line (the text of `/proc/cmdline`). Never fails.
    pub fn parse(cmdline: &str) -> Self {
        let line = tokenize(cmdline);
        let mut plan = Self {
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
            init_arguments: Vec::new(),
            root_delay: Setting::default_value(Duration::ZERO),
            after_failure: Setting::default_value(AfterFailure::TryAgain),
            console_level: Setting::default_value(DEFAULT_CONSOLE_LEVEL),
            complaints: Vec::new(),
            ignored: Vec::new(),
            foreign: Vec::new(),
        };
        for parameter in &line.parameters {
            plan.take(parameter);
        }
        plan.finish(&line);
        plan.init_arguments = line.init_arguments;
        plan
    }

    /// Gives one parameter its meaning; the last one of a kind holds. What names the root is
    /// left to [`finish`](Self::finish), since those are weighed against each other.
    fn take(&mut self, parameter: &Parameter) {
        // The kernel does not tell `-` from `_` in names.
        let name = parameter.name.replace('-', "_");
        let text = parameter.text();
        match (name.as_str(), parameter.value.as_deref()) {
            ("root" | "nfsroot" | "netroot", Some(_)) => {}
            ("ip" | "nfsaddrs", Some(value)) => {
                let name = if name == "ip" { "ip" } else { "nfsaddrs" };
                let mut reading = Reading::new(name, Some(value), &mut self.complaints);
                let request = IpRequest::read(value, Origin::Parameter(text), &mut reading);
                self.add_request(request);
            }
            ("BOOTIF" | "hwaddr", Some(value)) => {
                let name = if name == "BOOTIF" { "BOOTIF" } else { "hwaddr" };
                let mut reading = Reading::new(name, Some(value), &mut self.complaints);
                if let Some(address) = link_address::read(value, &mut reading) {
                    self.network.boot_link = Some(Setting::parameter(address, &text));
                }
            }
            ("bootdev", Some(device)) => {
                self.network.boot_device = Some(Setting::parameter(device.to_owned(), &text));
            }
            ("nameserver", Some(server)) => match dotted_quad(server) {
                Some(address) => {
                    self.network
                        .name_servers
                        .push(Setting::parameter(address, &text));
                }
                None => self.complain("nameserver", server, "an IPv4 address", "left out"),
            },
            ("carrier_timeout" | "rd.net.timeout.carrier", Some(value)) => {
                let name = match name.as_str() {
                    "carrier_timeout" => "carrier_timeout",
                    _ => "rd.net.timeout.carrier",
                };
                if let Some(limit) = self.seconds(name, value, "120 seconds hold") {
                    self.network.carrier_timeout = Setting::parameter(limit, &text);
                }
            }
            ("dhcpclass", Some(class)) => {
                // 253 bytes is all that the kernel's buffer takes.
                if (1..=253).contains(&class.len()) {
                    self.network.dhcp_class = Some(Setting::parameter(class.to_owned(), &text));
                } else {
                    let outcome = "no vendor class is sent";
                    self.complain(
                        "dhcpclass",
                        class,
                        "a vendor class of 1 to 253 bytes",
                        outcome,
                    );
                }
            }
            ("ro", None) => self.access = Setting::parameter(Access::ReadOnly, &text),
            ("rw", None) => self.access = Setting::parameter(Access::ReadWrite, &text),
            ("rd.overlay", value) => {
                let mut reading = Reading::new("rd.overlay", value, &mut self.complaints);
                let overlay = Overlay::read_dracut(value, &mut reading);
                self.overlay = Setting::parameter(overlay, &text);
            }
            ("overlayroot", Some(value)) => {
                let mut reading = Reading::new("overlayroot", Some(value), &mut self.complaints);
                let overlay = Overlay::read_overlayroot(value, &mut reading);
                self.overlay = Setting::parameter(overlay, &text);
            }
            ("init", Some(path)) if path.starts_with('/') => {
                self.init = Some(Setting::parameter(path.to_owned(), &text));
            }
            ("init", Some(path)) => {
                let outcome = "left out: the usual programs are tried";
                self.complain("init", path, "an absolute path within the root", outcome);
            }
            ("rootdelay", Some(value)) => {
                if let Some(delay) = self.seconds("rootdelay", value, "no delay") {
                    self.root_delay = Setting::parameter(delay, &text);
                }
            }
            ("panic", Some(value)) => match value.parse::<i32>() {
                Ok(seconds) => {
                    let policy = match u64::try_from(seconds) {
                        Ok(0) => AfterFailure::TryAgain,
                        Ok(seconds) => AfterFailure::RebootAfter(Duration::from_secs(seconds)),
                        Err(_) => AfterFailure::RebootNow,
                    };
                    self.after_failure = Setting::parameter(policy, &text);
                }
                Err(_) => {
                    let outcome = "left out: a failed boot is tried again";
                    self.complain("panic", value, "a number of seconds", outcome);
                }
            },
            ("quiet", None) => self.console_level = Setting::parameter(QUIET_LEVEL, &text),
            ("debug", None) | ("rd.debug", _) => {
                self.console_level = Setting::parameter(DEBUG_LEVEL, &text);
            }
            ("loglevel", Some(value)) => match value.parse() {
                Ok(level @ 0..=15) => self.console_level = Setting::parameter(level, &text),
                _ => self.complain("loglevel", value, "a level of 0 to 7", "left out"),
            },
            (name, value) => match not_followed(name, value) {
                Some(why) => self.ignored.push(Ignored {
                    parameter: text,
                    why,
                }),
                None => self.foreign.push(text),
            },
        }
    }

    /// Keeps a request; a later one for the same NIC takes an earlier one's place.
    fn add_request(&mut self, request: IpRequest) {
        let requests = &mut self.network.addressing;
        if let Some(at) = requests
            .iter()
            .position(|earlier| earlier.device == request.device)
        {
            let earlier = requests.remove(at);
            let why = "a later ip= is about the same NIC";
            self.ignored.push(Ignored {
                parameter: earlier.origin.to_string(),
                why,
            });
        }
        let parts = [
            (
                request.client_identifier.is_some(),
                "its client identifier: the NIC's address is sent as that",
            ),
            (
                request.link_address.is_some(),
                "its Ethernet address: NICs keep their own",
            ),
            (
                request.ntp.is_some(),
                "its time server: the root's own settings hold",
            ),
        ];
        for (_, why) in parts.into_iter().filter(|(given, _)| *given) {
            self.ignored.push(Ignored {
                parameter: request.origin.to_string(),
                why,
            });
        }
        requests.push(request);
    }

    /// What only the whole line tells.
    fn finish(&mut self, line: &CommandLine) {
        let last = |name: &str| {
            let given = |p: &&Parameter| p.is(name) && p.value.is_some();
            line.parameters.iter().rfind(given)
        };
        let parameters = RootParameters {
            root: last("root"),
            netroot: last("netroot"),
            nfsroot: last("nfsroot"),
        };
        self.root = parameters.resolve(&mut self.complaints, &mut self.ignored);
        if let Some(off) = last("rd.bootif").filter(|p| p.value.as_deref() == Some("0"))
            && let Some(Setting { origin, .. }) = self.network.boot_link.take()
        {
            let why = "rd.bootif=0 is given";
            self.ignored.push(Ignored {
                parameter: origin.to_string(),
                why,
            });
            self.ignored
                .retain(|ignored| ignored.parameter != off.text());
        }
    }

    fn seconds(
        &mut self,
        name: &'static str,
        value: &str,
        outcome: &'static str,
    ) -> Option<Duration> {
        // Ten digits of seconds are three centuries; more would overflow a deadline.
        match value.parse::<u32>() {
            Ok(seconds) => Some(Duration::from_secs(seconds.into())),
            Err(_) => {
                self.complain(name, value, "a number of seconds", outcome);
                None
            }
        }
    }

    fn complain(
        &mut self,
        name: &'static str,
        value: &str,
        expected: &'static str,
        outcome: &'static str,
    ) {
        Reading::new(name, Some(value), &mut self.complaints).complain(0, expected, value, outcome);
    }
}

/// `CONFIG_CONSOLE_LOGLEVEL_DEFAULT`, and what `quiet` and `debug` make of it.
const DEFAULT_CONSOLE_LEVEL: u8 = 7;
const QUIET_LEVEL: u8 = 4;
const DEBUG_LEVEL: u8 = 10;

/// Why a parameter of an initrd's is not followed; `None` for those of the kernel and of
/// the root's own init.
fn not_followed(name: &str, value: Option<&str>) -> Option<&'static str> {
    Some(match name {
        "rdinit" => "the kernel has followed it: it started this init",
        "rootwait" => "the root is waited for in any case",
        "netroot.report" => "this init sends no reports",
        "boot" if value == Some("nfs") => "an NFS root is all that this init mounts",
        "boot" => "only boot=nfs has a meaning here",
        "rd.neednet" => "the network always comes up",
        "rootfstype" => "the root is NFS",
        "rootflags" => "NFS options belong to nfsroot= or root=nfs:",
        "nfsrootdebug" => "it is about the kernel's own mount of the root",
        "ip6" => "an NFS root over IPv6 is not supported",
        "vlan" | "bond" | "bridge" | "team" => "this init does not make such devices",
        "ifname" => "this init does not rename NICs",
        "rd.route" => "routes come from ip= and DHCP",
        "break" | "rd.break" | "rd.shell" => "there is no shell in this image",
        "rd.bootif" => "there is no BOOTIF= to leave out",
        "gnu.load" | "gnu.system" | "gnu.repl" => "Guix System's boot program is not supported",
        _ if name.starts_with("netroot.") => "this init has no such parameter",
        _ if name.starts_with("rd.") => "it is dracut's, and nothing here answers to it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
