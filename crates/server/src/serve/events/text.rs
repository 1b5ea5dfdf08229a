//! Events for people: the only place that makes sentences of them.

mod interface_change;

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_nfs_export::{CallRefusal, Refusal as MountRefusal};
use netroot_proto::pxe::cures::{Cure, Step};
use netroot_proto::pxe::decide::{Answer, BootFile, Reason};
use netroot_proto::pxe::probe::OtherServer;

use super::change::{Age, Change};
use super::event::{
    Event, Fetch, Isolated, Ready, ReadyImage, ReadyListener, ReadyRange, StopCause, Transport,
};
use super::ignored::{Ignored, ReportRefusal};
use super::warning::{NotKept, Submounted, Warning};
use crate::confinement::Layer;
use crate::serve::artifacts::Chosen;
use crate::serve::counters;
use crate::settings::Choice;

/// One line: `19:54:51 52:54:00:77:00:01 UEFI x64 PXE: offered 10.77.0.101, loads snponly.efi`.
pub(super) fn line(time: &str, machine: Option<&str>, event: &Event, sentence: &str) -> String {
    match (event, machine) {
        // What a script waits for: nothing comes before the word.
        (Event::Ready(_), _) => format!("ready: {sentence}"),
        (_, Some(machine)) => format!("{time} {machine} {sentence}"),
        (_, None) => format!("{time} {sentence}"),
    }
}

/// The most characters of a sentence, or of a string in JSON, about a machine: longer than any that is meant well.
const LONGEST: usize = 1000;

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootReplaced { root } => write!(
                f,
                "{} was replaced: machines that boot get the new one, those that run keep the old one",
                root.display()
            ),
            Self::RootReleased { root } => write!(
                f,
                "no machine uses the {} any more that was replaced; it is closed",
                root.display()
            ),
            Self::KernelFound {
                image,
                linux,
                served,
                age,
                modules_gone,
            } => {
                match age {
                    Age::Newer => write!(f, "{image}: kernel {linux} is newer")?,
                    Age::Older => write!(f, "{image}: kernel {linux} is in the place of {served}")?,
                    Age::Same => write!(f, "{image}: kernel {linux} or its modules were changed")?,
                }
                if *modules_gone {
                    write!(f, ", and the modules of {served} are gone")?;
                }
                f.write_str(": building its initrd")
            }
            Self::NewBoots { image, linux } => {
                write!(f, "{image}: new boots get Linux {linux}")
            }
            Self::NicInitrd {
                image,
                drivers,
                bytes,
                took,
            } => {
                let (size, seconds) = (size(*bytes), took.as_secs_f64());
                write!(
                    f,
                    "{image}: initrd for network cards of {drivers}: {size}, built in {seconds:.1} s"
                )
            }
            Self::LoaderReplaced { loader } => {
                write!(f, "{loader} was replaced: machines load the new one")
            }
            Self::ImageAdded { image } => write!(f, "the image {image} was added"),
            Self::ImageChanged { image } => write!(
                f,
                "the image {image} was changed: machines that boot get it as it is now"
            ),
            Self::ImageRemoved { image } => write!(
                f,
                "the image {image} was removed: no machine boots it any more, those that run keep their root"
            ),
            Self::AssignmentsChanged => {
                f.write_str("other machines, rules or defaults are configured from now on")
            }
        }
    }
}

/// Cuts text about a machine to its most characters.
pub(super) fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
}

/// What to change in products, on one line.
fn listed(cures: &[Cure]) -> String {
    let of = |cure: &Cure| {
        let steps = cure.steps.iter().map(|step| match step {
            Step::Do(text) => text.clone(),
            other => format!("{} {}", other.word(), other.text()),
        });
        let steps: Vec<String> = steps.collect();
        format!("{}: {}", cure.product, steps.join(", "))
    };
    let all: Vec<String> = cures.iter().map(of).collect();
    all.join("; ")
}

/// The sentence of an event, without its time and its machine. It may hold what a machine sent: see [`Printable`](netroot_printable::Printable).
impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::InitrdBuilding { linux, modules } => {
                write!(
                    f,
                    "initrd: building it for Linux {linux} with modules {modules}"
                )
            }
            Self::InitrdNote { note } => write!(f, "initrd: {note}"),
            Self::InitrdBuilt { bytes, took } => {
                let seconds = took.as_secs_f64();
                write!(f, "initrd: {}, built in {seconds:.1} s", size(*bytes))
            }
            Self::InitrdCached { bytes } => {
                write!(f, "initrd: {}, kept from an earlier start", size(*bytes))
            }
            Self::Warning(warning) => write!(f, "warning: {warning}"),
            Self::InterfaceChanged { interface, change } => write!(f, "{interface}{change}"),
            Self::Change(change) => change.fmt(f),
            Self::LeasesRecovered { file } => {
                write!(f, "the leases are written to {} again", file.display())
            }
            Self::Ready(ready) => ready.fmt(f),
            Self::Stopped {
                signal,
                uptime,
                counters,
            } => {
                let seconds = uptime.as_secs();
                let counted = counters::text(counters.iter().copied());
                write!(f, "stopped by {signal} after {seconds} s: {counted}")
            }
            Self::DhcpDiscover { client } => write!(f, "{client}: asks for an address"),
            Self::DhcpAnswer { client, answer } => {
                write!(f, "{client}: ")?;
                write_answer(f, answer)
            }
            Self::OtherOffered(other) => write_other_offer(f, other),
            Self::DhcpRelease { address } => write!(f, "gave {address} back"),
            Self::DhcpDecline { address } => write!(
                f,
                "found {address} in use; no machine gets it for ten minutes"
            ),
            Self::AddressInUse { address } => write!(
                f,
                "uses {address}, which this server did not give it; no other machine gets it meanwhile"
            ),
            Self::Fetched(fetch) => fetch.fmt(f),
            Self::FetchStopped {
                name,
                sent,
                bytes,
                why,
                ..
            } => write_stopped(f, name, (*sent, *bytes), why),
            Self::Mounted { path } => write!(f, "NFS {path}: mounted"),
            Self::Unmounted { path } => write!(f, "NFS {path}: unmounted"),
            Self::Booted {
                took,
                failed_attempts,
                ..
            } => {
                write!(f, "root mounted {} s after init started", tenths(*took))?;
                match failed_attempts {
                    0 => Ok(()),
                    1 => f.write_str(", after a failed attempt"),
                    many => write!(f, ", after {many} failed attempts"),
                }
            }
            Self::BootFailed {
                attempt,
                failure,
                late: true,
            } => write!(f, "attempt {attempt} failed: {failure}"),
            Self::BootFailed {
                attempt: 0 | 1,
                failure,
                late: false,
            } => write!(f, "boot failed: {failure}"),
            Self::BootFailed {
                attempt,
                failure,
                late: false,
            } => write!(f, "boot failed: {failure} (attempt {attempt})"),
            Self::BootStopped { sentence, .. } => write!(f, "boot stopped: {sentence}"),
            Self::Decided(decided) => decided.fmt(f),
            Self::Ignored(ignored) => write!(f, "not answered: {ignored}"),
            Self::LinesLeftOut { lines: 1 } => f.write_str("1 line left out: there were too many"),
            Self::LinesLeftOut { lines } => {
                write!(f, "{lines} lines left out: there were too many")
            }
        }
    }
}

fn write_answer(f: &mut Formatter<'_>, answer: &Answer) -> fmt::Result {
    match answer {
        Answer::Offered { address, loader } => write!(f, "offered {address}{}", loads(loader)),
        Answer::Acknowledged { address, loader } => write!(f, "has {address}{}", loads(loader)),
        Answer::Informed { address, loader } => write!(f, "informed {address}{}", loads(loader)),
        Answer::Refused { address, why } => write!(f, "refused: {}", why.sentence(*address)),
        Answer::ProxyOffered { loader } | Answer::ProxyAcknowledged { loader } => {
            write!(f, "loads {loader}")
        }
        Answer::RootOffered { root } => {
            write!(f, "offered the root {}", String::from_utf8_lossy(root))
        }
        Answer::RootAcknowledged { root } => {
            write!(f, "has the root {}", String::from_utf8_lossy(root))
        }
    }
}

fn write_other_offer(f: &mut Formatter<'_>, other: &OtherServer) -> fmt::Result {
    match other.offers {
        Some(address) => write!(f, "{} offers it {address}", other.server)?,
        None => write!(
            f,
            "{} is a boot server (ProxyDHCP), and answers it",
            other.server
        )?,
    }
    if let Some(class) = &other.class {
        write!(f, ", option 60 is {}", String::from_utf8_lossy(class))?;
    }
    match &other.boot_file {
        Some(file) if !file.is_empty() => {
            write!(f, ", boot file {}", String::from_utf8_lossy(file))
        }
        _ => Ok(()),
    }
}

fn loads(loader: &BootFile) -> String {
    match loader {
        BootFile::None => String::new(),
        BootFile::Named(file) => format!(", loads {file}"),
        BootFile::NoLoader(platform) => format!("; {}", Reason::NoLoader(*platform)),
        BootFile::NoArchitecture => format!("; {}", Reason::NoArchitecture),
    }
}

impl Display for Fetch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, size, seconds) = (&self.name, size(self.bytes), self.took.as_secs_f64());
        match self.by {
            Transport::Http => write!(f, "HTTP {name}: {size} in {seconds:.2} s")?,
            Transport::Tftp {
                block_size,
                window,
                repeated,
            } => {
                write!(
                    f,
                    "TFTP {name}: {size} in {seconds:.2} s (blocks of {block_size} bytes, windows of {window}"
                )?;
                if repeated > 0 {
                    write!(f, ", {repeated} blocks repeated")?;
                }
                f.write_str(")")?;
            }
        }
        match self.chosen.as_deref() {
            Some(Chosen { choice, why, .. }) => match choice {
                Choice::Image(image) => write!(f, "; boots {image} ({why})"),
                Choice::Menu => write!(f, "; is shown the menu ({why})"),
                Choice::Wait => write!(f, "; waits until it is told what to boot ({why})"),
                Choice::Refuse => write!(f, "; boots no image: {why} refuses it"),
            },
            None => Ok(()),
        }
    }
}

fn write_stopped(
    f: &mut Formatter<'_>,
    name: &str,
    (sent, bytes): (u64, u64),
    why: &StopCause,
) -> fmt::Result {
    let (sent, bytes) = (size(sent), size(bytes));
    match why {
        StopCause::TftpError { code, message } => write!(
            f,
            "TFTP {name}: the client stopped after {sent} of {bytes}: error {code} {message}"
        ),
        StopCause::TftpTimeout => write!(
            f,
            "TFTP {name}: the client stopped answering after {sent} of {bytes}"
        ),
        StopCause::TftpUnreadable { error } => {
            write!(f, "TFTP {name}: the file could not be read: {error}")
        }
        StopCause::HttpClosed => write!(f, "HTTP {name}: stopped after {sent} of {bytes}"),
    }
}

impl Display for ReadyImage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name, kind, linux, ..
        } = self;
        match linux {
            Some(linux) => write!(f, "{name} with Linux {linux}"),
            None => write!(f, "{name} ({kind})"),
        }
    }
}

impl Display for Ready {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.images.iter().map(ToString::to_string);
        let listeners = self.listeners.iter().map(|listener| {
            let ReadyListener {
                address, http_port, ..
            } = listener;
            let (place, mode) = (listener.place(), listener.mode());
            let http = SocketAddr::new(*address, *http_port);
            format!("{place}: {mode}, TFTP, http://{http}/")
        });
        let roots = self.images.iter().filter_map(|image| image.root.as_deref());
        let names: Vec<String> = names.collect();
        let listeners: Vec<String> = listeners.collect();
        let roots: Vec<&str> = roots.collect();
        write!(f, "{} on {}", names.join(" and "), listeners.join("; "))?;
        match roots.as_slice() {
            [] => Ok(()),
            roots => write!(f, ", root {}", roots.join(" and ")),
        }
    }
}

impl ReadyListener {
    /// `eth0 (10.0.0.1/24, 10.1.0.1/16)`.
    pub(crate) fn place(&self) -> String {
        let mut place = format!("{} ({}/{}", self.interface, self.address, self.prefix);
        for other in &self.others {
            place += &format!(", {other}");
        }
        place + ")"
    }

    /// `DHCP 10.0.0.100-10.0.0.200`, `isolated with NAT, DHCP 10.77.0.2-10.77.0.254` or `ProxyDHCP`. On an interface with ranges behind relays alone, it is both.
    pub(crate) fn mode(&self) -> String {
        let apart = match self.isolated {
            None => "",
            Some(Isolated::Alone) => "isolated, ",
            Some(Isolated::WithNat) => "isolated with NAT, ",
        };
        format!("{apart}{}", self.gives())
    }

    fn gives(&self) -> String {
        let here = self.ranges.iter().any(|range| range.relayed.is_none());
        let listed = |relayed: bool| {
            let ranges = self.ranges.iter();
            let ranges = ranges.filter(|range| range.relayed.is_some() == relayed);
            let ranges = ranges.map(|ReadyRange { first, last, .. }| format!("{first}-{last}"));
            ranges.collect::<Vec<_>>().join(", ")
        };
        let mut mode = match here {
            true => format!("DHCP {}", listed(false)),
            false => "ProxyDHCP".to_owned(),
        };
        let relayed = listed(true);
        if !relayed.is_empty() {
            mode += &format!(", behind relays DHCP {relayed}");
        }
        mode
    }
}

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateFolder { folder, error } => write!(
                f,
                "the folder {} could not be created ({error}): nothing outlives a restart; name another with \
                 --state DIR",
                folder.display()
            ),
            Self::NotOurFolder { folder, option } => write!(
                f,
                "the folder {} is not netroot's (it holds other files, or belongs to another user), so nothing is \
                 written to it while serving; give netroot one of its own with {option} DIR",
                folder.display()
            ),
            Self::NotConfined { layer } => f.write_str(match layer {
                Layer::Landlock => {
                    "this kernel has no Landlock (Linux 5.13 and newer have; lsm= may leave it out): a break-in \
                     could read every file of this machine"
                }
                Layer::Seccomp => {
                    "this kernel has no seccomp filters: a break-in could make any system call"
                }
            }),
            Self::NoDhcpServer { interface } => write!(
                f,
                "no DHCP server answers on {interface}, so machines get no address and do not boot; \
                 let netroot give them: --dhcp FIRST-LAST"
            ),
            Self::IsolationEnded => f.write_str(
                "the helper process for isolated networks has ended: nothing keeps them apart from the other networks, \
                 and NAT does not work; start netroot again",
            ),
            Self::ForwardingBlocked {
                interface,
                by,
                cure,
            } => write!(
                f,
                "{by} drops what machines on {interface} send to the outside (--nat); let it pass: {}",
                cure.join(" && ")
            ),
            Self::TwoDhcpServers { server } => write!(
                f,
                "{server} gives addresses on this network too: machines take the first offer, and some will not boot"
            ),
            Self::ClaimsBoot {
                server,
                class,
                cures,
            } => write!(
                f,
                "{server} gives addresses and claims to be a boot server (option 60 is {class}): UEFI machines will wait \
                 for its port 4011 and not boot from here; remove option 60 from its configuration: {}",
                listed(cures)
            ),
            Self::NamesFile {
                server,
                file,
                cures,
            } => write!(
                f,
                "{server} names a boot file of its own, {file}: iPXE takes that rather than ours; remove it from \
                 its configuration: {}",
                listed(cures)
            ),
            Self::LeasesNotAllowed {
                server,
                offers,
                interface,
                networks,
            } => write!(
                f,
                "{server} gives addresses such as {offers}, in none of {interface}'s networks ({networks}), and machines \
                 there may not mount the root: give {interface} an address in that network, or allow it, for example: \
                 --allow {}",
                example_network(*offers)
            ),
            Self::RangeNotAllowed { first, last } => write!(
                f,
                "machines with addresses of the range {first}-{last} may not mount the root: name their network, too, \
                 for example: --allow-only {}",
                example_network(*first)
            ),
            Self::OtherProxy { server } => write!(
                f,
                "{server} is a boot server on this network too: machines take the answer that comes first"
            ),
            Self::MissingLoader {
                loader,
                machines,
                searched,
            } => write!(
                f,
                "{machines} cannot boot: iPXE's {loader} is not in {}; install it (Debian, Ubuntu: apt install ipxe; \
                 Fedora: dnf install ipxe-bootimgs-x86; Arch: pacman -S ipxe) or name its folder with --ipxe",
                list(searched)
            ),
            Self::OrdersUnreadable { file, error } => write!(
                f,
                "the orders in {} (boot-once, assign) could not be read ({error}): they are set aside, and machines boot what \
                 the configuration says",
                file.display()
            ),
            Self::OrdersUnwritable { file, error } => write!(
                f,
                "the orders (boot-once, assign) cannot be written to {} ({error}): until they can be, none is accepted, and \
                 one for one boot is not taken; make room there, or see who may write to it",
                file.display()
            ),
            Self::AddressNotKept { name, address, why } => {
                write!(f, "{address} is not kept for the machine {name}: ")?;
                f.write_str(match why {
                    NotKept::Proxy => {
                        "another server gives addresses; keep it there, or let netroot give them: --dhcp FIRST-LAST"
                    }
                    NotKept::Elsewhere => {
                        "it is in no network in which this server gives addresses; add a range of its network, or \
                         correct the address"
                    }
                    NotKept::Taken => {
                        "it is this server's, a router's, or no host's; give the machine another one"
                    }
                })
            }
            Self::LeasesUnreadable { file, error } => write!(
                f,
                "the leases in {} could not be read ({error}): an address may be given twice",
                file.display()
            ),
            Self::LeasesUnwritable { file, error } => write!(
                f,
                "the leases cannot be written to {} ({error}): after a restart an address may be given twice",
                file.display()
            ),
            Self::NoPortmapper { error } => write!(
                f,
                "cannot bind port 111 ({error}): clients have to be given port= and mountport="
            ),
            Self::ExportKey { file, error } => write!(
                f,
                "{} could not be written ({error}): machines lose their root when netroot restarts; \
                 name a writable folder with --state DIR",
                file.display()
            ),
            Self::ConfigurationKept { error } => write!(
                f,
                "the configuration has changed and cannot be served, all stays as it was: {error}"
            ),
            Self::DropInLeftOut { error } => write!(f, "started without a drop-in: {error}"),
            Self::TakesRestart { what } => write!(
                f,
                "{} of the configuration changed, which takes a restart of netroot",
                what.join(" and ")
            ),
            Self::RootGone { root } => write!(
                f,
                "there is no directory {} any more; machines keep the one that was there",
                root.display()
            ),
            Self::RootNotFollowed { root, error } => write!(
                f,
                "{} was replaced, and machines keep the old one: {error}",
                root.display()
            ),
            Self::KernelKept {
                image,
                linux,
                modules_gone,
                error,
            } => {
                write!(f, "{image}: new boots still get Linux {linux}")?;
                if *modules_gone {
                    f.write_str(", whose modules are no longer in the root")?;
                }
                write!(f, ": {error}")
            }
            Self::NoNicInitrd { image, nic, error } => write!(
                f,
                "{image}: machines with the network card {nic} load the initrd for every card: {error}"
            ),
            Self::ImageKept { image, error } => write!(
                f,
                "a file of the image {image} was replaced, and machines keep the old one: {error}"
            ),
            Self::LoadersKept { error } => write!(
                f,
                "a boot loader was replaced, and machines keep the old one: {error}"
            ),
            Self::NoControl { path, error } => write!(
                f,
                "netroot status, reload and the other commands do not work: cannot make the socket {}: {error}; name another with --control \
                 (kill -HUP reloads)",
                path.display()
            ),
            Self::ApiCertificate { error } => {
                write!(f, "the API keeps the certificate that it had: {error}")
            }
            Self::Hook {
                url,
                error,
                left_alone,
            } => {
                write!(f, "the web hook {url} does not say what a machine boots: {error}; the rules decide")?;
                match left_alone {
                    Some(time) => write!(f, ", and it is not asked for {} s", time.as_secs()),
                    None => Ok(()),
                }
            }
            Self::ApiPlain { listen } => write!(
                f,
                "the API at {listen} is not encrypted, and whoever sees a token may order what machines boot: give it a \
                 certificate and key in [api], or listen at 127.0.0.1"
            ),
            Self::PrivateKeys { root, files } => write!(
                f,
                "every machine that may mount {} can read private keys in it: {}; hide them with --hide-secrets \
                 (ssh-keygen -A makes a machine's own when it boots)",
                root.display(),
                files.join(", ")
            ),
            Self::PasswordHashes { root, files } => write!(
                f,
                "every machine that may mount {} can read password hashes in it: {}; lock the passwords and log in with \
                 keys, or hide the file with --hide (without /etc/shadow nobody can log in; --hide-secrets hides the others)",
                root.display(),
                files.join(", ")
            ),
            Self::OwnRoot => f.write_str(
                "/ is this server's own root: every machine that may mount it can read all files of this server, its \
                 keys and passwords too; serve a root that was made for the machines",
            ),
            Self::Submounts(Submounted {
                root,
                served,
                unserved,
            }) => {
                write!(f, "file systems below {}: ", root.display())?;
                match served.as_slice() {
                    [] => f.write_str("none is served")?,
                    served => write!(f, "{} served", served.join(", "))?,
                }
                for (why, paths) in unserved {
                    write!(f, "; {} not served ({why})", paths.join(", "))?;
                }
                Ok(())
            }
            Self::NoFileHandles { root } => write!(
                f,
                "a file system of {} has no file handles that last: after a restart of netroot the first access of a \
                 running machine takes a walk through all of its folders",
                root.display()
            ),
            Self::NoIpv6 { interface, error } => write!(
                f,
                "{interface} has no IPv6 ({error}): iPXE waits 16 s for an IPv6 router in each boot; \
                 sysctl net.ipv6.conf.{interface}.disable_ipv6=0 avoids that"
            ),
            Self::RangeElsewhere {
                interface,
                first,
                last,
            } => write!(
                f,
                "the range {first}-{last} is in no network of {interface} any more: no address of it is given until \
                 {interface} has an address in its network again"
            ),
            Self::NotFollowed { interface, error } => {
                write!(f, "cannot serve {interface} as it is now: {error}; trying again every few seconds")
            }
            Self::RangeExhausted {
                first,
                last,
                leased,
                set_aside,
            } => write!(
                f,
                "every address of the range {first}-{last} is in use ({leased} leased, {set_aside} used without a \
                 lease): new machines get none until a lease ends; make the range larger (--dhcp), or the leases \
                 shorter (--lease-time), or look for a machine that asks under many hardware addresses"
            ),
        }
    }
}

impl Display for Ignored {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp { client, reason } => write!(f, "{client}: {reason}"),
            Self::DhcpHardware { hardware } => write!(
                f,
                "DHCP with hardware type {hardware}, without a hardware address and a client identifier (option 61): it \
                 cannot be told from other machines; let it send an identifier"
            ),
            Self::Bootp => f.write_str("BOOTP: only DHCP is served"),
            Self::DhcpSend { error } => write!(f, "DHCP: the answer could not be sent: {error}"),
            Self::AdvertisementSend { error } => write!(
                f,
                "waits for an IPv6 router: the answer could not be sent: {error}"
            ),
            Self::TftpWrite => f.write_str("TFTP: it tried to write"),
            Self::TftpName(error) => write!(f, "TFTP: {error}"),
            Self::TftpUnknown { name } => write!(f, "TFTP {name}: no such file"),
            Self::TftpAddress { interface, client } => write!(
                f,
                "TFTP: its address {client} is not on a network of {interface}; allow its network, for example: --allow \
                 {}",
                example_network(*client)
            ),
            Self::TftpTooMany => f.write_str("TFTP: too many transfers at once"),
            Self::TftpSocket { name, error } => write!(f, "TFTP {name}: no socket: {error}"),
            Self::HttpPath(error) => write!(f, "HTTP: {error}"),
            Self::HttpUnknown { name } => write!(f, "HTTP {name}: no such file"),
            Self::Report(refusal) => write!(f, "a boot report: {refusal}"),
            Self::Mount {
                client,
                path,
                why: MountRefusal::Address,
            } => {
                write!(f, "NFS {path}: ")?;
                not_on_the_list(f, *client)
            }
            Self::Mount { path, why, .. } => write!(f, "NFS {path}: {why}"),
            Self::NfsCall {
                client,
                why: CallRefusal::Address,
            } => {
                f.write_str("NFS: ")?;
                not_on_the_list(f, *client)
            }
            Self::NfsCall { why, .. } => write!(f, "NFS: {why}"),
            Self::NfsTooManyConnections => f.write_str("NFS: too many connections"),
            Self::NfsOutOfThreads => f.write_str("NFS: the server is out of threads or memory"),
        }
    }
}

fn not_on_the_list(f: &mut Formatter<'_>, client: IpAddr) -> fmt::Result {
    write!(
        f,
        "its address {client} is not on the export's list; allow its network, for example: --allow {}",
        example_network(client)
    )
}

/// The network that an address is most likely in.
fn example_network(address: IpAddr) -> Prefix {
    Prefix::clamped(address, if address.is_ipv4() { 24 } else { 64 }).network()
}

impl Display for ReportRefusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMachine => f.write_str("the path names no hardware address"),
            Self::NotItsToken => f.write_str(
                "its token is missing or of an earlier boot (the machine's own script has the right URL)",
            ),
            Self::NotItsOwn => f.write_str("a machine may report only for itself"),
            Self::TooOften => f.write_str("it reports too often"),
            Self::Body { most } => {
                write!(f, "it is longer than {most} bytes or did not arrive")
            }
            Self::Meaningless => f.write_str("it states neither success nor failure"),
        }
    }
}

/// `8.1 MB`, `912 bytes`: decimal units.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..1_000_000 => format!("{} kB", (bytes + 500) / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// Seconds with one decimal, cut and not rounded.
fn tenths(time: Duration) -> String {
    format!("{}.{}", time.as_secs(), time.subsec_millis() / 100)
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut text = "ä".repeat(LONGEST);
        cut(&mut text);
        assert_eq!(text.chars().count(), LONGEST);
        text.push_str("bc");
        cut(&mut text);
        assert_eq!(text, "ä".repeat(LONGEST) + "…");
    }

    #[test]
    fn sizes_are_shown_in_units_that_fit() {
        assert_eq!(size(912), "912 bytes");
        assert_eq!(size(72_345), "72 kB");
        assert_eq!(size(8_154_321), "8.1 MB");
    }
}
