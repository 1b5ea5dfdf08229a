//! The boot, from the command line to the root's own init. Each arrow is one function.
//!
//! ```text
//! /proc/cmdline → BootPlan → link → Lease → find → mount → switch_root
//! ```

use std::convert::Infallible;
use std::ffi::OsString;
use std::rc::Rc;

use netroot_proto::cmdline::{BootPlan, Overlay, Stage};

use crate::after::{handoff, read_ahead};
use crate::clock::{Moment, Seconds};
use crate::console::{info, warn};
use crate::diagnosis::unclaimed_cards;
use crate::early::SavedSysctl;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::modules::Loader;
use crate::net::address::Address;
use crate::net::configure;
use crate::net::dhcp::client::{self, DhcpClient};
use crate::net::dhcp::inform;
use crate::net::lease::{self, LeaseError, Obtained};
use crate::net::link::{LinkError, bring_up};
use crate::net::time_server;
use crate::report;
use crate::rescue;
use crate::root::mount_point;
use crate::root::nfs;
use crate::root::programs::ProgramError;
use crate::root::ready;
use crate::root::source::{self, Candidate, FindError, Mounted, Questions, RootSource};
use crate::root::switch;

/// How often an address is given back that another machine claimed late: a router that answers ARP for every address must
/// not keep a machine from booting.
const MOST_CONFLICTS: u32 = 2;

/// One attempt. It returns with a failure or not at all.
pub(crate) fn boot(machine: &mut Machine) -> Result<Infallible, Failure> {
    machine.report.attempt("link");
    mount_point::unmount_all();
    rescue::stop_at(machine, Stage::Network)?;
    bring_up(&mut machine.nics).map_err(|error| no_link(error, &machine.loader))?;
    // Not earlier: on a machine with one processor the NIC's driver has priority, and DHCP leaves enough time.
    machine
        .loader
        .load_in_background(std::mem::take(&mut machine.later));
    machine.report.begin("dhcp");
    let Obtained { address, client } =
        lease::obtain(&mut machine.nics, &machine.plan, &machine.failed)?;
    machine.report.begin("configure");
    let mut address = Rc::new(address);
    set(machine, &address)?;
    if let Some(completed) = inform::completed(&address, &machine.plan) {
        address = Rc::new(completed);
        set(machine, &address)?;
    }
    rescue::log_address(&address);
    time_server::set_clock(&address);
    rescue::stop_at(machine, Stage::Mount)?;
    let root = mount(machine, &address)?;
    still_ours(machine, client)?;
    machine.report.begin("switch");
    read_ahead::start(&machine.plan, machine.address.as_deref());
    rescue::stop_at(machine, Stage::Switch)?;
    machine.loader.wait_for_requested();
    let init = ready::make_ready(&machine.plan, &root)?;
    Err(switch_root(machine, &root, &init))
}

fn set(machine: &mut Machine, address: &Rc<Address>) -> Result<(), Failure> {
    // It counts as failed until the boot succeeds, which ends this program.
    machine.failed.insert(address.nic.index, Moment::now());
    let before = machine.address.replace(Rc::clone(address));
    configure::configure(address, before.as_deref()).map_err(|source| Failure::Configure {
        interface: address.nic.name.clone(),
        source,
    })
}

/// Mounts the root. In the first attempt the kernel's client is left to ask its server, which takes less time; if that does not
/// lead to a root with an init, the server is asked here first, so that what is wrong can be told.
fn mount(machine: &mut Machine, address: &Address) -> Result<Mounted, Failure> {
    machine.report.begin("export");
    let source = RootSource::choose(&machine.plan, address)?;
    let questions = match machine.report.has_failed() || !nfs::mount::can_be_abandoned() {
        false => Questions::Ports,
        true => Questions::All,
    };
    let mut candidates = source.find(&machine.plan, address, questions)?;
    machine.report.begin("mount");
    delay(&machine.plan);
    let mut first = None;
    if candidates.iter().any(Candidate::is_trial) {
        match source::mount(&candidates, &machine.plan, &machine.loader) {
            Ok(root) => return Ok(root),
            Err(error) => first = Some(error),
        }
        mount_point::unmount_all();
        machine.report.begin("export");
        candidates = source.find(&machine.plan, address, Questions::All)?;
        machine.report.begin("mount");
    }
    let mounted = source::mount(&candidates, &machine.plan, &machine.loader)?;
    // If the second one fails as well, it says why.
    if let Some(error) = first {
        warn!("the server had to be asked before the root was mounted, because at first: {error}");
    }
    Ok(mounted)
}

/// Whether no other machine has claimed the address since. The boot did not wait for one that is slow to answer.
fn still_ours(machine: &mut Machine, client: Option<DhcpClient>) -> Result<(), Failure> {
    let Some(mut client) = client else {
        return Ok(());
    };
    let claimed = client.claimed_late();
    client::close(vec![client]);
    let Some((address, owner)) = claimed else {
        return Ok(());
    };
    machine.conflicts += 1;
    if machine.conflicts > MOST_CONFLICTS {
        warn!("{owner} also claims {address}; using the address anyway");
        return Ok(());
    }
    Err(LeaseError::InUse { address, owner }.into())
}

/// `rootdelay=`: for servers that answer before they are ready.
fn delay(plan: &BootPlan) {
    let pause = plan.root_delay.value;
    if !pause.is_zero() {
        info!(
            "waiting {} s before the root is mounted ({})",
            pause.as_secs(),
            plan.root_delay.origin
        );
        std::thread::sleep(pause);
    }
}

fn switch_root(machine: &Machine, root: &Mounted, init: &str) -> Failure {
    let program = &machine.plan.program.value;
    let leading = program.leading_arguments().into_iter().map(OsString::from);
    let arguments: Vec<OsString> = leading.chain(machine.arguments.iter().cloned()).collect();
    let upload = report::prepare_success(machine.report_sources(), init);
    info!(
        "switch_root to {init}, {} s after init started",
        Seconds(Moment::now().since(machine.started))
    );
    machine.saved_sysctls.iter().for_each(SavedSysctl::restore);
    let layered = machine.plan.overlay.value != Overlay::Off;
    let copy = handoff::prepare(machine.address.as_deref(), layered);
    if let Some(upload) = upload {
        upload.send_in_background(copy);
    }
    Failure::Switch {
        root: root.name.clone(),
        source: switch::switch_root(init, &arguments, copy),
    }
}

/// The failure of a machine without a NIC, with the network controllers that have no driver.
pub(crate) fn no_link(error: LinkError, loader: &Loader) -> Failure {
    match error {
        LinkError::NoNic { waited } => Failure::NoNic {
            waited,
            devices: unclaimed_cards(loader),
        },
        LinkError::Netlink(error) => Failure::Network(error),
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NoRoot(reason) => Self::NoRoot { reason },
            FindError::Nfs(nfs::export::FindError::Server { root, fault }) => Self::Nfs {
                root,
                fault: Box::new(fault),
                // Measured only if the boot ends with it.
                loss: None,
            },
            FindError::Nfs(nfs::export::FindError::NoInit(error)) => {
                Self::Unfit(ProgramError::from(error).into())
            }
            FindError::Nfs(error @ nfs::export::FindError::Unresolved { .. }) => {
                Self::Unresolved(error)
            }
        }
    }
}
