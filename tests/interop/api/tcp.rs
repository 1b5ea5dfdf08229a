//! The API over TCP: tokens, TLS, and connections that somebody holds.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use netroot_harness::{Net, paths};

use super::TOKEN;
use super::served::Served;
use crate::hostile::lab::connect_to;
use crate::lan::TIMEOUT;

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
    let guess = || Ok::<_, anyhow::Error>(ask(Some("a-guess-0123456789"), &[&machines])?.0);
    ensure!(guess()? == 401);
    let until = Instant::now() + TIMEOUT;
    while guess()? != 429 {
        ensure!(Instant::now() < until, "who guesses is not refused");
    }
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
