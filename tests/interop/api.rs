//! The API: its documentation's examples, our commands and a foreign client, on the socket and over TCP.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

mod hook;
mod orders;
mod served;
mod tcp;
mod terminal;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;
use serde_json::Value;

pub(crate) use self::served::Served;
use crate::lan::{HTTP, TIMEOUT};

pub(crate) const TOKEN: &str = "a-token-of-the-tests-0123456789";

/// The code blocks of a document, each with its language.
fn blocks(document: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = document;
    while let Some((_, after)) = rest.split_once("\n```") {
        let Some((language, after)) = after.split_once('\n') else {
            break;
        };
        let Some((block, after)) = after.split_once("\n```") else {
            break;
        };
        blocks.push((language, block));
        rest = after;
    }
    blocks
}

fn members(json: &Value) -> Vec<String> {
    let object = json.as_object();
    object
        .map(|it| it.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn every_example_of_the_documentation_works() -> Result<()> {
    let served = Served::new("api-examples", "")?;
    served.script()?;
    let document = include_str!("../../crates/server/API.md");
    let control = served.control();
    let all = blocks(document);
    let mut run = 0;
    for (at, (language, block)) in all.iter().enumerate() {
        if *language != "sh" {
            continue;
        }
        let command = block
            .replace("/run/netroot-server/control", &control)
            .replace("52:54:00:12:34:56", &served.mac);
        if command.contains("/events") {
            let shell = ["sh", "-c", &command];
            let mut follows = served.net.spawn(&shell)?;
            follows.wait_for("retry:", "the beginning of the events", TIMEOUT)?;
            served.script()?;
            let event = format!(
                "data: {{\"name\":\"lab-1\",\"secure_boot\":null,\"order\":{{\"once\":null,\"image\":null}},\"configured\":{{\"address\":null,\"boot\":null}},\"mac\":\"{}\"",
                served.mac
            );
            follows.wait_for(&event, "the machine's event", TIMEOUT)?;
            follows.kill()?;
            run += 1;
            continue;
        }
        let output = served.net.run(&["sh", "-c", &command])?;
        let lines: Vec<Value> = output
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| output.clone()))
            .collect::<Result<_>>()?;
        let last = lines.last().context("no answer")?;
        ensure!(last.get("error").is_none(), "{command}: {output}");
        // The members are those of the documented answer.
        if let Some((language, answer)) = all.get(at + 1)
            && *language == "json"
        {
            let documented = answer.lines().last().filter(|_| command.contains("reload"));
            let documented: Value = serde_json::from_str(documented.unwrap_or(answer))?;
            assert_eq!(members(last), members(&documented), "{command}");
            for list in ["machines", "images", "interfaces"] {
                if let (Some(ours), Some(theirs)) = (last[list].get(0), documented[list].get(0)) {
                    assert_eq!(members(ours), members(theirs), "{command}");
                }
            }
        }
        run += 1;
    }
    assert_eq!(run, 12, "examples");
    Ok(())
}

#[test]
fn our_commands_show_and_order_what_the_api_does() -> Result<()> {
    let served = Served::new("api-commands", "")?;
    let status = served.printed(&["status"])?;
    for part in [
        "netroot 0.",
        "br0",
        "10.77.0.1/24",
        "debian",
        "not heard of yet",
    ] {
        ensure!(status.contains(part), "{part}: {status}");
    }
    ensure!(!status.contains('\x1b'), "no colours without a terminal");
    let netroot = paths::netroot()?.display().to_string();
    let control = served.control();
    let watch = [netroot.as_str(), "status", "--watch", "--control", &control];
    let mut watch = served.net.spawn(&watch)?;
    watch.wait_for("not heard of yet", "the first screen", TIMEOUT)?;
    served.script()?;
    watch.wait_for("booting (script)", "the machine", TIMEOUT)?;
    watch.kill()?;
    let machines = served.printed(&["machines"])?;
    ensure!(
        machines.contains("lab-1") && machines.contains("10.77.0.66"),
        "{machines}"
    );
    let one = served.printed(&["machines", "lab-1"])?;
    ensure!(
        one.contains("boot 1 at ") && one.contains(".ipxe: "),
        "{one}"
    );
    let images = served.printed(&["images"])?;
    ensure!(images.contains("rescue  Rescue  local-disk"), "{images}");
    let once = served.printed(&["boot-once", "lab-1", "rescue"])?;
    assert_eq!(
        once,
        format!("lab-1 ({}) boots rescue next time only\n", served.mac)
    );
    let assigned = served.printed(&["assign", "10.77.0.66", "rescue"])?;
    ensure!(
        assigned.ends_with("boots rescue next time only, and is assigned rescue\n"),
        "{assigned}"
    );
    ensure!(served.printed(&["status"])?.contains("is assigned rescue"));
    served.printed(&["assign", "lab-1", "--clear"])?;
    let cleared = served.printed(&["boot-once", "lab-1", "--clear"])?;
    ensure!(
        cleared.ends_with("boots what the configuration says\n"),
        "{cleared}"
    );
    for arguments in [
        &["status", "--json"][..],
        &["machines", "--json"],
        &["machines", "lab-1", "--json"],
        &["images", "--json"],
        &["boot-once", "lab-1", "rescue", "--json"],
        &["boot-once", "lab-1", "--clear", "--json"],
    ] {
        let text = served.printed(arguments)?;
        let json: Value = serde_json::from_str(&text)?;
        ensure!(
            json.is_object() && text.lines().count() == 1,
            "{arguments:?}: {text}"
        );
    }
    for (arguments, why) in [
        (
            &["machines", "lab-2"][..],
            "there is no machine lab-2; did you mean lab-1?",
        ),
        (
            &["boot-once", "lab-1", "debain"],
            "there is no image debain; did you mean debian?",
        ),
        (
            &["assign", "lab-1", "something"],
            "there is no image something; the images are debian, rescue",
        ),
    ] {
        let done = served.netroot(arguments)?;
        ensure!(
            !done.status.success() && done.stderr.contains(why),
            "{done:?}"
        );
    }
    Ok(())
}

#[test]
fn on_the_boot_servers_port_anybody_may_look_and_nobody_may_order() -> Result<()> {
    let served = Served::new("api-public", "")?;
    served.script()?;
    let url = |path: &str| format!("{HTTP}{path}");
    for path in [
        "/api/v1/machines",
        "/api/v1/images",
        "/api/v1/status",
        "/api/v1/machines/lab-1",
    ] {
        let (status, body) = served.curl(&[&url(path)])?;
        ensure!(
            status == 200 && serde_json::from_str::<Value>(&body).is_ok(),
            "{path}: {body}"
        );
        ensure!(!body.contains("\"order\""), "{path}: {body}");
    }
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for (method, path) in [
        ("POST", "/api/v1/reload"),
        ("POST", "/api/v1/machines/lab-1/boot-once"),
        ("DELETE", "/api/v1/machines/lab-1/boot-once"),
        ("PUT", "/api/v1/machines/lab-1/image"),
        ("GET", "/api/v1/machines/lab-1/bundle"),
    ] {
        let body = r#"{"image":"rescue"}"#;
        let (status, said) = served.curl(&["-X", method, "-d", body, "-H", &bearer, &url(path)])?;
        ensure!(status == 403, "{method} {path}: {status} {said}");
    }
    // A page of another site, or one whose name points here.
    for header in ["Host: evil.example.com", "Origin: http://evil.example.com"] {
        let (status, said) = served.curl(&["-H", header, &url("/api/v1/machines")])?;
        ensure!(status == 403, "{header}: {status} {said}");
    }
    let (_, text) = served.curl(&[&url("/")])?;
    ensure!(
        text.starts_with("netroot ") && text.contains("names:"),
        "{text}"
    );
    let (status, page) = served.curl(&["-i", "-H", "Accept: text/html,*/*;q=0.8", &url("/")])?;
    let page = page.to_lowercase();
    ensure!(
        status == 200 && page.contains("content-type: text/html"),
        "{page}"
    );
    ensure!(
        page.contains("content-security-policy: default-src 'none'"),
        "{page}"
    );
    Ok(())
}
