//! `netroot uki`: the image that it writes, as other tools read it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use netroot_harness::{SigningKey, TinyRoot, paths};
use netroot_secure_boot::Binary;

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
    uki(root.path(), &again, &both)?;
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

    let verified = |image: &Path, key: &SigningKey| -> Result<bool> {
        let image = image.display().to_string();
        let certificate = key.certificate.display().to_string();
        Ok(run("sbverify", &["--cert", &certificate, &image])?
            .status
            .success())
    };
    assert!(verified(&image, &own)? && !verified(&image, &stranger)?);
    assert_eq!(
        Binary::parse(&fs::read(&image)?)?
            .valid_signatures()
            .count(),
        1
    );

    let mut altered = fs::read(&image)?;
    let line = altered.windows(7).position(|window| window == b"ttyS0\0\0");
    altered[line.context("the command line")?] = b'X';
    fs::write(&again, altered)?;
    assert!(!verified(&again, &own)?);

    let done = uki(root.path(), &unsigned, &[])?;
    assert!(String::from_utf8_lossy(&done.stderr).contains("not signed"));
    assert!(!verified(&unsigned, &own)?);
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
