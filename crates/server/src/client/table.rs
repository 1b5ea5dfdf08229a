//! Rows with aligned columns, in whatever width there is: pure.
//!
//! Where a terminal is narrower than a table, the columns that matter least leave it: they go on below each row, or, where
//! every row counts (`status --watch`), those that are details are left out.

use crate::client::terminal::{Screen, Tone, wide, wrapped};

/// A cell: what it says, for its colour, and its text.
pub(crate) type Cell = (Tone, String);

/// What a column is to those who read the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// Those with the lowest number are beside one another as long as there is room.
    rank: u8,
    is_detail: bool,
}

impl Column {
    /// One that is always shown.
    pub(crate) const fn needed(rank: u8) -> Self {
        Self {
            rank,
            is_detail: false,
        }
    }

    /// One that is left out where there is no room for every row.
    pub(crate) const fn detail(rank: u8) -> Self {
        Self {
            rank,
            is_detail: true,
        }
    }
}

/// How far what does not fit beside is indented below, in characters.
const BELOW: usize = 6;
/// Between columns, and in front of the first.
const SPACE: usize = 2;

/// Each row in one line; or in several, if the screen is narrower than the columns. A column without any text takes no room.
pub(crate) fn table<const N: usize>(
    columns: &[Column; N],
    rows: &[[Cell; N]],
    screen: Screen,
) -> Vec<Vec<String>> {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let widths = cells.map(|(_, text)| wide(text));
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let beside = beside(columns, &widths, screen.width);
    let is_whole = |at: &usize| beside.contains(at);
    let left_out = |at: &usize| {
        let column = columns.get(*at);
        screen.leaves_out && column.is_some_and(|column| column.is_detail)
    };
    let row = |row: &[Cell; N]| {
        let cell = |at: usize| row.get(at).filter(|(_, text)| !text.is_empty());
        let last = beside.iter().rposition(|at| cell(*at).is_some());
        let mut line = String::new();
        for (number, at) in beside.iter().enumerate() {
            let width = widths.get(*at).copied().unwrap_or_default();
            if last.is_none_or(|last| number > last) {
                break;
            }
            let text = row.get(*at).map_or("", |(_, text)| text.as_str());
            let tone = row.get(*at).map_or(Tone::Plain, |(tone, _)| *tone);
            line += &" ".repeat(SPACE);
            line += &screen.colours.paint(tone, text);
            if last != Some(number) {
                line += &" ".repeat(width.saturating_sub(wide(text)));
            }
        }
        let below = (0..N).filter(|at| !is_whole(at) && !left_out(at));
        let below: Vec<&Cell> = below.filter_map(cell).collect();
        let first = last.is_some().then_some(line);
        let indent = if first.is_some() { BELOW } else { SPACE };
        first
            .into_iter()
            .chain(flowing(&below, indent, screen))
            .collect()
    };
    rows.iter().map(row).collect()
}

/// The columns that are beside one another, from left to right.
fn beside(columns: &[Column], widths: &[usize], width: Option<usize>) -> Vec<usize> {
    let width_of = |at: usize| widths.get(at).copied().unwrap_or_default();
    let mut by_rank: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    by_rank.retain(|(at, _)| width_of(*at) > 0);
    by_rank.sort_by_key(|(_, column)| column.rank);
    let mut room = width.unwrap_or(usize::MAX);
    let mut beside = Vec::new();
    for (at, _) in by_rank {
        let needs = width_of(at) + SPACE;
        // Below it, the others would be nobody's.
        let is_first = beside.is_empty();
        if needs <= room {
            room -= needs;
            beside.push(at);
        } else if is_first {
            break;
        }
    }
    beside.sort_unstable();
    beside
}

/// Cells one after the other, as many as fit into each line; the words of a longer one in several.
fn flowing(cells: &[&Cell], indent: usize, screen: Screen) -> Vec<String> {
    let room = screen.room(indent);
    let (mut lines, mut line, mut length) = (Vec::new(), String::new(), 0);
    for (tone, text) in cells {
        let parts = wrapped(text, room);
        for part in parts {
            let needs = wide(&part);
            if length > 0 && length + SPACE + needs > room {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            if length > 0 {
                line += &" ".repeat(SPACE);
                length += SPACE;
            }
            line += &screen.colours.paint(*tone, &part);
            length += needs;
        }
    }
    if length > 0 {
        lines.push(line);
    }
    let space = " ".repeat(indent);
    lines
        .into_iter()
        .map(|line| format!("{space}{line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::terminal::Colours;

    const COLUMNS: [Column; 4] = [
        Column::needed(0),
        Column::detail(3),
        Column::needed(1),
        Column::needed(2),
    ];

    fn row(cells: [&str; 4]) -> [Cell; 4] {
        cells.map(|text| (Tone::Bad, text.to_owned()))
    }

    fn shown(rows: &[[Cell; 4]], screen: Screen) -> Vec<String> {
        table(&COLUMNS, rows, screen).concat()
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let rows = [row(["a", "", "long", ""]), row(["über", "", "", ""])];
        assert_eq!(shown(&rows, Screen::PLAIN), ["  a     long", "  über"]);
        let wide = [row(["教室", "", "long", ""]), row(["abc", "", "x", ""])];
        assert_eq!(shown(&wide, Screen::PLAIN), ["  教室  long", "  abc   x"]);
        let painted = Screen {
            colours: Colours::ALL,
            ..Screen::PLAIN
        };
        let painted = shown(&rows, painted);
        assert_eq!(painted[0], "  \x1b[31ma\x1b[0m     \x1b[31mlong\x1b[0m");
        assert!(shown(&[row(["", "", "", ""])], Screen::PLAIN).is_empty());
    }

    #[test]
    fn what_does_not_fit_goes_on_below_or_is_left_out() {
        let rows = [
            row(["lab-1", "52:54:00:12:34:56", "debian", "running"]),
            row(["lab-2", "", "a-long-image", "stopped (kernel)"]),
        ];
        let wide = |width| Screen {
            width: Some(width),
            ..Screen::PLAIN
        };
        assert_eq!(
            shown(&rows, wide(80)),
            [
                "  lab-1  52:54:00:12:34:56  debian        running",
                "  lab-2                     a-long-image  stopped (kernel)",
            ]
        );
        assert_eq!(
            shown(&rows, wide(40)),
            [
                "  lab-1  debian        running",
                "      52:54:00:12:34:56",
                "  lab-2  a-long-image  stopped (kernel)",
            ]
        );
        let watched = Screen {
            leaves_out: true,
            ..wide(40)
        };
        assert_eq!(
            shown(&rows, watched),
            [
                "  lab-1  debian        running",
                "  lab-2  a-long-image  stopped (kernel)",
            ]
        );
        // Not even the first fits.
        assert_eq!(
            shown(&[row(["0123456789abcdef", "", "x y", "running"])], wide(12)),
            ["  0123456789ab", "  cdef  x y", "  running"]
        );
    }
}
