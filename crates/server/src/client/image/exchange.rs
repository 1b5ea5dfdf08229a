//! Changes which directory an image's root is: writes it down, has the running server take it over, and puts the file back where
//! it does not, or where somebody ends the command meanwhile.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use netroot_printable::Printable;

use super::lost_roots::{all_are_gone, nobody_loses, nobody_runs_from};
use super::names::{no_such, path};
use super::undo::{Undo, end_on_signals};
use super::written::Written;
use crate::client::answers::{Images, Root};
use crate::client::ask::{NoServer, ServerArgs};
use crate::client::reload::reload;
use crate::settings;
use crate::swaps::file::{self, Locked};
use crate::swaps::{Served, Swaps, When};

/// Which server's images are meant: one on this machine.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LocalArgs {
    /// The server's socket [default: /run/netroot-server/control, or control in the directory of --state].
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// The directory that the server was given with --state; the server of this one is asked first [default:
    /// /var/lib/netroot].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// The configuration, which is read where no server runs [default: /etc/netroot/netroot.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl LocalArgs {
    fn server(&self) -> ServerArgs {
        ServerArgs {
            control: self.control.clone(),
            state: self.state.clone(),
            ..ServerArgs::default()
        }
    }
}

/// What becomes of the root.
#[derive(Debug)]
pub(super) enum Wanted {
    /// It is this directory.
    Swap(PathBuf),
    /// It is what it was before.
    RollBack,
    /// It is the configured one; if this is set, even where machines run from others.
    Forget(bool),
    /// This one is no earlier one any more; if this is set, even where machines run from it.
    ForgetRoot(PathBuf, bool),
}

impl Wanted {
    /// Whether it can be done where no server runs.
    const fn is_possible_alone(&self, at_restart: bool) -> bool {
        match self {
            Self::Swap(_) => false,
            Self::RollBack => at_restart,
            Self::Forget(_) | Self::ForgetRoot(..) => true,
        }
    }
}

/// Changes the root of the image `name`.
///
/// # Errors
/// What the server refuses, and what cannot be written.
pub(super) fn exchange(
    name: &str,
    local: &LocalArgs,
    wanted: &Wanted,
    at_restart: bool,
) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root may say what machines boot: run this as root");
    }
    let server = &local.server();
    let file = Known::ask(name, local, wanted, at_restart)?.file;
    let cannot_write = || format!("cannot write {}", file.display());
    let waits = || eprintln!("netroot: another netroot image command is at work; waiting for it");
    let locked = Locked::open(&file, waits).with_context(cannot_write)?;
    let before = locked.read()?;
    // Who had the file until now may have changed what was told before.
    let Known {
        answer,
        configured,
        file: file_now,
        absence,
    } = Known::ask(name, local, wanted, at_restart)?;
    if file_now != file {
        bail!("a server has been started or stopped meanwhile; try again");
    }
    let root = answer.as_ref().map(|(_, root)| root);
    match (wanted, root) {
        (Wanted::Forget(false), Some(root)) => nobody_loses(name, root)?,
        (Wanted::ForgetRoot(directory, false), Some(root)) => nobody_runs_from(directory, root)?,
        (Wanted::Forget(false), None) => {
            all_are_gone(before.others(name, configured.as_deref()))?;
        }
        (Wanted::ForgetRoot(directory, false), None) => all_are_gone([directory.as_path()])?,
        _ => {}
    }
    if let Some(error) = absence {
        eprintln!("netroot: {error:#}; only the file of swaps is changed");
    }
    end_on_signals()?;
    let mut swaps = before.clone();
    let when = if at_restart {
        When::AtRestart(nanoseconds())
    } else {
        When::Now
    };
    let known = (root, configured.as_deref());
    let directory = change(&mut swaps, name, wanted, known, when)?;
    if let Some((all, _)) = &answer {
        for image in &all.images {
            if let Some(root) = &image.root {
                swaps.drop_idle(&image.name, &root.configured);
            }
        }
    }
    let undone = Undo::until_done(locked, name, &directory)?;
    let written = undone.write(&swaps).with_context(cannot_write);
    if written.is_ok() && (at_restart || answer.is_none()) {
        undone.done();
        if let Wanted::ForgetRoot(forgotten, _) = wanted {
            println!("{name}: {} is no earlier root any more", path(forgotten));
        } else {
            println!(
                "{name}: machines boot {} when the server has been restarted",
                path(&directory)
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let done = written.and_then(|()| take_over(name, server));
    let why = match done {
        Ok(now) if now.now.directory == directory => {
            undone.done();
            println!("{}", summary(name, &now));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(_) => anyhow!("the server did not take it over; what it said is above"),
        Err(error) => error,
    };
    let as_it_was = undone.undo();
    // So that it does not come to it later, by itself; it may have ended.
    let _ = reload(server, |_| {});
    Err(why.context(as_it_was))
}

/// What a change is based on.
#[derive(Debug)]
struct Known {
    /// What the server says; `None` where none runs.
    answer: Option<(Images, Root)>,
    /// The configured root, where no server runs and it is known.
    configured: Option<PathBuf>,
    /// The file of the swaps.
    file: PathBuf,
    /// That no server runs.
    absence: Option<anyhow::Error>,
}

impl Known {
    fn ask(name: &str, local: &LocalArgs, wanted: &Wanted, at_restart: bool) -> Result<Self> {
        let file = |state: Option<&Path>| file::path(state.unwrap_or(Path::new(settings::STATE)));
        match ask(name, &local.server()) {
            // A server that cannot start is not needed.
            Err(error) if wanted.is_possible_alone(at_restart) && error.is::<NoServer>() => {
                let written = Written::read(local.config.as_deref(), name)?;
                Ok(Self {
                    answer: None,
                    configured: written.root,
                    file: file(local.state.as_deref().or(written.state.as_deref())),
                    absence: Some(error),
                })
            }
            asked => {
                let (all, root) = asked?;
                let file = file(local.state.as_deref());
                is_read_by_the_server(&all, &file)?;
                Ok(Self {
                    answer: Some((all, root)),
                    configured: None,
                    file,
                    absence: None,
                })
            }
        }
    }
}

/// Returns what the root is then.
fn change(
    swaps: &mut Swaps,
    name: &str,
    wanted: &Wanted,
    (root, configured): (Option<&Root>, Option<&Path>),
    when: When,
) -> Result<PathBuf> {
    let served = root.map(|root| Served {
        configured: &root.configured,
        // By the file, whether or not it can be served.
        now: &root.unserved.first().unwrap_or(&root.now).directory,
    });
    match (wanted, served) {
        (Wanted::Swap(to), Some(served)) => {
            if root
                .and_then(|root| root.unserved.first())
                .is_some_and(|tree| tree.directory == *to)
            {
                bail!(
                    "{} is the root of {name} already, and cannot be served; `netroot reload` says why, and tries it again",
                    path(to)
                );
            }
            let is_closed = |directory: &Path| {
                let mut before = root.iter().flat_map(|root| &root.before);
                before.any(|tree| tree.directory == directory && tree.let_go)
            };
            swaps.swap(name, served, to, (when, &is_closed))?;
            Ok(to.clone())
        }
        (Wanted::Swap(_), None) => bail!("no server runs"),
        (Wanted::RollBack, served) => Ok(swaps.roll_back(name, (served, configured), when)?),
        (Wanted::ForgetRoot(directory, _), served) => {
            // An earlier one is booted where the latest cannot be.
            let served = served.map(|served| Served {
                now: root.map_or(served.now, |root| &root.now.directory),
                ..served
            });
            swaps.forget_root(name, (served, configured), directory)?;
            Ok(root
                .map(|root| root.now.directory.clone())
                .unwrap_or_default())
        }
        (Wanted::Forget(_), served) => {
            if !swaps.forget(name) {
                bail!("nothing is remembered of the root of {name}");
            }
            let configured = served.map(|served| served.configured.to_owned());
            Ok(configured.unwrap_or_else(|| "the configured root".into()))
        }
    }
}

/// It is compared, not believed: the server does not say what is written.
fn is_read_by_the_server(all: &Images, file: &Path) -> Result<()> {
    match &all.swaps {
        Some(theirs) if *theirs == file => Ok(()),
        Some(theirs) => bail!(
            "the server reads {}, not {}; name its state directory: --state DIR",
            path(theirs),
            file.display()
        ),
        None => bail!("the server is too old for this; restart it"),
    }
}

fn take_over(name: &str, server: &ServerArgs) -> Result<Root> {
    reload(server, |text| println!("{}", Printable(text)))?;
    Ok(ask(name, server)?.1)
}

fn ask(name: &str, server: &ServerArgs) -> Result<(Images, Root)> {
    let all: Images = server.json("GET", "/images", None)?;
    let Some(image) = all.images.iter().find(|image| image.name == name) else {
        bail!("{}", no_such(&all, name));
    };
    let Some(root) = image.root.clone() else {
        bail!("{name} has no root that this server exports, so there is none to swap");
    };
    Ok((all, root))
}

fn nanoseconds() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or_default()
}

fn summary(name: &str, root: &Root) -> String {
    let running: usize = root.before.iter().map(|tree| tree.machines.len()).sum();
    let those = match running {
        0 => "no machine is known to run from an earlier root".to_owned(),
        1 => "1 machine still runs from an earlier root, and keeps it".to_owned(),
        more => format!("{more} machines still run from earlier roots, and keep them"),
    };
    format!("{name}: boots {} now; {those}", path(&root.now.directory))
}

#[cfg(test)]
mod tests {
    use super::super::lost_roots::tests::root;
    use super::*;

    #[test]
    fn a_change_ends_with_what_machines_boot_and_how_many_keep_another() {
        assert_eq!(
            summary("debian", &root()),
            "debian: boots /srv/b now; 2 machines still run from earlier roots, and keep them"
        );
    }
}
