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
use crate::advice::{self, Advice};
use crate::config;
use crate::serve::config_files::Snapshot;
use crate::serve::listen::interface::InterfaceError;
use crate::serve::preflight::{self, Host};
use crate::settings::{CONFIG, ConfigPlace, once_each};

/// How many interfaces are looked at where none is named and several could serve.
const MOST_USABLE: usize = 8;

/// Checks, and prints what was found on standard output.
///
/// # Errors
/// The arguments contradict each other, or the result cannot be written.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let subject = subject(args, Path::new(CONFIG))?;
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

/// What is checked: the configuration if one is named, or if there is the usual one and no directory is given.
fn subject(args: &CheckArgs, usual: &Path) -> anyhow::Result<Subject> {
    let given = Subject::of_arguments(args)?;
    let file = match &args.config {
        Some(file) => file.clone(),
        None if given.settings.catalog.images.is_empty() && usual.exists() => {
            // As with `netroot serve`: they are for a directory, and the file says all of that.
            if !args.given.is_empty() {
                let options = args.given.iter().map(|id| id.replace('_', "-"));
                anyhow::bail!(advice::lacks_directory("check", options));
            }
            usual.into()
        }
        None => {
            once_each(&given.settings)?;
            return Ok(given);
        }
    };
    let place = ConfigPlace::of_file(file);
    let snapshot = Snapshot::read(&place)?;
    if snapshot.files.is_empty() {
        anyhow::bail!("cannot check: there is no file {}", place.file.display());
    }
    let parsed = config::read(&place, &snapshot.files).whole();
    let parsed = parsed.context("the configuration is not valid")?;
    Ok(given.configured(parsed)?)
}

fn check(subject: &Subject, product: Option<Product>, offline: bool) -> Report {
    let this = Host::this().unwrap_or_default();
    let section = |network: &Network| {
        let chosen = preflight::chosen(&network.0, &subject.settings, &this);
        let given = preflight::given_on(&network.0, &subject.settings, &this);
        Section::new(network, chosen, given)
    };
    let mut host = Vec::new();
    let mut sections = Vec::new();
    for network in &subject.networks {
        match preflight::chosen(&network.0, &subject.settings, &this) {
            // Serving would end with this error; all of them are looked at, as one of them will be chosen.
            Err(InterfaceError::Several { usable }) => {
                let names = usable
                    .iter()
                    .take(MOST_USABLE)
                    .map(|one| one.name().to_owned());
                sections.extend(names.map(|name| section(&network.on(name))));
                let error = InterfaceError::Several { usable };
                host.push(Finding::failed("interface", &error));
            }
            _ => sections.push(section(network)),
        }
    }
    // Ports are bound for a moment to see whether they are free: one after the other, and before anybody listens.
    let server_here = host::ports::dhcp_server_here();
    for section in &mut sections {
        section.look(subject, &this.interfaces);
    }
    std::thread::scope(|scope| {
        for section in sections.iter_mut().filter(|_| !offline) {
            scope.spawn(move || section.listen(subject, product, server_here));
        }
        host.extend(host::look(subject, &this, offline, progress));
    });
    Report { sections, host }.told(Advice::of(&subject.settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::check as arguments;

    #[test]
    fn options_are_for_a_directory_and_a_configuration_says_them_itself() {
        let folder = tempfile::tempdir().unwrap();
        let [file, absent] = ["netroot.toml", "absent.toml"].map(|name| folder.path().join(name));
        let text = "[[network]]\ninterface = \"eth0\"\n[image.disk]\nlocal-disk = true\n";
        std::fs::write(&file, text).unwrap();
        let subject = |words: &[&str], usual: &Path| subject(&arguments(words).unwrap(), usual);
        // Before, they were not looked at.
        let words = ["--http-port", "80", "--portmapper"];
        let refused = subject(&words, &file).unwrap_err().to_string();
        for part in [
            "--http-port and --portmapper",
            "such as `netroot check /srv/debian`",
            "http-port in [server] and portmapper in [server]",
        ] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert!(subject(&["--isolated", "eth1"], &file).is_err());
        assert_eq!(subject(&words, &absent).unwrap().settings.http_port, 80);
        let with_directory = [&words[..], &["/srv/debian"]].concat();
        let settings = subject(&with_directory, &file).unwrap().settings;
        assert_eq!((settings.http_port, settings.catalog.images.len()), (80, 1));
        // An interface is one of the file's, however it is written.
        for words in [&["eth0"][..], &["--interface", "eth0"], &[]] {
            let configured = subject(words, &file).unwrap();
            assert!(configured.written.is_some(), "{words:?}");
        }
    }
}
