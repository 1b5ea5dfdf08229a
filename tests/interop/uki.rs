//! `netroot uki`: the image that it writes, as other tools read it.

mod signer;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Finished, Net, NetrootServe, SigningKey, TinyRoot, paths};
use netroot_secure_boot::Binary;

use crate::lan::{HTTP, TIMEOUT};

fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    let done = Command::new(program).args(arguments).output();
    done.with_context(|| format!("start {program}: is its package installed?"))
}

/// The options that sign with this key.
fn signing(key: &SigningKey) -> [String; 4] {
    let [key, certificate] = [&key.key, &key.certificate].map(|file| file.display().to_string());
    ["--sign-key".into(), key, "--sign-cert".into(), certificate]
}

fn uki(root: &Path, to: &Path, more: &[&str]) -> Result<Output> {
    let [root, to] = [root, to].map(|path| path.display().to_string());
    let mut arguments = vec![
        "uki",
        &root,
        "--modules",
        "virtio_net",
        "--level",
        "3",
        "-o",
        &to,
    ];
    arguments.extend(more);
    run(&paths::netroot()?.display().to_string(), &arguments)
}

/// A section's content, by binutils.
fn section(image: &Path, name: &str, folder: &Path) -> Result<Vec<u8>> {
    let file = folder.join("section");
    let dumped = format!("{name}={}", file.display());
    let image = image.display().to_string();
    let done = run(
        "objcopy",
        &[
            "-O",
            "binary",
            "--dump-section",
            &dumped,
            &image,
            "/dev/null",
        ],
    )?;
    ensure!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(fs::read(file)?)
}

/// PCR 11 of a TPM once an image of systemd 252 with these sections was measured, by that systemd's own tool.
fn measured(net: &Net, sections: &[(&str, Vec<u8>)]) -> Result<String> {
    let folder = net.logs().join("sections");
    fs::create_dir_all(&folder)?;
    let root = paths::debian_root().display().to_string();
    let mut argv = vec!["chroot".to_owned(), root.clone()];
    argv.push("/lib/systemd/systemd-measure".to_owned());
    argv.extend(["calculate", "--bank=sha256", "--phase=:", "--json=short"].map(str::to_owned));
    for (name, content) in sections {
        fs::write(folder.join(name), content)?;
        argv.push(format!("--{name}=/mnt/{name}"));
    }
    let folder = folder.display().to_string();
    net.run(&["mount", "--bind", &folder, &format!("{root}/mnt")])?;
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let said = net.run(&argv)?;
    net.run(&["umount", &format!("{root}/mnt")])?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let value = said.pointer("/sha256/0/hash").and_then(|it| it.as_str());
    Ok(value.context("the value of the PCR")?.to_owned())
}

/// Whether sbsigntool finds a signature of this key in it.
fn verified(image: &Path, key: &SigningKey) -> Result<bool> {
    let image = image.display().to_string();
    let certificate = key.certificate.display().to_string();
    let done = run("sbverify", &["--cert", &certificate, &image])?;
    Ok(done.status.success())
}

#[test]
fn an_image_has_its_parts_and_a_signature_that_sbverify_accepts() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (own, stranger) = (
        SigningKey::make(folder, "own")?,
        SigningKey::make(folder, "stranger")?,
    );
    let root = TinyRoot::with_stub()?;
    fs::write(root.path().join("etc/os-release"), "ID=tiny\n")?;
    let sign = signing(&own);
    let sign = sign.each_ref().map(String::as_str);
    let append = ["--append", "console=ttyS0 id=${mac}"];
    let [image, again, unsigned] = ["a.efi", "b.efi", "c.efi"].map(|name| folder.join(name));
    let both = [&sign[..], &append].concat();
    let done = uki(root.path(), &image, &both)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    ensure!(done.status.success(), "{said}");
    for part in [
        "signed by CN=own\n",
        "an image has one command line: id=${mac}\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let done = uki(root.path(), &again, &both)?;
    ensure!(done.status.success(), "{done:?}");
    assert!(
        fs::read(&image)? == fs::read(&again)?,
        "it differs from run to run"
    );

    let (version, kernel) = paths::debian_kernel()?;
    for (name, expected) in [
        (
            ".cmdline",
            b"root=/dev/nfs ip=dhcp ro rd.overlay console=ttyS0".to_vec(),
        ),
        (".uname", version.into_bytes()),
        (".osrel", b"ID=tiny\n".to_vec()),
        (".linux", fs::read(kernel)?),
    ] {
        assert!(section(&image, name, folder)? == expected, "{name}");
    }
    // zstd, as the kernel unpacks it.
    assert!(section(&image, ".initrd", folder)?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));

    assert!(verified(&image, &own)? && !verified(&image, &stranger)?);
    assert_eq!(
        Binary::parse(&fs::read(&image)?)?
            .valid_signatures()
            .count(),
        1
    );

    let mut altered = fs::read(&image)?;
    let line = b"rd.overlay console=ttyS0";
    let line = altered.windows(line.len()).position(|part| part == line);
    altered[line.context("the command line")?] = b'X';
    fs::write(&again, altered)?;
    assert!(!verified(&again, &own)?);

    let done = uki(root.path(), &unsigned, &[])?;
    assert!(String::from_utf8_lossy(&done.stderr).contains("not signed"));
    assert!(!verified(&unsigned, &own)?);
    Ok(())
}

#[test]
fn the_value_of_a_tpms_pcr_is_that_of_systemd_measure_and_changes_with_the_command_line()
-> Result<()> {
    let net = Net::new("uki-measure")?;
    let root = TinyRoot::with_stub()?;
    fs::write(root.path().join("etc/os-release"), "ID=tiny\n")?;
    let image = net.logs().join("measured.efi");
    let described = |more: &[&str]| -> Result<serde_json::Value> {
        let done = uki(root.path(), &image, &[&["--json"], more].concat())?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success() && said.is_empty(), "{said}");
        Ok(serde_json::from_slice(&done.stdout)?)
    };
    let mut values = Vec::new();
    for append in ["quiet", "quiet debug"] {
        let described = described(&["--append", append])?;
        let section = |name: &'static str| {
            let content = section(&image, &format!(".{name}"), net.logs());
            content.map(|content| (name, content))
        };
        let sections = ["linux", "osrel", "cmdline", "initrd"].map(section);
        let sections = sections.into_iter().collect::<Result<Vec<_>>>()?;
        assert_eq!(described["pcr_11"], *measured(&net, &sections)?);
        assert_eq!(described["length"], fs::metadata(&image)?.len());
        let line = format!("root=/dev/nfs ip=dhcp ro rd.overlay {append}");
        assert_eq!(described["command_line"], *line);
        values.push(described["pcr_11"].clone());
    }
    assert_ne!(values.first(), values.last());

    // The same for people, and nothing of what a stub measures that nobody knows.
    let said = |more: &[&str]| -> Result<String> {
        let done = uki(root.path(), &image, more)?;
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let text = said(&["--append", "quiet debug"])?;
    let value = values.last().and_then(|value| value.as_str());
    let line = format!(
        "PCR 11 after the stub (SHA-256): {}\n",
        value.context("a value")?
    );
    assert!(text.contains(&line), "{text}");
    let stub = net.logs().join("later.stub");
    let mut later = fs::read(root.path().join(TinyRoot::STUB))?;
    let version = b"systemd-stub 252";
    let at = later
        .windows(version.len())
        .position(|part| part == version);
    let at = at.context("the stub's version")? + version.len() - 3;
    later[at..at + 3].copy_from_slice(b"999");
    fs::write(&stub, later)?;
    let stub = stub.display().to_string();
    assert_eq!(
        described(&["--stub", &stub])?["pcr_11"],
        serde_json::Value::Null
    );
    let text = said(&["--stub", &stub])?;
    assert!(text.contains("PCR 11 is not predicted: "), "{text}");
    Ok(())
}

#[test]
fn what_is_missing_is_named_with_its_cure_and_nothing_is_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("a.efi");
    let [one, other] = ["one", "other"].map(|name| SigningKey::make(folder.path(), name));
    let ([_, one_key, _, one_certificate], [_, _, _, other_certificate]) =
        (signing(&one?), signing(&other?));
    let (bare, root) = (TinyRoot::make()?, TinyRoot::with_stub()?);
    let absent: PathBuf = folder.path().join("absent.key");
    let absent = absent.display().to_string();
    let long = "x".repeat(2048);
    for (root, more, why) in [
        (
            &bare,
            vec![],
            "Debian, Ubuntu: the package systemd-boot-efi",
        ),
        (
            &root,
            vec!["--sign-key", &absent, "--sign-cert", &one_certificate],
            "cannot read the key ",
        ),
        (
            &root,
            vec!["--sign-key", &one_key, "--sign-cert", &other_certificate],
            "the certificate of CN=other is for another key",
        ),
        (&root, vec!["--sign-key", &one_key], "--sign-cert"),
        (
            &root,
            vec!["--append", &long],
            "and Linux takes 2047: append less",
        ),
    ] {
        let done = uki(root.path(), &image, &more)?;
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            !done.status.success() && said.contains(why),
            "{why}: {said}"
        );
        assert!(!image.exists(), "{why}");
    }
    Ok(())
}

/// A server that signs. Dropped in this order: the users of a network before the network.
struct Signing {
    server: NetrootServe,
    client: Net,
    net: Net,
    key: SigningKey,
    folder: tempfile::TempDir,
}

impl Signing {
    /// Serves this root.
    fn serve(name: &str, root: &Path, more: &[&str]) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let client = Net::new(&format!("{name}-client"))?;
        net.cable(&bridge, &client, "eth0", "10.77.0.66/24")?;
        let folder = tempfile::tempdir()?;
        let key = SigningKey::make(folder.path(), "own")?;
        let [private, certificate, control] = [
            key.key.clone(),
            key.certificate.clone(),
            folder.path().join("control"),
        ]
        .map(|path| path.display().to_string());
        let mut arguments = vec!["--interface", "br0", "--no-probe", "--control", &control];
        arguments.extend(["--uki-key", &private, "--uki-cert", &certificate]);
        arguments.extend(more);
        let server = NetrootServe::start(&net, root, &arguments)?;
        Ok(Self {
            server,
            client,
            net,
            key,
            folder,
        })
    }

    fn reload(&self) -> Result<Finished> {
        let netroot = paths::netroot()?.display().to_string();
        let control = self.folder.path().join("control").display().to_string();
        let argv = [&netroot, "reload", "--control", &control];
        self.net.run_for(&argv, TIMEOUT)
    }

    /// The image that firmware is given, in a file; an error if there is none.
    fn fetch(&self, root: &Path) -> Result<PathBuf> {
        let name = root.file_name().context("a name")?.to_string_lossy();
        let file = self.folder.path().join("program.efi");
        let (url, to) = (
            format!("{HTTP}/images/{name}/program.efi"),
            file.display().to_string(),
        );
        let curl = ["curl", "-sS", "--fail", "--max-time", "60", "-o", &to, &url];
        self.client.run(&curl)?;
        Ok(file)
    }

    /// A line of the server's `/proc/PID/status`.
    fn status(&mut self, name: &str) -> Result<String> {
        let pid = self.server.program().pid()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value.context(status.clone())?.trim().to_owned())
    }
}

#[test]
fn a_confined_server_signs_the_kernel_of_an_upgrade() -> Result<()> {
    let root = TinyRoot::with_stub()?;
    let modules = ["--modules", "virtio_net"];
    let mut signing = Signing::serve("uki-upgrade", root.path(), &modules)?;
    // What it makes from now on, it makes with a filter of system calls, and without root's rights.
    assert_eq!(signing.status("Seccomp")?, "2");
    assert_eq!(signing.status("CapEff")?, "0000000000000004");
    let text = signing.server.output().text();
    ensure!(!text.contains("not-confined"), "{text}");
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (version, _) = paths::debian_kernel()?;
    let first = signing.fetch(root.path())?;
    assert!(verified(&first, &signing.key)?);
    assert!(section(&first, ".uname", folder)? == version.into_bytes());

    let next = root.upgrade()?;
    let done = signing.reload()?;
    ensure!(done.status.success(), "{done:?}");
    let new = signing.fetch(root.path())?;
    assert!(verified(&new, &signing.key)?);
    let kernel = fs::read(root.path().join(format!("boot/vmlinuz-{next}")))?;
    assert!(section(&new, ".uname", folder)? == next.into_bytes());
    assert!(section(&new, ".linux", folder)? == kernel);

    // What starts an image is taken away, and comes back.
    let (stub, aside) = (root.path().join(TinyRoot::STUB), folder.join("stub"));
    fs::copy(&stub, &aside)?;
    fs::remove_file(&stub)?;
    signing.reload()?;
    let said = "\"warning\":\"no-unified-image\"";
    let output = signing.server.output();
    output.wait_for(said, "that there is none", TIMEOUT)?;
    signing.fetch(root.path()).unwrap_err();
    fs::copy(&aside, &stub)?;
    let done = signing.reload()?;
    ensure!(done.status.success(), "{done:?}");
    assert!(verified(&signing.fetch(root.path())?, &signing.key)?);
    Ok(())
}

#[test]
fn an_image_of_hundreds_of_megabytes_is_not_held_in_memory() -> Result<()> {
    const INITRD: u64 = 256 << 20;
    let root = TinyRoot::with_stub()?;
    let folder = tempfile::tempdir()?;
    let [initrd, cache] = ["initrd", "cache"].map(|name| folder.path().join(name));
    fs::File::create(&initrd)?.set_len(INITRD)?;
    let [initrd, cache] = [initrd, cache].map(|path| path.display().to_string());
    let more = ["--initrd", &initrd, "--cache", &cache];
    let mut signing = Signing::serve("uki-memory", root.path(), &more)?;
    let image = signing.fetch(root.path())?;
    ensure!(fs::metadata(&image)?.len() > INITRD);
    assert!(verified(&image, &signing.key)?);
    root.upgrade()?;
    let done = signing.reload()?;
    ensure!(done.status.success(), "{done:?}");
    // The most that it ever had, with all that it is made of.
    let peak = signing.status("VmHWM")?;
    let kib: u64 = peak.trim_end_matches(" kB").parse()?;
    ensure!(kib << 10 < INITRD / 2, "{peak}");
    ensure!(
        fs::read_dir(&cache)?.next().is_none(),
        "an image has a name in the cache"
    );
    Ok(())
}

/// Of a server that makes a unified kernel image of this root. What it writes is in `folder`.
fn configuration(folder: &Path, key: &SigningKey, root: &TinyRoot) -> String {
    let at = folder.display();
    format!(
        "default = \"tiny\"\n[server]\nstate = \"{at}/state\"\ncache = \"{at}/cache\"\ncontrol = \"{at}/control\"\n\
         uki-key = \"{}\"\nuki-cert = \"{}\"\n[[network]]\ninterface = \"br0\"\nprobe = false\n\
         [image.tiny]\nroot = \"{}\"\nmodules = \"virtio_net\"\nuki = true\n",
        key.key.display(),
        key.certificate.display(),
        root.path().display()
    )
}

#[test]
fn check_config_warns_of_an_image_that_serve_serves_without_a_unified_one() -> Result<()> {
    let net = Net::new("uki-check-config")?;
    net.bridge("br0", "10.77.0.1/24")?;
    let folder = tempfile::tempdir()?;
    let key = SigningKey::make(folder.path(), "own")?;
    let root = TinyRoot::make()?;
    let file = folder.path().join("netroot.toml");
    fs::write(&file, configuration(folder.path(), &key, &root))?;
    let (netroot, config) = (
        paths::netroot()?.display().to_string(),
        file.display().to_string(),
    );
    let checked = net.run_for(&[&netroot, "check-config", "--config", &config], TIMEOUT)?;
    let sentence = "there is no unified kernel image, and machines load what they load without one: there is no ";
    ensure!(
        checked.status.success()
            && checked.stdout.contains("image.tiny.uki: ")
            && checked.stdout.contains(sentence),
        "{checked:?}"
    );
    let server = NetrootServe::start_configured(&net, &file, &[])?;
    let text = server.output().text();
    ensure!(text.contains(&format!("tiny: {sentence}")), "{text}");
    Ok(())
}
