//! The cases from the field: what people who boot over a network reported in public, each tried on the release build of
//! `netroot`. The inputs are our own copies of what they had, personal details replaced.
//!
//! `cargo test -p netroot-tests --test interop cases -- --nocapture` prints the table: case, source, expected, observed.
//! What takes a machine, or a whole tree of files, is shown by another test, and the row fails if that is not there.

mod addresses;
mod changes;
mod client;
mod files;
mod firmware;
mod kernels;
mod lab;
mod row;

use anyhow::{Result, ensure};

use row::Row;

#[test]
fn every_case_is_as_expected() -> Result<()> {
    let groups: [fn() -> Result<Vec<Row>>; 6] = [
        firmware::rows,
        files::rows,
        addresses::rows,
        changes::rows,
        kernels::rows,
        client::rows,
    ];
    let mut rows = Vec::new();
    for group in groups {
        rows.extend(group()?);
    }
    rows.sort_by_key(|row| row.id);
    println!("case | source | what | expected | observed | verdict");
    rows.iter().for_each(|row| println!("{row}"));
    let different = rows.iter().filter(|row| !row.is_ok()).count();
    println!("{} rows, {different} of them not as expected", rows.len());
    ensure!(
        different == 0,
        "{different} rows are not as expected: --nocapture shows them"
    );
    Ok(())
}
