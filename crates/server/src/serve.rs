//! `netroot serve`: from a directory to machines that boot from it.
//!
//! ```text
//! datagram → Request → Decision → bytes      dhcp, office, leases, rogue_dhcp, frame; solicitations
//! name → Artifact → transfer                 artifacts, loaders, script, image; tftp, http, range, url_path, status
//! how a boot went → last words                reports
//! directory → export                         nfs
//! every step → line                          events, machines, counters
//! ```
//!
//! [`run`] is the sequence. Everything that can be refused is refused before anything is served; privileges are
//! given up in between, while there is one thread.

mod artifacts;
mod counters;
mod dhcp;
mod error;
mod events;
mod http;
mod initrd;
mod listen;
mod machines;
mod nfs;
mod privileges;
mod range;
mod reports;
mod running;
mod status;
mod tftp;
mod url_path;

use std::sync::Arc;

use netroot_initramfs::{Kernel, RootTree, choose_kernel};
use netroot_proto::pxe::config::Loader;

use self::artifacts::script::Boot;
use self::artifacts::store::{Content, Folder, Role, Shelf};
use self::counters::Counters;
pub(crate) use self::error::ServeError;
use self::events::{Event, Format, Timeline, Warning};
use self::initrd::{ImageError, Making, Order};
use self::listen::interface::Interface;
use self::listen::sockets::Sockets;
use self::machines::Machines;
use self::running::Parts;
use self::status::Status;
use crate::cli::ServeArgs;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let counters = Arc::new(Counters::default());
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    let timeline = Timeline::new(format, Arc::clone(&counters), Arc::new(Machines::new()));

    // What is to boot, and on which wire.
    let image = image_name(args)?;
    let root = RootTree::open(&args.dir)?;
    let kernel = choose_kernel(&root, args.kernel.as_deref())?;
    let interface = self::listen::interface::choose(
        args.interface.as_deref(),
        self::listen::interface::list()?,
    )?;

    // Everything that somebody else may already have: rights, ports, the wire's addresses.
    privileges::check()?;
    make_state_folder(args, &timeline);
    let office = self::dhcp::role::open(args, &interface, &timeline)?;
    let sockets = Sockets::bind(&interface, args.http_port)?;
    let export = match args.nfsroot {
        None => Some(nfs::prepare(args, &interface, &image, &timeline)?),
        Some(_) => None,
    };

    // A child makes the initrd; meanwhile the wire is asked who else answers on it.
    let making = start_initrd(args, &root, &kernel, &timeline)?;
    look_for_others(args, &interface, &sockets, &timeline)?;
    let boot = boot(args, image, &kernel);
    let (shelf, loaders) = fill_shelf(args, &boot, &root, &kernel, making, &timeline)?;
    drop(root);

    // From here on nothing is needed but reading the root's files.
    privileges::give_up()?;
    let status = Status::new(args, &boot, &interface);
    let parts = Parts {
        interface,
        office,
        sockets,
        export,
        boot,
        shelf,
        loaders,
        status,
    };
    running::until_stopped(parts, &timeline, &counters)
}

fn image_name(args: &ServeArgs) -> Result<String, ServeError> {
    nfs::image_name(&args.dir).map_err(|source| ServeError::Directory {
        dir: args.dir.clone(),
        source,
    })
}

/// A state folder that cannot be made is no reason not to serve: what is not kept is told where it is missed.
fn make_state_folder(args: &ServeArgs, timeline: &Timeline) {
    if let Err(error) = std::fs::create_dir_all(&args.state) {
        timeline.server(Event::Warning(Warning::StateFolder {
            folder: args.state.clone(),
            error: error.to_string(),
        }));
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
    let others =
        self::dhcp::rogue_dhcp::find_others(interface, &sockets.frames).map_err(|source| {
            ServeError::Probe {
                interface: interface.name.clone(),
                source,
            }
        })?;
    for warning in
        self::dhcp::rogue_dhcp::judge(&others, interface, args.dhcp.is_some(), args.dhcp_anyway)?
    {
        timeline.server(Event::Warning(warning));
    }
    Ok(())
}

fn boot(args: &ServeArgs, image: String, kernel: &Kernel) -> Boot {
    Boot {
        root: match &args.nfsroot {
            Some(nfsroot) => self::artifacts::script::Root::Elsewhere(nfsroot.clone()),
            None => self::artifacts::script::Root::Own {
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

/// Everything that can be asked for by name, and what DHCP is to name to firmware.
fn fill_shelf(
    args: &ServeArgs,
    boot: &Boot,
    root: &RootTree,
    kernel: &Kernel,
    initrd: Making,
    timeline: &Timeline,
) -> Result<(Shelf, Vec<Loader>), ServeError> {
    let folder = args
        .tftp_dir
        .as_deref()
        .map(Folder::open_path)
        .transpose()?;
    let mut shelf = Shelf::new(boot.clone(), args.http_port, folder);
    let file = root.open_file(&kernel.path)?;
    let content = Content::from_regular(file).map_err(|source| ServeError::KernelFile {
        path: root.host_path(&kernel.path),
        source,
    })?;
    shelf.put(self::artifacts::script::KERNEL, content, Role::Kernel);
    let initrd = initrd.finish(|event| timeline.server(event))?;
    shelf.put(self::artifacts::script::INITRD, initrd, Role::Initrd);
    let (loaders, missing) = self::artifacts::loaders::put_on(&mut shelf, args.ipxe.as_deref());
    for warning in missing {
        timeline.server(Event::Warning(warning));
    }
    Ok((shelf, loaders))
}

/// The initrd, on its way or named by `--initrd`.
fn start_initrd(
    args: &ServeArgs,
    root: &RootTree,
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
    let making = self::initrd::start(&order, &args.cache)?;
    if matches!(making, Making::Running { .. }) {
        timeline.server(Event::InitrdBuilding {
            linux: kernel.version.clone(),
            modules: args.modules.clone(),
        });
    }
    Ok(making)
}
