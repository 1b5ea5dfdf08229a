//! The privileged helpers: small processes that do what the confined server no longer can, when the world around it
//! changes.
//!
//! | helper | does | keeps |
//! |---|---|---|
//! | network | makes sockets anew for a served interface | binding ports below 1024 and opening packet sockets, as the unprivileged user |
//! | roots | opens an image's directory | reaching directories, and mounts |
//! | hook | asks the web hook, if there is one | connecting to its port, as the unprivileged user |
//! | signer | signs unified kernel images, if there is a key | the key, which no other process has, as the unprivileged user |
//! | files | has an image's initrd built, opens its other files and boot loaders, reads the configuration | the rights that the server was started with, but for the network's and for mounts |
//!
//! They are copies of this process from before it opened its sockets. Each has one end of a socket pair and reads
//! requests of 32 bytes from it, which name things by their number in the settings of the start, or in the
//! configuration that the helper has read itself since: the server can neither give them a path, nor make them do something
//! often ([`Request::RATE`]). A request to the signer is a digest. Descriptors come back through the same socket. A helper ends with the server.
//!
//! ```text
//! request, answer    what can be asked, as bytes, and what comes back
//! channel            messages with descriptors
//! helper_end         a helper's loop; client: the server's side
//! network            the helper for the network; passed_sockets: its answers
//! roots, mount_area  the helper for roots; files: the one for files
//! configurations     the configurations that images are numbered in
//! signer             the helper that has the key, and the server's side of it
//! ```

mod answer;
mod channel;
mod client;
mod configurations;
mod files;
mod helper_end;
mod hook;
mod mount_area;
mod network;
mod passed_sockets;
mod process;
mod request;
mod roots;
mod signer;

use std::os::fd::OwnedFd;

pub(crate) use self::client::{Client, Helper, HelperError};
use self::files::Files;
use self::hook::start as start_hook;
pub(crate) use self::hook::{HookHelper, HookSocket, HookStartError, reach as reach_hook};
use self::network::Network;
pub(crate) use self::process::StartError;
use self::request::Request;
pub(crate) use self::request::{FileRequest, ImageNumber, NetworkRequest, RootRequest};
use self::roots::Roots;
pub(crate) use self::signer::{Signer, SignerStartError};
use crate::confinement::identity::Identity;
use crate::serve::listen::interface::Followed;
use crate::serve::listen::sockets::ListenPorts;
use crate::settings::{HookSettings, Settings};

/// All helpers of a server.
#[derive(Debug)]
pub(crate) struct Helpers {
    /// For roots.
    pub(crate) roots: Helper<RootRequest>,
    /// The folder below which the confined server will be able to read what the helper for roots opens.
    pub(crate) area: Option<OwnedFd>,
    /// For files.
    pub(crate) files: Helper<FileRequest>,
    /// For the network.
    pub(crate) network: Helper<NetworkRequest>,
    /// For the web hook, if there is one.
    pub(crate) hook: Option<(HookSettings, HookHelper)>,
    /// For unified kernel images, if there is a key.
    pub(crate) signer: Option<Signer>,
}

impl Helpers {
    /// Starts them. `interfaces` are those that will be served, with these ports.
    ///
    /// # Errors
    /// [`StartError`], [`HookStartError`] and [`SignerStartError`]. Call it while there is one thread, and before this process has sockets.
    pub(crate) fn start<E>(
        settings: &Settings,
        interfaces: Vec<Followed>,
        ports: ListenPorts,
        identity: Option<Identity>,
    ) -> Result<Self, E>
    where
        E: From<StartError> + From<HookStartError> + From<SignerStartError>,
    {
        let key = settings.uki.as_ref();
        let signer = key.map(|key| signer::start(key, identity)).transpose()?;
        let (roots, area) = start_roots(settings)?;
        let files = start_files(settings, identity)?;
        let network = start_network(interfaces, ports, identity)?;
        let hook = settings.api.hook.as_ref();
        let hook = hook.map(|hook| Ok::<_, E>((hook.clone(), start_hook(hook, identity)?)));
        Ok(Self {
            roots,
            area,
            files,
            network,
            hook: hook.transpose()?,
            signer,
        })
    }
}

/// Starts the helper for roots. With it comes the folder below which the confined server will be able to read what
/// [`RootRequest::Root`] opens; without one (no `CAP_SYS_ADMIN`), that request is answered with
/// [`HelperError::Impossible`].
///
/// # Errors
/// [`StartError`]. Call it while there is one thread.
fn start_roots(settings: &Settings) -> Result<(Helper<RootRequest>, Option<OwnedFd>), StartError> {
    let helper = start(|socket| {
        let mut roots = Roots::prepare(settings);
        helper_end::introduce(&socket, roots.area());
        helper_end::answer_until_closed(&socket, |request| roots.answer(request));
    })?;
    let area = helper.introduction().map_err(StartError::First)?;
    Ok((helper, area))
}

/// Starts the helper for the network.
///
/// # Errors
/// [`StartError`]. Call it while there is one thread.
fn start_network(
    interfaces: Vec<Followed>,
    ports: ListenPorts,
    identity: Option<Identity>,
) -> Result<Helper<NetworkRequest>, StartError> {
    let helper = start(|socket| {
        if let Some(mut network) = Network::prepare(interfaces, ports, identity) {
            helper_end::introduce(&socket, None);
            helper_end::answer_until_closed(&socket, |request| network.answer(request));
        }
    })?;
    helper.introduction().map_err(StartError::First)?;
    Ok(helper)
}

/// Starts the helper for files; initrds are built as `identity`.
///
/// # Errors
/// [`StartError`]. Call it while there is one thread.
fn start_files(
    settings: &Settings,
    identity: Option<Identity>,
) -> Result<Helper<FileRequest>, StartError> {
    let helper = start(|socket| {
        let mut files = Files::prepare(settings, identity);
        helper_end::introduce(&socket, None);
        helper_end::answer_until_closed(&socket, |request| files.answer(request));
    })?;
    helper.introduction().map_err(StartError::First)?;
    Ok(helper)
}

fn start<R: Request>(work: impl FnOnce(OwnedFd)) -> Result<Helper<R>, StartError> {
    Ok(Helper::new(process::start(work)?))
}
