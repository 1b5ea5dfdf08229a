//! What the server knows of its machines: `/metrics`, read by Prometheus's own parser, and why a boot stopped.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::firmware::{self, MACHINE};
use crate::lan::{Lan, TIMEOUT};

/// Every sample of an OpenMetrics page, by its name and labels.
fn samples(page: &str) -> Result<BTreeMap<String, Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/openmetrics.py");
    let mut parser = Command::new("/usr/bin/python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start /usr/bin/python3")?;
    let mut input = parser.stdin.take().context("its input")?;
    input.write_all(page.as_bytes())?;
    drop(input);
    let read = parser.wait_with_output()?;
    ensure!(read.status.success(), "it is no OpenMetrics: {page}");
    let lines = String::from_utf8(read.stdout)?;
    let sample = |line: &str| -> Result<(String, Value)> {
        let sample: Value = serde_json::from_str(line)?;
        let name = sample.get("name").and_then(Value::as_str);
        let labels = sample.get("labels").context("labels")?;
        Ok((format!("{}{labels}", name.context("a name")?), sample))
    };
    lines.lines().map(sample).collect()
}

fn metrics(lan: &Lan) -> Result<BTreeMap<String, Value>> {
    samples(&lan.curl("/metrics", &["--fail"])?)
}

#[test]
fn prometheus_reads_what_the_server_counts() -> Result<()> {
    let lan = Lan::new("metrics")?;
    let head = lan.curl("/metrics", &["--fail", "-D", "-", "-o", "/dev/null"])?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ensure!(head.to_lowercase().contains(kind), "{head}");
    let before = metrics(&lan)?;
    let free = "netroot_dhcp_addresses{\"range\":\"10.77.0.100-10.77.0.199\",\"state\":\"free\"}";
    let value = |of: &BTreeMap<String, Value>, name: &str| {
        of.get(name).and_then(|sample| sample["value"].as_f64())
    };
    ensure!(value(&before, free) == Some(100.0), "{before:#?}");
    ensure!(
        before
            .keys()
            .any(|name| name.starts_with("netroot_build_info{"))
    );

    firmware::lease(&lan.client, &[])?;
    let name = format!("/boot/{}.ipxe", MACHINE.hyphenated());
    lan.curl(&name, &["--fail", "-o", "/dev/null"])?;
    lan.curl("/snponly.efi", &["--fail", "-o", "/dev/null"])?;
    // A page is shown for a moment as it was made.
    let began = Instant::now();
    let after = loop {
        let after = metrics(&lan)?;
        if value(&after, free) == Some(99.0) || began.elapsed() > TIMEOUT {
            break after;
        }
    };
    ensure!(value(&after, free) == Some(99.0), "{after:#?}");
    ensure!(value(&after, "netroot_dhcp_answered_total{}") >= Some(2.0));
    let booting = "netroot_machines{\"state\":\"booting\"}";
    // The machine, and the one with curl.
    ensure!(value(&after, booting) == Some(2.0), "{after:#?}");
    ensure!(after.len() < 400, "{} series", after.len());
    ensure!(!after.keys().any(|name| name.contains(&MACHINE.to_string())));
    let read = &after["netroot_nfs_read_bytes_total{}"];
    ensure!(
        read["unit"] == "bytes" && read["type"] == "counter",
        "{read}"
    );
    Ok(())
}
