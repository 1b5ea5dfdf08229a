//! The API: its documentation's examples, our commands and a foreign client, on the socket and over TCP.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Bridge, Finished, Net, NetrootServe, TinyRoot, paths};
use serde_json::Value;

use crate::hostile::lab::connect_to;
use crate::lan::{HTTP, TIMEOUT};

pub(crate) const TOKEN: &str = "a-token-of-the-tests-0123456789";

/// Dropped in this order: the users of a network before the network.
pub(crate) struct Served {
    pub(crate) server: NetrootServe,
    pub(crate) client: Net,
    pub(crate) bridge: Bridge,
    pub(crate) net: Net,
    /// The client's hardware address; its name is lab-1.
    pub(crate) mac: String,
    pub(crate) folder: tempfile::TempDir,
    _root: TinyRoot,
}

impl Served {
    /// Serves the images `debian` and `rescue`, and what else `tables` of its configuration say.
    pub(crate) fn new(name: &str, tables: &str) -> Result<Self> {
        Self::prepared(name, |_, _| Ok(tables.to_owned()))
    }

    /// The tables are made in the folder, once there is the network.
    pub(crate) fn prepared(
        name: &str,
        tables: impl FnOnce(&Net, &std::path::Path) -> Result<String>,
    ) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let client = Net::new(&format!("{name}-client"))?;
        net.cable(&bridge, &client, "eth0", "10.77.0.66/24")?;
        client.shell("ip route add default dev eth0")?;
        let link = client.run(&["ip", "-br", "link", "show", "eth0"])?;
        let mac = link
            .split_whitespace()
            .nth(2)
            .context(link.clone())?
            .to_owned();
        let root = TinyRoot::make()?;
        let folder = tempfile::tempdir()?;
        let tables = tables(&net, folder.path())?;
        let at = folder.path().display();
        let config = format!(
            "default = \"debian\"\n\
             [server]\nstate = \"{at}/state\"\ncache = \"{}\"\ncontrol = \"{at}/control\"\n\
             [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"10.77.0.100-10.77.0.199\"\nprobe = false\n\
             [image.debian]\nroot = \"{}\"\ninitrd = \"{at}/initrd.img\"\n\
             [image.rescue]\ntitle = \"Rescue\"\nlocal-disk = true\n\
             [machine.lab-1]\nmac = \"{mac}\"\n{tables}\n",
            paths::target().join("netroot-initrds").display(),
            root.path().display(),
        );
        fs::write(folder.path().join("initrd.img"), "an initrd")?;
        let file = folder.path().join("netroot.toml");
        fs::write(&file, config)?;
        let server = NetrootServe::start_configured(&net, &file, &[])?;
        Ok(Self {
            server,
            client,
            bridge,
            net,
            mac,
            folder,
            _root: root,
        })
    }

    fn control(&self) -> String {
        self.folder.path().join("control").display().to_string()
    }

    /// A command of ours, which asks the server through its socket.
    pub(crate) fn netroot(&self, arguments: &[&str]) -> Result<Finished> {
        let netroot = paths::netroot()?.display().to_string();
        let control = self.control();
        let mut argv = vec![netroot.as_str()];
        argv.extend(arguments);
        argv.extend(["--control", &control]);
        self.net.run_for(&argv, TIMEOUT)
    }

    /// What it prints, if it succeeds.
    fn printed(&self, arguments: &[&str]) -> Result<String> {
        let done = self.netroot(arguments)?;
        ensure!(done.status.success(), "{arguments:?}: {done:?}");
        Ok(done.stdout)
    }

    /// The status and the body of what curl, run by the client, is answered.
    fn curl(&self, arguments: &[&str]) -> Result<(u16, String)> {
        let mut argv = vec!["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}"];
        argv.extend(arguments);
        let text = self.client.run(&argv)?;
        let (body, status) = text.trim_end().rsplit_once('\n').context(text.clone())?;
        Ok((status.parse()?, body.to_owned()))
    }

    /// The same through the socket.
    fn through_socket(&self, method: &str, path: &str, body: Option<&str>) -> Result<(u16, Value)> {
        let control = self.control();
        let url = format!("http://netroot/api/v1{path}");
        let mut arguments = vec!["--unix-socket", &control, "-X", method, &url];
        if let Some(body) = body {
            arguments.extend(["-d", body]);
        }
        let (status, body) = self.curl(&arguments)?;
        Ok((
            status,
            serde_json::from_str(&body).with_context(|| body.clone())?,
        ))
    }

    /// Fetches the client's script, as its iPXE does.
    pub(crate) fn script(&self) -> Result<String> {
        let url = format!("{HTTP}/boot/{}.ipxe", self.mac.replace(':', "-"));
        self.client
            .run(&["curl", "-sS", "--fail", "--max-time", "60", &url])
    }
}

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
    let mut asked = None;
    let served = Served::prepared(name, |net, _| {
        let (port, receiver) = hook(net, answer)?;
        asked = Some(receiver);
        Ok(format!("[hook]\nurl = \"http://127.0.0.1:{port}/assign\""))
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

/// Makes a certificate for the server's address in `folder`, with a new key.
fn certificate(net: &Net, folder: &std::path::Path) -> Result<PathBuf> {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    let (to, key) = (certificate.display().to_string(), key.display().to_string());
    let names = "subjectAltName=IP:10.77.0.1,DNS:localhost";
    let argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ];
    let mut argv = argv.to_vec();
    // By itself openssl makes an authority, which TLS takes for no server.
    argv.extend(["-addext", "basicConstraints=critical,CA:FALSE"]);
    argv.extend([
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=netroot",
        "-addext",
        names,
    ]);
    argv.extend(["-keyout", &key, "-out", &to]);
    net.run(&argv)?;
    Ok(certificate)
}

#[test]
fn over_tcp_with_a_token_and_tls_everything_is_as_on_the_socket() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mut ca = PathBuf::new();
    let served = Served::prepared("api-tcp", |net, folder| {
        let own = folder.join("api");
        fs::create_dir(&own)?;
        fs::write(own.join("token"), format!("# ours\n{TOKEN}\n"))?;
        fs::set_permissions(own.join("token"), fs::Permissions::from_mode(0o600))?;
        ca = certificate(net, &own)?;
        let at = own.display();
        Ok(format!(
            "[api]\nlisten = \"10.77.0.1:8070\"\ntoken-file = \"{at}/token\"\n\
             certificate = \"{at}/certificate.pem\"\nkey = \"{at}/key.pem\""
        ))
    })?;
    served.script()?;
    let authority = ca.display().to_string();
    let ask = |token: Option<&str>, arguments: &[&str]| {
        let bearer = token.map(|token| format!("Authorization: Bearer {token}"));
        let mut all = vec!["--cacert", authority.as_str()];
        if let Some(bearer) = &bearer {
            all.extend(["-H", bearer]);
        }
        all.extend(arguments);
        served.curl(&all)
    };
    let url = |path: &str| format!("https://10.77.0.1:8070{path}");
    let machines = url("/api/v1/machines");
    let (status, said) = ask(None, &[&machines])?;
    ensure!(
        status == 401 && said.contains("this needs a token"),
        "{status} {said}"
    );
    let (status, said) = ask(Some(TOKEN), &[&machines])?;
    ensure!(
        status == 200 && said.contains("\"order\""),
        "{status} {said}"
    );
    let once = url("/api/v1/machines/lab-1/boot-once");
    let (status, said) = ask(Some(TOKEN), &["-d", r#"{"image":"rescue"}"#, &once])?;
    ensure!(
        status == 200 && said.contains("\"once\":\"rescue\""),
        "{status} {said}"
    );
    let (status, _) = ask(None, &["-X", "DELETE", &once])?;
    assert_eq!(status, 401);
    let (status, page) = ask(None, &["-H", "Accept: text/html", &url("/")])?;
    ensure!(
        status == 200 && page.contains("<!DOCTYPE html>"),
        "the page itself has no secret"
    );
    // By our own client.
    let netroot = paths::netroot()?.display().to_string();
    let token_file = served.folder.path().join("api/token").display().to_string();
    let elsewhere = [
        "--server",
        "https://10.77.0.1:8070",
        "--token-file",
        &token_file,
    ];
    let mut argv = vec![netroot.as_str(), "machines", "lab-1", "--ca", &authority];
    argv.extend(elsewhere);
    let done = served.client.run_for(&argv, TIMEOUT)?;
    ensure!(
        done.status.success() && done.stdout.contains("boots rescue next time only"),
        "{done:?}"
    );
    let mut argv = vec![netroot.as_str(), "status"];
    argv.extend(elsewhere);
    let done = served.client.run_for(&argv, TIMEOUT)?;
    ensure!(
        !done.status.success() && done.stderr.contains("certificate"),
        "not the system's: {done:?}"
    );
    // Not in plain text.
    let plain = served.curl(&["http://10.77.0.1:8070/api/v1/machines"]);
    ensure!(plain.is_err(), "{plain:?}");
    // Who guesses is refused.
    let guesses: Vec<u16> = (0..12)
        .map(|_| Ok(ask(Some("a-guess-0123456789"), &[&machines])?.0))
        .collect::<Result<_>>()?;
    ensure!(
        guesses.first() == Some(&401) && guesses.last() == Some(&429),
        "{guesses:?}"
    );
    // A new token, for another client: the server's own address has not guessed.
    let own = served.folder.path().join("api");
    fs::write(own.join("new"), "another-token-0123456789\n")?;
    fs::set_permissions(own.join("new"), fs::Permissions::from_mode(0o600))?;
    fs::rename(own.join("new"), own.join("token"))?;
    certificate(&served.net, &own)?;
    let bearer = "Authorization: Bearer another-token-0123456789";
    let argv = [
        "curl", "-sS", "--cacert", &authority, "-H", bearer, &machines,
    ];
    let end = Instant::now() + TIMEOUT;
    loop {
        let done = served.net.run_for(&argv, TIMEOUT)?;
        if done.status.success() && done.stdout.contains("\"machines\"") {
            break;
        }
        ensure!(
            Instant::now() < end,
            "the new token and certificate: {done:?}"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    // One that cannot be used lets nobody in, which is said, as is its end. A FIFO is not waited for.
    let told = |what: &str| -> Result<()> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let all = served
                .server
                .events()
                .into_iter()
                .map(|(_, event)| event.text);
            let all: Vec<String> = all.collect();
            if all.iter().any(|text| text.contains(what)) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{what}: {all:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    fs::rename(own.join("token"), own.join("kept"))?;
    served
        .net
        .run(&["mkfifo", &own.join("token").display().to_string()])?;
    told("lets nobody in until its token file can be used")?;
    let done = served.net.run_for(&argv, TIMEOUT)?;
    ensure!(done.stdout.contains("this needs a token"), "{done:?}");
    fs::rename(own.join("kept"), own.join("token"))?;
    told("the token file of the API can be used again")?;
    let done = served.net.run_for(&argv, TIMEOUT)?;
    ensure!(done.stdout.contains("\"machines\""), "{done:?}");
    Ok(())
}

/// Before, four addresses held all connections for as long as they liked.
#[test]
fn who_holds_all_connections_keeps_nobody_out() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let served = Served::prepared("api-held", |_, folder| {
        fs::write(folder.join("token"), TOKEN)?;
        fs::set_permissions(folder.join("token"), fs::Permissions::from_mode(0o600))?;
        let at = folder.display();
        Ok(format!(
            "[api]\nlisten = \"10.77.0.1:8070\"\ntoken-file = \"{at}/token\""
        ))
    })?;
    served
        .client
        .shell("for last in 71 72 73 74; do ip addr add 10.77.0.$last/24 dev eth0; done")?;
    let held = served.client.within(|| {
        let mut held = Vec::new();
        for last in 71..=74 {
            for _ in 0..16 {
                let from = Ipv4Addr::new(10, 77, 0, last);
                let to = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 8070);
                held.push(connect_to(from, to)?);
            }
        }
        Ok(held)
    })?;
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let (status, said) = served.curl(&["-H", &bearer, "http://10.77.0.1:8070/api/v1/machines"])?;
    ensure!(status == 200, "{status} {said}");
    drop(held);
    Ok(())
}
