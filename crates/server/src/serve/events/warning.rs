//! What will not work, or not well, as the server sees it when it starts or later.

pub(super) mod json;
mod submounted;
mod text;
mod unread_file;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use netroot_initramfs::Architecture;
use netroot_proto::pxe::cures::Cure;

pub(crate) use self::submounted::Submounted;
pub(crate) use self::unread_file::UnreadFile;
use crate::confinement::Layer;
use crate::serve::artifacts::loaders::MissingLoader;

/// Something that an administrator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Warning {
    /// The state folder could not be created.
    StateFolder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        error: String,
    },
    /// The state or cache folder is not netroot's, so it is only read while serving.
    NotOurFolder {
        /// The folder.
        folder: PathBuf,
        /// The option that names another.
        option: &'static str,
        /// Unified kernel images are kept in it.
        has_unified: bool,
    },
    /// The kernel lacks a layer of what confines the server.
    NotConfined {
        /// Which one.
        layer: Layer,
    },
    /// The server runs as a proxy, and no DHCP server answers.
    NoDhcpServer {
        /// The interface.
        interface: String,
    },
    /// Nothing keeps the isolated networks apart any more.
    IsolationEnded,
    /// Nobody signs unified kernel images any more.
    SignerEnded,
    /// Another firewall of this host drops what an isolated network with NAT sends outside.
    ForwardingBlocked {
        /// The network's interface.
        interface: String,
        /// Whose firewall, and its chain.
        by: String,
        /// The commands that let it pass.
        cure: Vec<String>,
    },
    /// Another DHCP server answers, and `--dhcp-anyway` was given.
    TwoDhcpServers {
        /// The other one.
        server: IpAddr,
    },
    /// A DHCP server claims to be a PXE server: UEFI firmware waits for its port 4011.
    ClaimsBoot {
        /// The DHCP server.
        server: IpAddr,
        /// Option 60.
        class: String,
        /// What to change, by product.
        cures: Vec<Cure>,
    },
    /// A DHCP server names a boot file: iPXE prefers it to a proxy's.
    NamesFile {
        /// The DHCP server.
        server: IpAddr,
        /// The file.
        file: String,
        /// What to change, by product.
        cures: Vec<Cure>,
    },
    /// A DHCP server gives addresses in a network whose machines may not mount.
    LeasesNotAllowed {
        /// The DHCP server.
        server: IpAddr,
        /// An address that it offers.
        offers: IpAddr,
        /// The interface.
        interface: String,
        /// The interface's networks.
        networks: String,
    },
    /// The machines that this server gives addresses to may not mount.
    RangeNotAllowed {
        /// The range's first address.
        first: IpAddr,
        /// Its last.
        last: IpAddr,
    },
    /// Another ProxyDHCP server answers.
    OtherProxy {
        /// The other one.
        server: IpAddr,
    },
    /// A boot loader is not installed.
    MissingLoader {
        /// The processor of those machines.
        architecture: Architecture,
        /// The loader's file name.
        loader: &'static str,
        /// The machines that cannot boot without it: `UEFI machines`.
        machines: &'static str,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// iPXE's own signed pair, a shim and an iPXE, boots no machine, or not all.
    SignedIpxe {
        /// Which file, why, and what to do.
        error: String,
    },
    /// What a root has for machines with Secure Boot boots none of them, or not all.
    SecureBoot {
        /// The image's name.
        image: String,
        /// Why.
        error: String,
    },
    /// The leases could not be read.
    LeasesUnreadable {
        /// The file that they are in.
        file: PathBuf,
        /// The system's error.
        error: String,
    },
    /// The leases could not be written, and acknowledgements no longer wait for that.
    LeasesUnwritable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: String,
    },
    /// What is known of machines' Secure Boot could not be read.
    SecureBootsUnreadable(UnreadFile),
    /// The orders could not be read.
    OrdersUnreadable(UnreadFile),
    /// The orders could not be written.
    OrdersUnwritable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: String,
    },
    /// An address cannot be kept for a machine.
    AddressNotKept {
        /// The machine's name.
        name: String,
        /// The address.
        address: IpAddr,
        /// Why.
        why: NotKept,
    },
    /// Port 111 could not be bound.
    NoPortmapper {
        /// The export's error.
        error: String,
    },
    /// The key of the export's file handles could not be written.
    ExportKey {
        /// The key's file.
        file: PathBuf,
        /// The system's error.
        error: String,
    },
    /// Every machine that may mount the root can read these private keys.
    PrivateKeys {
        /// The root's directory.
        root: PathBuf,
        /// The files, as paths in the root.
        files: Vec<String>,
    },
    /// Every machine that may mount the root can read the password hashes in these files.
    PasswordHashes {
        /// The root's directory.
        root: PathBuf,
        /// The files, as paths in the root.
        files: Vec<String>,
    },
    /// The directory that is served is this server's own root.
    OwnRoot,
    /// File systems are mounted below the root.
    Submounts(Submounted),
    /// A file system of the root has no file handles that last.
    NoFileHandles {
        /// The root's directory.
        root: PathBuf,
    },
    /// Nothing is at a root's path any more.
    RootGone {
        /// The path.
        root: PathBuf,
    },
    /// What took a root's place cannot be read.
    RootNotFollowed {
        /// The path.
        root: PathBuf,
        /// Why.
        error: String,
    },
    /// What a root has now cannot be booted.
    KernelKept {
        /// The image's name.
        image: String,
        /// The version of the kernel that is served.
        linux: String,
        /// Whether that one's modules are no longer in the root.
        modules_gone: bool,
        /// Why it stays.
        error: String,
    },
    /// The initrd for one network card cannot be made.
    NoNicInitrd {
        /// The image's name.
        image: String,
        /// The card, by its numbers.
        nic: String,
        /// Why.
        error: String,
    },
    /// The unified kernel image cannot be made.
    NoUnified {
        /// The image's name.
        image: String,
        /// Why.
        error: String,
    },
    /// Parameters that are to be appended are not in the unified kernel image, because what they name differs between machines.
    UnifiedLeavesOut {
        /// The image's name.
        image: String,
        /// The parameters.
        left_out: Vec<String>,
    },
    /// A boot loader's file was exchanged, and the new one cannot be read.
    LoadersKept {
        /// Why.
        error: String,
    },
    /// A generation of a root cannot be an image.
    GenerationLeftOut {
        /// The name that it would have.
        image: String,
        /// Why.
        error: String,
    },
    /// Something names a generation that its root does not have, or no longer.
    GenerationMissing {
        /// Its name.
        image: String,
        /// What names it.
        by: String,
        /// Whether that is an order.
        ordered: bool,
    },
    /// The files of an image without a root were exchanged, and the new ones cannot be served.
    ImageKept {
        /// The image's name.
        image: String,
        /// Why.
        error: String,
    },
    /// The configuration has changed, and cannot be served as it is now.
    ConfigurationKept {
        /// Why, with file and line.
        error: String,
    },
    /// Something that is configured does nothing.
    WithoutEffect {
        /// What, with file and line, and why.
        error: String,
    },
    /// The server starts without a drop-in that is wrong.
    DropInLeftOut {
        /// Why, with file and line.
        error: String,
    },
    /// What was made an image's root (`netroot image swap`) is not served.
    SwapNotServed {
        /// The image, if it is about one.
        image: Option<String>,
        /// What, and why.
        error: String,
    },
    /// A directory from which machines may run is not there any more when the server starts.
    TreeGone {
        /// Which one, and why.
        error: String,
    },
    /// What is at a root's path when the server starts has other handles than what machines run from.
    OtherHandles {
        /// The path.
        root: PathBuf,
        /// The machines that ran from it within a day.
        machines: Vec<IpAddr>,
    },
    /// The configuration has changed where the server is what it was when it started.
    TakesRestart {
        /// The tables of the configuration.
        what: Vec<&'static str>,
    },
    /// `netroot reload` cannot reach the server.
    NoControl {
        /// Where its socket was to be.
        path: PathBuf,
        /// The system's error.
        error: String,
    },
    /// The certificate of the API was changed. It cannot be used, so that the old one stays; or it can be again.
    ApiCertificate {
        /// Why not; `None` if the new one is used.
        error: Option<String>,
    },
    /// The token file of the API was changed. It cannot be used, so that nobody is let in; or it can be again.
    ApiTokens {
        /// Why not; `None` if it can be used again.
        error: Option<String>,
    },
    /// The web hook did not say what a machine boots.
    Hook {
        /// Which one.
        url: String,
        /// What went wrong.
        error: String,
        /// How long it is not asked.
        left_alone: Option<Duration>,
    },
    /// The API's tokens cross the network in plain text.
    ApiPlain {
        /// Where it listens.
        listen: String,
    },
    /// The interface has no IPv6, so iPXE's router solicitations cannot be answered.
    NoIpv6 {
        /// The interface.
        interface: String,
        /// The system's error.
        error: String,
    },
    /// The interface no longer has an address in the network of the range.
    RangeElsewhere {
        /// The interface.
        interface: String,
        /// The range's first address.
        first: IpAddr,
        /// Its last.
        last: IpAddr,
    },
    /// The interface changed, and cannot be served as it is now.
    NotFollowed {
        /// The interface.
        interface: String,
        /// Why not.
        error: String,
    },
    /// No address is left for new machines.
    RangeExhausted {
        /// The range's first address.
        first: IpAddr,
        /// Its last.
        last: IpAddr,
        /// How many addresses machines have from this server.
        leased: usize,
        /// How many are used by other machines, or said to be.
        set_aside: usize,
    },
}

/// Why an address cannot be kept for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// Another server gives addresses.
    Proxy,
    /// It is in no network in which this server gives addresses.
    Elsewhere,
    /// It is this server's, a router's, or no host's.
    Taken,
}

impl From<MissingLoader> for Warning {
    fn from(missing: MissingLoader) -> Self {
        let MissingLoader {
            architecture,
            loader,
            machines,
            searched,
        } = missing;
        Self::MissingLoader {
            architecture,
            loader,
            machines,
            searched,
        }
    }
}
