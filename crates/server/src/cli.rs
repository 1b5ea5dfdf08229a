//! The command line of `netroot`, with examples.

mod serve_args;
mod serve_settings;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use self::serve_args::ServeArgs;
use crate::advice;
use crate::check::CheckArgs;
use crate::client::bundle::BundleArgs;
use crate::client::image::ImageArgs;
use crate::client::images::ImagesArgs;
use crate::client::machines::MachinesArgs;
use crate::client::order::{ASSIGN_EXAMPLES, BOOT_ONCE_EXAMPLES, OrderArgs};
use crate::client::reload::ReloadArgs;
use crate::client::status::StatusArgs;
use crate::initrd_command::InitrdArgs;
use crate::settings;
use crate::uki_command::UkiArgs;

/// Boots diskless machines from a directory with a root file system.
#[derive(Debug, Parser)]
#[command(name = "netroot", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  netroot serve /srv/debian                                beside an existing DHCP server (ProxyDHCP)
  netroot serve /srv/debian --dhcp 10.0.0.100-10.0.0.200   without another DHCP server
  netroot serve                                            what /etc/netroot/netroot.toml says
  netroot status --watch                                   the machines, as they boot
  netroot boot-once lab-1 rescue                           another image, next time only
  netroot reload                                           after an upgrade: take it over now
  netroot image swap debian /srv/debian-13.2               another root for machines that boot; those that run keep theirs
  netroot initrd --root /srv/debian -o initrd.img          only the initrd
  netroot uki /srv/debian -o debian.efi                    kernel, initrd and command line as one EFI program
  netroot check eth0 /srv/debian                           before anything boots: will it?
  netroot check-kernel /boot/config-6.1.0-50-amd64         can this kernel boot from NFS?
  netroot explain 'root=/dev/nfs ip=dhcp'                  what would the init do with this?";

impl Cli {
    /// The command line of this process. `-- ""` at its end is no directory: the variable of a unit that is not set.
    pub(crate) fn of_process() -> Self {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        if let [.., end, last] = arguments.as_slice()
            && end == "--"
            && last.is_empty()
        {
            arguments.truncate(arguments.len() - 2);
        }
        Self::read(&arguments).unwrap_or_else(|error| with_cure(error, &arguments).exit())
    }

    fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let read = Self::from_arg_matches(&matches);
        let Self { mut command } = read.map_err(|error| error.format(&mut Self::command()))?;
        if let (Command::Check(check), Some((_, matches))) = (&mut command, matches.subcommand()) {
            **check = check.as_ref().clone().given(matches);
        }
        Ok(Self { command })
    }
}

/// The same error; where options of `netroot serve` lack their directory, with what they are in the configuration.
fn with_cure(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let is_serve = arguments.get(1).is_some_and(|word| word == "serve");
    let lacks = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(lacking)) => lacking.iter().any(|one| one == "<DIR>"),
        _ => false,
    };
    if !(is_serve && lacks) {
        return error;
    }
    let options = arguments.iter().filter_map(|word| {
        let option = word.to_str()?.strip_prefix("--")?;
        option.split('=').next().map(str::to_owned)
    });
    let sentence = advice::lacks_directory("serve", options);
    Cli::command().error(error.kind(), sentence)
}

/// The tools in this binary.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Boot machines over the network, with a directory as their root or as the configuration says.
    Serve(Box<ServeArgs>),
    /// Show the running server: interfaces, images, and machines with how far they have come.
    Status(StatusArgs),
    /// List the machines that the running server has heard of, or everything that happened to one.
    Machines(MachinesArgs),
    /// List the images of the running server.
    Images(ImagesArgs),
    /// Show which directory each image's root is and which machines still run from an earlier one; swap it, or go back.
    #[command(args_conflicts_with_subcommands = true)]
    Image(ImageArgs),
    /// Have a machine boot another image, next time only.
    #[command(after_help = BOOT_ONCE_EXAMPLES)]
    BootOnce(OrderArgs),
    /// Have a machine boot an image from now on.
    #[command(after_help = ASSIGN_EXAMPLES)]
    Assign(OrderArgs),
    /// Write everything about a machine's last boot into one file, for a bug report.
    Bundle(BundleArgs),
    /// Have the running server look at its configuration, roots and boot loaders now, and wait until it is done.
    Reload(ReloadArgs),
    /// Build the initrd for a root, as a file.
    Initrd(InitrdArgs),
    /// Build a unified kernel image of a root: kernel, initrd and command line as one file that firmware starts, signed with a key of your own.
    Uki(UkiArgs),
    /// Check whether machines will boot here: who answers on the network, what each firmware will do, and this host.
    Check(Box<CheckArgs>),
    /// Check the configuration, and show what each machine in it would boot.
    CheckConfig(CheckConfigArgs),
    /// Check whether a kernel has everything that an NFS root needs, built in or as a module.
    CheckKernel(CheckKernelArgs),
    /// Explain what the init would do with a kernel command line, and where each value comes from.
    Explain(ExplainArgs),
}

const CHECK_CONFIG_EXAMPLES: &str = "\
Examples:
  netroot check-config
  netroot check-config --config /srv/lab/netroot.toml

Reads the file and the *.toml files of conf.d beside it, as `netroot serve` does, and what was ordered from the state folder; a
running server is not asked.
Exits with 1 if anything is wrong, and names the file, the line and what was expected.";

/// The arguments of `netroot check-config`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_CONFIG_EXAMPLES)]
pub(crate) struct CheckConfigArgs {
    /// The main file.
    #[arg(long, value_name = "FILE", default_value = settings::CONFIG)]
    pub(crate) config: PathBuf,

    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECK_KERNEL_EXAMPLES: &str = "\
Examples:
  netroot check-kernel /srv/debian/boot/config-6.1.0-50-amd64
  netroot check-kernel /proc/config.gz

Exits with 1 if the kernel lacks something that a boot from NFS requires.";

/// The arguments of `netroot check-kernel`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_KERNEL_EXAMPLES)]
pub(crate) struct CheckKernelArgs {
    /// The kernel's configuration: a config-* file, or /proc/config.gz.
    pub(crate) file: PathBuf,

    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  netroot explain 'root=/dev/nfs ip=dhcp'
  netroot explain 'root=nfs:10.0.0.1:/srv/debian,vers=3 ip=10.0.0.7::10.0.0.1:255.255.255.0::eth0:off'
  netroot explain \"$(cat /proc/cmdline)\"

Exits with 1 if a parameter is invalid.";

/// The arguments of `netroot explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The command line, quoted.
    #[arg(value_name = "CMDLINE", allow_hyphen_values = true)]
    pub(crate) command_line: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::option_value::{AddressRange, ValueError};
    use crate::serve_options::OF_A_DIRECTORY;

    pub(crate) fn serve(arguments: &[&str]) -> Result<ServeArgs, clap::Error> {
        let all = ["netroot", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(all)?.command {
            Command::Serve(serve) => Ok(*serve),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn check(arguments: &[&str]) -> Result<CheckArgs, clap::Error> {
        let all = ["netroot", "check"].iter().chain(arguments);
        let all: Vec<OsString> = all.map(OsString::from).collect();
        match Cli::read(&all)?.command {
            Command::Check(check) => Ok(*check),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_needs_only_a_directory() {
        let args = serve(&["/srv/debian"]).unwrap();
        let options = &args.options;
        assert_eq!((options.http_port, options.nfs_port), (8069, 2049));
        assert_eq!(options.modules, "netboot");
        assert!(options.dhcp.is_empty() && !options.no_overlay && !args.json);
    }

    #[test]
    fn without_a_directory_the_configuration_says_everything_else() {
        let args = serve(&["--json", "--control", "/run/x"]).unwrap();
        assert!(args.dir.is_none() && args.config.is_none());
        assert!(
            serve(&["--config", "/srv/netroot.toml"])
                .unwrap()
                .config
                .is_some()
        );
        assert!(serve(&["/srv/debian", "--config", "/srv/netroot.toml"]).is_err());
        let own = ["help", "version", "dir", "config", "control", "json"];
        let serve_command = Cli::command();
        let serve_command = serve_command.find_subcommand("serve").unwrap();
        for argument in serve_command.get_arguments() {
            let name = argument.get_id().as_str();
            let of_a_directory = OF_A_DIRECTORY.contains(&name);
            assert!(of_a_directory != own.contains(&name), "{name}");
        }
        let error = serve(&["--append", "quiet"]).unwrap_err().to_string();
        assert!(error.contains("<DIR>"), "{error}");
    }

    #[test]
    fn options_without_a_directory_are_told_as_keys() {
        let words = [
            "netroot",
            "serve",
            "--state",
            "/x",
            "--nat",
            "--isolated=lab",
        ];
        let error = Cli::try_parse_from(words).unwrap_err();
        let words = words.map(OsString::from);
        let told = with_cure(error, &words).to_string();
        for part in [
            "--state and --nat and --isolated",
            "such as `netroot serve /srv/debian`",
            "(/etc/netroot/netroot.toml): state in [server] and nat = true and mode = \"isolated\"",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let words = ["netroot", "serve", "/srv/debian", "--nat"];
        let error = Cli::try_parse_from(words).unwrap_err();
        let told = with_cure(error, &words.map(OsString::from)).to_string();
        assert!(told.contains("--isolated"), "{told}");
    }

    #[test]
    fn a_range_is_two_addresses_in_order() {
        let range: AddressRange = "10.0.0.100-10.0.0.200".parse().unwrap();
        assert_eq!(range.last, Ipv4Addr::new(10, 0, 0, 200));
        assert_eq!(
            "10.0.0.100".parse::<AddressRange>(),
            Err(ValueError::NotARange)
        );
        assert_eq!(
            "10.0.0.9-x".parse::<AddressRange>(),
            Err(ValueError::NotARange)
        );
        let backwards = "10.0.0.9-10.0.0.1".parse::<AddressRange>().unwrap_err();
        assert_eq!(
            backwards.to_string(),
            "the range ends before it begins: 10.0.0.9 is above 10.0.0.1"
        );
    }

    #[test]
    fn a_range_behind_a_relay_has_a_prefix_and_perhaps_a_router() {
        let range = |text: &str| text.parse::<AddressRange>();
        for text in [
            "10.88.0.100-10.88.0.200/24",
            "10.88.0.100-10.88.0.200/255.255.255.0",
        ] {
            let range = range(text).unwrap();
            assert_eq!((range.length, range.router), (Some(24), None), "{text}");
        }
        let routed = range("10.88.0.100-10.88.0.200/24,router=10.88.0.254").unwrap();
        assert_eq!(routed.router, Some(Ipv4Addr::new(10, 88, 0, 254)));
        for (text, why) in [
            ("10.88.0.1-10.88.0.9/33", "not /33"),
            ("10.88.0.1-10.88.0.9/255.0.255.0", "not /255.0.255.0"),
            ("10.88.0.1-10.88.0.9/24,10.88.0.254", "not ,10.88.0.254"),
            ("10.88.0.1-10.88.0.9/24,router=x", "not ,router=x"),
            (
                "10.88.0.1-10.88.1.9/24",
                "10.88.0.1 and 10.88.1.9 are not in one network with a prefix of 24 bits",
            ),
        ] {
            let error = range(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let several = [
            "/srv",
            "--dhcp",
            "10.0.0.2-10.0.0.9",
            "--dhcp",
            "10.1.0.2-10.1.0.9/16",
        ];
        assert_eq!(serve(&several).unwrap().options.dhcp.len(), 2);
    }

    #[test]
    fn options_for_dhcp_require_the_option_dhcp() {
        assert!(serve(&["/srv", "--dhcp-anyway"]).is_err());
        assert!(serve(&["/srv", "--router", "10.0.0.1"]).is_err());
        let args = serve(&[
            "/srv",
            "--dhcp",
            "10.0.0.2-10.0.0.9",
            "--dns",
            "9.9.9.9",
            "--dns",
            "1.1.1.1",
        ]);
        assert_eq!(args.unwrap().options.dns.len(), 2);
    }

    #[test]
    fn a_lease_time_is_written_as_in_the_file() {
        let dhcp = ["/srv", "--dhcp", "10.0.0.2-10.0.0.9", "--lease-time"];
        let with = |time: &str| serve(&[&dhcp[..], &[time]].concat());
        for (time, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("1h", 3600),
            ("1d", 86400),
        ] {
            assert_eq!(
                with(time).unwrap().options.lease_time,
                Duration::from_secs(seconds)
            );
        }
        for (time, why) in [
            ("59", "expected a time from 1m to 366d"),
            ("never", "a number with a unit such as \"300ms\""),
            ("1w", "\"12h\" or \"1d\""),
            ("+5m", "expected seconds"),
        ] {
            let error = with(time).unwrap_err().to_string();
            assert!(error.contains(why), "{time}: {error}");
        }
        assert_eq!(
            serve(&dhcp[..3]).unwrap().options.lease_time,
            settings::LEASE_TIME
        );
    }

    #[test]
    fn ipv6_is_refused_with_one_sentence() {
        let dhcp = ["/srv", "--dhcp", "10.0.0.2-10.0.0.9"];
        for (option, value) in [
            ("--router", "2001:db8::1"),
            ("--dns", "2001:db8::1"),
            ("--allow", "2001:db8::/64"),
            ("--allow-only", "2001:db8::/64"),
            ("--nfsroot", "[2001:db8::1]:/srv/debian"),
        ] {
            let error = serve(&[&dhcp[..], &[option, value]].concat()).unwrap_err();
            let sentence = "expected an IPv4 address (IPv6 is not supported)";
            assert!(error.to_string().contains(sentence), "{error}");
        }
    }

    #[test]
    fn an_export_elsewhere_is_an_address_and_an_absolute_path() {
        assert!(serve(&["/srv", "--nfsroot", "10.0.0.5:/srv/debian,vers=3"]).is_ok());
        for wrong in ["10.0.0.5", "10.0.0.5:srv", "server:/srv", "10.0.0.5:/a b"] {
            assert!(serve(&["/srv", "--nfsroot", wrong]).is_err(), "{wrong}");
        }
        assert!(serve(&["/srv", "--append", "a\nb"]).is_err());
    }
}
