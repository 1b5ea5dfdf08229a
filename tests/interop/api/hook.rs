//! The web hook: what it decides, and what happens where it is wrong or silent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::Net;

use super::served::Served;

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
fn hooked(name: &str, answer: &'static str, times: usize) -> Result<(String, Vec<String>, usize)> {
    // One that answers is waited for, on a busy machine too.
    let deadline = match answer {
        "" => "300ms",
        _ => "5s",
    };
    let mut asked = None;
    let served = Served::prepared(name, |net, _| {
        let (port, receiver) = hook(net, answer)?;
        asked = Some(receiver);
        Ok(format!(
            "[hook]\nurl = \"http://127.0.0.1:{port}/assign\"\ndeadline = \"{deadline}\""
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
    let events = served.server.events();
    let warnings = events
        .iter()
        .filter(|(_, event)| event.text.contains("the web hook http://"));
    let warnings = warnings.count();
    let asked: Vec<String> = asked.context("no hook")?.try_iter().collect();
    if let Some(first) = asked.first() {
        ensure!(
            first.contains(&served.mac) && first.contains("\"images\":[\"debian\",\"rescue\"]"),
            "{first}"
        );
    }
    Ok((script, asked, warnings))
}

#[test]
fn a_web_hook_decides_and_one_that_is_wrong_or_silent_does_not() -> Result<()> {
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"image\":\"rescue\"}";
    let (script, asked, warnings) = hooked("hook-good", good, 1)?;
    ensure!(
        !script.contains("nfsroot=") && asked.len() == 1 && warnings == 0,
        "{script}"
    );
    let wrong = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"image\":\"rescui\"}";
    let (script, asked, warnings) = hooked("hook-wrong", wrong, 1)?;
    ensure!(
        script.contains("nfsroot=") && asked.len() == 1 && warnings == 1,
        "{script}"
    );
    // Left alone after three times.
    let (script, asked, warnings) = hooked("hook-silent", "", 4)?;
    ensure!(
        script.contains("nfsroot=") && asked.len() == 3,
        "{} {script}",
        asked.len()
    );
    ensure!(warnings == 2, "{warnings}");
    Ok(())
}
