//! Why `netroot serve` did not start, or stopped: the error of each part, with its own sentence.

use std::io;

use crate::catalog::CatalogError;
use crate::confinement::ConfinementError;
use crate::confinement::identity::IdentityError;
use crate::serve::api::tcp::TcpApiError;
use crate::serve::artifacts::FolderError;
use crate::serve::dhcp::rogue_dhcp::AlreadyServed;
use crate::serve::initrd::InitrdError;
use crate::serve::isolation::IsolationError;
use crate::serve::listen::interface::InterfaceError;
use crate::serve::listen::role::DhcpRoleError;
use crate::serve::listen::sockets::SocketError;
use crate::serve::nfs::NfsError;
use crate::serve::opened::OpenError;
use crate::serve::opened::root::OpenRootError;
use crate::serve::privileged_helper::{HookStartError, SignerStartError, StartError};
use crate::serve::privileges::PrivilegeError;
use crate::serve::service_manager::ServiceManagerError;
use crate::settings::Origin;
use crate::signing_files::SigningFilesError;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// An image that is configured in a file.
    #[error("{origin}: the image {name}")]
    OfImage {
        /// Where.
        origin: Origin,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: Box<ServeError>,
    },
    /// The images contradict each other.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Not root.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// systemd waits for this server, and cannot be told that it is ready.
    #[error(transparent)]
    ServiceManager(#[from] ServiceManagerError),
    /// The web hook cannot be asked.
    #[error(transparent)]
    Hook(#[from] HookStartError),
    /// The API over TCP cannot be served.
    #[error(transparent)]
    Api(#[from] TcpApiError),
    /// No helper process.
    #[error(transparent)]
    Helper(#[from] StartError),
    /// No unprivileged user to serve as.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Privileges cannot be given up.
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    /// An image that cannot be used.
    #[error(transparent)]
    Opened(#[from] OpenError),
    /// A root's kernel that cannot be used.
    #[error(transparent)]
    OpenRoot(#[from] OpenRootError),
    /// The initrd.
    #[error(transparent)]
    Image(#[from] InitrdError),
    /// The key of unified kernel images is where machines read.
    #[error(transparent)]
    SigningFiles(#[from] SigningFilesError),
    /// Nobody signs them.
    #[error(transparent)]
    Signer(#[from] SignerStartError),
    /// The interface.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The isolated networks.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    /// A port.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The range.
    #[error(transparent)]
    Role(#[from] DhcpRoleError),
    /// Another DHCP server gives the addresses.
    #[error(transparent)]
    AlreadyServed(#[from] AlreadyServed),
    /// The probe.
    #[error("cannot look for other DHCP servers on {interface} (--no-probe skips that)")]
    Probe {
        /// The interface.
        interface: String,
        /// The system's error.
        source: io::Error,
    },
    /// `--tftp-dir`.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The export.
    #[error(transparent)]
    Nfs(#[from] NfsError),
    /// The runtime, a signal handler or a socket in it.
    #[error("the server's event loop failed")]
    Runtime(#[source] io::Error),
}
