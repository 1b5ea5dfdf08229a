//! Chromium without a screen, driven by the DevTools protocol over a pair of pipes.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Net, Program};
use serde_json::{Value, json};

use crate::lan::TIMEOUT;

/// Where Debian has it: the shell without a screen, or the whole browser.
const PROGRAMS: [&str; 2] = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

/// A browser with one page.
pub(crate) struct Browser {
    _program: Program,
    requests: File,
    answers: Receiver<Value>,
    number: u64,
    session: String,
    /// Every URL that the page has asked for.
    pub(crate) asked: Vec<String>,
    /// What it complained of.
    pub(crate) errors: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts it in this network.
    pub(crate) fn start(net: &Net) -> Result<Self> {
        let program = PROGRAMS.iter().find(|it| Path::new(it).exists());
        let program = program.context("no Chromium: install chromium-headless-shell")?;
        let folder = tempfile::tempdir()?;
        let [to, from] = ["to", "from"].map(|name| folder.path().join(name));
        for pipe in [&to, &from] {
            nix::unistd::mkfifo(pipe, nix::sys::stat::Mode::S_IRWXU)?;
        }
        let command = format!(
            "exec {program} --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
             --disable-background-networking --disable-component-update --hide-scrollbars \
             --remote-debugging-pipe --user-data-dir={}/profile about:blank 3<{} 4>{}",
            folder.path().display(),
            to.display(),
            from.display(),
        );
        let program = net.spawn(&["sh", "-c", &command])?;
        let requests = OpenOptions::new().write(true).open(&to)?;
        let reader = BufReader::new(File::open(&from)?);
        let (told, answers) = channel();
        std::thread::spawn(move || {
            for message in reader.split(0) {
                let Ok(message) = message else { return };
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                if told.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            _program: program,
            requests,
            answers,
            number: 0,
            session: String::new(),
            asked: Vec::new(),
            errors: Vec::new(),
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach)?;
        let session = attached["sessionId"].as_str().context("no session")?;
        browser.session = session.to_owned();
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Calls a method of the protocol, and returns its result.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.number += 1;
        let number = self.number;
        let mut message = json!({ "id": number, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.requests.write_all(message.to_string().as_bytes())?;
        self.requests.write_all(&[0])?;
        let end = Instant::now() + TIMEOUT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left);
            let answer = answer.with_context(|| format!("no answer to {method}"))?;
            self.note(&answer);
            if answer["id"] != number {
                continue;
            }
            if let Some(error) = answer.get("error") {
                bail!("{method}: {error}");
            }
            return Ok(answer["result"].clone());
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                self.asked.push(url.to_owned());
            }
            Some("Runtime.exceptionThrown") => {
                self.errors.push(parameters["exceptionDetails"].to_string());
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                self.errors.push(parameters["entry"].to_string());
            }
            _ => {}
        }
    }

    /// Goes to a page.
    pub(crate) fn go(&mut self, url: &str) -> Result<()> {
        let gone = self.call("Page.navigate", json!({ "url": url }))?;
        ensure!(gone.get("errorText").is_none(), "{gone}");
        Ok(())
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: &str) -> Result<Value> {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let done = self.call("Runtime.evaluate", parameters)?;
        ensure!(
            done.get("exceptionDetails").is_none(),
            "{expression}: {done}"
        );
        Ok(done["result"]["value"].clone())
    }

    /// Clicks an element, as a person does.
    pub(crate) fn click(&mut self, element: &str) -> Result<()> {
        let parameters = json!({ "expression": format!("{element}.click()"), "userGesture": true });
        let done = self.call("Runtime.evaluate", parameters)?;
        ensure!(done.get("exceptionDetails").is_none(), "{element}: {done}");
        Ok(())
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) -> Result<()> {
        let end = Instant::now() + TIMEOUT;
        // The page may not be there yet.
        let tried =
            format!("(() => {{ try {{ return {expression} }} catch {{ return null }} }})()");
        loop {
            let value = self.value(&tried)?;
            if value == true {
                return Ok(());
            }
            if Instant::now() > end {
                let text = self.value("document.body.innerText")?;
                bail!(
                    "never true: {expression} (is {value}); the page:\n{text}\n{:?}",
                    self.errors
                );
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// As wide and as high as this, with a dark or a light scheme.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str) -> Result<()> {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics)?;
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )?;
        Ok(())
    }

    /// A picture of the whole page, as PNG.
    pub(crate) fn screenshot(&mut self, net: &Net, file: &Path) -> Result<()> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.call("Page.captureScreenshot", parameters)?;
        let text = self._folder.path().join("shot");
        std::fs::write(&text, shot["data"].as_str().context("no picture")?)?;
        let command = format!("base64 -d {} > {}", text.display(), file.display());
        net.run(&["sh", "-c", &command])?;
        Ok(())
    }
}
