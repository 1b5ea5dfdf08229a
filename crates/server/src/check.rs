//! `netroot check [IF] [DIR]`: will machines boot here?
//!
//! [`survey`]: who answers what, by DISCOVERs in the name of every firmware. [`forecast`]: what each machine will do, with
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
mod report;
mod subject;
mod survey;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use netroot_printable::Printable;
use netroot_proto::pxe::cures::Product;

pub(crate) use self::arguments::CheckArgs;
use self::finding::{Finding, Level};
use self::forecast::Planned;
use self::report::{Heard, Report};
use self::subject::Subject;
use self::survey::SurveyError;
use crate::config;
use crate::serve::artifacts::loaders;
use crate::serve::config_files::Snapshot;
use crate::serve::listen::interface::{self, Interface, InterfaceError, Wanted};
use crate::settings::{CONFIG, ConfigPlace};

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

/// Tells a person who waits what is done.
fn progress(what: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = writeln!(stderr, "netroot: {} …", Printable(what));
    }
}

fn check(subject: &Subject, product: Option<Product>, offline: bool) -> Report {
    let mut findings = Vec::new();
    let all = interface::list().unwrap_or_default();
    let wanted = Wanted {
        interface: subject.interface.as_deref(),
        address: None,
    };
    let interface = match interface::choose(wanted, all.clone()) {
        Ok(interface) => Some(interface),
        Err(InterfaceError::NoAddress { name }) if subject.isolated => {
            let text =
                format!("{name} has no address yet: netroot gives it one, as a network of its own");
            findings.push(Finding::note("interface", text));
            None
        }
        Err(error) => {
            findings.push(Finding::problem("interface", error.to_string()));
            None
        }
    };
    if !subject.others.is_empty() {
        let text = format!(
            "the configuration has other interfaces, which are checked by their names: netroot check {}",
            subject.others.join(", netroot check ")
        );
        findings.push(Finding::note("interface", text));
    }
    let heard = match &interface {
        Some(interface) if interface.has_frames && !offline => {
            match listen(subject, interface, product, &mut findings) {
                Ok(heard) => Some(heard),
                Err(error) => {
                    findings.push(Finding::problem("network", error.to_string()));
                    None
                }
            }
        }
        _ => None,
    };
    findings.extend(host::look(subject, interface.as_ref(), &all, progress));
    Report {
        interface: interface.map(|interface| interface.to_string()),
        heard,
        findings,
    }
}

fn listen(
    subject: &Subject,
    interface: &Interface,
    product: Option<Product>,
    findings: &mut Vec<Finding>,
) -> Result<Heard, SurveyError> {
    let server_here = host::ports::dhcp_server_here();
    let survey = survey::survey(interface, server_here, progress)?;
    if let Some(why) = &survey.deaf {
        let text = format!("servers on this host were not heard: {why}");
        findings.push(Finding::note("network", text));
    }
    let planned = Planned {
        loaders: loaders::find(subject.ipxe.as_deref()).by_platform,
        http_port: subject.http_port,
        range: subject.range.or_else(|| match subject.isolated {
            true => network::hosts(interface),
            false => None,
        }),
        image: subject.image_name(),
    };
    progress("looking for the files that machines would load");
    let forecasts = forecast::forecast(&survey, interface, &planned, files::look);
    let mut netroots = forecasts.netroots.clone();
    netroots.sort_unstable();
    let servers = network::servers(&survey, interface, &netroots);
    let wanted = network::Wanted {
        product,
        planned: &planned,
    };
    let troubles = network::troubles(&servers, &forecasts, interface, wanted);
    Ok(Heard {
        servers,
        forecasts,
        troubles,
    })
}
