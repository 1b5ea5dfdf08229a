//! Debian's own signed files, and what is wrong with them when somebody changed them.

mod shim_in_no_folder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, NetrootServe, TinyRoot, certificates_entry, paths, with_signatures};
use netroot_proto::dhcp::{MessageType, code};
use netroot_secure_boot::{Architecture, Authority, Binary, ChainError, Part, check};
use serde_json::json;

use crate::firmware::{MACHINE, ask, message};
use crate::lan::{Network, TIMEOUT};

struct Files {
    shim: Vec<u8>,
    grub: Vec<u8>,
    kernel: Vec<u8>,
}

impl Files {
    fn of_debian() -> Result<Self> {
        let read = |path: PathBuf| fs::read(&path).with_context(|| path.display().to_string());
        let [shim, grub] = TinyRoot::SIGNED.map(|file| paths::tests_layer().join(file));
        let (_, kernel) = paths::debian_kernel()?;
        Ok(Self {
            shim: read(shim)?,
            grub: read(grub)?,
            kernel: read(kernel)?,
        })
    }

    fn check(&self) -> Result<Result<netroot_secure_boot::Chain, ChainError>> {
        let [shim, grub, kernel] =
            [&self.shim, &self.grub, &self.kernel].map(|it| Binary::parse(it));
        Ok(check(&shim?, &grub?, Some(&kernel?)))
    }
}

fn without_signatures(file: Vec<u8>) -> Result<Vec<u8>> {
    with_signatures(file, |_| false)
}

#[test]
fn debians_shim_grub_and_kernel_start_one_another() -> Result<()> {
    let chain = Files::of_debian()?.check()??;
    assert_eq!(chain.architecture, Architecture::X64);
    assert_eq!(chain.authorities, Authority::ALL);
    assert_eq!(chain.vendors, ["Debian Secure Boot CA"]);
    assert_eq!(chain.conditions, []);
    Ok(())
}

#[test]
fn what_was_changed_or_comes_from_elsewhere_is_told_apart() -> Result<()> {
    let files = || Files::of_debian();
    let told =
        |files: Files| -> Result<ChainError> { files.check()?.err().context("it was not refused") };

    let mut changed = files()?;
    let middle = changed.grub.len() / 2;
    changed.grub[middle] ^= 1;
    let error = told(changed)?.to_string();
    assert_eq!(
        error,
        "the boot loader has no valid signature: its content was changed after it was signed"
    );

    let mut unsigned = files()?;
    unsigned.kernel = without_signatures(unsigned.kernel)?;
    assert_eq!(told(unsigned)?, ChainError::Unsigned(Part::Kernel));

    let mut unsigned = files()?;
    unsigned.shim = without_signatures(unsigned.shim)?;
    assert_eq!(told(unsigned)?, ChainError::Unsigned(Part::Shim));

    let mut swapped = files()?;
    std::mem::swap(&mut swapped.shim, &mut swapped.grub);
    assert_eq!(told(swapped)?, ChainError::NoShim);

    // What the machine's own lists have, shim starts as well.
    let mut stranger = files()?;
    stranger.grub = stranger.shim.clone();
    let conditions = stranger.check()??.conditions;
    let conditions: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    assert_eq!(
        conditions,
        [
            "the boot loader is signed by Microsoft Windows UEFI Driver Publisher, and not under Debian Secure Boot CA: shim \
          starts it only where its certificate was enrolled (db or MOK)"
        ]
    );
    Ok(())
}

/// Bytes of the headers and of the signatures changed, and files cut there.
#[test]
fn a_mangled_file_has_no_valid_signature() -> Result<()> {
    let files = Files::of_debian()?;
    for file in [&files.shim, &files.grub] {
        let table = certificates_entry(file)?;
        // The checksum and the entry of the table itself are not signed.
        let is_signed = |at: usize| {
            let checksum = table - 4 * 8 - 112 + 64;
            at < 1024
                && !(checksum..checksum + 4).contains(&at)
                && !(table..table + 8).contains(&at)
        };
        let places = (0..1024).step_by(5);
        for at in places.chain((file.len() - 9000..file.len()).step_by(497)) {
            let mut mangled = file.clone();
            mangled[at] ^= 0xff;
            if let Ok(mangled) = Binary::parse(&mangled)
                && is_signed(at)
            {
                assert!(mangled.valid_signatures().next().is_none(), "byte {at}");
            }
            if let Ok(cut) = Binary::parse(&file[..at]) {
                assert!(cut.valid_signatures().next().is_none(), "cut at {at}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_signed_files_are_served_under_the_names_that_firmware_shim_and_grub_ask_for() -> Result<()> {
    let Network { net, client, .. } = Network::new("secure-boot-names")?;
    let root = TinyRoot::signed()?;
    let image = root.path().file_name().context("a name")?.to_string_lossy();
    let _server = NetrootServe::start(&net, root.path(), &["--interface", "br0"])?;
    let get = |path: &str| {
        let url = format!("http://10.77.0.1:8069/{path}");
        client.run(&[
            "curl",
            "-sS",
            "--max-time",
            "60",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_download}",
            &url,
        ])
    };
    let [shim, grub] =
        TinyRoot::SIGNED.map(|file| fs::metadata(root.path().join(file)).unwrap().len());
    for (path, expected) in [
        (format!("images/{image}/shimx64.efi"), format!("200 {shim}")),
        (format!("images/{image}/grubx64.efi"), format!("200 {grub}")),
        // As shim asks over HTTP.
        (
            format!("images/{image}//grubx64.efi"),
            format!("200 {grub}"),
        ),
        // As it asks where the name that firmware was given did not reach it.
        ("grubx64.efi".to_owned(), format!("200 {grub}")),
    ] {
        assert_eq!(get(&path)?, expected, "{path}");
    }
    for path in [
        "revocations_sku.efi",
        "shim_certificate_0.efi",
        "grubaa64.efi",
    ] {
        let path = format!("images/{image}/{path}");
        assert!(get(&path)?.starts_with("404 "), "{path}");
    }
    let config = client.run(&["curl", "-sS", "http://10.77.0.1:8069/grub/grub.cfg"])?;
    assert!(
        config.contains(&format!("\nif linux /images/{image}/vmlinuz-")),
        "{config}"
    );
    assert!(
        config.contains(&format!("\nif initrd /images/{image}/initrd.img-")),
        "{config}"
    );
    assert!(config.contains(" BOOTIF=01-"), "{config}");
    Ok(())
}

#[test]
fn a_root_whose_files_do_not_start_one_another_is_told_of_and_serves_the_others() -> Result<()> {
    let Network {
        net,
        client: machine,
        ..
    } = Network::new("secure-boot-broken")?;
    let root = TinyRoot::signed()?;
    let grub = root.path().join(TinyRoot::SIGNED[1]);
    fs::write(&grub, without_signatures(fs::read(&grub)?)?)?;
    // Without a machine that needs them it is told by `check` alone.
    let arguments = ["--interface", "br0", "--dhcp", "10.77.0.100-10.77.0.199"];
    let quiet = NetrootServe::start(&net, root.path(), &arguments)?;
    let warning = " with Secure Boot: no machine boots it: ";
    assert!(!quiet.output().text().contains(warning));
    drop(quiet);
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let directory = root.path().display().to_string();
    let check = [netroot.as_str(), "check", "br0", &directory, "--offline"];
    let checked = net.shell(&format!("{} || true", check.join(" ")))?;
    let refused = "no machine with Secure Boot boots it: the boot loader is not signed";
    assert!(checked.contains(refused), "{checked}");
    let wanted = [&arguments[..], &["--secure-boot", "always"]].concat();
    let server = NetrootServe::start(&net, root.path(), &wanted)?;
    assert_eq!(offered(&machine)?, "snponly.efi");
    let told = server.output().wait_for(warning, "the warning", TIMEOUT)?;
    let why = format!(
        ": the boot loader is not signed ({}); run `chroot {} apt install shim-signed ",
        grub.display(),
        root.path().display()
    );
    assert!(told.line.contains(&why), "{}", told.line);
    Ok(())
}

/// The loader that firmware is offered.
fn offered(machine: &Net) -> Result<String> {
    let offer = ask(machine, &message(MessageType::Discover, &[]))?;
    let file = offer.options.text(code::BOOT_FILE_NAME);
    let file = String::from_utf8_lossy(file.context("no loader")?);
    Ok(file.trim_end_matches('\0').to_owned())
}

#[test]
fn what_a_machine_refused_outlasts_a_restart_until_a_command_forgets_it() -> Result<()> {
    let Network {
        net,
        client: machine,
        ..
    } = Network::new("secure-boot-known")?;
    let root = TinyRoot::signed()?;
    let arguments = ["--interface", "br0", "--dhcp", "10.77.0.100-10.77.0.199"];
    let serve =
        |more: &[&str]| NetrootServe::start(&net, root.path(), &[&arguments[..], more].concat());

    // As an earlier run of the server left it, in a folder that the server made.
    serve(&[])?.terminate()?;
    let state = net.logs().join("state");
    let kept = state.join("secure-boot.json");
    let authorities = ["Microsoft UEFI CA 2023"];
    let reported = json!({"enforcing": true, "setup_mode": false, "authorities": authorities});
    let known = json!({ MACHINE.to_string(): {"starts": "signed", "reported": reported} });
    fs::write(&kept, known.to_string())?;
    let mut server = serve(&[])?;
    assert!(offered(&machine)?.ends_with("/shimx64.efi"));
    let given = server
        .output()
        .wait_for("\"given-signed\"", "why it is given shim", TIMEOUT)?;
    assert!(given.line.contains("\"why\":\"known\""), "{}", given.line);
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let (mac, state) = (MACHINE.to_string(), state.display().to_string());
    let machines = [netroot.as_str(), "machines", &mac, "--state", &state];
    let told = net.run(&machines)?;
    for part in [
        "Secure Boot is on; db has Microsoft UEFI CA 2023",
        "starts the signed chain",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let told = net.run(&[&machines[..], &["--forget-secure-boot"]].concat())?;
    assert!(told.contains("is forgotten"), "{told}");
    assert_eq!(offered(&machine)?, "snponly.efi");
    server.terminate()?;

    // Nor does the next run know it.
    let mut server = serve(&[])?;
    assert_eq!(offered(&machine)?, "snponly.efi");
    server.terminate()?;
    let mut server = serve(&["--secure-boot", "never"])?;
    assert_eq!(offered(&machine)?, "snponly.efi");
    server.terminate()?;
    let mut server = serve(&["--secure-boot", "always"])?;
    assert!(offered(&machine)?.ends_with("/shimx64.efi"));
    let given = server
        .output()
        .wait_for("\"given-signed\"", "why it is given shim", TIMEOUT)?;
    assert!(
        given.line.contains("\"why\":\"configured\""),
        "{}",
        given.line
    );
    server.terminate()?;
    // What is known does not overrule the configuration.
    fs::write(&kept, known.to_string())?;
    let _server = serve(&["--secure-boot", "never"])?;
    assert_eq!(offered(&machine)?, "snponly.efi");
    Ok(())
}

/// What a folder of its own has goes before the root's, under the names that shim asks for.
#[test]
fn a_folder_of_signed_files_is_served_in_place_of_the_roots() -> Result<()> {
    let Network { net, client, .. } = Network::new("secure-boot-folder")?;
    let (root, folder) = (TinyRoot::signed()?, tempfile::tempdir()?);
    let debian_13 = paths::signed_loaders().join("x64");
    let mut sizes = Vec::new();
    for (from, to) in [
        ("shimx64.efi.signed", "shimx64.efi"),
        ("grubnetx64.efi.signed", "grubx64.efi"),
        ("mmx64.efi.signed", "mmx64.efi.signed"),
        ("mmx64.efi.signed", "revocations_sku.efi"),
    ] {
        sizes.push(fs::copy(debian_13.join(from), folder.path().join(to))?);
    }
    fs::write(folder.path().join("notes"), "not served")?;
    let named = folder.path().display().to_string();
    let mut arguments = vec!["--interface", "br0", "--dhcp", "10.77.0.100-10.77.0.199"];
    arguments.extend(["--secure-boot", "always", "--secure-boot-files", &named]);
    let server = NetrootServe::start(&net, root.path(), &arguments)?;
    let image = root.path().file_name().context("a name")?.to_string_lossy();
    let get = |name: &str| {
        let url = format!("http://10.77.0.1:8069/images/{image}/{name}");
        let format = "%{http_code} %{size_download}";
        client.run(&[
            "curl",
            "-sS",
            "-m",
            "60",
            "-o",
            "/dev/null",
            "-w",
            format,
            &url,
        ])
    };
    let names = [
        "shimx64.efi",
        "grubx64.efi",
        "mmx64.efi",
        "revocations_sku.efi",
    ];
    for (name, size) in names.iter().zip(&sizes) {
        assert_eq!(get(name)?, format!("200 {size}"), "{name}");
    }
    for name in ["notes", "shim_certificate_0.efi", "grub.efi"] {
        assert!(get(name)?.starts_with("404 "), "{name}");
    }

    // It is followed, like the root.
    fs::write(folder.path().join("grubx64.efi"), "no GRUB")?;
    // It is told once a machine needs them.
    let output = server.output();
    output.wait_for("\"new-boots\"", "what is served now", TIMEOUT)?;
    offered(&client)?;
    let warning = "grubx64.efi: it is not an EFI binary";
    server
        .output()
        .wait_for(warning, "what is wrong with it", TIMEOUT)?;
    Ok(())
}

#[test]
fn a_folder_without_a_shim_or_without_its_grub_is_told_of() -> Result<()> {
    let Network {
        net,
        client: machine,
        ..
    } = Network::new("secure-boot-no-shim")?;
    let (root, folder) = (TinyRoot::signed()?, tempfile::tempdir()?);
    let named = folder.path().display().to_string();
    let mut arguments = vec!["--interface", "br0", "--dhcp", "10.77.0.100-10.77.0.199"];
    arguments.extend(["--secure-boot", "always", "--secure-boot-files", &named]);
    let tells = |text: &str| -> Result<()> {
        let mut server = NetrootServe::start(&net, root.path(), &arguments)?;
        offered(&machine)?;
        server.output().wait_for(text, "what is missing", TIMEOUT)?;
        server.terminate()?;
        Ok(())
    };
    let no_shim = format!("{named} has no shim for x86_64 (shimx64.efi, or shimx64.efi.signed)");
    tells(&no_shim)?;
    let shim = paths::signed_loaders().join("x64/shimx64.efi.signed");
    fs::copy(shim, folder.path().join("shimx64.efi.signed"))?;
    tells("and no signed GRUB beside it; copy shim and the GRUB")
}

/// A binary with a signature of the one whom the tests' shim for iPXE trusts.
fn signed_by_vendor(binary: &[u8]) -> Result<Vec<u8>> {
    let (made, folder) = (paths::ipxe_shim(), tempfile::tempdir()?);
    let file = folder.path().join("binary.efi");
    fs::write(&file, binary)?;
    let done = Command::new("sbsign")
        .arg("--key")
        .arg(made.join("vendor.key"))
        .arg("--cert")
        .arg(made.join("vendor.pem"))
        .arg("--output")
        .args([&file, &file])
        .output()
        .context("start sbsign")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "sbsign: {said}");
    Ok(fs::read(&file)?)
}

/// A shim that starts iPXE, and the iPXE that it trusts: they go before the root's GRUB, as long as they start one another.
#[test]
fn ipxes_own_signed_files_are_given_under_the_names_that_are_asked_for_while_they_are_right()
-> Result<()> {
    let Network {
        net,
        client: machine,
        ..
    } = Network::new("signed-ipxe-names")?;
    let (root, folder) = (TinyRoot::signed()?, tempfile::tempdir()?);
    let made = paths::ipxe_shim();
    let read = |file: &str| fs::read(made.join(file)).with_context(|| file.to_owned());
    let unsigned = fs::read(paths::signed_loaders().join("ipxe/snponly.efi"))?;
    let ipxe = folder.path().join("snponly.efi");
    fs::write(&ipxe, signed_by_vendor(&unsigned)?)?;
    // Who signed the shim is no matter here.
    let shim = folder.path().join("snponly-shimx64.efi");
    fs::write(&shim, signed_by_vendor(&read("shimx64.efi")?)?)?;

    let named = folder.path().display().to_string();
    let range = ["--interface", "br0", "--dhcp", "10.77.0.100-10.77.0.199"];
    let more = ["--ipxe", &named, "--secure-boot", "always"];
    let server = NetrootServe::start(&net, root.path(), &[&range[..], &more].concat())?;
    assert_eq!(offered(&machine)?, "x86_64-sb/ipxe-shim.efi");
    let get = |path: &str| {
        let url = format!("http://10.77.0.1:8069/{path}");
        machine.run(&["curl", "-sS", "--max-time", "60", &url])
    };
    let length = |path: &str| {
        let url = format!("http://10.77.0.1:8069/{path}");
        let length = "%{http_code} %{size_download}";
        let curl = ["curl", "-sS", "--max-time", "60", "-o", "/dev/null", "-w"];
        machine.run(&[&curl[..], &[length, &url]].concat())
    };
    let size = |path: &Path| fs::metadata(path).map(|it| format!("200 {}", it.len()));
    for (path, file) in [
        ("x86_64-sb/ipxe-shim.efi", &shim),
        // As iPXE's own shim asks, this one, and a shim over HTTP.
        ("x86_64-sb/ipxe.efi", &ipxe),
        ("x86_64-sb/snponly.efi", &ipxe),
        ("x86_64-sb//snponly.efi", &ipxe),
        // Without Secure Boot.
        ("snponly.efi", &ipxe),
        ("kernelshim.efi", &root.path().join(TinyRoot::SIGNED[0])),
    ] {
        assert_eq!(length(path)?, size(file)?, "{path}");
    }
    assert!(length("x86_64-sb/mmx64.efi")?.starts_with("404 "));
    let first = get("x86_64-sb/autoexec.ipxe")?;
    assert!(first.contains("\nchain --replace http://"), "{first}");
    let script = format!("boot/{}.ipxe", MACHINE.to_string().replace(':', "-"));
    let image = root.path().file_name().context("a name")?.to_string_lossy();
    let by_shim = format!("\nshim http://10.77.0.1:8069/images/{image}/kernelshim.efi-");
    let boots = get(&script)?;
    assert!(boots.contains(&by_shim), "{boots}");
    let netroot = paths::netroot()?.display().to_string();
    let directory = root.path().display().to_string();
    let check = [
        &netroot,
        "check",
        "br0",
        &directory,
        "--offline",
        "--ipxe",
        &named,
    ];
    let checked = net.shell(&format!("{} || true", check.join(" ")))?;
    for part in [
        "iPXE's signed files start its kernel by the root's shim",
        "shim is signed under Stand-in for iPXE's signer",
    ] {
        assert!(checked.contains(part), "{part}: {checked}");
    }

    // The root's own are given meanwhile.
    fs::write(&ipxe, &unsigned)?;
    let wrong = format!("the boot loader is not signed ({})", ipxe.display());
    let output = server.output();
    let told = output.wait_for(&wrong, "what is wrong with it", TIMEOUT)?;
    assert_eq!(offered(&machine)?, format!("images/{image}/shimx64.efi"));
    assert!(!get(&script)?.contains("\nshim "));
    fs::write(&ipxe, signed_by_vendor(&unsigned)?)?;
    let replaced = "\"loader\":\"x86_64-sb/ipxe.efi\"";
    output.wait_after(told.end, replaced, "that it is served again", TIMEOUT)?;
    assert_eq!(offered(&machine)?, "x86_64-sb/ipxe-shim.efi");
    Ok(())
}
