//! `netroot machines`: the list of them, and one of them ([`super::timeline`]).

use anyhow::Result;
use clap::Args;

use crate::client::answers::{Forgotten, History, Machine, Machines, Status};
use crate::client::ask::{ServerArgs, path_of, print_json};
use crate::client::table::{Column, table};
use crate::client::terminal::{Line, Screen, Tone, ago, print, shown};
use crate::client::timeline::timeline;
use crate::client::wording::{UNSEEN, orders, tone_of, words};

/// The arguments of `netroot machines`.
#[derive(Debug, Clone, Args)]
#[command(after_help = MACHINES_EXAMPLES)]
pub(crate) struct MachinesArgs {
    /// Only this machine, with everything that happened in its last boots: its hardware address, its address, or its
    /// name in the configuration.
    #[arg(value_name = "MACHINE")]
    pub(crate) machine: Option<String>,

    /// Forget what is known of this machine's Secure Boot, after its firmware was set up anew: its next boot is tried with iPXE again.
    #[arg(long, requires = "machine")]
    pub(crate) forget_secure_boot: bool,

    /// Print the server's JSON (API.md) instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const MACHINES_EXAMPLES: &str = "\
Examples:
  netroot machines                          every machine that was heard of, and those of the configuration that were not
  netroot machines 52:54:00:12:34:56        what happened to one, step by step, and why it stopped
  netroot machines lab-1 --json | jq .boots[-1].cause
  netroot machines lab-1 --forget-secure-boot    Secure Boot was switched off in its firmware";

/// Prints the machines, or one of them.
///
/// # Errors
/// What the server refuses.
pub(crate) fn machines(args: &MachinesArgs) -> Result<()> {
    let path = match &args.machine {
        Some(machine) => path_of(machine),
        None => "/machines".to_owned(),
    };
    if args.forget_secure_boot {
        return forget_secure_boot(args, &(path + "/secure-boot"));
    }
    if args.json {
        return print_json(&args.server, &path);
    }
    let screen = Screen::of_stdout();
    let lines = match &args.machine {
        Some(_) => {
            let status: Status = args.server.json("GET", "/status", None)?;
            let machine: History = args.server.json("GET", &path, None)?;
            timeline(&machine, status.configuration.as_deref())
        }
        None => {
            let all: Machines = args.server.json("GET", &path, None)?;
            match all.machines.is_empty() {
                true => vec![Line::words(
                    0,
                    Tone::Plain,
                    "no machine has asked to boot since the server started",
                )],
                false => list(&all.machines, screen),
            }
        }
    };
    Ok(print(&lines, screen)?)
}

fn forget_secure_boot(args: &MachinesArgs, path: &str) -> Result<()> {
    if args.json {
        let answer: serde_json::Value = args.server.json("DELETE", path, None)?;
        println!("{}", crate::json::to_string(&answer)?);
        return Ok(());
    }
    let Forgotten { mac, was_known } = args.server.json("DELETE", path, None)?;
    let mac = shown(&mac);
    match was_known {
        true => println!("what was known of the Secure Boot of {mac} is forgotten"),
        false => println!("nothing was known of the Secure Boot of {mac}"),
    }
    Ok(())
}

/// A line for each machine, and below it why it stopped; at the end how the unknown ones are adopted.
pub(crate) fn list(machines: &[Machine], screen: Screen) -> Vec<Line> {
    let mut lines = rows(machines, screen);
    if machines.iter().any(is_unknown) {
        let how =
            "unknown: not in the configuration; netroot machines MAC has the lines that adopt one";
        lines.push(Line::words(2, Tone::Soft, how));
    }
    lines
}

fn is_unknown(machine: &Machine) -> bool {
    machine.adopt.is_some()
}

/// Of each machine.
const COLUMNS: [Column; 8] = [
    // Its name, or its hardware address.
    Column::needed(0),
    // Its hardware address beside its name.
    Column::detail(6),
    // Its address.
    Column::detail(4),
    // Its image.
    Column::needed(2),
    // Its state.
    Column::needed(1),
    // When it was heard of.
    Column::detail(5),
    // Its firmware.
    Column::detail(7),
    // That it is unknown, and its orders.
    Column::needed(3),
];

/// A line for each machine, and below it why it stopped.
pub(crate) fn rows(machines: &[Machine], screen: Screen) -> Vec<Line> {
    let of = |text: &Option<String>| text.as_deref().map(shown).unwrap_or_default();
    let row = |machine: &Machine| {
        let (tone, state) = state(machine);
        let configured = machine.configured.as_ref();
        // Of one that did not come yet, what it will have.
        let (address, image) = match (machine.state.as_str(), configured) {
            (UNSEEN, Some(configured)) => (of(&configured.address), of(&configured.boot)),
            _ => (
                machine
                    .addresses
                    .first()
                    .map(|it| shown(it))
                    .unwrap_or_default(),
                of(&machine.image),
            ),
        };
        let (name, mac) = match &machine.name {
            Some(name) => (shown(name), of(&machine.mac)),
            None => (of(&machine.mac), String::new()),
        };
        [
            (Tone::Plain, name),
            (Tone::Soft, mac),
            (Tone::Plain, address),
            (Tone::Plain, image),
            (tone, state),
            (
                Tone::Soft,
                machine.last_seen_seconds.map(ago).unwrap_or_default(),
            ),
            (Tone::Soft, of(&machine.firmware)),
            (Tone::Busy, remarks(machine)),
        ]
    };
    let rows: Vec<_> = machines.iter().map(row).collect();
    let mut lines = Vec::new();
    for (machine, row) in machines.iter().zip(table(&COLUMNS, &rows, screen)) {
        lines.extend(row.into_iter().map(Line::Row));
        if let Some(cause) = &machine.cause {
            lines.push(Line::words(6, Tone::Bad, shown(&cause.text)));
        }
    }
    lines
}

/// That it is unknown, and what it is ordered to boot.
fn remarks(machine: &Machine) -> String {
    let unknown = is_unknown(machine).then(|| "unknown".to_owned());
    let ordered = machine.order.as_ref().map(orders).unwrap_or_default();
    let remarks: Vec<String> = unknown.into_iter().chain(ordered).collect();
    remarks.join(", ")
}

fn state(machine: &Machine) -> (Tone, String) {
    let tone = tone_of(&machine.state);
    let on_its_way = matches!(machine.state.as_str(), "booting" | "failed" | "stopped");
    let text = match machine.stage.as_deref().filter(|_| on_its_way) {
        Some(stage) => format!("{} ({})", words(&machine.state), shown(stage)),
        None => words(&machine.state),
    };
    (tone, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::terminal::tests::text;

    fn machine(state: &str, more: serde_json::Value) -> Machine {
        let mut json = serde_json::json!({
            "mac": "52:54:00:12:34:56", "name": null, "addresses": ["10.0.0.7"],
            "firmware": "UEFI x64 PXE", "image": "debian", "state": state, "stage": "kernel",
            "cause": null, "last_seen_seconds": 12.3, "order": { "once": "rescue", "image": null },
            "something": "new",
        });
        for (name, value) in more.as_object().unwrap() {
            json[name] = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_list_has_a_line_for_each_machine_and_what_stopped_it() {
        let cause = serde_json::json!({ "kind": "x", "text": "nothing was heard\u{1b}[2J of it" });
        let machines = [
            machine("stopped", serde_json::json!({ "cause": cause })),
            machine("running", serde_json::json!({})),
        ];
        assert_eq!(
            text(&list(&machines, Screen::PLAIN)),
            [
                "  52:54:00:12:34:56  10.0.0.7  debian  stopped (kernel)  12 s ago  UEFI x64 PXE  boots rescue next time only",
                "      nothing was heard\\u{1b}[2J of it",
                "  52:54:00:12:34:56  10.0.0.7  debian  running           12 s ago  UEFI x64 PXE  boots rescue next time only",
            ]
        );
    }

    #[test]
    fn a_list_says_who_is_unknown_and_who_is_awaited_and_how_one_is_adopted_is_said_once() {
        let no_order = serde_json::json!({ "once": null, "image": null });
        let refused = || {
            machine(
                "refused",
                serde_json::json!({
                    "order": no_order, "image": null, "stage": "discover",
                    "note": "boots no image: the default refuses it",
                    "adopt": "[machine.pc1]\nmac = \"52:54:00:12:34:56\"\n",
                }),
            )
        };
        let machines = [
            refused(),
            refused(),
            machine(
                "unseen",
                serde_json::json!({
                    "mac": null, "name": "lab-2", "addresses": [], "firmware": null, "image": null, "stage": null,
                    "last_seen_seconds": null, "configured": { "address": "10.0.0.9", "boot": "menu" },
                    "order": no_order,
                }),
            ),
        ];
        assert_eq!(
            text(&list(&machines, Screen::PLAIN)),
            [
                "  52:54:00:12:34:56  10.0.0.7        refused           12 s ago  UEFI x64 PXE  unknown",
                "  52:54:00:12:34:56  10.0.0.7        refused           12 s ago  UEFI x64 PXE  unknown",
                "  lab-2              10.0.0.9  menu  not heard of yet",
                "  unknown: not in the configuration; netroot machines MAC has the lines that adopt one",
            ]
        );
    }
}
