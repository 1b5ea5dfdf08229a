//! `netroot status`: one screen about the running server.

use std::io::{BufRead, ErrorKind, IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use unicode_width::UnicodeWidthChar;

use crate::client::answers::{Images, Machine, Machines, Status};
use crate::client::ask::{ServerArgs, print_json};
use crate::client::images::image_list;
use crate::client::machines::{list, rows};
use crate::client::table::{Column, table};
use crate::client::terminal::{Line, Screen, Tone, local, print, shown, size, span};
use crate::client::wording::UNSEEN;

/// The arguments of `netroot status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Show changes as they happen, until Ctrl-C. Without a terminal: a line for each.
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,

    /// Print the server's JSON (API.md) instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  netroot status            interfaces, images, machines with how far they have come, and warnings
  netroot status --watch    the same, as it changes
  netroot status --server https://bootserver:8070 --token-file ~/.netroot-token";

/// How often a screen is drawn at least: ages grow.
const REDRAW: Duration = Duration::from_secs(1);
/// How long the server may say nothing: it sends a heartbeat every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a lost server is looked for, again and again.
const AGAIN: Duration = Duration::from_secs(2);

/// What is shown.
#[derive(Debug)]
struct Shown {
    status: Status,
    images: Images,
    machines: Vec<Machine>,
    /// When that was so.
    at: Instant,
}

/// Prints the status.
///
/// # Errors
/// What the server refuses.
pub(crate) fn run(args: &StatusArgs) -> Result<()> {
    if args.json {
        return print_json(&args.server, "/status");
    }
    if !args.watch {
        let (shown, screen) = (load(&args.server)?, Screen::of_stdout());
        return Ok(print(&lines(&shown, screen), screen)?);
    }
    let mut was_there = false;
    loop {
        match watch(&args.server, &mut was_there) {
            // Nobody reads any more.
            Err(error) if is_broken_pipe(&error) => return Ok(()),
            Err(error) if !was_there => return Err(error),
            // The server is started again, perhaps.
            Err(error) => eprintln!("netroot: {}", shown(&format!("{error:#}"))),
            Ok(()) => {}
        }
        std::thread::sleep(AGAIN);
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn load(server: &ServerArgs) -> Result<Shown> {
    let machines: Machines = server.json("GET", "/machines", None)?;
    Ok(Shown {
        status: server.json("GET", "/status", None)?,
        images: server.json("GET", "/images", None)?,
        machines: machines.machines,
        at: Instant::now(),
    })
}

/// Shows what changes until the server's stream ends.
fn watch(server: &ServerArgs, was_there: &mut bool) -> Result<()> {
    let mut events = server.ask("GET", "/events", None, REDRAW)?;
    let lines = events.lines();
    let mut now = load(server)?;
    *was_there = true;
    let (terminal, screen) = (stdout().is_terminal(), Screen::of_stdout());
    if !terminal {
        print(&self::lines(&now, screen), screen)?;
    }
    let (mut heard, mut drawn) = (Instant::now(), None::<Instant>);
    let mut line = Vec::new();
    let mut event = String::new();
    loop {
        if terminal && drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            draw(&now)?;
            drawn = Some(Instant::now());
        }
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if heard.elapsed() > SILENCE {
                    bail!(
                        "the server has said nothing for {} s",
                        heard.elapsed().as_secs()
                    );
                }
                continue;
            }
            Err(error) => return Err(error).context("cannot read the server's events"),
        }
        heard = Instant::now();
        let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
        if let Some(name) = text.strip_prefix("event: ") {
            event = name.trim_end().to_owned();
        }
        let Some(data) = text.strip_prefix("data: ") else {
            continue;
        };
        match event.as_str() {
            "machine" => {
                let machine: Machine = serde_json::from_str(data).context(
                    "the server does not tell as this netroot expects; are both of one version?",
                )?;
                if !terminal {
                    print(&rows(std::slice::from_ref(&machine), screen), screen)?;
                }
                now.take(machine);
            }
            "resync" => now = load(server)?,
            _ => {}
        }
        drawn = None;
    }
}

impl Shown {
    /// A machine has changed.
    fn take(&mut self, machine: Machine) {
        // The others' ages are of when they were told.
        let passed = self.at.elapsed().as_secs_f64();
        for other in &mut self.machines {
            other.age(passed);
        }
        self.status.uptime_seconds += self.at.elapsed().as_secs();
        self.at = Instant::now();
        // What the configuration expects has no hardware address yet, or another one of the same machine.
        let expected = |other: &Machine| {
            other.state == UNSEEN && other.name.is_some() && other.name == machine.name
        };
        self.machines
            .retain(|other| other.mac != machine.mac && !expected(other));
        self.machines.insert(0, machine);
    }

    /// As they are now: first those that stopped, then the one that was heard of last.
    fn aged(&self) -> Vec<Machine> {
        let passed = self.at.elapsed().as_secs_f64();
        let mut machines = self.machines.clone();
        for machine in &mut machines {
            machine.age(passed);
        }
        // Where the screen ends before the list does, what stopped is what somebody has to see.
        machines.sort_by_key(|machine| machine.cause.is_none());
        machines
    }
}

/// Of each interface.
const INTERFACES: [Column; 3] = [
    // Its name.
    Column::needed(0),
    // Its address.
    Column::needed(2),
    // Its mode.
    Column::needed(1),
];

fn lines(shown_now: &Shown, screen: Screen) -> Vec<Line> {
    let Shown { status, images, .. } = shown_now;
    let uptime = f64::from(u32::try_from(status.uptime_seconds).unwrap_or(u32::MAX));
    let title = format!(
        "netroot {} on {}, up {}",
        shown(&status.version),
        shown(&status.host),
        span(uptime + shown_now.at.elapsed().as_secs_f64().floor()).replace(".0", "")
    );
    let interfaces = status.interfaces.iter().map(|one| {
        [
            (Tone::Plain, shown(&one.interface)),
            (Tone::Plain, shown(&one.address)),
            (Tone::Soft, shown(&one.mode)),
        ]
    });
    let mut lines = vec![Line::words(0, Tone::Plain, title), Line::EMPTY];
    let interfaces = table(&INTERFACES, &interfaces.collect::<Vec<_>>(), screen);
    lines.extend(interfaces.into_iter().flatten().map(Line::Row));
    lines.push(Line::EMPTY);
    lines.extend(image_list(images, screen));
    lines.push(Line::EMPTY);
    let machines = shown_now.aged();
    match machines.is_empty() {
        true => lines.push(Line::words(
            2,
            Tone::Plain,
            "no machine has asked to boot yet",
        )),
        false => lines.extend(list(&machines, screen)),
    }
    if !status.warnings.is_empty() {
        lines.push(Line::EMPTY);
    }
    for warning in &status.warnings {
        let times = match warning.count {
            0 | 1 => String::new(),
            count => format!(", {count} times"),
        };
        let when = local(&warning.time);
        let text = format!("warning ({when}{times}): {}", shown(&warning.text));
        lines.push(Line::words(0, Tone::Warning, text));
    }
    lines
}

/// Draws over what is on the screen, without flicker. The terminal may have another size than before.
fn draw(shown_now: &Shown) -> Result<()> {
    let (rows, width) = size().map_or((24, 80), |(rows, width)| (rows.max(4), width.max(20)));
    let screen = Screen {
        width: Some(width),
        leaves_out: true,
        ..Screen::of_stdout()
    };
    let lines = lines(shown_now, screen).into_iter();
    let lines: Vec<String> = lines.flat_map(|line| line.text(screen)).collect();
    let more = lines.len().saturating_sub(rows - 1);
    let mut text = String::from("\x1b[H");
    // Erased before it is written: behind a line that fills the screen's width the cursor stays on the last column in some
    // terminals (xterm), and that would be erased, too.
    for line in lines.iter().take(rows - 1 - usize::from(more > 0)) {
        text += &format!("\x1b[K{}\n", cut(line, width));
    }
    if more > 0 {
        text += &format!("\x1b[K  … {} more lines\n", more + 1);
    }
    text += "\x1b[J";
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The first `width` columns, with the colours between them.
fn cut(line: &str, width: usize) -> String {
    let mut cut = String::new();
    let mut left = width;
    let mut in_colour = false;
    for c in line.chars() {
        if c == '\x1b' {
            in_colour = true;
        }
        if in_colour {
            cut.push(c);
            in_colour = c != 'm';
        } else {
            // After one that does not fit, nothing does.
            let after = left.checked_sub(c.width().unwrap_or_default());
            cut.extend(after.map(|_| c));
            left = after.unwrap_or_default();
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::terminal::tests::text;

    #[test]
    fn a_line_is_cut_to_the_screen_and_ends_its_colours() {
        assert_eq!(cut("\x1b[31mabc\x1b[0mdef", 2), "\x1b[31mab\x1b[0m");
        assert_eq!(cut("abc", 80), "abc");
        assert_eq!(cut("教室", 3), "教");
    }

    #[test]
    fn an_expected_machine_that_comes_is_there_once() {
        let machine = |mac: Option<&str>, name: &str, state: &str| -> Machine {
            serde_json::from_value(serde_json::json!({
                "mac": mac, "name": name, "addresses": [], "firmware": null, "image": "debian",
                "state": state, "stage": null, "cause": null, "last_seen_seconds": null,
            }))
            .unwrap()
        };
        let status = serde_json::json!({
            "version": "0.1.0", "host": "boot", "uptime_seconds": 1, "interfaces": [], "warnings": [],
        });
        let images = serde_json::json!({ "default": "debian", "images": [] });
        let (first, second) = (Some("02:00:00:00:00:01"), Some("02:00:00:00:00:02"));
        let mut now = Shown {
            status: serde_json::from_value(status).unwrap(),
            images: serde_json::from_value(images).unwrap(),
            machines: vec![
                machine(None, "relayed", UNSEEN),
                machine(first, "two-ports", UNSEEN),
                machine(None, "absent", UNSEEN),
            ],
            at: Instant::now(),
        };
        now.take(machine(second, "two-ports", "booting"));
        now.take(machine(Some("02:00:00:00:00:03"), "relayed", "booting"));
        let there = now.machines.iter().map(|one| one.name.as_deref().unwrap());
        assert_eq!(
            there.collect::<Vec<_>>(),
            ["relayed", "two-ports", "absent"]
        );
    }

    #[test]
    fn the_screen_has_everything_and_what_stopped_and_then_what_changed_comes_first() {
        let machine = |mac: &str, seconds: f64| -> Machine {
            serde_json::from_value(serde_json::json!({
                "mac": mac, "name": null, "addresses": [], "firmware": null, "image": "debian",
                "state": "booting", "stage": "kernel", "cause": null, "last_seen_seconds": seconds,
            }))
            .unwrap()
        };
        let status = serde_json::json!({
            "version": "0.1.0", "host": "boot", "uptime_seconds": 7200,
            "interfaces": [{ "interface": "eth0", "address": "10.0.0.1/24", "mode": "ProxyDHCP" }],
            "warnings": [{ "time": "x", "text": "careful", "count": 3 }],
        });
        let images = serde_json::json!({ "default": "debian", "images": [
            { "name": "debian", "title": "debian", "kind": "root", "kernel": "6.1", "source": null },
        ]});
        let mut now = Shown {
            status: serde_json::from_value(status).unwrap(),
            images: serde_json::from_value(images).unwrap(),
            machines: vec![machine("02:00:00:00:00:01", 30.0)],
            at: Instant::now(),
        };
        let mut stopped = machine("02:00:00:00:00:03", 40.0);
        stopped.cause = serde_json::from_value(serde_json::json!({ "text": "no root" })).unwrap();
        now.machines.push(stopped);
        now.take(machine("02:00:00:00:00:02", 0.0));
        assert_eq!(
            text(&lines(&now, Screen::PLAIN)),
            [
                "netroot 0.1.0 on boot, up 2 h",
                "",
                "  eth0  10.0.0.1/24  ProxyDHCP",
                "",
                "  debian  root  6.1  default",
                "",
                "  02:00:00:00:00:03  debian  booting (kernel)  40 s ago",
                "      no root",
                "  02:00:00:00:00:02  debian  booting (kernel)  now",
                "  02:00:00:00:00:01  debian  booting (kernel)  30 s ago",
                "",
                "warning (x, 3 times): careful",
            ]
        );
    }

    #[test]
    fn at_every_width_the_screen_has_the_image_the_state_and_the_cause() {
        let machine =
            |json: serde_json::Value| -> Machine { serde_json::from_value(json).unwrap() };
        let stopped = machine(serde_json::json!({
            "mac": "52:54:00:12:34:56", "name": null, "addresses": ["192.168.100.101"],
            "firmware": "UEFI x64 PXE", "image": "debian-bookworm", "state": "stopped", "stage": "kernel",
            "cause": { "text": "the kernel was loaded, and the init never reported: is its console right?" },
            "last_seen_seconds": 70.0, "adopt": "[machine.x]",
        }));
        let running = machine(serde_json::json!({
            "mac": "52:54:00:12:34:57", "name": "lab-1", "addresses": ["192.168.100.102"],
            "firmware": "BIOS PXE", "image": "rescue", "state": "running", "stage": null, "cause": null,
            "last_seen_seconds": 3.0, "order": { "once": "memtest", "image": null },
        }));
        let status = serde_json::json!({
            "version": "0.1.0", "host": "boot", "uptime_seconds": 7200, "warnings": [],
            "interfaces": [{ "interface": "eth0", "address": "192.168.100.1/24", "mode": "ProxyDHCP" }],
        });
        let images = serde_json::json!({ "default": "debian-bookworm", "images": [
            { "name": "debian-bookworm", "title": "Debian for the lab", "kind": "root", "kernel": "6.1.0-50-amd64",
              "source": "/srv/images/debian-bookworm" },
        ]});
        let now = Shown {
            status: serde_json::from_value(status).unwrap(),
            images: serde_json::from_value(images).unwrap(),
            machines: vec![stopped, running],
            at: Instant::now(),
        };
        let drawn = |width: usize| -> Vec<String> {
            let screen = Screen {
                width: Some(width),
                leaves_out: true,
                ..Screen::PLAIN
            };
            let lines = lines(&now, screen).into_iter();
            lines.flat_map(|line| line.text(screen)).collect()
        };
        for width in [40, 80, 120, 200] {
            let lines = drawn(width);
            let longest = lines.iter().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width), "{width}: {lines:#?}");
            let words = lines.join(" ");
            let words: Vec<&str> = words.split_whitespace().collect();
            let all = words.join(" ");
            for part in [
                "52:54:00:12:34:56",
                "debian-bookworm",
                "stopped (kernel)",
                "the kernel was loaded, and the init never reported: is its console right?",
                "lab-1",
                "rescue",
                "running",
                "boots memtest next time only",
                "6.1.0-50-amd64",
                "default",
            ] {
                assert!(all.contains(part), "{part} at {width}: {lines:#?}");
            }
        }
        assert_eq!(
            drawn(40),
            [
                "netroot 0.1.0 on boot, up 2 h",
                "",
                "  eth0  192.168.100.1/24  ProxyDHCP",
                "",
                "  debian-bookworm  root  default",
                "      6.1.0-50-amd64",
                "",
                "  52:54:00:12:34:56  stopped (kernel)",
                "      debian-bookworm  unknown",
                "      the kernel was loaded, and the",
                "      init never reported: is its",
                "      console right?",
                "  lab-1              running",
                "      rescue",
                "      boots memtest next time only",
                "  unknown: not in the configuration;",
                "  netroot machines MAC has the lines",
                "  that adopt one",
            ]
        );
        assert_eq!(
            drawn(80)[6..8],
            [
                "  52:54:00:12:34:56  192.168.100.101  debian-bookworm  stopped (kernel)",
                "      unknown",
            ]
        );
        // Where there is room, everything is in its line.
        assert_eq!(
            drawn(200)[6],
            "  52:54:00:12:34:56                     192.168.100.101  debian-bookworm  stopped (kernel)  70 s ago  UEFI x64 PXE  unknown"
        );
    }
}
