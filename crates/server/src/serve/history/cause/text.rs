//! The sentences: where it stopped, why, and what to do.

use std::fmt::{self, Display, Formatter};

use super::secure_boot::instead;
use super::{CauseOfDeath, Instead, IpxeAddress};
use crate::serve::artifacts::FileKind;
use crate::serve::history::stage::Stage;

impl Display for CauseOfDeath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnswered { reason } => {
                write!(f, "its request was not answered: {reason}")
            }
            Self::NothingToLoad { reason } => {
                write!(f, "it got an address, and nothing to load: {reason}")
            }
            Self::OtherClaimsBoot {
                server,
                stage: Stage::Ipxe,
                ..
            } => write!(
                f,
                "iPXE never asked for its script: {server} also sent option 60, so iPXE takes it for the boot server and heeds no \
                 other; remove option 60 (PXEClient) from the DHCP server at {server}"
            ),
            Self::OtherClaimsBoot { server, loader, .. } => {
                f.write_str("stopped after OFFER")?;
                if !loader.is_empty() {
                    write!(f, " of {loader}")?;
                }
                write!(
                    f,
                    ": {server} also sent option 60, so UEFI firmware waits for port 4011 of {server} (PXE-E16); remove \
                     option 60 (PXEClient) from the DHCP server at {server}"
                )
            }
            Self::OtherProxy { server, loader } => write!(
                f,
                "stopped after OFFER of {loader}: {server} is a boot server too (ProxyDHCP), and firmware follows only one; \
                 stop the one at {server}"
            ),
            Self::OtherNamesFile {
                server,
                file,
                stage: Stage::Ipxe,
            } => write!(
                f,
                "iPXE never asked for its script: {server} names the boot file {}, and iPXE takes that one; remove the \
                 file name (option 67, filename) from the DHCP server at {server}",
                String::from_utf8_lossy(file)
            ),
            Self::OtherNamesFile { server, file, .. } => write!(
                f,
                "stopped after OFFER: {server} names the boot file {}, and some firmware takes that one; remove the file \
                 name (option 67, filename) from the DHCP server at {server}",
                String::from_utf8_lossy(file)
            ),
            Self::OtherServerChosen { server, loader } => {
                f.write_str("stopped after OFFER")?;
                if !loader.is_empty() {
                    write!(f, " of {loader}")?;
                }
                write!(
                    f,
                    ": it took the address of {server}, another DHCP server of this network; stop that one, or leave --dhcp \
                     out here, and netroot adds the boot part to its answers"
                )
            }
            Self::OfferNotTaken {
                address,
                other: Some(other),
            } => write!(
                f,
                "stopped after OFFER of {address}: it never asked for that address; {other} offers addresses in this \
                 network, too: stop that one, or leave --dhcp out here, and netroot adds the boot part to its answers"
            ),
            Self::OfferNotTaken { address, .. } => write!(
                f,
                "stopped after OFFER of {address}: it never asked for that address; does a switch (DHCP snooping) or a \
                 firewall drop the answers of this server, or was the machine switched off?"
            ),
            Self::NoAddress => f.write_str(
                "stopped after OFFER: no DHCP server gave it an address; start the network's DHCP server, or let netroot \
                 give addresses: --dhcp FIRST-LAST",
            ),
            Self::HttpNotAsked { url } => write!(
                f,
                "stopped after OFFER of {url}: the firmware never asked for it, as firmware does that refuses http://; allow \
                 plain HTTP in its setup, or choose its PXE entry"
            ),
            Self::LoaderNotAsked { loader, proxied } => {
                write!(
                    f,
                    "stopped after OFFER of {loader}: the firmware never asked for it; does a firewall drop UDP ports 69 \
                     and 4011, or was another boot entry chosen?"
                )?;
                if proxied.is_some() {
                    f.write_str(
                        " Or does a switch with DHCP snooping drop what this server answers? Make its port a trusted one, \
                         or let the DHCP server name the files itself",
                    )?;
                }
                Ok(())
            }
            Self::TransferStopped {
                kind,
                name,
                sent,
                bytes,
                tftp: true,
            } => write!(
                f,
                "the {} {name} stopped at byte {sent} of {bytes} (TFTP): the machine no longer answered; was it switched \
                 off, does the path carry packets as long as this interface's MTU, and does a firewall pass UDP between \
                 high ports?",
                word(*kind)
            ),
            Self::TransferStopped {
                kind,
                name,
                sent,
                bytes,
                tftp: false,
            } => write!(
                f,
                "the {} {name} stopped at byte {sent} of {bytes} (HTTP): the connection ended; was the machine switched off, \
                 or is its memory too small for the file?",
                word(*kind)
            ),
            Self::Unreadable { name, error } => {
                write!(f, "{name} could not be read: {error}; check the disk that it is on")
            }
            Self::LoaderRefused {
                loader,
                times,
                uefi: Some(instead),
            } => write!(
                f,
                "{loader} was sent {times} times and never started: Secure Boot refuses what is not signed; {instead}"
            ),
            Self::LoaderRefused { loader, times, .. } => write!(
                f,
                "{loader} was sent {times} times and never started: it fails with the firmware's network driver; boot once \
                 more, another loader is offered then"
            ),
            Self::LoaderSilent {
                loader,
                uefi: Some(instead),
            } => write!(
                f,
                "{loader} was loaded and never asked for anything: Secure Boot refuses what is not signed, or it hangs in the \
                 firmware's network driver; {instead}; if it is off, boot twice more: another loader is offered then"
            ),
            Self::SecureBoot(stop) => stop.fmt(f),
            Self::LoaderSilent { loader, .. } => write!(
                f,
                "{loader} was loaded and never asked for anything: it hangs in the firmware's network driver, or the switch \
                 was not ready (spanning tree: make the port an edge port); boot twice more: another loader is offered then"
            ),
            Self::ScriptNotAsked {
                address: IpxeAddress::From(server),
            } => write!(
                f,
                "iPXE took the address of {server} and never asked for its script: the offer from here came later than the \
                 2 s that iPXE waits, or a firewall drops TCP to this server's HTTP port"
            ),
            Self::ScriptNotAsked {
                address: IpxeAddress::Here,
            } => f.write_str(
                "iPXE has an address and never asked for its script: does a firewall drop TCP to this server's HTTP port, or \
                 does somebody sit at iPXE's prompt?",
            ),
            Self::ScriptNotAsked {
                address: IpxeAddress::OfferedBy(server),
            } => write!(
                f,
                "iPXE asked for an address, which {server} offers, and never for its script: it did not take the address, or \
                 a firewall drops TCP to this server's HTTP port"
            ),
            Self::ScriptNotAsked {
                address: IpxeAddress::Nowhere,
            } => f.write_str(
                "iPXE asked for an address and never for its script: no DHCP server gave it an address, or a firewall drops \
                 TCP to this server's HTTP port",
            ),
            Self::KernelNotAsked => f.write_str(
                "the script was loaded and the kernel never: iPXE's screen says why; does a firewall drop TCP to this \
                 server's HTTP port, or does somebody sit at iPXE's prompt?",
            ),
            Self::InitrdNotAsked => f.write_str(
                "the kernel was loaded and the initrd never: iPXE's screen says why; is the machine's memory too small?",
            ),
            Self::InitSilent {
                image,
                reports: false,
            } => write!(
                f,
                "kernel and initrd{} were loaded, and nothing was heard since: the initrd of another program reports \
                 nothing; look at the console (append console=ttyS0 for a serial one)",
                of(image.as_deref())
            ),
            Self::InitSilent { image, .. } => write!(
                f,
                "kernel and initrd{} were loaded, and the init never reported: is the kernel built for this processor, does \
                 the initrd have this NIC's driver, and what does the console say (append console=ttyS0 for a serial one)?",
                of(image.as_deref())
            ),
            Self::UnifiedSilent { program } => write!(
                f,
                "the unified kernel image {program} was loaded, and nothing was heard since: firmware with Secure Boot starts \
                 it only where the certificate of its signer (uki-cert) is in db, and says Access Denied or Security Violation \
                 otherwise; or does its initrd lack this NIC's driver, and what does the console say (append console=ttyS0 for \
                 a serial one)?"
            ),
            Self::InitStopped => f.write_str(
                "the init asked for an address and mounted no root: does a DHCP server give it an address, does a firewall \
                 drop TCP port 2049, and what does its console say (append console=ttyS0 for a serial one)?",
            ),
            Self::MountRefused { reason } => write!(f, "the init cannot mount its root: {reason}"),
            Self::SilentAfterMount { silent } => write!(
                f,
                "the root was mounted, and then nothing was read for {} min: does it hold an init for this processor, and \
                 what does the console say (append console=ttyS0 for a serial one)?",
                silent.as_secs() / 60
            ),
        }
    }
}

impl Display for Instead {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&instead(self.signed.as_deref(), self.why_not))
    }
}

fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Loader => "boot loader",
        FileKind::Script => "script",
        FileKind::Kernel => "kernel",
        FileKind::Initrd => "initrd",
        FileKind::Other => "file",
    }
}

/// ` of debian`.
fn of(image: Option<&str>) -> String {
    image.map_or_else(String::new, |image| format!(" of {image}"))
}
