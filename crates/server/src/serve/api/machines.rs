//! Machines as they are shown: what happened to them, and for who may know it what is configured and ordered for them. Those that
//! have not been heard of are shown to the same.

use std::collections::BTreeSet;

use netroot_net::Mac;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::to_json;
use super::orders::{self, ShownOrder};
use super::sources::Sources;
use crate::serve::history::{MachineSummary, UNSEEN};
use crate::serve::machines::secure_boot::Starts;
use crate::serve::reported_secure_boot::ReportedSecureBoot;
use crate::settings::MachineSettings;

#[derive(Serialize)]
struct Shown<M> {
    /// The name that it is configured with.
    name: Option<String>,
    /// What is known of its Secure Boot.
    secure_boot: Option<ShownSecureBoot>,
    #[serde(flatten)]
    private: Option<Private>,
    #[serde(flatten)]
    machine: M,
}

/// What is known of a machine's Secure Boot, over restarts of the server.
#[derive(Serialize)]
struct ShownSecureBoot {
    /// What it starts, if a boot showed it.
    starts: Option<Starts>,
    /// What its init reported last.
    reported: Option<ReportedSecureBoot>,
}

/// What not everybody may know.
#[derive(Serialize)]
struct Private {
    /// What it boots next.
    order: ShownOrder,
    /// What its entry in the configuration gives it; `None` without one.
    configured: Option<Configured>,
    /// What would put it into the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    adopt: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Configured {
    /// The address that is kept for it.
    address: Option<String>,
    /// An image's name, or `menu`, `wait`, `refuse`; `None` for what the rules say.
    boot: Option<String>,
}

/// A machine of which nothing has been heard, with the members of one that was.
#[derive(Serialize)]
struct Unseen {
    mac: Option<String>,
    addresses: [String; 0],
    firmware: Option<String>,
    image: Option<String>,
    state: &'static str,
    stage: Option<String>,
    started: Option<String>,
    seconds: Option<f64>,
    cause: Option<Value>,
    note: Option<String>,
    last_seen: Option<String>,
    last_seen_seconds: Option<f64>,
    boot_count: u64,
}

/// All of them: the one that was heard of last first, those that were not heard of at the end.
pub(super) fn all(sources: &Sources, may_order: bool) -> String {
    let heard = sources.history.summaries();
    let mut names = BTreeSet::new();
    let mut macs = BTreeSet::new();
    let mut machines: Vec<Value> = Vec::with_capacity(heard.len());
    for machine in heard {
        names.extend(name_of(sources, machine.address));
        macs.insert(machine.address);
        machines.push(json!(shown_summary(sources, machine, may_order)));
    }
    if may_order {
        let catalog = sources.artifacts.catalog();
        for machine in catalog.machines() {
            macs.extend(machine.macs.iter().copied());
            if !names.contains(&machine.name) {
                let mac = machine.macs.first().copied();
                machines.push(json!(unseen(sources, mac, Some(machine))));
            }
        }
        let ordered = sources.timeline.machines().orders().machines();
        for mac in ordered.into_iter().filter(|mac| !macs.contains(mac)) {
            machines.push(json!(unseen(sources, Some(mac), None)));
        }
    }
    to_json(&json!({ "machines": machines }))
}

/// One of them in short. One that was not heard of is shown if something is configured or ordered for it.
pub(super) fn summary(sources: &Sources, mac: Mac, may_order: bool) -> Option<String> {
    match sources.history.summary(mac) {
        Some(machine) => Some(to_json(&shown_summary(sources, machine, may_order))),
        None if may_order => Some(to_json(&expected(sources, mac)?)),
        None => None,
    }
}

/// One of them with its boots.
pub(super) fn one(sources: &Sources, mac: Mac, may_order: bool) -> Option<String> {
    let listeners = sources.status.listeners();
    let Some(machine) = sources.history.machine(mac, &listeners) else {
        let mut machine = json!(may_order.then(|| expected(sources, mac)).flatten()?);
        let more = json!({
            "uuid": null, "other_macs": [], "first_seen": null, "transfers": 0, "boots": [],
        });
        if let (Some(machine), Value::Object(more)) = (machine.as_object_mut(), more) {
            machine.extend(more);
        }
        return Some(to_json(&machine));
    };
    let image = machine.image.clone();
    let private = may_order.then(|| {
        let adopt = sources.artifacts.place().is_some();
        private(sources, mac, adopt, image.as_deref())
    });
    let shown = Shown {
        name: name_of(sources, mac),
        secure_boot: secure_boot(sources, mac),
        private,
        machine,
    };
    Some(to_json(&shown))
}

/// The name that a machine is configured with.
pub(super) fn name_of(sources: &Sources, mac: Mac) -> Option<String> {
    let known = sources.timeline.machines().known(Some(mac));
    let catalog = sources.artifacts.catalog();
    catalog.machine(&known).map(|machine| machine.name.clone())
}

fn shown_summary(
    sources: &Sources,
    machine: MachineSummary,
    may_order: bool,
) -> Shown<MachineSummary> {
    let mac = machine.address;
    // Where every machine boots the same image, nobody misses it in the configuration.
    let has_machines = !sources.artifacts.catalog().machines().is_empty();
    let adopt = sources.artifacts.place().is_some() && (has_machines || machine.note.is_some());
    let image = machine.image.clone();
    Shown {
        name: name_of(sources, mac),
        secure_boot: secure_boot(sources, mac),
        private: may_order.then(|| private(sources, mac, adopt, image.as_deref())),
        machine,
    }
}

fn secure_boot(sources: &Sources, mac: Mac) -> Option<ShownSecureBoot> {
    let known = sources.timeline.machines().secure_boots().of(mac)?;
    Some(ShownSecureBoot {
        starts: known.starts,
        reported: known.reported,
    })
}

fn private(sources: &Sources, mac: Mac, adopt: bool, image: Option<&str>) -> Private {
    let machines = sources.timeline.machines();
    let catalog = sources.artifacts.catalog();
    let entry = catalog.machine(&machines.known(Some(mac)));
    Private {
        order: orders::shown(sources, mac),
        configured: entry.map(Configured::new),
        adopt: match adopt {
            true => machines.adopt(mac, image, &catalog),
            false => None,
        },
    }
}

/// A machine that was not heard of, and for which something is configured or ordered.
fn expected(sources: &Sources, mac: Mac) -> Option<Shown<Unseen>> {
    let catalog = sources.artifacts.catalog();
    let mut entries = catalog.machines().iter();
    let entry = entries.find(|machine| machine.macs.contains(&mac));
    let machines = sources.timeline.machines();
    let is_expected = entry.is_some() || machines.orders().machines().contains(&mac);
    is_expected.then(|| unseen(sources, Some(mac), entry))
}

fn unseen(sources: &Sources, mac: Option<Mac>, entry: Option<&MachineSettings>) -> Shown<Unseen> {
    let order = mac.map(|mac| orders::shown(sources, mac));
    Shown {
        name: entry.map(|entry| entry.name.clone()),
        secure_boot: mac.and_then(|mac| secure_boot(sources, mac)),
        private: Some(Private {
            order: order.unwrap_or_default(),
            configured: entry.map(Configured::new),
            adopt: None,
        }),
        machine: Unseen {
            mac: mac.map(|mac| mac.to_string()),
            addresses: [],
            firmware: None,
            image: None,
            state: UNSEEN,
            stage: None,
            started: None,
            seconds: None,
            cause: None,
            note: None,
            last_seen: None,
            last_seen_seconds: None,
            boot_count: 0,
        },
    }
}

impl Configured {
    fn new(entry: &MachineSettings) -> Self {
        Self {
            address: entry.address.map(|address| address.to_string()),
            boot: entry.choice.as_ref().map(ToString::to_string),
        }
    }
}
