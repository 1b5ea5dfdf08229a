//! `netroot status --watch` on a terminal: a pseudoterminal of util-linux's `script`, and the screen that what is written there makes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Program, paths};

use super::served::Served;
use crate::lan::TIMEOUT;

/// So many rows and columns.
type Size = (usize, usize);

/// What begins a picture, and what ends it.
const BEGIN: &str = "\x1b[H";
const END: &str = "\x1b[J";

/// What a terminal of this size shows after it was sent this: as much of ECMA-48 as is used. What would scroll, or go beyond the last
/// column, is an error. As in xterm the cursor stays on the last column once that is written.
fn screen(sent: &str, (rows, columns): Size) -> Result<Vec<String>> {
    let mut shown = vec![String::new(); rows];
    let (mut row, mut column) = (0, 0);
    let mut rest = sent.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                ensure!(row < rows, "it scrolls: {sent:?}");
            }
            '\x1b' => {
                ensure!(rest.next() == Some('['), "not known: {sent:?}");
                let mut sequence = String::new();
                while !sequence.ends_with(|c: char| c.is_ascii_alphabetic()) {
                    sequence.push(rest.next().context("a sequence without an end")?);
                }
                match sequence.as_str() {
                    "H" => (row, column) = (0, 0),
                    "K" => {
                        let line = shown.get_mut(row).context("a row")?;
                        *line = line.chars().take(column.min(columns - 1)).collect();
                    }
                    "J" => shown.iter_mut().skip(row).for_each(String::clear),
                    colour if colour.ends_with('m') => {}
                    other => bail!("not known: {other:?}"),
                }
            }
            c => {
                ensure!(column < columns, "beyond the last column: {sent:?}");
                let line = shown.get_mut(row).context("a row")?;
                let mut line_now: Vec<char> = line.chars().collect();
                line_now.resize(line_now.len().max(column + 1), ' ');
                if let Some(place) = line_now.get_mut(column) {
                    *place = c;
                }
                *line = line_now.into_iter().collect();
                column += 1;
            }
        }
    }
    Ok(shown)
}

/// `netroot status --watch` on a terminal, and the file with what was sent there.
struct Terminal {
    program: Program,
    sent: PathBuf,
    size: Size,
}

impl Terminal {
    fn new(served: &Served, size: Size) -> Result<Self> {
        let (rows, columns) = size;
        let netroot = paths::netroot()?.display().to_string();
        let control = served.control();
        let command = format!(
            "stty rows {rows} cols {columns}; exec {netroot} status --watch --control {control}"
        );
        let sent = served.folder.path().join(format!("sent-{columns}"));
        let file = sent.display().to_string();
        let argv = [
            "env",
            "-u",
            "NO_COLOR",
            "TERM=xterm",
            "script",
            "-q",
            "-f",
            "-c",
        ];
        let program = served
            .net
            .spawn(&[&argv[..], &[&command, &file]].concat())?;
        Ok(Self {
            program,
            sent,
            size,
        })
    }

    /// What was sent, from the first picture on.
    fn sent(&self) -> String {
        let sent = std::fs::read(&self.sent).unwrap_or_default();
        let sent = String::from_utf8_lossy(&sent).into_owned();
        let begin = sent.find(BEGIN).unwrap_or(sent.len());
        sent.get(begin..).unwrap_or_default().to_owned()
    }

    /// What it shows once it shows this.
    fn shows(&self, text: &str) -> Result<Vec<String>> {
        self.shows_when(text, |shown| shown.iter().any(|line| line.contains(text)))
    }

    /// What it shows once that is so. It is the last picture alone: nothing is left of those before it.
    fn shows_when(&self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Result<Vec<String>> {
        let until = Instant::now() + TIMEOUT;
        loop {
            let sent = self.sent();
            // A picture is whole behind its last sequence.
            let whole = sent.rfind(END).map(|at| at + END.len());
            let whole = sent.get(..whole.unwrap_or_default()).unwrap_or_default();
            let shown = screen(whole, self.size)?;
            let last = whole.rfind(BEGIN).and_then(|at| whole.get(at..));
            let alone = screen(last.unwrap_or_default(), self.size)?;
            ensure!(shown == alone, "{shown:#?} and not {alone:#?}");
            if is_so(&shown) {
                return Ok(shown);
            }
            ensure!(Instant::now() < until, "no {what}: {shown:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn the_status_is_drawn_on_a_terminal_as_machines_boot() -> Result<()> {
    let served = Served::new("api-terminal", "")?;
    let mut large = Terminal::new(&served, (24, 160))?;
    let mut small = Terminal::new(&served, (7, 40))?;
    let before = large.shows("not heard of yet")?;
    ensure!(
        before.iter().any(|line| line.contains("lab-1")),
        "{before:#?}"
    );
    small.shows("netroot 0.")?;
    served.script()?;
    let after = large.shows("booting (script)")?;
    let lines = |what: &str| after.iter().filter(|line| line.contains(what)).count();
    // In place of what was there, and in colours.
    ensure!(
        lines("lab-1") == 1 && lines("netroot 0.") == 1 && lines("not heard of yet") == 0,
        "{after:#?}"
    );
    ensure!(large.sent().contains("\x1b[36m"), "{:?}", large.sent());
    // What there is no room for is counted.
    small.shows("more lines")?;
    // A shorter line is drawn over a longer one.
    let of_machine = |shown: &[String]| -> Option<String> {
        let mut lines = shown.iter();
        lines.find(|line| line.contains("lab-1")).cloned()
    };
    let order = "boots rescue next time only";
    served.printed(&["boot-once", "lab-1", "rescue"])?;
    let long = of_machine(&large.shows(order)?).context("its line")?;
    ensure!(long.contains(order), "{long}");
    served.printed(&["boot-once", "lab-1", "--clear"])?;
    large.shows_when("a line without its order", |shown| {
        of_machine(shown).is_some_and(|line| !line.contains(order))
    })?;
    large.program.kill()?;
    small.program.kill()?;
    Ok(())
}
