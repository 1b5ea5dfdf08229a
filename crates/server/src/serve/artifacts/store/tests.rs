use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use hyper::body::Bytes;
use netroot_proto::pxe::strategy::LoaderChoice;

use super::*;
use crate::catalog::KnownMachine;
use crate::catalog::tests::{ETH0, by_mac, image, machine, one, with_rules};
use crate::serve::artifacts::loaders;
use crate::serve::artifacts::signed_chain::FoundChain;
use crate::serve::machines::FetchedBy;

fn tokens() -> Arc<ReportTokens> {
    Arc::new(ReportTokens::new([0; 16]))
}

pub(crate) fn store() -> ArtifactStore {
    ArtifactStore::new(Arc::new(one("debian")), 8069, None, tokens())
}

fn artifact(found: Found) -> Option<Artifact> {
    match found {
        Found::Artifact(artifact) => Some(*artifact),
        Found::InFolder(file) => file.open(),
        Found::Nothing => None,
    }
}

/// What a machine that is not known by its address finds at eth0.
fn find(store: &ArtifactStore, name: &str) -> Option<Artifact> {
    artifact(store.find(name, &ETH0, Asker::default))
}

/// Who is known by its address.
fn known(machine: KnownMachine) -> Asker {
    Asker {
        machine,
        peer: None,
    }
}

fn bytes(artifact: &Artifact) -> Vec<u8> {
    let mut buffer = vec![0; usize::try_from(artifact.content.length()).unwrap() + 10];
    let length = artifact.content.read_at(0, &mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

#[test]
fn scripts_are_made_for_the_machine_and_the_address_that_it_reached() {
    let artifacts = store();
    let found = find(&artifacts, "boot/52-54-00-12-34-56.ipxe").unwrap();
    assert_eq!(found.machine, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
    let text = String::from_utf8(bytes(&found)).unwrap();
    assert!(
        text.contains("http://10.0.0.1:8069/images/debian/vmlinuz"),
        "{text}"
    );
    let other = ArrivedAt {
        server: Ipv4Addr::new(192, 0, 2, 7).into(),
        ..ETH0
    };
    let elsewhere = artifacts.find("boot.ipxe", &other, Asker::default);
    let elsewhere = artifact(elsewhere).unwrap();
    let text = String::from_utf8(bytes(&elsewhere)).unwrap();
    assert!(text.contains("nfsroot=192.0.2.7:/debian"), "{text}");
    assert!(find(&artifacts, "autoexec.ipxe").is_some());
    // Only the machine itself, or who may be it, is told where it reports.
    for (asks, reports) in [
        (machine(0x56), true),
        (machine(2), false),
        (KnownMachine::default(), true),
    ] {
        let name = "boot/02-00-00-00-00-56.ipxe";
        let found = artifact(artifacts.find(name, &ETH0, || known(asks))).unwrap();
        let text = String::from_utf8(bytes(&found)).unwrap();
        let path = " netroot.report=http://10.0.0.1:8069/report/02-00-00-00-00-56/";
        assert_eq!(text.contains(path), reports, "{text}");
        assert_eq!(text.contains("netroot.report"), reports, "{text}");
    }
    for name in [
        "boot/52-54.ipxe",
        "boot/.ipxe",
        "boot",
        "vmlinuz",
        "etc/passwd",
    ] {
        assert!(find(&artifacts, name).is_none(), "{name}");
    }
}

#[test]
fn what_is_ordered_for_a_machine_is_in_its_own_script_alone() {
    use crate::serve::machines::Peer;

    let machines = Arc::new(Machines::new());
    let images = vec![image("debian"), image("lab"), image("rescue")];
    let catalog = Arc::new(with_rules(images, Vec::new()));
    let store = ArtifactStore::new(catalog, 8069, None, tokens()).of_machines(machines.clone());
    let mac = Mac([2, 0, 0, 0, 0, 0x56]);
    // Behind a router, where its lease tells who it is.
    let own = Peer {
        address: Ipv4Addr::new(192, 0, 2, 77).into(),
        on_link: false,
        answers: true,
    };
    let other = Peer {
        address: Ipv4Addr::new(192, 0, 2, 78).into(),
        ..own
    };
    let unheard = Peer {
        answers: false,
        ..own
    };
    machines.learn(own.address, mac, std::time::Duration::MAX);
    let boots = |peer: Option<Peer>| {
        let asker = || Asker {
            machine: KnownMachine::default(),
            peer,
        };
        let found = artifact(store.find("boot/02-00-00-00-00-56.ipxe", &ETH0, asker));
        found.unwrap().chosen.unwrap().image().unwrap().to_owned()
    };
    machines.orders().set_image(mac, "lab").unwrap();
    machines.orders().set_once(mac, "rescue").unwrap();
    assert_eq!(boots(Some(unheard)), "rescue", "it is taken with the ACK");
    assert_eq!(boots(Some(own)), "lab", "not taken yet");
    machines.orders().fetches_script(mac, FetchedBy::FileName);
    for (peer, image) in [
        (Some(own), "rescue"),
        (Some(unheard), "rescue"),
        (Some(other), "debian"),
        (None, "debian"),
    ] {
        assert_eq!(boots(peer), image, "{peer:?}");
    }
}

#[test]
fn a_configuration_for_pxelinux_is_made_for_the_machine_unless_the_folder_has_one() {
    let name = "pxelinux.cfg/01-02-00-00-00-00-02";
    let images = || vec![image("debian"), image("fedora")];
    let catalog = || Arc::new(with_rules(images(), vec![by_mac(2, "fedora")]));
    let config = |store: &ArtifactStore, name: &str, asks| {
        let found = artifact(store.find(name, &ETH0, || known(asks))).unwrap();
        assert_eq!(found.kind, FileKind::Script, "{name}");
        String::from_utf8(bytes(&found)).unwrap()
    };
    let store = ArtifactStore::new(catalog(), 8069, None, tokens());
    for (name, asks, boots) in [
        (name, machine(2), "fedora"),
        ("pxelinux.cfg/01-02-00-00-00-00-01", machine(1), "debian"),
        ("pxelinux.cfg/default", machine(2), "fedora"),
        (
            "pxelinux.cfg/default-arm",
            KnownMachine::default(),
            "debian",
        ),
    ] {
        let config = config(&store, name, asks);
        let kernel = format!("\tkernel /images/{boots}/vmlinuz\n");
        assert!(config.contains(&kernel), "{config}");
    }
    // As with iPXE's scripts, only the machine itself is told where it reports.
    assert!(config(&store, name, machine(2)).contains(" netroot.report="));
    assert!(!config(&store, name, machine(1)).contains(" netroot.report="));

    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("pxelinux.cfg");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("default"), "own").unwrap();
    for path in [folder.path(), &own, &own.join("default")] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let folder = Folder::open_path(folder.path()).unwrap();
    let store = ArtifactStore::new(catalog(), 8069, Some(folder), tokens());
    let found = artifact(store.find("pxelinux.cfg/default", &ETH0, || known(machine(2))));
    assert_eq!(bytes(&found.unwrap()), b"own");
    assert!(config(&store, name, machine(2)).contains("/images/fedora/"));
}

#[test]
fn a_raspberry_pi_gets_its_files_from_the_folder_or_from_its_root() {
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("config.txt", "folder's"),
        ("0f69016b/start4.elf", "its own"),
    ] {
        write(&folder.path().join(file), text);
    }
    let firmware = root.path().join("boot/firmware");
    assert!(raspberry_pi::of_root(root.path()).is_none());
    for file in ["config.txt", "start4.elf", "overlays/a.dtbo", "cmdline.txt"] {
        write(&firmware.join(file), "root's");
    }
    write(&root.path().join("etc/motd"), "elsewhere");
    for (link, target) in [("out", "../../etc/motd"), ("host", "/etc/hostname")] {
        std::os::unix::fs::symlink(target, firmware.join(link)).unwrap();
    }
    write(&firmware.join("private"), "private");
    let private = PermissionsExt::from_mode(0o600);
    fs::set_permissions(firmware.join("private"), private).unwrap();
    for path in [folder.path(), root.path()] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let store = ArtifactStore::new(
        Arc::new(one("debian")),
        8069,
        Some(Folder::open_path(folder.path()).unwrap()),
        tokens(),
    );
    store.put_firmware("debian", raspberry_pi::of_root(root.path()));
    for (name, text) in [
        ("0f69016b/start4.elf", Some("its own")),
        ("dca63223/start4.elf", Some("root's")),
        ("start4.elf", Some("root's")),
        ("dca63223/config.txt", Some("folder's")),
        ("dc-a6-32-23-28-46/overlays/a.dtbo", Some("root's")),
        ("dca63223/out", None),
        ("dca63223/host", None),
        ("dca63223/private", None),
        ("dca63223/../../etc/motd", None),
        ("dca63223/absent", None),
        ("etc/motd", None),
    ] {
        let found = find(&store, name).map(|found| bytes(&found));
        assert_eq!(found.as_deref(), text.map(str::as_bytes), "{name}");
    }
    let line = find(&store, "dc-a6-32-23-28-46/cmdline.txt").unwrap();
    let line = String::from_utf8(bytes(&line)).unwrap();
    let start = "root=/dev/nfs nfsroot=10.0.0.1:/debian,vers=3,";
    assert!(line.starts_with(start), "{line}");
    assert!(line.contains(" BOOTIF=01-dc-a6-32-23-28-46 ro"), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn a_raspberry_pi_5_gets_one_file_with_everything_in_it() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let firmware = root.path().join("boot/firmware");
    fs::create_dir_all(&firmware).unwrap();
    fs::write(firmware.join("boot.img"), "all of it").unwrap();
    let store = store();
    store.put_firmware("debian", raspberry_pi::of_root(root.path()));
    for name in [
        "9e010203/boot.img",
        "88-a2-9e-01-02-03/boot.img",
        "boot.img",
    ] {
        let found = find(&store, name).map(|found| bytes(&found));
        assert_eq!(found.as_deref(), Some(&b"all of it"[..]), "{name}");
    }
    // What it has in its EEPROM, and what nobody signed.
    for name in ["9e010203/start4.elf", "9e010203/boot.sig"] {
        assert!(find(&store, name).is_none(), "{name}");
    }
}

#[test]
fn only_who_is_shown_the_menu_chooses_and_only_what_is_in_it() {
    use crate::settings::{Choice, MenuSettings};

    let menu = MenuSettings {
        images: vec!["debian".to_owned(), "lab".to_owned()],
        ..MenuSettings::default()
    };
    let images = ["debian", "lab", "private"].map(image).to_vec();
    let rules = vec![by_mac(2, "private")];
    let default = Some(Choice::Menu);
    let catalog = Catalog::new(images, Vec::new(), rules, default, menu).unwrap();
    let store = ArtifactStore::new(Arc::new(catalog), 8069, None, tokens());
    let script = |name: &str| {
        let found = find(&store, name)?;
        Some(String::from_utf8(bytes(&found)).unwrap())
    };
    let shown = script("boot/02-00-00-00-00-01.ipxe").unwrap();
    assert!(
        shown.contains("\nitem -- lab lab, Linux 6.1.0\n"),
        "{shown}"
    );
    assert!(!shown.contains("private"), "{shown}");
    let chosen = script("boot/02-00-00-00-00-01/lab.ipxe").unwrap();
    assert!(chosen.contains("/images/lab/vmlinuz"), "{chosen}");
    for name in [
        "boot/02-00-00-00-00-01/private.ipxe",
        "boot/02-00-00-00-00-01/absent.ipxe",
        "boot/02-00-00-00-00-02/lab.ipxe",
        "boot/02-00-00-00-00-02/private.ipxe",
    ] {
        assert!(script(name).is_none(), "{name}");
    }
    let own = script("boot/02-00-00-00-00-02.ipxe").unwrap();
    assert!(own.contains("/images/private/vmlinuz"), "{own}");
}

/// Before, the menu offered iPXE's shell, which loads anything from anywhere, to every machine.
#[test]
fn a_machine_or_a_rule_without_a_shell_has_none_in_the_menu_either() {
    use crate::settings::{Choice, MachineSettings, MenuSettings, Origin, Rule};

    let append = Some("netroot.shell=0".to_owned());
    let pupil = MachineSettings {
        name: "pupil".to_owned(),
        macs: machine(1).mac.into_iter().collect(),
        uuid: None,
        serial: None,
        client_id: None,
        address: None,
        choice: None,
        append: append.clone(),
        secure_boot: None,
        origin: Origin::CommandLine,
    };
    let room = Rule {
        append,
        choice: None,
        ..by_mac(2, "debian")
    };
    let store = |machines: Vec<MachineSettings>, rules: Vec<Rule>| {
        let images = vec![image("debian")];
        let default = Some(Choice::Menu);
        let menu = MenuSettings::default();
        let catalog = Catalog::new(images, machines, rules, default, menu).unwrap();
        ArtifactStore::new(Arc::new(catalog), 8069, None, tokens())
    };
    let offers = |store: &ArtifactStore, name: &str| {
        let found = find(store, name).unwrap();
        String::from_utf8(bytes(&found)).unwrap().contains("shell")
    };
    let closed = store(vec![pupil], vec![room]);
    for (name, offered) in [
        ("boot/02-00-00-00-00-01.ipxe", false),
        ("boot/02-00-00-00-00-02.ipxe", false),
        ("boot/02-00-00-00-00-03.ipxe", true),
        // Whoever runs it.
        ("autoexec.ipxe", false),
    ] {
        assert_eq!(offers(&closed, name), offered, "{name}");
    }
    assert!(offers(&store(Vec::new(), Vec::new()), "autoexec.ipxe"));
    for (number, locked) in [("01", true), ("02", true), ("03", false)] {
        let name = format!("pxelinux.cfg/01-02-00-00-00-00-{number}");
        let config = String::from_utf8(bytes(&find(&closed, &name).unwrap())).unwrap();
        assert_eq!(config.contains("\nimplicit 0\n"), locked, "{config}");
    }
}

#[test]
fn two_machines_have_scripts_for_two_images_and_nothing_has_a_short_name() {
    let images = vec![image("debian"), image("fedora")];
    let catalog = with_rules(images, vec![by_mac(2, "fedora")]);
    let artifacts = ArtifactStore::new(Arc::new(catalog), 8069, None, tokens());
    let content = |name: &str| Content::Memory(Bytes::copy_from_slice(name.as_bytes()));
    for name in ["debian", "fedora"] {
        let files = BootFiles::of_root(content(name), content("initrd"), FoundChain::none());
        artifacts.put_image(image(name), files);
    }
    let script = |last: u8| {
        let name = format!("boot/02-00-00-00-00-0{last}.ipxe");
        String::from_utf8(bytes(&find(&artifacts, &name).unwrap())).unwrap()
    };
    for (last, name) in [(1, "debian"), (2, "fedora"), (3, "debian")] {
        let script = script(last);
        let kernel = format!("\nkernel http://10.0.0.1:8069/images/{name}/vmlinuz ");
        assert!(script.contains(&kernel), "{script}");
        let root = format!(" nfsroot=10.0.0.1:/{name},vers=3");
        assert!(script.contains(&root), "{script}");
    }
    // Without a name in the URL, the ARP table may identify the machine.
    let known = artifacts.find("boot.ipxe", &ETH0, || known(machine(2)));
    let known = artifact(known).unwrap();
    let known = String::from_utf8(bytes(&known)).unwrap();
    assert!(known.contains("/images/fedora/vmlinuz"), "{known}");
    let kernel = find(&artifacts, "images/fedora/vmlinuz").unwrap();
    assert_eq!(
        (bytes(&kernel).as_slice(), kernel.kind),
        (&b"fedora"[..], FileKind::Kernel)
    );
    assert!(find(&artifacts, "vmlinuz").is_none());
}

#[test]
fn the_only_image_has_short_names_too() {
    let artifacts = store();
    let content = || Content::Memory(Bytes::from_static(b"bytes"));
    let files = BootFiles::of_root(content(), content(), FoundChain::none());
    artifacts.put_image(image("debian"), files);
    for name in ["vmlinuz", "images/debian/vmlinuz"] {
        assert_eq!(
            find(&artifacts, name).unwrap().kind,
            FileKind::Kernel,
            "{name}"
        );
    }
    for name in ["initrd.img", "images/debian/initrd.img"] {
        assert_eq!(
            find(&artifacts, name).unwrap().kind,
            FileKind::Initrd,
            "{name}"
        );
    }
}

#[test]
fn a_file_is_read_by_position_and_never_past_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vmlinuz");
    fs::write(&path, b"0123456789").unwrap();
    let artifacts = store();
    artifacts.put("vmlinuz", Content::open(&path).unwrap(), FileKind::Kernel);
    let kernel = find(&artifacts, "vmlinuz").unwrap();
    let mut buffer = [0; 4];
    assert_eq!(kernel.content.read_at(8, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"89");
    assert_eq!(kernel.content.read_at(10, &mut buffer).unwrap(), 0);
    assert_eq!(kernel.content.read_at(u64::MAX, &mut buffer).unwrap(), 0);
    // It shrinks while a machine reads it: an error, not a short file.
    fs::write(&path, b"01").unwrap();
    let error = kernel.content.read_at(4, &mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_shim_that_asks_in_no_folder_is_given_the_ipxe_that_it_starts() {
    let machines = Arc::new(Machines::new());
    let store = store().of_machines(machines.clone());
    let text = |text: &'static str| Content::Memory(Bytes::from_static(text.as_bytes()));
    let pair = [
        ("x86_64-sb/ipxe-shim.efi", FileKind::Loader, "shim"),
        ("x86_64-sb/ipxe.efi", FileKind::Other, "signed"),
        ("x86_64-sb/grubx64.efi", FileKind::Other, "signed"),
    ];
    let pair = pair.map(|(name, kind, content)| (name.to_owned(), kind, text(content)));
    let pairs = vec![Ok(Arc::new(SignedIpxe::with_files(pair.to_vec())))];
    let unsigned = ["snponly.efi", "ipxe.efi"];
    let by_platform = loaders::by_platform(&unsigned, &pairs);
    let files = unsigned.map(|name| (name, text("unsigned")));
    store.put_loaders(files.to_vec(), &by_platform, pairs);
    let finds = |name: &str, number| {
        let machine = KnownMachine {
            platform: Some(Platform::EfiX64),
            ..machine(number)
        };
        let found = artifact(store.find(name, &ETH0, || known(machine)))?;
        Some((String::from_utf8(bytes(&found)).unwrap(), found.kind))
    };
    let unsigned = || Some(("unsigned".to_owned(), FileKind::Loader));
    let signed = || Some(("signed".to_owned(), FileKind::Other));
    let mac = Mac([2, 0, 0, 0, 0, 2]);
    machines.strategy(mac, 1, Duration::ZERO);
    assert_eq!(finds("ipxe.efi", 2), unsigned());
    assert_eq!(finds("grubx64.efi", 2), None);
    machines.loaded(mac, LoaderChoice::Signed);
    assert_eq!(finds("ipxe.efi", 2), signed());
    assert_eq!(finds("grubx64.efi", 2), signed());
    assert_eq!(finds("snponly.efi", 2), unsigned(), "the pair has it not");
    assert_eq!(finds("ipxe.efi", 3), unsigned(), "another machine");
    // Its firmware is given the first loader again.
    machines.strategy(mac, 2, Duration::from_secs(60));
    assert_eq!(finds("ipxe.efi", 2), unsigned());
    machines.loaded(mac, LoaderChoice::First);
    assert_eq!(finds("ipxe.efi", 2), unsigned());
}
