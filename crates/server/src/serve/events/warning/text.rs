//! The sentence of each warning: what does not work, why, and what to do about it.

use std::fmt::{self, Display, Formatter};

use netroot_initramfs::Architecture;
use netroot_printable::Printable;
use netroot_proto::pxe::cures::{Cure, Step};

use super::{NotKept, Submounted, Warning};
use crate::confinement::Layer;
use crate::serve::events::wording::{example_network, list};
use crate::unified_image::WITHOUT_UNIFIED;

/// How many machines are named; the others are counted.
const NAMED: usize = 8;

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateFolder { folder, error } => write!(
                f,
                "the folder {} could not be created ({error}): nothing outlives a restart; name another with \
                 --state DIR",
                folder.display()
            ),
            Self::NotOurFolder {
                folder,
                option,
                has_unified,
            } => write!(
                f,
                "the folder {} is not netroot's (it holds other files, or belongs to another user), so nothing is \
                 written to it while serving{}; give netroot one of its own with {option} DIR",
                folder.display(),
                match has_unified {
                    true => {
                        ", and a root that is upgraded loses its unified kernel image (--uki-key)"
                    }
                    false => "",
                }
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
                "the helper process for isolated networks has ended, so this server ends, too; they stay apart as they were, and \
                 the next start puts them in order",
            ),
            Self::SignerEnded => f.write_str(
                "the helper process that has the key (--uki-key) has ended: unified kernel images stay as they are, and an upgrade \
                 of a root takes its image away; start netroot again, which reads the key anew",
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
                architecture,
                loader,
                machines,
                searched,
            } => write!(
                f,
                "{machines} cannot boot: iPXE's {loader} is not in {}; install it ({}) or name its folder with --ipxe",
                list(searched),
                match architecture {
                    Architecture::X86_64 => {
                        "Debian, Ubuntu: apt install ipxe; Fedora: dnf install ipxe-bootimgs-x86; Arch: pacman -S ipxe"
                    }
                    Architecture::Aarch64 => {
                        "Debian 13: apt install ipxe; Debian 12 has none: Debian 13's package ipxe can be installed there, \
                         too; Fedora: dnf install ipxe-bootimgs-aarch64"
                    }
                }
            ),
            Self::SignedIpxe { error } => {
                write!(f, "iPXE's signed files: {}", Printable(error))
            }
            Self::SecureBoot { image, error } => {
                write!(f, "{image} with Secure Boot: {}", Printable(error))
            }
            Self::SecureBootsUnreadable(unread) => unread.tell_secure_boots(f),
            Self::OrdersUnreadable(unread) => unread.tell_orders(f),
            Self::OrdersUnwritable { file, error } => write!(
                f,
                "the orders (boot-once, assign) cannot be written to {} ({error}): until they can be, none is accepted, and \
                 one for one boot is not taken; make room there, or see who may write to it",
                file.display()
            ),
            Self::AddressNotKept { name, address, why } => {
                write!(f, "{address} is not kept for the machine {name}: {why}")
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
                "the configuration cannot be served, all stays as it was: {error}"
            ),
            Self::WithoutEffect { error } => write!(f, "this does nothing: {error}"),
            Self::DropInLeftOut { error } => write!(f, "started without a drop-in: {error}"),
            Self::SwapNotServed { error, .. } => write!(f, "a swapped root is not served: {error}"),
            Self::TreeGone { error } => write!(
                f,
                "machines that run from an earlier root are stuck until they boot anew: {error}"
            ),
            Self::OtherHandles { root, machines } => {
                let named: Vec<String> = machines.iter().take(NAMED).map(ToString::to_string).collect();
                let more = machines.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(
                    f,
                    "{} is another directory than before the start, or a copy, or the key (export.key) is another: {}{more} ran from \
                     the one before, and are stuck until they boot anew unless that is put back",
                    root.display(),
                    named.join(", ")
                )
            }
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
            Self::NoUnified { image, error } => write!(
                f,
                "{image}: {WITHOUT_UNIFIED}: {}",
                Printable(error)
            ),
            Self::UnifiedLeavesOut { image, left_out } => write!(
                f,
                "{image}: its unified kernel image has one command line for all machines, without {}",
                Printable(&left_out.join(" "))
            ),
            Self::GenerationLeftOut { image, error } => write!(
                f,
                "{image} is no image, the others are: {error}; it is tried again when a generation comes or goes, or by netroot reload"
            ),
            Self::GenerationMissing { image, by, ordered } => {
                let then = match ordered {
                    true => "the machine boots what the configuration says; order another one",
                    false => "machines that are to boot it wait; name another one",
                };
                write!(
                    f,
                    "{by} names the generation {image}, which is not in the root (any more): {then}"
                )
            }
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
            Self::ApiCertificate { error: Some(error) } => {
                write!(f, "the API keeps the certificate that it had: {error}")
            }
            Self::ApiCertificate { error: None } => {
                f.write_str("the API uses the certificate that is there now")
            }
            Self::ApiTokens { error: Some(error) } => write!(
                f,
                "the API over TCP lets nobody in until its token file can be used: {error}; a file that was replaced can be read only in a \
                 folder of its own, or after a restart"
            ),
            Self::ApiTokens { error: None } => {
                f.write_str("the token file of the API can be used again")
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
                 lease): new machines get none until a lease ends; make the range larger, or the leases \
                 shorter (--lease-time), or look for a machine that asks under many hardware addresses"
            ),
        }
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

impl Display for NotKept {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proxy => {
                "another server gives addresses; keep it there, or let netroot give them: --dhcp FIRST-LAST"
            }
            Self::Elsewhere => {
                "it is in no network in which this server gives addresses; add a range of its network, or correct the \
                 address"
            }
            Self::Taken => {
                "it is this server's, a router's, or no host's; give the machine another one"
            }
        })
    }
}
