//! `netroot machines` and `netroot images`: lists, and what happened to one machine.

use std::fmt::Write;

use anyhow::Result;
use clap::Args;

use crate::client::answers::{Boot, History, Image, Images, Machine, Machines, Order, Status};
use crate::client::ask::ServerArgs;
use crate::client::terminal::{Colours, Line, Tone, ago, columns, print, shown, span};

/// The arguments of `netroot machines`.
#[derive(Debug, Clone, Args)]
#[command(after_help = MACHINES_EXAMPLES)]
pub(crate) struct MachinesArgs {
    /// Only this machine, with everything that happened in its last boots: its hardware address, its address, or its
    /// name in the configuration.
    #[arg(value_name = "MACHINE")]
    pub(crate) machine: Option<String>,

    /// Print the server's JSON (API.md) instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// The arguments of `netroot images`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagesArgs {
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
  netroot machines lab-1 --json | jq .boots[-1].cause";

/// Prints the machines, or one of them.
///
/// # Errors
/// What the server refuses.
pub(crate) fn machines(args: &MachinesArgs) -> Result<()> {
    let path = match &args.machine {
        Some(machine) => path_of(machine),
        None => "/machines".to_owned(),
    };
    if args.json {
        return print_json(&args.server, &path);
    }
    let colours = Colours::of_stdout();
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
                false => list(&all.machines, colours),
            }
        }
    };
    Ok(print(&lines, colours)?)
}

/// Prints the images.
///
/// # Errors
/// What the server refuses.
pub(crate) fn images(args: &ImagesArgs) -> Result<()> {
    if args.json {
        return print_json(&args.server, "/images");
    }
    let all: Images = args.server.json("GET", "/images", None)?;
    let colours = Colours::of_stdout();
    Ok(print(&image_list(&all, colours), colours)?)
}

/// Prints the server's answer as it is.
pub(crate) fn print_json(server: &ServerArgs, path: &str) -> Result<()> {
    let value: serde_json::Value = server.json("GET", path, None)?;
    println!("{}", crate::json::to_string(&value)?);
    Ok(())
}

/// The path of a machine, however it is named.
pub(crate) fn path_of(machine: &str) -> String {
    let mut path = "/machines/".to_owned();
    for byte in machine.bytes() {
        match byte {
            b':' | b'-' | b'.' | b'_' => path.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            // Writing to a `String` cannot fail.
            byte => drop(write!(path, "%{byte:02x}")),
        }
    }
    path
}

pub(crate) fn image_list(images: &Images, colours: Colours) -> Vec<Line> {
    let is_default = |image: &Image| image.name == images.default;
    let row = |image: &Image| {
        let title = match image.title == image.name {
            true => String::new(),
            false => shown(&image.title),
        };
        let default = match is_default(image) {
            true => "default",
            false => "",
        };
        vec![
            (Tone::Plain, shown(&image.name)),
            (Tone::Plain, title),
            (Tone::Soft, shown(&image.kind)),
            (
                Tone::Plain,
                image.kernel.as_deref().map(shown).unwrap_or_default(),
            ),
            (
                Tone::Soft,
                image.source.as_deref().map(shown).unwrap_or_default(),
            ),
            (Tone::Good, default.to_owned()),
        ]
    };
    let rows = columns(&images.images.iter().map(row).collect::<Vec<_>>(), colours);
    let mut lines: Vec<Line> = rows.into_iter().map(Line::Row).collect();
    if !images.images.iter().any(is_default) && !images.default.is_empty() {
        let other = format!(
            "machines that nothing else is for: {}",
            shown(&images.default)
        );
        lines.push(Line::words(2, Tone::Soft, other));
    }
    lines
}

/// A line for each machine, and below it why it stopped; at the end how the unknown ones are adopted.
pub(crate) fn list(machines: &[Machine], colours: Colours) -> Vec<Line> {
    let mut lines = rows(machines, colours);
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

/// A line for each machine, and below it why it stopped.
pub(crate) fn rows(machines: &[Machine], colours: Colours) -> Vec<Line> {
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
        vec![
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
    for (machine, line) in machines.iter().zip(columns(&rows, colours)) {
        lines.push(Line::Row(line));
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

/// The lines that adopt a machine.
fn adopting(adopt: Option<&str>, file: Option<&str>) -> Vec<Line> {
    let Some(adopt) = adopt else {
        return Vec::new();
    };
    let file = file.map_or_else(|| "the configuration".to_owned(), shown);
    let what = format!("not in the configuration; these lines at the end of {file} adopt it:");
    let mut lines = vec![Line::words(6, Tone::Soft, what)];
    lines.extend(
        adopt
            .lines()
            .map(|line| Line::Row(format!("        {}", shown(line)))),
    );
    lines
}

/// What is ordered, in words.
pub(crate) fn orders(order: &Order) -> Vec<String> {
    let once = order.once.as_deref();
    let once = once.map(|image| format!("boots {} next time only", shown(image)));
    let image = order.image.as_deref();
    let image = image.map(|image| format!("is assigned {}", shown(image)));
    once.into_iter().chain(image).collect()
}

/// The state of a machine that was not heard of.
pub(super) const UNSEEN: &str = "unseen";

fn tone_of(state: &str) -> Tone {
    match state {
        "running" | "handed-over" => Tone::Good,
        "booting" | "waiting" | "menu" => Tone::Busy,
        "failed" | "stopped" => Tone::Bad,
        _ => Tone::Soft,
    }
}

/// The state in words.
fn words(state: &str) -> String {
    match state {
        "handed-over" => "handed over".to_owned(),
        "menu" => "in the menu".to_owned(),
        UNSEEN => "not heard of yet".to_owned(),
        other => shown(other),
    }
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

/// What happened to a machine. `file` is the configuration's.
fn timeline(machine: &History, file: Option<&str>) -> Vec<Line> {
    let mut facts = vec![shown(&machine.mac)];
    facts.extend(machine.name.as_deref().map(shown));
    facts.extend(machine.addresses.iter().map(|it| shown(it)));
    facts.extend(machine.firmware.as_deref().map(shown));
    facts.push(match machine.last_seen_seconds {
        Some(seconds) => format!("last seen {}", ago(seconds)),
        None => words(UNSEEN),
    });
    let mut lines = vec![Line::words(0, Tone::Plain, facts.join(", "))];
    let mut line = |tone, line: &str| lines.push(Line::words(0, tone, line));
    if let Some(uuid) = &machine.uuid {
        line(Tone::Soft, &format!("UUID {}", shown(uuid)));
    }
    if !machine.other_macs.is_empty() {
        let others: Vec<String> = machine.other_macs.iter().map(|it| shown(it)).collect();
        line(Tone::Soft, &format!("other NICs: {}", others.join(", ")));
    }
    let configured = machine.configured.clone().unwrap_or_default();
    if let Some(address) = &configured.address {
        line(Tone::Soft, &format!("{} is kept for it", shown(address)));
    }
    if let Some(boot) = &configured.boot {
        line(
            Tone::Soft,
            &format!("its entry says: boot = \"{}\"", shown(boot)),
        );
    }
    for order in machine.order.as_ref().map(orders).unwrap_or_default() {
        line(Tone::Busy, &order);
    }
    lines.extend(adopting(machine.adopt.as_deref(), file));
    for boot in &machine.boots {
        lines.push(Line::EMPTY);
        lines.extend(one_boot(boot));
    }
    lines
}

fn one_boot(boot: &Boot) -> Vec<Line> {
    let image = match (&boot.image, &boot.why) {
        (Some(image), Some(why)) => format!(", {} ({})", shown(image), shown(why)),
        (Some(image), None) => format!(", {}", shown(image)),
        (None, _) => String::new(),
    };
    let mut lines = vec![Line::words(
        0,
        tone_of(&boot.outcome),
        format!(
            "boot {} at {}{image}: {} after {}",
            boot.number,
            local(&boot.started),
            words(&boot.outcome),
            span(boot.seconds)
        ),
    )];
    let mut soft = |text: String| lines.push(Line::Row(text));
    for step in &boot.steps {
        let times = match step.count {
            0 | 1 => String::new(),
            count => format!(" ({count} times)"),
        };
        soft(format!("{:>9.1} s  {}{times}", step.at, shown(&step.text)));
    }
    if boot.steps_left_out > 0 {
        soft(format!(
            "           {} more steps are not kept",
            boot.steps_left_out
        ));
    }
    if boot.nfs_bytes > 0 {
        let megabytes = boot.nfs_bytes / 1_000_000;
        soft(format!("           has read {megabytes} MB of its root"));
    }
    if let Some(note) = &boot.note {
        lines.push(Line::words(2, Tone::Plain, shown(note)));
    }
    if let Some(cause) = &boot.cause {
        lines.push(Line::words(2, Tone::Bad, shown(&cause.text)));
        for cure in &cause.cures {
            let product = format!("{} ({})", shown(&cure.product), shown(&cure.place));
            lines.push(Line::words(4, Tone::Plain, product));
            for step in &cure.steps {
                let action = match step.action.as_str() {
                    "do" => String::new(),
                    action => format!("{:<8}", shown(action)),
                };
                lines.push(Line::Row(format!("      {action}{}", shown(&step.text))));
            }
        }
    }
    lines
}

/// A UTC time as the clock here shows it.
pub(crate) fn local(utc: &str) -> String {
    match utc.parse::<jiff::Timestamp>() {
        Ok(time) => time
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => shown(utc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// The lines, without colours.
    fn text(lines: &[Line]) -> Vec<String> {
        let lines = lines.iter();
        lines
            .flat_map(|line| line.text(None, Colours::NONE))
            .collect()
    }

    #[test]
    fn a_list_has_a_line_for_each_machine_and_what_stopped_it() {
        let cause = serde_json::json!({ "kind": "x", "text": "nothing was heard\u{1b}[2J of it" });
        let machines = [
            machine("stopped", serde_json::json!({ "cause": cause })),
            machine("running", serde_json::json!({})),
        ];
        assert_eq!(
            text(&list(&machines, Colours::NONE)),
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
            text(&list(&machines, Colours::NONE)),
            [
                "  52:54:00:12:34:56  10.0.0.7        refused           12 s ago  UEFI x64 PXE  unknown",
                "  52:54:00:12:34:56  10.0.0.7        refused           12 s ago  UEFI x64 PXE  unknown",
                "  lab-2              10.0.0.9  menu  not heard of yet",
                "  unknown: not in the configuration; netroot machines MAC has the lines that adopt one",
            ]
        );
        assert_eq!(
            text(&adopting(
                machines[0].adopt.as_deref(),
                Some("/etc/netroot/netroot.toml")
            )),
            [
                "      not in the configuration; these lines at the end of /etc/netroot/netroot.toml adopt it:",
                "        [machine.pc1]",
                "        mac = \"52:54:00:12:34:56\"",
            ]
        );
    }

    #[test]
    fn the_default_is_marked_among_the_images() {
        let images = |default: &str| -> Images {
            let json = serde_json::json!({ "default": default, "images": [
                { "name": "debian", "title": "debian", "kind": "root", "kernel": "6.1", "source": null },
                { "name": "disk", "title": "Own disk", "kind": "local-disk", "kernel": null, "source": null },
            ]});
            serde_json::from_value(json).unwrap()
        };
        assert_eq!(
            text(&image_list(&images("debian"), Colours::NONE)),
            [
                "  debian            root        6.1  default",
                "  disk    Own disk  local-disk",
            ]
        );
        let menu = text(&image_list(&images("menu"), Colours::NONE));
        assert_eq!(menu[2], "  machines that nothing else is for: menu");
    }

    #[test]
    fn a_timeline_has_every_step_of_every_boot() {
        let json = serde_json::json!({
            "mac": "52:54:00:12:34:56", "name": "lab-1", "uuid": null, "other_macs": [],
            "addresses": ["10.0.0.7"], "firmware": "BIOS PXE", "last_seen_seconds": 100.0,
            "configured": { "address": "10.0.0.7", "boot": null },
            "boots": [{
                "number": 3, "started": "x", "seconds": 24.06, "outcome": "failed",
                "image": "debian", "why": "the default",
                "cause": { "text": "no root", "cures": [{ "product": "dnsmasq", "place": "/etc/dnsmasq.conf",
                    "steps": [{ "action": "remove", "text": "dhcp-option=60,PXEClient" }] }] },
                "steps": [{ "at": 0.0, "count": 2, "text": "asks for an address" }],
                "steps_left_out": 1, "nfs_bytes": 2_500_000,
            }],
        });
        let lines = timeline(&serde_json::from_value(json).unwrap(), None);
        assert_eq!(
            text(&lines),
            [
                "52:54:00:12:34:56, lab-1, 10.0.0.7, BIOS PXE, last seen 2 min ago",
                "10.0.0.7 is kept for it",
                "",
                "boot 3 at x, debian (the default): failed after 24 s",
                "      0.0 s  asks for an address (2 times)",
                "           1 more steps are not kept",
                "           has read 2 MB of its root",
                "  no root",
                "    dnsmasq (/etc/dnsmasq.conf)",
                "      remove  dhcp-option=60,PXEClient",
            ]
        );
    }

    #[test]
    fn every_name_is_one_part_of_a_path() {
        assert_eq!(path_of("52:54:00:12:34:56"), "/machines/52:54:00:12:34:56");
        assert_eq!(path_of("a/b c"), "/machines/a%2fb%20c");
    }
}
