//! `netroot machines` and `netroot images`: lists, and what happened to one machine.

use std::fmt::Write;

use anyhow::Result;
use clap::Args;

use crate::client::answers::{Boot, History, Image, Images, Machine, Machines, Order};
use crate::client::ask::ServerArgs;
use crate::client::terminal::{Colours, Tone, ago, columns, shown, span};

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
  netroot machines                          every machine that the running server has heard of
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
    match &args.machine {
        Some(_) => print!(
            "{}",
            timeline(&args.server.json("GET", &path, None)?, colours)
        ),
        None => {
            let all: Machines = args.server.json("GET", &path, None)?;
            if all.machines.is_empty() {
                println!("no machine has asked to boot since the server started");
            }
            for line in list(&all.machines, colours) {
                println!("{line}");
            }
        }
    }
    Ok(())
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
    for line in image_list(&all.images, Colours::of_stdout()) {
        println!("{line}");
    }
    Ok(())
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

pub(crate) fn image_list(images: &[Image], colours: Colours) -> Vec<String> {
    let row = |image: &Image| {
        let title = match image.title == image.name {
            true => String::new(),
            false => shown(&image.title),
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
        ]
    };
    columns(&images.iter().map(row).collect::<Vec<_>>(), colours)
}

/// One line for each machine, and below it why it stopped and what it boots next.
pub(crate) fn list(machines: &[Machine], colours: Colours) -> Vec<String> {
    let row = |machine: &Machine| {
        let (tone, state) = state(machine);
        vec![
            (
                Tone::Plain,
                shown(machine.name.as_deref().unwrap_or(&machine.mac)),
            ),
            (
                Tone::Soft,
                machine
                    .name
                    .as_ref()
                    .map(|_| shown(&machine.mac))
                    .unwrap_or_default(),
            ),
            (
                Tone::Plain,
                machine
                    .addresses
                    .first()
                    .map(|it| shown(it))
                    .unwrap_or_default(),
            ),
            (
                Tone::Plain,
                machine.image.as_deref().map(shown).unwrap_or_default(),
            ),
            (tone, state),
            (Tone::Soft, ago(machine.last_seen_seconds)),
            (
                Tone::Soft,
                machine.firmware.as_deref().map(shown).unwrap_or_default(),
            ),
        ]
    };
    let rows: Vec<_> = machines.iter().map(row).collect();
    let mut lines = Vec::new();
    for (machine, line) in machines.iter().zip(columns(&rows, colours)) {
        lines.push(line);
        if let Some(cause) = &machine.cause {
            lines.push(format!(
                "      {}",
                colours.paint(Tone::Bad, &shown(&cause.text))
            ));
        }
        let ordered = machine.order.as_ref().map(orders).unwrap_or_default();
        let ordered = ordered.into_iter().map(|it| format!("      {it}"));
        lines.extend(ordered);
    }
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

fn state(machine: &Machine) -> (Tone, String) {
    let tone = match machine.state.as_str() {
        "running" | "handed-over" => Tone::Good,
        "booting" => Tone::Busy,
        "failed" | "stopped" => Tone::Bad,
        _ => Tone::Soft,
    };
    let stage = machine.stage.as_deref().filter(|_| tone != Tone::Good);
    let text = match stage {
        Some(stage) => format!("{} ({})", shown(&machine.state), shown(stage)),
        None => shown(&machine.state),
    };
    (tone, text)
}

/// What happened to a machine.
fn timeline(machine: &History, colours: Colours) -> String {
    let mut facts = vec![shown(&machine.mac)];
    facts.extend(machine.name.as_deref().map(shown));
    facts.extend(machine.addresses.iter().map(|it| shown(it)));
    facts.extend(machine.firmware.as_deref().map(shown));
    facts.push(format!("last seen {}", ago(machine.last_seen_seconds)));
    let mut text = facts.join(", ") + "\n";
    let mut line = |tone, line: &str| text += &(colours.paint(tone, line) + "\n");
    if let Some(uuid) = &machine.uuid {
        line(Tone::Soft, &format!("UUID {}", shown(uuid)));
    }
    if !machine.other_macs.is_empty() {
        let others: Vec<String> = machine.other_macs.iter().map(|it| shown(it)).collect();
        line(Tone::Soft, &format!("other NICs: {}", others.join(", ")));
    }
    for order in machine.order.as_ref().map(orders).unwrap_or_default() {
        line(Tone::Busy, &order);
    }
    if let Some(adopt) = &machine.adopt {
        line(
            Tone::Soft,
            "not in the configuration; a drop-in in conf.d with these lines adopts it:",
        );
        for one in adopt.lines() {
            line(Tone::Plain, &format!("    {}", shown(one)));
        }
    }
    for boot in &machine.boots {
        text += "\n";
        text += &one_boot(boot, colours);
    }
    text
}

fn one_boot(boot: &Boot, colours: Colours) -> String {
    let tone = match boot.outcome.as_str() {
        "running" | "handed-over" => Tone::Good,
        "booting" => Tone::Busy,
        _ => Tone::Bad,
    };
    let image = match (&boot.image, &boot.why) {
        (Some(image), Some(why)) => format!(", {} ({})", shown(image), shown(why)),
        (Some(image), None) => format!(", {}", shown(image)),
        (None, _) => String::new(),
    };
    let outcome = colours.paint(tone, &shown(&boot.outcome));
    let mut text = format!(
        "boot {} at {}{image}: {outcome} after {}\n",
        boot.number,
        local(&boot.started),
        span(boot.seconds)
    );
    for step in &boot.steps {
        let times = match step.count {
            0 | 1 => String::new(),
            count => format!(" ({count} times)"),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{:>9.1} s  {}{times}", step.at, shown(&step.text));
    }
    if boot.steps_left_out > 0 {
        let _ = writeln!(
            text,
            "           {} more steps are not kept",
            boot.steps_left_out
        );
    }
    if boot.nfs_bytes > 0 {
        let megabytes = boot.nfs_bytes / 1_000_000;
        let _ = writeln!(text, "           has read {megabytes} MB of its root");
    }
    if let Some(cause) = &boot.cause {
        let _ = writeln!(text, "  {}", colours.paint(Tone::Bad, &shown(&cause.text)));
    }
    text
}

/// A UTC time as the clock here shows it.
fn local(utc: &str) -> String {
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

    fn machine(state: &str, cause: Option<&str>) -> Machine {
        let json = serde_json::json!({
            "mac": "52:54:00:12:34:56", "name": null, "addresses": ["10.0.0.7"],
            "firmware": "UEFI x64 PXE", "image": "debian", "state": state, "stage": "kernel",
            "cause": cause.map(|text| serde_json::json!({ "kind": "x", "text": text })),
            "last_seen_seconds": 12.3, "order": { "once": "rescue", "image": null },
            "something": "new",
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_list_has_a_line_for_each_machine_and_what_stopped_it() {
        let machines = [
            machine("stopped", Some("nothing was heard\u{1b}[2J of it")),
            machine("running", None),
        ];
        let lines = list(&machines, Colours::NONE);
        assert_eq!(
            lines,
            [
                "  52:54:00:12:34:56  10.0.0.7  debian  stopped (kernel)  12 s ago  UEFI x64 PXE",
                "      nothing was heard\\u{1b}[2J of it",
                "      boots rescue next time only",
                "  52:54:00:12:34:56  10.0.0.7  debian  running           12 s ago  UEFI x64 PXE",
                "      boots rescue next time only",
            ]
        );
    }

    #[test]
    fn a_timeline_has_every_step_of_every_boot() {
        let json = serde_json::json!({
            "mac": "52:54:00:12:34:56", "name": "lab-1", "uuid": null, "other_macs": [],
            "addresses": ["10.0.0.7"], "firmware": "BIOS PXE", "last_seen_seconds": 100.0,
            "boots": [{
                "number": 3, "started": "x", "seconds": 24.06, "outcome": "failed",
                "image": "debian", "why": "the default", "cause": { "text": "no root" },
                "steps": [{ "at": 0.0, "count": 2, "text": "asks for an address" }],
                "steps_left_out": 1, "nfs_bytes": 2_500_000,
            }],
        });
        let text = timeline(&serde_json::from_value(json).unwrap(), Colours::NONE);
        assert_eq!(
            text,
            "52:54:00:12:34:56, lab-1, 10.0.0.7, BIOS PXE, last seen 2 min ago\n\n\
             boot 3 at x, debian (the default): failed after 24 s\n\
             \u{20}     0.0 s  asks for an address (2 times)\n\
             \u{20}          1 more steps are not kept\n\
             \u{20}          has read 2 MB of its root\n\
             \u{20} no root\n"
        );
    }

    #[test]
    fn every_name_is_one_part_of_a_path() {
        assert_eq!(path_of("52:54:00:12:34:56"), "/machines/52:54:00:12:34:56");
        assert_eq!(path_of("a/b c"), "/machines/a%2fb%20c");
    }
}
