//! A table of medians and of ratios to the best peer.

use super::version::heading;
use crate::bench::spread::Spread;

/// A row: what was measured, and each server's numbers.
pub(in crate::bench) struct Row {
    pub(in crate::bench) name: String,
    /// With the server's name. No numbers: it cannot do this.
    pub(in crate::bench) cells: Vec<(&'static str, Spread)>,
}

impl Row {
    /// A row of servers that have not been measured.
    pub(super) fn of(name: String, servers: impl IntoIterator<Item = &'static str>) -> Self {
        let cells = servers.into_iter().map(|it| (it, Spread::default()));
        Self {
            name,
            cells: cells.collect(),
        }
    }

    /// Adds a number to those of a server.
    pub(super) fn add(&mut self, server: usize, number: f64) {
        if let Some((_, cell)) = self.cells.get_mut(server) {
            cell.add(number);
        }
    }
}

/// What is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Better {
    /// More of it.
    More,
    /// Less of it.
    Less,
}

/// Prints the rows as Markdown. The first server of each row is netroot; the last column has how many times better than
/// the best of the others it is.
pub(in crate::bench) fn print(title: &str, unit: &str, better: Better, rows: &[Row]) {
    print_judged(title, unit, better, None, rows);
}

/// The same with one more column: whether the ratio is what it is to be at least.
pub(in crate::bench) fn print_beside(
    title: &str,
    unit: &str,
    better: Better,
    goal: f64,
    rows: &[Row],
) {
    print_judged(title, unit, better, Some(goal), rows);
}

fn print_judged(title: &str, unit: &str, better: Better, goal: Option<f64>, rows: &[Row]) {
    let Some(first) = rows.first() else {
        return;
    };
    let of = goal.map_or_else(String::new, |goal| format!("; the goal is {goal}"));
    println!("\n{title} ({unit}, medians{of})\n");
    let names: Vec<String> = first.cells.iter().map(|(name, _)| heading(name)).collect();
    let (column, line) = match goal {
        Some(_) => (" met |", "---|"),
        None => ("", ""),
    };
    println!("| | {} | ratio |{column}", names.join(" | "));
    println!("|---|{}---|{line}", "---|".repeat(names.len()));
    for row in rows {
        let medians: Vec<Option<f64>> = row.cells.iter().map(|(_, it)| it.median()).collect();
        let shown = medians.iter().map(|median| match median {
            Some(median) => shown(*median),
            None => "-".to_owned(),
        });
        let shown: Vec<String> = shown.collect();
        let ratio = ratio(&medians, better);
        let met = goal.map_or_else(String::new, |goal| format!(" {} |", met(ratio, goal)));
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!("| {} | {} | {ratio} |{met}", row.name, shown.join(" | "));
    }
    for row in rows {
        for (name, numbers) in &row.cells {
            println!("  {:<28} {name:<12} {numbers}", row.name);
        }
    }
}

/// Whether a goal is met; `-` where nothing is known.
fn met(ratio: Option<f64>, goal: f64) -> &'static str {
    match ratio {
        Some(ratio) if ratio >= goal => "yes",
        Some(_) => "no",
        None => "-",
    }
}

fn shown(number: f64) -> String {
    match number {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// How many times better the first is than the best of the others.
fn ratio(medians: &[Option<f64>], better: Better) -> Option<f64> {
    let (own, others) = medians.split_first()?;
    let own = (*own)?;
    let others = others.iter().flatten().copied();
    match better {
        Better::More => Some(own / others.reduce(f64::max)?),
        Better::Less => Some(others.reduce(f64::min)? / own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_to_the_best_peer_and_above_one_where_netroot_is_better() {
        let medians = [Some(3.0), Some(1.0), None, Some(2.0)];
        assert_eq!(ratio(&medians, Better::More), Some(1.5));
        assert_eq!(ratio(&medians, Better::Less), Some(1.0 / 3.0));
        assert_eq!(ratio(&[Some(3.0), None], Better::More), None);
        assert_eq!(ratio(&[None, Some(1.0)], Better::More), None);
    }
}
