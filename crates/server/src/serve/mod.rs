//! `netroot serve`: from a directory to machines that boot from it.
//!
//! ```text
//! datagram → Request → Decision → bytes      dhcp, office, leases, competition, frame
//! name → Artifact → transfer                 artifacts, loaders, script, image; tftp, http, range, url_path, status
//! directory → export                         nfs
//! every step → line                          events, machines, counters
//! ```
//!
//! [`run`] is the sequence. Everything that can be refused is refused before anything is served; privileges are
//! given up in between, while there is one thread.

mod artifacts;
mod competition;
mod counters;
mod dhcp;
mod events;
mod frame;
mod http;
mod image;
mod interface;
mod leases;
mod loaders;
mod machines;
mod nfs;
mod office;
mod port_owner;
mod privileges;
mod range;
mod script;
mod sockets;
mod status;
mod tftp;
mod url_path;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use netroot_initramfs::{Kernel, KernelError, Root, RootError, choose_kernel};
use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use netroot_proto::pxe::config::Config;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::artifacts::{Content, Folder, FolderError, Role, Shelf};
use self::counters::Counters;
use self::dhcp::Clock;
use self::events::{Format, Step, Timeline};
use self::image::{ImageError, Making, Order};
use self::interface::{Interface, InterfaceError};
use self::machines::Machines;
use self::nfs::NfsError;
use self::script::Boot;
use self::sockets::{SocketError, Sockets};
use self::status::Status;
use crate::cli::ServeArgs;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Not root.
    #[error(transparent)]
    Privileges(#[from] privileges::PrivilegeError),
    /// Not the directory that was meant.
    #[error("{} cannot be served", dir.display())]
    Directory {
        /// As given.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Its files.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Its kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel's file, as what is handed out.
    #[error("the kernel {} cannot be served", path.display())]
    KernelFile {
        /// Where it is.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The initrd.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The wire.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// A port.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The range.
    #[error(transparent)]
    Office(#[from] office::OfficeError),
    /// Somebody else gives the addresses.
    #[error(transparent)]
    AlreadyServed(#[from] competition::AlreadyServed),
    /// The probe.
    #[error("{interface} could not be asked for other DHCP servers (--no-probe leaves that out)")]
    Probe {
        /// The wire.
        interface: String,
        /// The system's answer.
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

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let counters = Arc::new(Counters::default());
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    let timeline = Timeline::new(format, Arc::clone(&counters), Arc::new(Machines::new()));

    // The root, and the wire. What is wrong with either is told before anything else happens.
    let image = nfs::image_name(&args.dir).map_err(|source| ServeError::Directory {
        dir: args.dir.clone(),
        source,
    })?;
    let root = Root::open(&args.dir)?;
    let kernel = choose_kernel(&root, args.kernel.as_deref())?;
    let interface = interface::choose(args.interface.as_deref(), interface::list()?)?;
    privileges::check()?;
    make_state_folder(args, &timeline);
    let office = office::open(args, &interface, &timeline)?;
    let sockets = Sockets::bind(&interface, args.http_port)?;
    let export = match args.nfsroot {
        None => Some(nfs::prepare(args, &interface, &image, &timeline)?),
        Some(_) => None,
    };

    // The initrd is made by a child; meanwhile the wire is asked who else is on it.
    let making = start_initrd(args, &root, &kernel, &timeline)?;
    look_for_others(args, &interface, &sockets, &timeline)?;
    let boot = boot(args, image, &kernel);
    let mut shelf = Shelf::new(boot.clone(), args.http_port, open_folder(args)?);
    shelf.put(
        script::KERNEL,
        kernel_content(&root, &kernel)?,
        Role::Kernel,
    );
    let initrd =
        making.finish(|line| timeline.server(Step::Server, format_args!("initrd: {line}")))?;
    shelf.put(script::INITRD, initrd, Role::Initrd);
    let (loaders, missing) = loaders::put_on(&mut shelf, args.ipxe.as_deref());
    for loader in missing {
        timeline.server(Step::Server, format_args!("warning: {loader}"));
    }
    drop(root);

    // From here on nothing is needed but reading the root's files.
    privileges::give_up()?;
    let writer = timeline.start_writer().map_err(ServeError::Runtime)?;
    let nfs = export
        .map(|export| nfs::start(export, timeline.clone()))
        .transpose()?
        .map(Arc::new);
    let status = Status::new(args, &boot, &interface);
    let dhcp = Arc::new(dhcp::Service {
        config: Config {
            http_port: args.http_port,
            script_path: "boot/{mac}.ipxe".to_owned(),
            loaders,
            root_path: Some(boot.nfsroot(interface.address).into_bytes()),
        },
        interface,
        office,
        frames: Some(sockets.frames),
        timeline: timeline.clone(),
        counters: Arc::clone(&counters),
        clock: Clock::start(),
    });
    let shelf = Arc::new(shelf);
    let mtu = dhcp.interface.mtu;
    let tftp = tftp::Service::new(
        Arc::clone(&shelf),
        mtu,
        timeline.clone(),
        Arc::clone(&counters),
    );
    let site = http::Site {
        shelf,
        status: status.clone(),
        timeline: timeline.clone(),
        counters: Arc::clone(&counters),
        nfs: nfs.clone(),
    };

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(dhcp::keep_leases(Arc::clone(&dhcp)));
        timeline.server(Step::Ready, status.ready());
        tokio::select! {
            signal = either(&mut terminate, &mut interrupt) => Ok(signal),
            failed = dhcp::run(sockets.dhcp, SERVER_PORT, Arc::clone(&dhcp)) => failed.map(|()| ""),
            failed = dhcp::run(sockets.binl, BINL_PORT, Arc::clone(&dhcp)) => failed.map(|()| ""),
            failed = tftp::run(sockets.tftp, Arc::new(tftp)) => failed.map(|()| ""),
            failed = http::run(sockets.http, Arc::new(site)) => failed.map(|()| ""),
        }
    });
    drop(runtime);
    dhcp.save_leases();
    let mut counted = counters.snapshot().list();
    // The runtime and its connections are gone, so this is the last of it.
    if let Some(nfs) = nfs.and_then(Arc::into_inner) {
        counted.extend(nfs::counted(&nfs.counts()));
        nfs.stop();
    }
    let counted = counters::text(counted);
    if let Ok(signal) = &ended {
        let seconds = status.started.elapsed().as_secs();
        timeline.server(
            Step::Stop,
            format_args!("stopped by {signal} after {seconds} s: {counted}"),
        );
    }
    writer.finish();
    ended.map(|_| ()).map_err(ServeError::Runtime)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// A state folder that cannot be made is no reason not to serve: what is not kept is told where it is missed.
fn make_state_folder(args: &ServeArgs, timeline: &Timeline) {
    if let Err(error) = std::fs::create_dir_all(&args.state) {
        let state = args.state.display();
        timeline.server(
            Step::Server,
            format_args!("warning: the folder {state} could not be made ({error}): nothing outlives a restart; --state DIR names another"),
        );
    }
}

fn look_for_others(
    args: &ServeArgs,
    interface: &Interface,
    sockets: &Sockets,
    timeline: &Timeline,
) -> Result<(), ServeError> {
    if args.no_probe {
        return Ok(());
    }
    let others = competition::find_others(interface, &sockets.frames).map_err(|source| {
        ServeError::Probe {
            interface: interface.name.clone(),
            source,
        }
    })?;
    for warning in competition::judge(&others, interface, args.dhcp.is_some(), args.dhcp_anyway)? {
        timeline.server(Step::Server, format_args!("warning: {warning}"));
    }
    Ok(())
}

fn boot(args: &ServeArgs, image: String, kernel: &Kernel) -> Boot {
    Boot {
        root: match &args.nfsroot {
            Some(nfsroot) => script::Root::Elsewhere(nfsroot.clone()),
            None => script::Root::Own {
                image: image.clone(),
                port: args.nfs_port,
            },
        },
        image,
        kernel: kernel.version.clone(),
        overlay: !args.no_overlay,
        append: args.append.clone(),
    }
}

fn open_folder(args: &ServeArgs) -> Result<Option<Folder>, FolderError> {
    args.tftp_dir.as_deref().map(Folder::open_path).transpose()
}

fn kernel_content(root: &Root, kernel: &Kernel) -> Result<Content, ServeError> {
    let file = root.open_file(&kernel.path)?;
    Content::from_regular(file).map_err(|source| ServeError::KernelFile {
        path: root.host_path(&kernel.path),
        source,
    })
}

/// The initrd, on its way or named by `--initrd`.
fn start_initrd(
    args: &ServeArgs,
    root: &Root,
    kernel: &Kernel,
    timeline: &Timeline,
) -> Result<Making, ImageError> {
    if let Some(path) = &args.initrd {
        return Making::given(path);
    }
    let order = Order {
        root,
        kernel,
        modules: &args.modules,
        init: args.init.as_deref(),
    };
    let making = image::start(&order, &args.cache)?;
    if matches!(making, Making::Running { .. }) {
        let (version, modules) = (&kernel.version, &args.modules);
        timeline.server(
            Step::Server,
            format_args!("initrd: making it for Linux {version} with modules {modules}"),
        );
    }
    Ok(making)
}
