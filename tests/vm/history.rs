//! What the API and `netroot bundle` tell of a boot by real firmware.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;
use serde_json::Value;

use crate::lan::{Lan, MACHINE, SERVER, TIMEOUT};

/// With this variable the bundle of a test is kept in `tests/captures`.
const WRITE: &str = "NETROOT_WRITE_EXPECTED";

/// Waits until the machine runs, and looks at how it came there: through these stages, each no earlier than the one before.
pub(crate) fn came_through(lan: &Lan, stages: &[&str]) -> Result<()> {
    let url = format!("http://{SERVER}:8069/api/v1/machines/{MACHINE}");
    let until = Instant::now() + TIMEOUT;
    let machine = loop {
        let argv = ["curl", "-sS", "--fail", "--max-time", "60", &url];
        let machine: Value = serde_json::from_str(&lan.net.run(&argv)?)?;
        if machine["state"] == "running" {
            break machine;
        }
        ensure!(Instant::now() < until, "it does not run: {machine:#}");
        std::thread::sleep(Duration::from_millis(200));
    };
    let boot = machine["boots"].as_array().and_then(|boots| boots.last());
    let boot = boot.context("a boot")?;
    let reached = boot["stages"].as_array().context("its stages")?;
    let names: Vec<&str> = reached
        .iter()
        .filter_map(|one| one["stage"].as_str())
        .collect();
    ensure!(names == stages, "{names:?} and not {stages:?}: {machine:#}");
    let times: Vec<f64> = reached
        .iter()
        .filter_map(|one| one["at"].as_f64())
        .collect();
    ensure!(times.len() == names.len() && times.is_sorted(), "{times:?}");
    // What it has read by then is its own init, at least.
    let used = |member: &str| boot[member].as_u64().unwrap_or_default();
    ensure!(used("nfs_calls") > 0 && used("nfs_bytes") > 0, "{boot:#}");
    let [first, last] =
        ["first_seen", "last_seen"].map(|it| machine[it].as_str().unwrap_or_default());
    ensure!(!first.is_empty() && first < last, "{first:?}, {last:?}");
    ensure!(
        machine["last_seen_seconds"]
            .as_f64()
            .is_some_and(|it| it >= 0.0),
        "{machine:#}"
    );
    Ok(())
}

/// Takes the bundle of the machine's last boot, which `tests/sim/bundles.rs` replays once it is kept as `tests/captures/NAME.bundle`.
/// It has the DHCP messages of so many askers: firmware, iPXE, the init.
pub(crate) fn is_bundled(lan: &Lan, name: &str, askers: usize) -> Result<()> {
    let netroot = paths::netroot()?.display().to_string();
    let state = lan.net.logs().join("state").display().to_string();
    let bundle = lan
        .net
        .run(&[&netroot, "bundle", MACHINE, "--state", &state, "-o", "-"])?;
    let lines = bundle.lines().map(serde_json::from_str::<Value>);
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let sent = |way: &str| lines.iter().filter(|line| line["way"] == way).count();
    // Each discovers and requests, and is answered.
    ensure!(
        sent("in") >= 2 * askers && sent("out") >= 2 * askers,
        "{bundle}"
    );
    if std::env::var_os(WRITE).is_some() {
        let to = paths::workspace().join(format!("tests/captures/{name}.bundle"));
        std::fs::write(&to, &bundle).with_context(|| format!("write {}", to.display()))?;
    }
    Ok(())
}
