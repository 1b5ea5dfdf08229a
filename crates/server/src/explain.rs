//! `netroot explain 'CMDLINE'`: what the init would do with a kernel command line.
//!
//! [`run`] is what the command line calls; [`explain`] is pure. Each line ends with the
//! parameter that it comes from, or with `default`. What makes no sense, what this init does
//! not follow, and what belongs to others comes after.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use netroot_proto::cmdline::{
    AfterFailure, BootPlan, IpRequest, Method, NfsRequest, Origin, Overlay, RootRequest,
    link_address_text,
};
use netroot_proto::mount::{
    Access, Host, KnownPorts, LeaseFacts, NfsOptions, Version, choose_root, mount_request,
};

/// Prints what the init would do with `cmdline`. Succeeds unless something in it makes no
/// sense, which ends with 1.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn run(cmdline: &str) -> anyhow::Result<ExitCode> {
    let plan = BootPlan::parse(cmdline);
    let text = explain(&plan);
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")?;
    Ok(if plan.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the init would do, for people.
fn explain(plan: &BootPlan) -> String {
    let mut page = Page::default();
    network(plan, &mut page);
    root(plan, &mut page);
    start(plan, &mut page);
    if !plan.complaints.is_empty() {
        page.heading("what makes no sense");
        plan.complaints
            .iter()
            .for_each(|complaint| page.line(&complaint));
    }
    if !plan.ignored.is_empty() {
        page.heading("what is not followed");
        for ignored in &plan.ignored {
            page.line(&format_args!("{}: {}", ignored.parameter, ignored.why));
        }
    }
    if !plan.foreign.is_empty() {
        page.heading("what is the kernel's own or the root's");
        page.line(&plan.foreign.join(" "));
    }
    page.0
}

/// The longest parameter that is told in full, in bytes.
const MOST_OF_ORIGIN: usize = 40;

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn heading(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line_of(format_args!("{title}"));
    }

    /// `  label       what happens (where that comes from)`.
    fn row(&mut self, label: &str, text: &dyn fmt::Display, origin: &Origin) {
        // A long parameter would hide what it means, and is on the command line anyway.
        let origin = match origin {
            Origin::Parameter(text) if text.len() > MOST_OF_ORIGIN => {
                format!("{}=...", text.split('=').next().unwrap_or_default())
            }
            origin => origin.to_string(),
        };
        self.line_of(format_args!("  {label:<10}{text} ({origin})"));
    }

    fn line(&mut self, text: &dyn fmt::Display) {
        self.line_of(format_args!("  {text}"));
    }

    fn line_of(&mut self, text: fmt::Arguments<'_>) {
        let mut line = String::new();
        // Writing to a `String` cannot fail.
        let _ = line.write_fmt(text);
        // A parameter may hold anything; the terminal gets none of it raw.
        self.0.extend(
            line.chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c }),
        );
        self.0.push('\n');
    }
}

fn network(plan: &BootPlan, page: &mut Page) {
    let network = &plan.network;
    page.heading("the network");
    if network.addressing.is_empty() {
        page.row("every NIC", &"asks a DHCP server", &Origin::Default);
    }
    for request in &network.addressing {
        let named = network.addressing.len() > 1;
        let label = match &request.device {
            Some(device) => device,
            None if named => "other NICs",
            None => "every NIC",
        };
        page.row(label, &address(request), &request.origin);
    }
    if let Some(boot) = &network.boot_link {
        let nic = link_address_text(&boot.value);
        let text = format!("{nic} alone; every NIC if 20 s bring none with that address");
        page.row("boot NIC", &text, &boot.origin);
    }
    if let Some(device) = &network.boot_device {
        let text = format!("{} decides about the root", device.value);
        page.row("boot NIC", &text, &device.origin);
    }
    for server in &network.name_servers {
        page.row(
            "DNS",
            &format!("{}, before those of DHCP", server.value),
            &server.origin,
        );
    }
    if let Some(class) = &network.dhcp_class {
        let text = format!(
            "\"{}\" is sent to DHCP servers as vendor class",
            class.value
        );
        page.row("DHCP", &text, &class.origin);
    }
    let patience = &network.carrier_timeout;
    let text = format!(
        "{} s without a carrier are a failure",
        patience.value.as_secs()
    );
    page.row("carrier", &text, &patience.origin);
}

/// How a request gets its address, and what it adds.
fn address(request: &IpRequest) -> String {
    let mut text = match (request.method, request.address()) {
        (Method::Off, _) => return "is left alone".to_owned(),
        (Method::Static, Some((address, prefix))) => {
            let classful = if request.prefix.is_none() {
                ", the classful network"
            } else {
                ""
            };
            format!("has the address {address}/{prefix}{classful}; nobody is asked")
        }
        _ => "asks a DHCP server".to_owned(),
    };
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, ", {what} {value}");
        }
    };
    add("router", request.gateway.map(|gateway| gateway.to_string()));
    add("host name", request.host_name.clone());
    add("NIS domain", request.nis_domain.clone());
    let dns: Vec<String> = request.dns.iter().map(ToString::to_string).collect();
    add("DNS", (!dns.is_empty()).then(|| dns.join(" and ")));
    add("MTU", request.mtu.map(|mtu| mtu.to_string()));
    text
}

/// Where DHCP's part of the answer comes from, best first.
const DHCP_SERVER: &str =
    "what DHCP says: option 17's, else the next server, else the DHCP server itself";
const DHCP_PATH: &str = "what DHCP option 17 says";
const DHCP_OR_KERNEL: &str = "what DHCP option 17 says, else the kernel's /tftpboot/%s";

fn root(plan: &BootPlan, page: &mut Page) {
    page.heading("the root");
    let nothing = NfsOptions::default();
    let (options, origin) = match &plan.root {
        RootRequest::Nfs(request) => {
            explicit(plan, request, page);
            (&request.options, &request.origin)
        }
        RootRequest::FromDhcp {
            kernel_default,
            options,
            origin,
        } => {
            server_of_dhcp(plan, page, origin);
            page.row(
                "path",
                if *kernel_default {
                    &DHCP_OR_KERNEL
                } else {
                    &DHCP_PATH
                },
                origin,
            );
            (options, origin)
        }
        RootRequest::NotNfs { value, origin } => {
            let text = format!("{value} is not on NFS: only DHCP option 17 can name a root");
            page.row("path", &text, origin);
            (&nothing, origin)
        }
        RootRequest::Missing => {
            server_of_dhcp(plan, page, &Origin::Default);
            page.row("path", &DHCP_PATH, &Origin::Default);
            (&nothing, &Origin::Default)
        }
    };
    let versions: Vec<String> = options.versions.iter().map(Version::to_string).collect();
    if versions.is_empty() {
        let text = "NFS 3 over TCP; 4.2 to 4.0 where the server has no 3";
        page.row("version", &text, &Origin::Default);
    } else {
        page.row(
            "version",
            &format!("NFS {} over TCP", versions.join(", then ")),
            origin,
        );
    }
    access(plan, options, origin, page);
    mount(plan, page);
}

fn server_of_dhcp(plan: &BootPlan, page: &mut Page, origin: &Origin) {
    // Option 17 still goes before field 2, which goes before the rest.
    match plan
        .network
        .addressing
        .iter()
        .find_map(|r| Some((r.server?, &r.origin)))
    {
        Some((server, ip)) => {
            let text = format!("{server}, unless DHCP option 17 names one");
            page.row("server", &text, ip);
        }
        None => page.row("server", &DHCP_SERVER, origin),
    }
}

fn explicit(plan: &BootPlan, request: &NfsRequest, page: &mut Page) {
    match &request.server {
        Some(server) => page.row("server", server, &request.origin),
        None => server_of_dhcp(plan, page, &Origin::Default),
    }
    match &request.path {
        Some(path) if path.contains("%s") => {
            let text = format!("{path}, where %s is the host name, else the address");
            page.row("path", &text, &request.origin);
        }
        Some(path) => page.row("path", path, &request.origin),
        None if request.kernel_default => page.row("path", &DHCP_OR_KERNEL, &request.origin),
        None => page.row("path", &DHCP_PATH, &request.origin),
    }
}

fn access(plan: &BootPlan, options: &NfsOptions, origin: &Origin, page: &mut Page) {
    match &plan.overlay.value {
        Overlay::Tmpfs { size } => {
            let of = size
                .as_ref()
                .map(|size| format!(" of {size}"))
                .unwrap_or_default();
            let text =
                format!("read-only, under a tmpfs{of} that takes what is written until power-off");
            page.row("access", &text, &plan.overlay.origin);
        }
        Overlay::Off => {
            let (access, origin) = match options.access {
                Some(access) => (access, origin),
                None => (plan.access.value, &plan.access.origin),
            };
            let text = match access {
                Access::ReadOnly => "read-only",
                Access::ReadWrite => "for reading and writing",
            };
            page.row("access", &text, origin);
        }
    }
}

/// What the kernel is told, where the command line alone decides it.
fn mount(plan: &BootPlan, page: &mut Page) {
    let RootRequest::Nfs(NfsRequest {
        server: Some(Host::Address(server)),
        path,
        ..
    }) = &plan.root
    else {
        return;
    };
    let request = plan
        .network
        .addressing
        .iter()
        .find(|r| r.method == Method::Static);
    let address = request.and_then(|r| r.client);
    let depends_on_lease = |path: &String| path.contains("%s") && address.is_none();
    if path.as_ref().is_none_or(depends_on_lease) {
        return;
    }
    let facts = LeaseFacts {
        address,
        request,
        ..LeaseFacts::default()
    };
    let Ok(choice) = choose_root(plan, &facts) else {
        return;
    };
    let version = choice
        .options
        .versions
        .first()
        .copied()
        .unwrap_or(Version::V3);
    let mount = mount_request(&choice, version, *server, KnownPorts::default());
    page.line(&format_args!(
        "{:<10}{} with {}",
        "mount",
        mount.source,
        mount.data(false)
    ));
    let unknown: Vec<&str> = choice
        .options
        .rest
        .iter()
        .filter(|o| !o.known)
        .map(|o| o.key.as_str())
        .collect();
    if !unknown.is_empty() {
        let keys = unknown.join(", ");
        page.line(&format_args!(
            "{:<10}without {keys} where the kernel refuses that",
            ""
        ));
    }
    if version == Version::V3
        && (choice.options.port.is_none() || choice.options.mount_port.is_none())
    {
        page.line(&format_args!(
            "{:<10}and with the ports that the server's portmapper names",
            ""
        ));
    }
}

fn start(plan: &BootPlan, page: &mut Page) {
    page.heading("the start");
    if !plan.root_delay.value.is_zero() {
        let text = format!("{} s before the mount", plan.root_delay.value.as_secs());
        page.row("pause", &text, &plan.root_delay.origin);
    }
    match &plan.init {
        Some(init) => page.row("init", &init.value, &init.origin),
        None => {
            let text = "the first of /sbin/init, /etc/init, /bin/init, /bin/sh that is there";
            page.row("init", &text, &Origin::Default);
        }
    }
    if !plan.init_arguments.is_empty() {
        page.row(
            "",
            &format!("with {}", plan.init_arguments.join(" ")),
            &Origin::Parameter("--".into()),
        );
    }
    let after = &plan.after_failure;
    let text = match after.value {
        AfterFailure::TryAgain => "is told, and tried again after growing pauses".to_owned(),
        AfterFailure::RebootAfter(pause) => {
            format!(
                "is told, and the machine reboots after {} s",
                pause.as_secs()
            )
        }
        AfterFailure::RebootNow => "is told, and the machine reboots at once".to_owned(),
    };
    page.row("a failure", &text, &after.origin);
    let level = &plan.console_level;
    let text = match level.value {
        ..=4 => "failures only",
        5 | 6 => "failures and warnings",
        7 => "every step",
        8.. => "every step, and details",
    };
    page.row("console", &text, &level.origin);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cmdline: &str) -> String {
        explain(&BootPlan::parse(cmdline))
    }

    #[test]
    fn the_line_that_the_server_hands_out_reads_like_this() {
        let text = text(
            "initrd=initrd.img root=/dev/nfs nfsroot=10.0.0.1:/debian,vers=3,proto=tcp,port=2049,mountport=2049,nolock \
             ip=dhcp BOOTIF=01-52-54-00-12-34-56 ro rd.overlay console=ttyS0",
        );
        let expected = "\
the network
  every NIC asks a DHCP server (ip=dhcp)
  boot NIC  52:54:00:12:34:56 alone; every NIC if 20 s bring none with that address (BOOTIF=01-52-54-00-12-34-56)
  carrier   120 s without a carrier are a failure (default)

the root
  server    10.0.0.1 (nfsroot=...)
  path      /debian (nfsroot=...)
  version   NFS 3 over TCP (nfsroot=...)
  access    read-only, under a tmpfs that takes what is written until power-off (rd.overlay)
  mount     10.0.0.1:/debian with ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=2049,mountaddr=10.0.0.1,nolock,addr=10.0.0.1

the start
  init      the first of /sbin/init, /etc/init, /bin/init, /bin/sh that is there (default)
  a failure is told, and tried again after growing pauses (default)
  console   every step (default)

what is the kernel's own or the root's
  initrd=initrd.img console=ttyS0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_static_address_and_its_server_are_told_with_their_origin() {
        let ip = "ip=10.0.0.9:10.0.0.1:10.0.0.254::pc9:eth1:off:10.0.0.2";
        let text = text(&format!("root=/dev/nfs nfsroot=/srv/%s {ip} rw"));
        for line in [
            "  eth1      has the address 10.0.0.9/8, the classful network; nobody is asked, router 10.0.0.254, host name pc9, DNS 10.0.0.2 (ip=...)",
            "  server    10.0.0.1, unless DHCP option 17 names one (ip=...)",
            "  path      /srv/%s, where %s is the host name, else the address (nfsroot=/srv/%s)",
            "  access    for reading and writing (rw)",
        ] {
            assert!(text.contains(line), "{line}\n--\n{text}");
        }
    }

    #[test]
    fn what_dhcp_decides_is_told_as_that() {
        let text = text("");
        assert!(
            text.contains("  server    what DHCP says: option 17's, else"),
            "{text}"
        );
        assert!(
            text.contains("  path      what DHCP option 17 says (default)"),
            "{text}"
        );
        assert!(!text.contains("mount  "), "{text}");
    }

    #[test]
    fn mistakes_and_what_is_not_followed_have_their_own_part() {
        let text = text("ip=10.0.0.300 vlan=eth0.5:eth0 nfsroot=10.0.0.1:/r,frob=1");
        assert!(
            text.contains("\nwhat makes no sense\n  ip=10.0.0.300: at position 0: expected"),
            "{text}"
        );
        assert!(
            text.contains("\nwhat is not followed\n  vlan=eth0.5:eth0: this init"),
            "{text}"
        );
        assert!(
            text.contains("          without frob where the kernel refuses that"),
            "{text}"
        );
        assert!(text.contains("          and with the ports that"), "{text}");
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let text = text("x=\u{1b}[2J dhcpclass=\"\u{7}\" root=\"\u{1b}c\"");
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
    }
}
