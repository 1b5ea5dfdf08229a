//! The helper process that has the key of `--uki-key`, and the server, which has not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, NetrootServe, Program, SigningKey, TinyRoot, paths};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Signing, configuration, run, verified};
use crate::lan::TIMEOUT;

/// How much of a process's memory is read at a time, in bytes.
const PIECE: usize = 4 << 20;

/// What is found of a key in memory, as a file has it, and as programs that compute with it do: its numbers from either end.
fn traces(key: &SigningKey) -> Result<Vec<Vec<u8>>> {
    let file = key.key.display().to_string();
    let shown = run("openssl", &["rsa", "-in", &file, "-noout", "-text"])?;
    let shown = String::from_utf8(shown.stdout)?;
    let mut numbers: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = "";
    for line in shown.lines() {
        match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            Some(of) => name = of,
            None => *numbers.entry(name).or_default() += &line.trim().replace(':', ""),
        }
    }
    let mut traces = Vec::new();
    for name in [
        "privateExponent",
        "prime1",
        "prime2",
        "exponent1",
        "exponent2",
    ] {
        let hex = numbers.get(name).context(name)?;
        let digits = hex.as_bytes().chunks_exact(2).map(|digits| {
            let digits = std::str::from_utf8(digits)?;
            Ok(u8::from_str_radix(digits, 16)?)
        });
        let number = digits.collect::<Result<Vec<u8>>>()?;
        // Of its middle, which is the same however many zeros are before it.
        let part = number.get(32..64).context("a short number")?.to_vec();
        traces.push(part.iter().rev().copied().collect());
        traces.push(part);
    }
    let text = fs::read_to_string(&key.key)?;
    let line = text.lines().nth(5).context("a short file")?;
    ensure!(line.len() == 64, "{line}");
    traces.push(line.as_bytes().to_vec());
    Ok(traces)
}

/// How many of `traces` are in the memory of a process.
fn found(pid: Pid, traces: &[Vec<u8>]) -> Result<usize> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let longest = traces.iter().map(Vec::len).max().unwrap_or_default();
    let mut seen = vec![false; traces.len()];
    let mut searched = 0;
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next(), words.next());
        let (Some(range), Some(rights)) = (range, rights) else {
            continue;
        };
        // What a process computes with is nowhere else.
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').context("a range")?;
        let [mut at, end] = [start, end].map(|number| u64::from_str_radix(number, 16));
        while let (Ok(from), Ok(end)) = (&at, &end)
            && from < end
        {
            let length = PIECE.min(usize::try_from(end - from)?);
            let mut bytes = vec![0; length];
            // A map may be gone by now.
            let read = memory.read_at(&mut bytes, *from).unwrap_or_default();
            let bytes = bytes.get(..read).unwrap_or_default();
            searched += read;
            for (trace, seen) in traces.iter().zip(&mut seen) {
                *seen |= memchr::memmem::find(bytes, trace).is_some();
            }
            // What is on both sides of an end is in the next piece.
            at = Ok(from + length.saturating_sub(longest).max(1) as u64);
            if length < PIECE {
                break;
            }
        }
    }
    ensure!(
        searched > 1 << 18,
        "of {pid} only {searched} bytes are read"
    );
    Ok(seen.into_iter().filter(|seen| *seen).count())
}

/// Whether a process has neither gone nor ended.
fn is_alive(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

/// The one helper that signs. One of an earlier start of the server may still be ending.
fn signer(server: &Program) -> Result<Pid> {
    let until = Instant::now() + TIMEOUT;
    loop {
        let children = server.children()?.into_iter();
        let signers = children.filter(|(name, pid)| name == "netroot-signer" && is_alive(*pid));
        let signers: Vec<_> = signers.collect();
        match signers.as_slice() {
            [(_, pid)] => return Ok(*pid),
            found => ensure!(Instant::now() < until, "{found:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asserts that the signer alone has the key.
fn assert_kept(server: &Program, key: &SigningKey) -> Result<()> {
    let traces = traces(key)?;
    let own = found(server.pid()?, &traces)?;
    ensure!(own == 0, "the server has {own} parts of the key in memory");
    let signer = signer(server)?;
    for (name, pid) in server.children()? {
        let parts = match found(pid, &traces) {
            Err(_) if !is_alive(pid) => 0,
            found => found?,
        };
        // Otherwise this looks for what is nowhere.
        ensure!(
            (parts > 0) == (pid == signer),
            "{name}: {parts} parts of the key"
        );
    }
    Ok(())
}

#[test]
fn the_key_is_in_the_memory_of_the_helper_that_signs_alone() -> Result<()> {
    let root = TinyRoot::with_stub()?;
    let modules = ["--modules", "virtio_net"];
    let mut signing = Signing::serve("uki-key-memory", root.path(), &modules)?;
    assert_kept(signing.server.program(), &signing.key)?;
    root.upgrade()?;
    let done = signing.reload()?;
    ensure!(done.status.success(), "{done:?}");
    assert!(verified(&signing.fetch(root.path())?, &signing.key)?);
    assert_kept(signing.server.program(), &signing.key)
}

#[test]
fn a_server_that_left_a_drop_in_out_has_not_seen_the_key_either() -> Result<()> {
    let net = Net::new("uki-key-drop-in")?;
    net.bridge("br0", "10.77.0.1/24")?;
    let folder = tempfile::tempdir()?;
    let key = SigningKey::make(folder.path(), "own")?;
    let root = TinyRoot::with_stub()?;
    let file = folder.path().join("netroot.toml");
    fs::write(&file, configuration(folder.path(), &key, &root))?;
    // It is found wrong once its initrd is built, after the helpers were started.
    let drop_ins = folder.path().join("conf.d");
    fs::create_dir(&drop_ins)?;
    let directory = root.path().display();
    let broken = format!("[image.broken]\nroot = \"{directory}\"\nmodules = \"no_such_module\"\n");
    fs::write(drop_ins.join("broken.toml"), broken)?;
    let mut server = NetrootServe::start_configured(&net, &file, &[])?;
    let text = server.output().text();
    ensure!(text.contains("drop-in-left-out"), "{text}");
    assert_kept(server.program(), &key)
}

#[test]
fn the_helper_that_signs_has_nothing_but_the_key() -> Result<()> {
    let root = TinyRoot::with_stub()?;
    let modules = ["--modules", "virtio_net"];
    let mut signing = Signing::serve("uki-key-confined", root.path(), &modules)?;
    let pid = signer(signing.server.program())?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap_or_default().trim().to_owned()
    };
    for name in ["Uid:", "Gid:"] {
        let ids = field(name);
        ensure!(!ids.split_whitespace().any(|id| id == "0"), "{status}");
    }
    for name in ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:"] {
        ensure!(field(name) == "0000000000000000", "{status}");
    }
    for (name, value) in [("Seccomp:", "2"), ("NoNewPrivs:", "1"), ("Threads:", "1")] {
        ensure!(field(name) == value, "{name} {status}");
    }
    let mut open = Vec::new();
    for fd in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let fd = fd?;
        if fd.file_name().to_string_lossy().parse::<u32>()? > 2 {
            open.push(fs::read_link(fd.path())?.display().to_string());
        }
    }
    ensure!(
        open.len() == 1 && open.iter().all(|one| one.starts_with("socket:")),
        "{open:?}"
    );
    // The kernel's sign that neither a core dump nor another process of its user has its memory.
    let owner = fs::metadata(format!("/proc/{pid}/environ"))?.uid();
    ensure!(owner == 0, "its memory is user {owner}'s");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let mut lines = limits.lines();
    let core = lines.find_map(|line| line.strip_prefix("Max core file size"));
    let mut core = core.context("no limit")?.split_whitespace();
    ensure!(
        core.next() == Some("0") && core.next() == Some("0"),
        "{limits}"
    );
    Ok(())
}

#[test]
fn a_helper_that_is_killed_is_told_and_no_kernel_is_signed_any_more() -> Result<()> {
    let root = TinyRoot::with_stub()?;
    let modules = ["--modules", "virtio_net"];
    let mut signing = Signing::serve("uki-key-killed", root.path(), &modules)?;
    kill(signer(signing.server.program())?, Signal::SIGKILL)?;
    let told = "\"warning\":\"signer-ended\"";
    let output = signing.server.output();
    output.wait_for(told, "that the helper has ended", TIMEOUT)?;
    // What it has signed is served.
    assert!(verified(&signing.fetch(root.path())?, &signing.key)?);
    root.upgrade()?;
    signing.reload()?;
    let why = "the helper process that has the key (--uki-key) has ended; start netroot again";
    let output = signing.server.output();
    output.wait_for(why, "why there is no image", TIMEOUT)?;
    signing.fetch(root.path()).unwrap_err();
    let ended = signing.server.terminate()?;
    ensure!(ended.status.success(), "{ended:?}");
    Ok(())
}

#[test]
fn a_server_ends_without_a_word_of_its_helper() -> Result<()> {
    let root = TinyRoot::with_stub()?;
    let modules = ["--modules", "virtio_net"];
    let mut signing = Signing::serve("uki-key-ended", root.path(), &modules)?;
    let ended = signing.server.terminate()?;
    ensure!(ended.status.success(), "{ended:?}");
    ensure!(!ended.stdout.contains("signer-ended"), "{}", ended.stdout);
    Ok(())
}

#[test]
fn a_key_that_cannot_sign_is_told_by_the_helper_and_nothing_is_served() -> Result<()> {
    let net = Net::new("uki-key-wrong")?;
    net.bridge("br0", "10.77.0.1/24")?;
    let folder = tempfile::tempdir()?;
    let [own, other] = ["own", "other"].map(|name| SigningKey::make(folder.path(), name));
    let (own, other) = (own?, other?);
    let root = TinyRoot::with_stub()?;
    let many = folder.path().join("many.pem");
    let mut chain = fs::read(&own.certificate)?;
    for number in 0..24 {
        let subject = format!("/CN=issuer {number}");
        let key = own.key.display().to_string();
        let request = ["req", "-new", "-x509", "-key", &key, "-subj", &subject];
        chain.extend(run("openssl", &request)?.stdout);
    }
    fs::write(&many, chain)?;
    let absent = folder.path().join("absent.key");
    let why = "the certificate of CN=other is for another key";
    let serve = |key: &Path, certificate: &Path| -> Result<String> {
        let [netroot, key, certificate, root, state, cache] = [
            &paths::netroot()?,
            key,
            certificate,
            root.path(),
            &folder.path().join("state"),
            &folder.path().join("cache"),
        ]
        .map(|path| path.display().to_string());
        let mut argv = vec![
            &*netroot,
            "serve",
            &root,
            "--interface",
            "br0",
            "--no-probe",
        ];
        argv.extend(["--state", &state, "--cache", &cache]);
        argv.extend(["--uki-key", &key, "--uki-cert", &certificate]);
        let done = net.run_for(&argv, TIMEOUT)?;
        ensure!(done.status.code() == Some(1), "{done:?}");
        Ok(done.stderr)
    };
    for (key, certificate, why) in [
        (&own.key, &other.certificate, why),
        (&absent, &own.certificate, "cannot read the key "),
        (&own.key, &many, "leave certificates of issuers out"),
    ] {
        let said = serve(key, certificate)?;
        ensure!(said.contains(why), "{said}");
    }
    Ok(())
}
