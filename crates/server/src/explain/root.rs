//! What the init mounts, from where, and in which order it tries.

use netroot_net::Host;
use netroot_proto::cmdline::{BootPlan, Fstab, Method, NfsRequest, Origin, Overlay, RootRequest};
use netroot_proto::mount::{
    Access, KnownPorts, NfsOptions, Version, mount_request, versions_to_try,
};
use netroot_proto::root::{LeaseFacts, choose_root};

use super::page::Page;

/// What DHCP decides, best source first.
const DHCP_SERVER: &str =
    "from DHCP: option 17, or else the next server, or else the DHCP server itself";
const DHCP_PATH: &str = "from DHCP option 17";
const DHCP_OR_KERNEL: &str = "from DHCP option 17, or else the kernel's /tftpboot/%s";

/// The rows about the root.
pub(super) fn add_to_page(plan: &BootPlan, page: &mut Page) {
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
            let path = if *kernel_default {
                DHCP_OR_KERNEL
            } else {
                DHCP_PATH
            };
            page.row("path", &path, origin);
            (options, origin)
        }
        RootRequest::Unsupported { value, origin } => {
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
    versions(options, origin, page);
    access(plan, options, origin, page);
    fstab(plan, page);
    mount(plan, page);
}

fn fstab(plan: &BootPlan, page: &mut Page) {
    let text = match (plan.fstab.value, &plan.overlay.value) {
        (Fstab::Keep, _) => "/etc/fstab and /etc/crypttab are left as they are",
        (Fstab::Mask, Overlay::Tmpfs { .. }) => {
            "lines for disks in /etc/fstab and /etc/crypttab are masked, except nofail and noauto"
        }
        (Fstab::Mask, Overlay::Off) => {
            "lines for disks in /etc/fstab and /etc/crypttab are warned of"
        }
    };
    page.row("fstab", &text, &plan.fstab.origin);
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
    let listed = !request.others.is_empty();
    match &request.server {
        Some(server) if listed => {
            let others: Vec<String> = request.others.iter().map(Host::to_string).collect();
            let text = format!("{server}, then {}", others.join(", then "));
            page.row("servers", &text, &request.origin);
        }
        Some(server) => page.row("server", server, &request.origin),
        None => server_of_dhcp(plan, page, &Origin::Default),
    }
    match &request.path {
        Some(path) => {
            let text = format!("{path}{}", tokens(path));
            page.row("path", &text, &request.origin);
        }
        None if request.kernel_default => page.row("path", &DHCP_OR_KERNEL, &request.origin),
        None => page.row("path", &DHCP_PATH, &request.origin),
    }
}

/// What the tokens in a path stand for: `, where %s is …`.
fn tokens(path: &str) -> String {
    let known = [
        ("%s", "the host name, or else the address"),
        ("%{hostname}", "the host name, or else the address"),
        ("%{ip}", "the address"),
        ("%{mac}", "the NIC's Ethernet address (52-54-00-12-34-56)"),
        ("%{uuid}", "the machine's UUID"),
        ("%{serial}", "the machine's serial number"),
        ("%{arch}", "the architecture (x86_64)"),
    ];
    let there: Vec<String> = known
        .iter()
        .filter(|(token, _)| path.contains(token))
        .map(|(token, meaning)| format!("{token} is {meaning}"))
        .collect();
    if there.is_empty() {
        String::new()
    } else {
        format!(", where {}", there.join(", "))
    }
}

/// Which versions are tried, in their order.
fn versions(options: &NfsOptions, origin: &Origin, page: &mut Page) {
    let versions: Vec<String> = versions_to_try(options)
        .iter()
        .map(Version::to_string)
        .collect();
    let text = format!("NFS {} over TCP", versions.join(", then "));
    let origin = if options.versions.is_empty() {
        &Origin::Default
    } else {
        origin
    };
    page.row("version", &text, origin);
}

fn access(plan: &BootPlan, options: &NfsOptions, origin: &Origin, page: &mut Page) {
    match &plan.overlay.value {
        Overlay::Tmpfs { size } => {
            let of = size
                .as_ref()
                .map(|size| format!(" of {size}"))
                .unwrap_or_default();
            let text =
                format!("read-only, below a tmpfs{of} that holds all changes until power-off");
            page.row("access", &text, &plan.overlay.origin);
        }
        Overlay::Off => {
            let (access, origin) = match options.access {
                Some(access) => (access, origin),
                None => (plan.access.value, &plan.access.origin),
            };
            let text = match access {
                Access::ReadOnly => "read-only",
                Access::ReadWrite => "read-write",
            };
            page.row("access", &text, origin);
        }
    }
}

/// What is passed to the kernel, if the command line alone decides it.
fn mount(plan: &BootPlan, page: &mut Page) {
    let RootRequest::Nfs(NfsRequest {
        server: Some(Host::Address(server)),
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
    let facts = LeaseFacts {
        address: request.and_then(|r| r.client),
        request,
        ..LeaseFacts::default()
    };
    // A path that needs the lease or the machine's identity cannot be chosen here.
    let Ok(choice) = choose_root(plan, &facts) else {
        return;
    };
    let Some(version) = versions_to_try(&choice.options).first().copied() else {
        return;
    };
    let mount = mount_request(&choice, version, *server, KnownPorts::default());
    let text = format!("{} with {}", mount.source, mount.written());
    page.conclusion("mount", &text);
    let unknown: Vec<&str> = choice
        .options
        .rest
        .iter()
        .filter(|o| !o.known)
        .map(|o| o.key.as_str())
        .collect();
    if !unknown.is_empty() {
        let keys = unknown.join(", ");
        let text = format!("without {keys} if the kernel rejects it");
        page.conclusion("", &text);
    }
    if version == Version::V3
        && (choice.options.port.is_none() || choice.options.mount_port.is_none())
    {
        let text = "and with the ports from the server's portmapper, or 2049 without a portmapper";
        page.conclusion("", &text);
    }
}
