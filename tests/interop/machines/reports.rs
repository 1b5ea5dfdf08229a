//! What the init's reports of failure change. They are the init's own: its unit test `kept_reports_are_those_of_the_init` compares the
//! files in `tests/reports` with what it writes.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, paths};
use serde_json::{Value, json};

use super::site::{A, Site, curl, image, script};

/// The report of a boot of which one attempt failed.
const FAILED: &str = include_str!("../../reports/failed.json");

/// What the init would post to the URL in this script: the report with another number of failed attempts, of this boot.
fn reports(machine: &Net, script: &str, boot_id: &str, attempts: u64) -> Result<()> {
    let mut report: Value = serde_json::from_str(FAILED)?;
    let first = report["attempts"][0].clone();
    report["boot_id"] = json!(boot_id);
    report["failed_attempts"] = json!(attempts);
    report["attempts"] = json!(vec![first; usize::try_from(attempts)?]);
    posts(machine, script, &report.to_string())
}

/// Posts a report to the URL in this script.
pub(crate) fn posts(machine: &Net, script: &str, report: &str) -> Result<()> {
    let mut words = script.split_whitespace();
    let url = words.find_map(|word| word.strip_prefix("netroot.report="));
    let url = url.with_context(|| format!("no URL: {script}"))?;
    let kind = "Content-Type: application/json";
    machine.run(&[
        "curl",
        "-sS",
        "--fail",
        "--max-time",
        "60",
        "-H",
        kind,
        "-d",
        report,
        url,
    ])?;
    Ok(())
}

impl Site {
    /// A command of ours about the machine A, which asks the server through its socket.
    fn orders(&self, command: &str, image: &str) -> Result<String> {
        let netroot = paths::netroot()?.display().to_string();
        let control = self.folder.path().join("control").display().to_string();
        let argv = [
            &netroot,
            command,
            &A.to_string(),
            image,
            "--control",
            &control,
        ];
        self.net.run(&argv)
    }
}

#[test]
fn one_failed_attempt_of_an_image_for_one_boot_goes_back() -> Result<()> {
    let site = Site::new("reports-once", "{}")?;
    let [own, other] = &site.near;
    let fetches = || script(own, "10.77.0.1", A, "");
    assert_eq!(image(&fetches()?), "first");
    site.orders("boot-once", "second")?;
    let once = fetches()?;
    assert_eq!(image(&once), "second");
    assert_eq!(image(&fetches()?), "second", "the same boot");
    // Nobody else reports it, by whatever URL.
    posts(other, &once, FAILED).unwrap_err();
    assert_eq!(image(&fetches()?), "second");
    reports(own, &once, "a", 1)?;
    let told = site.wait_for("went-back")?;
    ensure!(
        told.len() == 1 && told.iter().all(|it| it.text.contains("second")),
        "{told:?}"
    );
    assert_eq!(image(&fetches()?), "first");
    Ok(())
}

#[test]
fn three_failed_attempts_of_an_assigned_image_go_back_also_over_a_restart() -> Result<()> {
    let mut site = Site::new("reports-assign", "{}")?;
    site.orders("assign", "bare")?;
    site.orders("assign", "second")?;
    let fetches = |site: &Site| script(&site.near[0], "10.77.0.1", A, "");
    let boot = fetches(&site)?;
    assert_eq!(image(&boot), "second");
    let [own, _] = &site.near;
    // Two attempts of one boot, of which the init reports twice; a third one in the next.
    for attempts in [1, 2] {
        reports(own, &boot, "a", attempts)?;
        assert_eq!(image(&fetches(&site)?), "second", "{attempts}");
    }
    let boot = fetches(&site)?;
    reports(own, &boot, "b", 1)?;
    let told = site.wait_for("went-back")?;
    ensure!(
        told.len() == 1 && told.iter().all(|it| it.text.contains("second")),
        "{told:?}"
    );
    // What was on trial itself is nothing to go back to.
    let after = fetches(&site)?;
    assert_eq!(image(&after), "first");
    site.restart()?;
    assert_eq!(image(&fetches(&site)?), "first");
    Ok(())
}

/// A boot of which nothing failed ends the trial: what fails later is no reason to go back.
#[test]
fn an_assigned_image_that_booted_stays() -> Result<()> {
    let site = Site::new("reports-booted", "{}")?;
    site.orders("assign", "second")?;
    let [own, _] = &site.near;
    let fetches = || script(own, "10.77.0.1", A, "");
    let boot = fetches()?;
    posts(own, &boot, include_str!("../../reports/booted.json"))?;
    for boot_id in ["a", "b", "c"] {
        let boot = fetches()?;
        // More of them at once than are accepted of one machine are refused.
        std::thread::sleep(std::time::Duration::from_secs(1));
        reports(own, &boot, boot_id, 1)?;
    }
    assert_eq!(image(&fetches()?), "second");
    let events = site.server.events();
    ensure!(
        events.iter().all(|(_, event)| event.kind != "went-back"),
        "{events:?}"
    );
    // It was heard.
    ensure!(curl(own, "http://10.77.0.1:8069/status")?.contains(&A.to_string()));
    Ok(())
}
