//! The same calls to several NFS servers that export the same tree, and their answers compared field by field.
//!
//! The calls are lines of text (`calls`), the differences that there may be are in a table, each with its reason
//! (`differences`). A difference that is not in the table fails the test, and so does a line of the table that is not
//! true any more.

mod access_list;
pub(crate) mod answer;
pub(crate) mod calls;
pub(crate) mod difference;
pub(crate) mod differences;
mod entry;
pub(crate) mod faults;
pub(crate) mod script;
pub(crate) mod session;
mod status;
mod text;
pub(crate) mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};

use answer::Answer;
use difference::Difference;
use session::Session;

/// What a server answered, by call.
pub(crate) type Answers = BTreeMap<String, Answer>;

/// Makes all calls to the `server` at `address`, which exports the tree as `export`, but for those that it does not answer.
pub(crate) fn ask(server: &str, address: Ipv4Addr, export: &str) -> Result<Answers> {
    let mut session = Session::new(address, export)?;
    let mut answers = Answers::new();
    for line in calls::lines() {
        if differences::unanswered(server).any(|call| call == line) {
            continue;
        }
        let answer = session.answer(&line)?;
        let again = answers.insert(line.clone(), answer);
        ensure!(again.is_none(), "{line} is called twice");
    }
    Ok(answers)
}

/// One field of one call, as both servers answered it.
#[derive(Debug)]
struct Found<'a> {
    call: &'a str,
    field: &'a str,
    ours: &'a str,
    theirs: &'a str,
}

/// The fields that differ. Where one failed and the other did not, that is what differs, and so it is where one left
/// attributes out.
fn compare<'a>(ours: &'a Answers, theirs: &'a Answers) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for (call, our) in ours {
        let Some(their) = theirs.get(call) else {
            continue;
        };
        let differ = |field: &str| our.get(field) != their.get(field);
        let cause = ["rpc", "status"].into_iter().find(|field| differ(field));
        let mut fields: Vec<&String> = our.keys().chain(their.keys()).collect();
        fields.sort();
        fields.dedup();
        for field in fields {
            let whole = field.rsplit_once('.').map(|(whole, _)| whole);
            let follows = whole.is_some_and(differ) || cause.is_some_and(|cause| cause != field);
            if differ(field) && !follows {
                let value = |answer: &'a Answer| answer.get(field).map_or("", String::as_str);
                found.push(Found {
                    call,
                    field,
                    ours: value(our),
                    theirs: value(their),
                });
            }
        }
    }
    found
}

/// Compares, and fails with what is not explained, and with errors that no call has raised.
pub(crate) fn assert_equal(server: &str, ours: &Answers, theirs: &Answers) -> Result<()> {
    let statuses = ours.iter().filter_map(|(call, answer)| {
        let status = answer.get("status")?;
        Some((call.as_str(), status.as_str()))
    });
    status::assert_all_are_raised(statuses)?;
    for call in differences::unanswered(server) {
        ensure!(ours.contains_key(call), "{call} is not among the calls");
    }
    let all = ours.len() - differences::unanswered(server).count();
    ensure!(theirs.len() == all, "{} of {all} answers", theirs.len());
    let known: Vec<&Difference> = differences::of(server).collect();
    let mut used = BTreeSet::new();
    let found = compare(ours, theirs);
    let mut unexplained = Vec::new();
    for found in &found {
        let explains =
            |known: &&Difference| known.explains(found.call, found.field, found.ours, found.theirs);
        match known.iter().position(explains) {
            Some(at) => drop(used.insert(at)),
            None => unexplained.push(format!(
                "{}\n    {}: ours {:?}, {server} {:?}",
                found.call, found.field, found.ours, found.theirs
            )),
        }
    }
    let unused = known.iter().enumerate();
    let unused: Vec<_> = unused.filter(|(at, _)| !used.contains(at)).collect();
    println!(
        "{server}: {} calls, {} fields, {} differ, all explained by {} lines",
        ours.len(),
        ours.values().map(Answer::len).sum::<usize>(),
        found.len() - unexplained.len(),
        used.len()
    );
    ensure!(
        unexplained.is_empty(),
        "{} differences from {server} are not explained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    ensure!(
        unused.is_empty(),
        "{server} does not differ any more in: {unused:#?}"
    );
    Ok(())
}
