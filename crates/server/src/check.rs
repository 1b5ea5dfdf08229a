//! `netroot check [IF …] [DIR]`: will machines boot here?
//!
//! [`section`]: one interface of those that are looked at, all at the same time. [`survey`]: who answers what, by DISCOVERs in the name of every firmware. [`forecast`]: what each machine will do, with
//! what a netroot of this host would add. [`network`]: what is wrong with the other servers, and how that is mended.
//! [`host`]: ports, firewall, interface, loaders, images, privileges and folders of this host. [`report`]: all of it, for
//! people and as JSON.
//!
//! Nothing is changed, and no lease is taken. It ends with success if nothing keeps machines from booting, and with 1
//! otherwise.

mod arguments;
mod files;
mod finding;
mod forecast;
mod host;
mod network;
mod progress;
mod report;
mod section;
mod subject;
mod survey;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use netroot_proto::pxe::cures::Product;

pub(crate) use self::arguments::CheckArgs;
use self::finding::{Finding, Level};
use self::progress::progress;
use self::report::Report;
use self::section::Section;
use self::subject::{Network, Subject};
use crate::config;
use crate::serve::config_files::Snapshot;
use crate::serve::listen::interface::{self, InterfaceError, Wanted};
use crate::settings::{CONFIG, ConfigPlace};

/// How many interfaces are looked at where none is named and several could serve.
const MOST_USABLE: usize = 8;

/// Checks, and prints what was found on standard output.
///
/// # Errors
/// The arguments contradict each other, or the result cannot be written.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let subject = subject(args)?;
    let report = check(&subject, args.product, args.offline);
    let text = match args.json {
        true => crate::json::to_string(&report.json())? + "\n",
        false => report.to_string(),
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")?;
    Ok(match report.count(Level::Problem) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What is checked: the configuration if one is named, or if there is one and no directory is given.
fn subject(args: &CheckArgs) -> anyhow::Result<Subject> {
    let given = Subject::of_arguments(args)?;
    let file = match &args.config {
        Some(file) => file.clone(),
        None if given.images.is_empty() && args.dhcp.is_none() && Path::new(CONFIG).exists() => {
            CONFIG.into()
        }
        None => return Ok(given),
    };
    let place = ConfigPlace::of_file(file);
    let snapshot = Snapshot::read(&place)?;
    if snapshot.files.is_empty() {
        anyhow::bail!("cannot check: there is no file {}", place.file.display());
    }
    let settings =
        config::parse(&place, &snapshot.files).context("the configuration is not valid")?;
    Ok(given.configured(settings)?)
}

fn check(subject: &Subject, product: Option<Product>, offline: bool) -> Report {
    let all = interface::list().unwrap_or_default();
    let choose = |network: &Network| {
        let wanted = Wanted {
            interface: network.interface.as_deref(),
            address: network.address,
        };
        interface::choose(wanted, all.clone())
    };
    let mut host = Vec::new();
    let mut sections = Vec::new();
    for network in &subject.networks {
        match choose(network) {
            // Serving would end with this error; all of them are looked at, as one of them will be chosen.
            Err(InterfaceError::Several { usable }) => {
                let names = usable
                    .iter()
                    .take(MOST_USABLE)
                    .map(|one| one.name().to_owned());
                for name in names {
                    let one = Network {
                        interface: Some(name),
                        ..network.clone()
                    };
                    sections.push(Section::new(&one, choose(&one)));
                }
                let error = InterfaceError::Several { usable };
                host.push(Finding::failed("interface", &error));
            }
            chosen => sections.push(Section::new(network, chosen)),
        }
    }
    // Ports are bound for a moment to see whether they are free: one after the other, and before anybody listens.
    let server_here = host::ports::dhcp_server_here();
    for section in &mut sections {
        section.look(subject, &all);
    }
    std::thread::scope(|scope| {
        for section in sections.iter_mut().filter(|_| !offline) {
            scope.spawn(move || section.listen(subject, product, server_here));
        }
        host.extend(host::look(subject, progress));
    });
    Report { sections, host }
}
