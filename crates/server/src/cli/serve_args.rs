//! The command line of `netroot serve`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::serve_options::{OF_A_DIRECTORY, ServeOptions};

const SERVE_EXAMPLES: &str = "\
Examples:
  netroot serve /srv/debian
      On the only interface that is up. Another machine (the router) gives addresses;
      netroot adds only what to boot (ProxyDHCP).
  netroot serve /srv/debian --interface eth1 --dhcp 10.0.0.100-10.0.0.200
      On a network of its own: netroot gives the addresses too.
  netroot serve /srv/debian --isolated eth1 --nat
      On a second card: a network of its own, from which machines reach the outside.
  netroot serve /srv/debian --interface eth0 --isolated eth1
      Two networks at once, each with its own way.
  netroot serve /srv/debian --dhcp 10.0.0.100-10.0.0.200 --dhcp 10.88.0.100-10.88.0.200/24
      The same, and for machines behind a relay in the network 10.88.0.0/24.
  netroot serve /srv/debian --allow 10.88.0.0/24
      The DHCP server gives addresses behind a relay, too: machines there may boot.
  netroot serve /srv/debian --append 'console=ttyS0'
      For machines with serial consoles.
  netroot serve /srv/debian --nfsroot 10.0.0.5:/srv/debian,vers=3
      Another server exports the root (perhaps writable); netroot does everything else.

Ports: UDP 67 and 4011 (DHCP, PXE), UDP 69 (TFTP), TCP 8069 (HTTP), TCP 2049 (NFS and MOUNT).
netroot never writes to the directory, and no machine can write through it. Started as root, it serves as
the user netroot, or as an unused number where there is no such user.";

/// The arguments of `netroot serve`; all have a default, the directory in the configuration.
#[derive(Debug, Clone, Args)]
#[command(after_help = SERVE_EXAMPLES)]
#[command(group = ArgGroup::new("of-a-directory").args(OF_A_DIRECTORY).multiple(true).requires("dir"))]
pub(crate) struct ServeArgs {
    /// The directory of the root file system, with its kernel and modules where its distribution has them [default: what the configuration says].
    pub(crate) dir: Option<PathBuf>,

    /// Serve what this file and the *.toml files of conf.d beside it say [default without a directory: /etc/netroot/netroot.toml].
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) config: Option<PathBuf>,

    /// What is served of it, and how.
    #[command(flatten)]
    pub(crate) options: ServeOptions,

    /// The Unix socket for `netroot status`, `reload` and the other commands [default: /run/netroot-server/control, or control in the state directory].
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,

    /// Log one JSON object per event instead of text (documented in EVENTS.md).
    #[arg(long)]
    pub(crate) json: bool,
}
