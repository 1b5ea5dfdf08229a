//! What the server answers, as far as the subcommands print it (`API.md`). Unknown members are ignored: the server may be newer.

use std::path::PathBuf;

use serde::Deserialize;

/// `/status`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) host: String,
    pub(crate) uptime_seconds: u64,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) warnings: Vec<Warning>,
    #[serde(default)]
    pub(crate) configuration: Option<String>,
}

/// An interface that is served.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Interface {
    pub(crate) interface: String,
    pub(crate) address: String,
    pub(crate) mode: String,
}

/// What the server has warned of.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Warning {
    pub(crate) time: String,
    pub(crate) text: String,
    pub(crate) count: u64,
}

/// `/images`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Images {
    pub(crate) images: Vec<Image>,
    /// An image's name, or what machines do that nothing else is for.
    #[serde(default)]
    pub(crate) default: String,
    /// The file of the roots that were exchanged.
    #[serde(default)]
    pub(crate) swaps: Option<PathBuf>,
}

/// An image.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) kernel: Option<String>,
    pub(crate) source: Option<String>,
    /// The root that the server exports.
    #[serde(default)]
    pub(crate) root: Option<Root>,
}

/// The root of an image.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Root {
    pub(crate) configured: PathBuf,
    #[serde(flatten)]
    pub(crate) now: Tree,
    /// Those that cannot be served, the latest first.
    #[serde(default)]
    pub(crate) unserved: Vec<Tree>,
    pub(crate) before: Vec<Tree>,
}

/// A directory that is or was a root.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tree {
    pub(crate) tree: Option<u32>,
    pub(crate) directory: PathBuf,
    pub(crate) served: bool,
    #[serde(default)]
    pub(crate) let_go: bool,
    pub(crate) machines: Vec<Runner>,
}

/// A machine that runs from it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Runner {
    pub(crate) address: String,
    pub(crate) name: Option<String>,
    pub(crate) idle_seconds: f64,
}

/// `/machines`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Machines {
    pub(crate) machines: Vec<Machine>,
}

/// A machine in short.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Machine {
    pub(crate) mac: Option<String>,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) order: Option<Order>,
    #[serde(default)]
    pub(crate) configured: Option<Configured>,
    #[serde(default)]
    pub(crate) adopt: Option<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) firmware: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) state: String,
    pub(crate) stage: Option<String>,
    pub(crate) cause: Option<Cause>,
    pub(crate) last_seen_seconds: Option<f64>,
}

impl Machine {
    /// So many seconds have passed.
    pub(crate) fn age(&mut self, seconds: f64) {
        self.last_seen_seconds = self.last_seen_seconds.map(|age| age + seconds);
    }
}

/// What a machine is ordered to boot.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Order {
    pub(crate) once: Option<String>,
    pub(crate) image: Option<String>,
}

/// What the configuration gives a machine.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Configured {
    pub(crate) address: Option<String>,
    pub(crate) boot: Option<String>,
}

/// Why a boot failed or stopped.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cause {
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) cures: Vec<Cure>,
}

/// What to change in a product.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cure {
    pub(crate) product: String,
    pub(crate) place: String,
    pub(crate) steps: Vec<CureStep>,
}

/// One step of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CureStep {
    pub(crate) action: String,
    pub(crate) text: String,
}

/// `/machines/MACHINE`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct History {
    pub(crate) mac: String,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) order: Option<Order>,
    #[serde(default)]
    pub(crate) configured: Option<Configured>,
    #[serde(default)]
    pub(crate) adopt: Option<String>,
    #[serde(default)]
    pub(crate) secure_boot: Option<SecureBoot>,
    pub(crate) uuid: Option<String>,
    pub(crate) other_macs: Vec<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) firmware: Option<String>,
    pub(crate) last_seen_seconds: Option<f64>,
    pub(crate) boots: Vec<Boot>,
}

/// What is known of a machine's Secure Boot.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SecureBoot {
    pub(crate) starts: Option<String>,
    pub(crate) reported: Option<ReportedSecureBoot>,
}

/// What its firmware says of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedSecureBoot {
    pub(crate) enforcing: bool,
    pub(crate) authorities: Vec<String>,
}

/// A boot.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Boot {
    pub(crate) number: u64,
    pub(crate) started: String,
    pub(crate) seconds: f64,
    pub(crate) outcome: String,
    pub(crate) image: Option<String>,
    pub(crate) why: Option<String>,
    pub(crate) cause: Option<Cause>,
    #[serde(default)]
    pub(crate) note: Option<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) steps_left_out: u32,
    #[serde(default)]
    pub(crate) nfs_calls: u64,
    pub(crate) nfs_bytes: u64,
    #[serde(default)]
    pub(crate) nfs_boot_calls: u64,
    #[serde(default)]
    pub(crate) nfs_boot_bytes: u64,
}

/// What happened in it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    pub(crate) at: f64,
    pub(crate) count: u32,
    pub(crate) text: String,
}

/// The answer to who has a machine's Secure Boot forgotten.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Forgotten {
    pub(crate) mac: String,
    pub(crate) was_known: bool,
}

/// The answer to an order.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ordered {
    pub(crate) mac: String,
    pub(crate) name: Option<String>,
    pub(crate) order: Order,
}
