//! `netroot machines MACHINE`: what happened to one machine, step by step.

use crate::client::answers::{Boot, History, SecureBoot};
use crate::client::terminal::{Line, Tone, ago, local, shown, span};
use crate::client::wording::{UNSEEN, orders, tone_of, words};

/// What happened to a machine. `file` is the configuration's.
pub(super) fn timeline(machine: &History, file: Option<&str>) -> Vec<Line> {
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
    for said in machine.secure_boot.iter().flat_map(secure_boot) {
        line(Tone::Soft, &said);
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

/// What is known of a machine's Secure Boot, in sentences.
fn secure_boot(known: &SecureBoot) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(reported) = &known.reported {
        let state = if reported.enforcing { "on" } else { "off" };
        let names: Vec<String> = reported.authorities.iter().map(|it| shown(it)).collect();
        said.push(match names.is_empty() {
            true => format!("Secure Boot is {state}"),
            false => format!("Secure Boot is {state}; db has {}", names.join(", ")),
        });
    }
    match known.starts.as_deref() {
        Some("signed") => said.push(
            "it refused what is not signed, and starts the signed chain (Secure Boot)".to_owned(),
        ),
        Some("unsigned") => said.push("it starts boot loaders that nobody signed".to_owned()),
        _ => {}
    }
    said
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
    for line in read_of_root(boot) {
        soft(format!("           {line}"));
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

/// What a boot read of its root, and what the machine has read since.
fn read_of_root(boot: &Boot) -> Vec<String> {
    let amount = |bytes: u64, calls: u64| {
        let size = match bytes {
            0..1_000_000 => format!("{} KB", bytes.div_ceil(1000)),
            _ => format!("{} MB", bytes / 1_000_000),
        };
        format!("{size} of its root by {calls} NFS calls")
    };
    let of_boot = amount(boot.nfs_boot_bytes, boot.nfs_boot_calls);
    let bytes = boot.nfs_bytes.saturating_sub(boot.nfs_boot_bytes);
    let calls = boot.nfs_calls.saturating_sub(boot.nfs_boot_calls);
    match (boot.nfs_boot_bytes, bytes) {
        (0, 0) => Vec::new(),
        // Whether it has run for a minute is known by what it has read since.
        (_, 0) if matches!(boot.outcome.as_str(), "booting" | "running" | "handed-over") => {
            vec![format!("has read {of_boot} so far")]
        }
        (_, 0) => vec![format!("read {of_boot}")],
        (0, _) => vec![format!("has read {}", amount(bytes, calls))],
        _ => vec![
            format!("read {of_boot} until it had run for a minute"),
            format!("has read {} since", amount(bytes, calls)),
        ],
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::terminal::tests::text;

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
                "steps_left_out": 1, "nfs_calls": 150, "nfs_bytes": 1_500_000, "nfs_boot_calls": 150, "nfs_boot_bytes": 1_500_000,
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
                "           read 1 MB of its root by 150 NFS calls",
                "  no root",
                "    dnsmasq (/etc/dnsmasq.conf)",
                "      remove  dhcp-option=60,PXEClient",
            ]
        );
    }

    #[test]
    fn what_is_read_of_a_root_is_told_as_far_as_the_boot_has_come() {
        let read = |outcome: &str, boot: [u64; 2], all: [u64; 2]| {
            let boot = serde_json::json!({
                "number": 1, "started": "x", "seconds": 24.0, "outcome": outcome, "image": null, "why": null,
                "cause": null, "steps": [], "steps_left_out": 0, "nfs_boot_calls": boot[0],
                "nfs_boot_bytes": boot[1], "nfs_calls": all[0], "nfs_bytes": all[1],
            });
            read_of_root(&serde_json::from_value(boot).unwrap())
        };
        let boot = [150, 48_500_000];
        assert!(read("running", [0, 0], [0, 0]).is_empty());
        for outcome in ["booting", "running", "handed-over"] {
            let lines = read(outcome, boot, boot);
            assert_eq!(
                lines,
                ["has read 48 MB of its root by 150 NFS calls so far"]
            );
        }
        assert_eq!(
            read("stopped", [2, 300], [2, 300]),
            ["read 1 KB of its root by 2 NFS calls"]
        );
        assert_eq!(
            read("running", boot, [180, 49_400_000]),
            [
                "read 48 MB of its root by 150 NFS calls until it had run for a minute",
                "has read 900 KB of its root by 30 NFS calls since",
            ]
        );
    }

    #[test]
    fn a_machine_that_is_in_no_entry_has_the_lines_that_adopt_it() {
        let adopt = "[machine.pc1]\nmac = \"52:54:00:12:34:56\"\n";
        assert_eq!(
            text(&adopting(Some(adopt), Some("/etc/netroot/netroot.toml"))),
            [
                "      not in the configuration; these lines at the end of /etc/netroot/netroot.toml adopt it:",
                "        [machine.pc1]",
                "        mac = \"52:54:00:12:34:56\"",
            ]
        );
    }
}
