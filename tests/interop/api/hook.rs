//! The web hook: what it decides, and what happens where it is wrong or silent.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Bridge, Net, Program};
use netroot_proto::dhcp::{MessageType, code};
use serde_json::Value;

use super::served::Served;
use crate::firmware;
use crate::lan::TIMEOUT;

const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// A web hook in `net` that answers each request with `answer`; what it was asked.
fn hook(net: &Net, answer: &'static str) -> Result<(u16, std::sync::mpsc::Receiver<String>)> {
    use std::io::{Read, Write};
    let listener = net.within(|| Ok(std::net::TcpListener::bind("127.0.0.1:0")?))?;
    let port = listener.local_addr()?.port();
    let (told, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut bytes = [0; 8192];
            let mut text = String::new();
            while !text.ends_with('}') {
                let length = stream.read(&mut bytes).unwrap_or_default();
                if length == 0 {
                    break;
                }
                text += &String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
            }
            let _ = told.send(text);
            let _ = stream.write_all(answer.as_bytes());
            if answer.is_empty() {
                // Silence, until the server has gone.
                let _ = stream.read(&mut bytes);
            }
        }
    });
    Ok((port, asked))
}

/// The script that a machine gets of a server with this hook, how often that was asked, and the warnings of it.
fn hooked(
    name: &str,
    answer: &'static str,
    times: usize,
) -> Result<(String, Vec<String>, Vec<String>)> {
    // One that answers is waited for, on a busy machine too.
    let deadline = match answer {
        "" => "",
        _ => "deadline = \"5s\"",
    };
    let mut asked = None;
    let served = Served::prepared(name, |net, _| {
        let (port, receiver) = hook(net, answer)?;
        asked = Some(receiver);
        Ok(format!(
            "[hook]\nurl = \"http://127.0.0.1:{port}/assign\"\n{deadline}"
        ))
    })?;
    let mut script = String::new();
    for number in 0..times {
        if number > 0 {
            // Longer than a word counts.
            std::thread::sleep(Duration::from_secs(6));
        }
        script = served.script()?;
    }
    let warnings = warnings(&served);
    let asked: Vec<String> = asked.context("no hook")?.try_iter().collect();
    if let Some(first) = asked.first() {
        ensure!(
            first.contains(&served.mac) && first.contains("\"images\":[\"debian\",\"rescue\"]"),
            "{first}"
        );
    }
    Ok((script, asked, warnings))
}

/// What the server says of its hook.
fn warnings(served: &Served) -> Vec<String> {
    let events = served.server.events().into_iter();
    let warnings = events.map(|(_, event)| event.text);
    let of_hook = |text: &String| text.contains("the web hook http");
    warnings.filter(of_hook).collect()
}

#[test]
fn a_web_hook_decides_and_one_that_is_wrong_or_silent_does_not() -> Result<()> {
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"image\":\"rescue\"}";
    let (script, asked, warnings) = hooked("hook-good", good, 1)?;
    ensure!(
        !script.contains("nfsroot=") && asked.len() == 1 && warnings.is_empty(),
        "{script} {warnings:?}"
    );
    let wrong = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"image\":\"rescui\"}";
    let (script, asked, warnings) = hooked("hook-wrong", wrong, 1)?;
    ensure!(
        script.contains("nfsroot=") && asked.len() == 1 && warnings.len() == 1,
        "{script} {warnings:?}"
    );
    // Left alone after three times.
    let (script, asked, warnings) = hooked("hook-silent", "", 4)?;
    ensure!(
        script.contains("nfsroot=") && asked.len() == 3,
        "{} {script}",
        asked.len()
    );
    let [first, last] = warnings.as_slice() else {
        anyhow::bail!("two warnings: {warnings:?}");
    };
    // The usual deadline, which nothing in the configuration says.
    for part in ["no answer within 300 ms", "the rules decide"] {
        ensure!(first.contains(part) && last.contains(part), "{warnings:?}");
    }
    ensure!(last.contains("it is not asked for 10 s"), "{last}");
    Ok(())
}

#[test]
fn a_web_hook_may_leave_the_decision_to_the_rules() -> Result<()> {
    let null = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"image\":null}";
    for (name, answer) in [
        ("hook-204", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("hook-null", null),
    ] {
        let (script, asked, warnings) = hooked(name, answer, 1)?;
        ensure!(
            script.contains("nfsroot=") && asked.len() == 1 && warnings.is_empty(),
            "{name}: {script} {warnings:?}"
        );
    }
    Ok(())
}

/// An authority, and a certificate by it for [`HOST`], in a folder.
struct Authority<'a> {
    net: &'a Net,
    folder: std::path::PathBuf,
}

impl<'a> Authority<'a> {
    fn new(net: &'a Net, folder: std::path::PathBuf) -> Result<Self> {
        fs::create_dir(&folder)?;
        let authority = Self { net, folder };
        let name = authority.folder.file_name().unwrap_or_default();
        // By the same name they would be one authority with two keys.
        let name = format!("/CN={}", name.to_string_lossy());
        authority.openssl("ca", &name, &[])?;
        let [ca, key] = [authority.path("ca.pem"), authority.path("ca.key")];
        let name = format!("subjectAltName=IP:{HOST}");
        let mut more = vec!["-CA", &ca, "-CAkey", &key, "-addext", &name];
        more.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
        authority.openssl("hook", "/CN=The web hook", &more)?;
        Ok(authority)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn openssl(&self, name: &str, subject: &str, more: &[&str]) -> Result<()> {
        let to = self.path(&format!("{name}.pem"));
        let key = self.path(&format!("{name}.key"));
        let mut argv = vec!["openssl", "req", "-x509", "-newkey", "ec", "-nodes"];
        argv.extend(["-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30"]);
        argv.extend(["-subj", subject, "-keyout", &key, "-out", &to]);
        argv.extend(more);
        self.net.run(&argv)?;
        Ok(())
    }
}

/// The machine on which the hook by https is, and its port.
const HOST: &str = "10.77.0.9";
const PORT: &str = "9443";

/// A server and its hook, which is on another machine and proves who it is. Dropped in this order.
struct ByHttps {
    served: Served,
    hook: Program,
    _host: Net,
}

impl ByHttps {
    /// The server trusts the authority `ca`; the hook has a certificate by `authority-0`.
    fn new(name: &str, ca: &str) -> Result<Self> {
        let mut started = None;
        let served = Served::prepared(name, |net, folder| {
            let host = Net::new(&format!("{name}-host"))?;
            let bridge = Bridge("br0".to_owned());
            net.cable(&bridge, &host, "hook", &format!("{HOST}/24"))?;
            let [its, _other] = [0, 1].map(|number| {
                let folder = folder.join(format!("authority-{number}"));
                Authority::new(net, folder)
            });
            let its = its?;
            let [certificate, key] = [its.path("hook.pem"), its.path("hook.key")];
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/api/tls_hook.py");
            let python = ["/usr/bin/python3", script, HOST, PORT, &certificate, &key];
            let hook = host.spawn(&python)?;
            hook.wait_for("listening", "the web hook's readiness", TIMEOUT)?;
            started = Some((hook, host));
            Ok(format!(
                "[hook]\nurl = \"https://{HOST}:{PORT}/assign?by=netroot\"\nca = \"{}/{ca}/ca.pem\"\ndeadline = \"5s\"",
                folder.display()
            ))
        })?;
        let (hook, host) = started.context("no hook")?;
        Ok(Self {
            served,
            hook,
            _host: host,
        })
    }

    /// What the hook was asked, each with its path and body.
    fn asked(&self) -> Vec<String> {
        let lines = self.hook.stdout().lines().into_iter();
        let asked = lines.filter_map(|(_, line)| Some(line.strip_prefix("asked ")?.to_owned()));
        asked.collect()
    }

    /// The same once it has been asked so often: what it writes comes later than what it answers.
    fn asked_times(&self, times: usize) -> Result<Vec<String>> {
        let until = Instant::now() + TIMEOUT;
        loop {
            let asked = self.asked();
            if asked.len() >= times {
                ensure!(asked.len() == times, "{asked:?}");
                return Ok(asked);
            }
            ensure!(Instant::now() < until, "asked {times} times: {asked:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The helper process that asks is confined: what TLS needs has to be allowed there.
#[test]
fn a_web_hook_of_another_machine_is_asked_by_https_and_told_what_the_documentation_says()
-> Result<()> {
    let lab = ByHttps::new("hook-https", "authority-0")?;
    let served = &lab.served;
    let script = served.script()?;
    let said = warnings(served);
    ensure!(
        !script.contains("nfsroot=") && said.is_empty(),
        "{script} {said:?}"
    );
    lab.asked_times(1)?;
    // iPXE says all that it can; a switch says where. What the hook said just now is to be forgotten.
    std::thread::sleep(Duration::from_secs(6));
    let uuid: netroot_net::Uuid = UUID.parse()?;
    let uuid = [&[0], &uuid.to_firmware()[..]].concat();
    let discover = firmware::message_of(
        served.mac.parse()?,
        MessageType::Discover,
        &[
            (code::USER_CLASS, b"iPXE"),
            (code::CLIENT_UUID, &uuid),
            (code::RELAY_AGENT, b"\x01\x06rack-3"),
        ],
    );
    let offer = firmware::ask(&served.client, &discover)?;
    let named = offer.options.text(code::BOOT_FILE_NAME).context("no URL")?;
    let mut url = String::from_utf8_lossy(named).into_owned();
    for (setting, value) in [
        ("${uuid}", UUID),
        ("${netX/busid}", "01:80:86:10:0e"),
        ("${serial:uristring}", "MXL%2012%263"),
        ("${product:uristring}", "OptiPlex"),
        ("${asset:uristring}", "IT-0042"),
        ("${manufacturer:uristring}", "Dell%20Inc."),
    ] {
        ensure!(url.contains(setting), "{setting}: {url}");
        url = url.replace(setting, value);
    }
    let (status, script) = served.curl(&[&url])?;
    ensure!(status == 200 && !script.contains("nfsroot="), "{script}");
    let asked = lab.asked_times(2)?;
    let last = asked.get(1).with_context(|| format!("{asked:?}"))?;
    let body = last.strip_prefix("/assign?by=netroot application/json ");
    let body: Value = serde_json::from_str(body.with_context(|| last.clone())?)?;
    let whole = serde_json::json!({
        "mac": served.mac, "uuid": UUID, "serial": "MXL 12&3", "asset": "IT-0042",
        "manufacturer": "Dell Inc.", "product": "OptiPlex", "firmware": "UEFI x64",
        "vendor_class": "PXEClient:Arch:00007:UNDI:003016", "address": "10.77.0.66",
        "circuit": "rack-3", "nic": "8086:100e", "interface": "br0", "server": "10.77.0.1",
        "images": ["debian", "rescue"],
    });
    assert_eq!(body, whole);
    let documented = super::blocks(include_str!("../../../crates/server/API.md"))
        .into_iter()
        .find(|(language, block)| *language == "json" && block.contains("\"vendor_class\""))
        .context("the hook's question in API.md")?;
    let documented: Value = serde_json::from_str(documented.1)?;
    assert_eq!(super::members(&body), super::members(&documented));
    Ok(())
}

#[test]
fn a_web_hook_whose_certificate_is_by_another_authority_decides_nothing() -> Result<()> {
    let lab = ByHttps::new("hook-https-other", "authority-1")?;
    let script = lab.served.script()?;
    ensure!(script.contains("nfsroot="), "{script}");
    let said = warnings(&lab.served);
    let [warning] = said.as_slice() else {
        anyhow::bail!("one warning: {said:?}");
    };
    for part in [
        "the web hook https://10.77.0.9:9443 does not say what a machine boots: ",
        "invalid peer certificate: UnknownIssuer",
        "; the rules decide",
    ] {
        ensure!(warning.contains(part), "{part}: {warning}");
    }
    // Its query may be a secret.
    ensure!(!warning.contains("netroot\""), "{warning}");
    let asked = lab.asked();
    ensure!(asked.is_empty(), "{asked:?}");
    Ok(())
}
