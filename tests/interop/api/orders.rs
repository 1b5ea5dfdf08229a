//! Orders given by the API.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::served::Served;
use crate::lan::{HTTP, TIMEOUT};

#[test]
fn an_order_is_kept_shown_and_taken_back() -> Result<()> {
    let served = Served::new("api-orders", "")?;
    ensure!(served.script()?.contains("nfsroot="), "the default");
    let order = |done: &Value| done["order"].clone();
    let path = format!("/machines/{}", served.mac);
    let body = Some(r#"{"image":"rescue"}"#);
    let (status, done) = served.through_socket("POST", "/machines/lab-1/boot-once", body)?;
    assert_eq!((status, &done["mac"]), (200, &served.mac.as_str().into()));
    assert_eq!(
        order(&done),
        serde_json::json!({ "once": "rescue", "image": null })
    );
    let (_, machine) = served.through_socket("GET", &path, None)?;
    assert_eq!(order(&machine)["once"], "rescue");
    // Nobody else is told.
    let (status, public) = served.curl(&[&format!("{HTTP}/api/v1{path}")])?;
    ensure!(status == 200 && !public.contains("\"order\""), "{public}");
    let (status, done) = served.through_socket("DELETE", "/machines/10.77.0.66/boot-once", None)?;
    assert_eq!((status, order(&done)["once"].is_null()), (200, true));
    let (_, done) = served.through_socket("PUT", &format!("{path}/image"), body)?;
    assert_eq!(order(&done)["image"], "rescue");
    let script = served.script()?;
    ensure!(!script.contains("nfsroot="), "{script}");
    let (_, done) = served.through_socket("DELETE", &format!("{path}/image"), None)?;
    ensure!(order(&done)["image"].is_null(), "{done}");
    for (method, path, body, status, why) in [
        (
            "POST",
            "/machines/lab-2/boot-once",
            r#"{"image":"rescue"}"#,
            404,
            "did you mean lab-1?",
        ),
        (
            "POST",
            "/machines/lab-1/boot-once",
            r#"{"image":"rescu"}"#,
            422,
            "did you mean rescue?",
        ),
        (
            "PUT",
            "/machines/lab-1/image",
            "rescue",
            400,
            "expected a body such as",
        ),
        (
            "GET",
            "/machines/lab-1/image",
            "",
            405,
            "allows only PUT, DELETE",
        ),
    ] {
        let (got, done) = served.through_socket(method, path, Some(body))?;
        let said = done["error"].as_str().unwrap_or_default();
        ensure!(got == status && said.contains(why), "{path}: {got} {done}");
    }
    Ok(())
}

#[test]
fn of_two_orders_at_once_one_is_taken_exactly_once() -> Result<()> {
    let more = "[image.other]\nlocal-disk = true\ntitle = \"Other\"";
    let served = Served::new("api-race", more)?;
    for _ in 0..8 {
        let ordered = std::thread::scope(|scope| {
            let order = |image: &'static str| {
                let served = &served;
                scope.spawn(move || {
                    let body = format!("{{\"image\":\"{image}\"}}");
                    served.through_socket("POST", "/machines/lab-1/boot-once", Some(&body))
                })
            };
            let both = [order("rescue"), order("other")];
            both.map(|it| it.join().map_err(|_| anyhow::anyhow!("a thread panicked")))
        });
        for done in ordered {
            let (status, done) = done??;
            ensure!(status == 200, "{done}");
        }
        let (_, machine) = served
            .through_socket("GET", "/machines/lab-1", None)
            .or_else(|_| served.through_socket("GET", "/machines", None))?;
        // Not heard of before its first script, or ordered one of both.
        let once = machine["order"]["once"].as_str().map(str::to_owned);
        ensure!(
            once.as_deref()
                .is_none_or(|it| it == "rescue" || it == "other"),
            "{machine}"
        );
        let before = served.server.events().len();
        served.script()?;
        let end = Instant::now() + TIMEOUT;
        let taken = loop {
            let events = served.server.events();
            let taken: Vec<String> = events
                .iter()
                .skip(before)
                .filter(|(_, event)| event.kind == "boots-once")
                .map(|(_, event)| event.text.clone())
                .collect();
            if !taken.is_empty() || Instant::now() > end {
                break taken;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(taken.len(), 1, "{taken:?}");
        let (_, machine) = served.through_socket("GET", "/machines/lab-1", None)?;
        ensure!(machine["order"]["once"].is_null(), "{machine}");
    }
    Ok(())
}
