//! Machines and rules: who boots what on two interfaces at once, addresses that are kept, strangers, and one boot alone.

mod dhcp_client;
mod orders;
mod reports;
mod rules;
mod site;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use netroot_net::Mac;
use netroot_proto::dhcp::{MessageType, code};

use self::dhcp_client::{Asks, script_url, text};
pub(crate) use self::reports::posts;
use self::site::{A, B, C, Site, UUID, curl, image, script};

#[test]
fn two_roots_and_a_bare_kernel_are_three_machines_at_once_on_two_interfaces() -> Result<()> {
    let site = Site::new("machines", "{}")?;
    // B is known by its UUID, of which its firmware told DHCP; C by its serial number.
    let b = Asks {
        uuid: Some(UUID),
        ..Asks::firmware(B)
    };
    b.answered(&site.near[1], None)?;
    let fetches = [
        (&site.near[0], "10.77.0.1", A, "", "first"),
        (&site.near[1], "10.77.0.1", B, "", "second"),
        (
            &site.far,
            "10.79.0.1",
            C,
            "?serial=MXL%201&product=",
            "bare",
        ),
    ];
    thread::scope(|scope| {
        let fetches = fetches.map(|(client, server, mac, query, wanted)| {
            scope.spawn(move || {
                for _ in 0..3 {
                    let script = script(client, server, mac, query)?;
                    ensure!(
                        image(&script) == wanted,
                        "{mac} boots no {wanted}:\n{script}"
                    );
                }
                Ok(())
            })
        });
        fetches
            .into_iter()
            .try_for_each(|fetch| fetch.join().map_err(|_| anyhow::anyhow!("it panicked"))?)
    })?;
    let script_of = |client, server, mac| script(client, server, mac, "");
    let ada = script_of(&site.near[0], "10.77.0.1", A)?;
    assert!(ada.contains(" nfsroot=10.77.0.1:/first,"), "{ada}");
    assert!(ada.contains(" ip=::::ada::dhcp "), "{ada}");
    let bob = script_of(&site.near[1], "10.77.0.1", B)?;
    assert!(
        bob.contains(" ip=::::bob::dhcp ") && bob.contains(" who=bob"),
        "{bob}"
    );
    // What was said once is known from then on.
    let cora = script_of(&site.far, "10.79.0.1", C)?;
    assert!(
        image(&cora) == "bare" && cora.contains("console=ttyS0"),
        "{cora}"
    );
    // Another machine that says so does not become it.
    let forged = script(&site.near[0], "10.77.0.1", B, "?serial=MXL%201")?;
    assert_eq!(image(&forged), "second");
    let kernel = curl(&site.far, "http://10.79.0.1:8069/images/bare/vmlinuz")?;
    assert_eq!(kernel, "the bytes of a kernel");
    Ok(())
}

#[test]
fn a_machine_has_its_address_and_its_name_whatever_asks() -> Result<()> {
    let mut site = Site::new("machines-kept", "{}")?;
    let kept = Ipv4Addr::new(10, 77, 0, 9);
    let firmware = Asks {
        uuid: Some(UUID),
        ..Asks::firmware(B)
    };
    let ipxe = Asks {
        client_id: &[1, 2, 0, 0, 0, 0, 0xb],
        ..Asks::firmware(B)
    };
    let system = Asks {
        class: b"",
        client_id: &[0xff, 1, 2, 3, 4, 0, 1],
        ..Asks::firmware(B)
    };
    for asks in [firmware, ipxe, system] {
        let offer = asks.answered(&site.near[1], None)?;
        assert_eq!(offer.header.your_ip, kept);
        assert_eq!(text(&offer, code::HOST_NAME), "bob");
        let request = Asks {
            kind: MessageType::Request,
            requested: Some(kept),
            ..asks
        };
        let answer = request.answered(&site.near[1], None)?;
        assert_eq!(
            (answer.kind(), answer.header.your_ip),
            (Some(MessageType::Ack), kept)
        );
    }
    // Nobody else gets it, also by asking for it.
    let wants = Asks {
        class: b"",
        ..Asks::firmware(A)
    };
    let offer = wants.answered(&site.near[0], None)?;
    assert_ne!(offer.header.your_ip, kept);
    assert_eq!(text(&offer, code::HOST_NAME), "ada");
    let takes = Asks {
        kind: MessageType::Request,
        requested: Some(kept),
        ..wants
    };
    let refused = takes.answered(&site.near[0], None)?;
    assert_eq!(refused.kind(), Some(MessageType::Nak));
    // After a restart its system has it, which says no UUID.
    site.restart()?;
    let offer = system.answered(&site.near[1], None)?;
    assert_eq!(offer.header.your_ip, kept);
    Ok(())
}

#[test]
fn strangers_get_the_default_a_menu_nothing_yet_or_nothing_at_all() -> Result<()> {
    let site = Site::new("machines-strangers", "{}")?;
    let stranger = |kind: u8| Mac([2, 0, 0, 0, kind, 0x77]);
    let [near, _] = &site.near;
    let script = |kind| script(near, "10.77.0.1", stranger(kind), "");
    assert_eq!(image(&script(0)?), "first");
    let menu = script(1)?;
    assert!(
        menu.contains("\nmenu ") && menu.contains("second"),
        "{menu}"
    );
    let wait = script(2)?;
    assert!(
        wait.contains("waits until") && wait.contains("chain --replace"),
        "{wait}"
    );
    let refuse = script(3)?;
    assert!(refuse.ends_with("exit 1\n"), "{refuse}");

    // Where netroot gives addresses, all get one; who is refused gets no boot file.
    for kind in 0..4 {
        let offer = Asks::firmware(stranger(kind)).answered(near, None)?;
        assert!(!offer.header.your_ip.is_unspecified());
        let has_file = !text(&offer, code::BOOT_FILE_NAME).is_empty();
        assert_eq!(has_file, kind != 3, "{kind}");
    }
    // Beside another server, who is refused hears nothing: the answer is the other machine's.
    let refused = Asks::firmware(stranger(3));
    let answered = Asks::firmware(stranger(0));
    let offer = refused.answered(&site.far, Some(answered))?;
    assert_eq!(offer.header.mac, stranger(0));

    let told = site.wait_for_text("unknown-machine", "gets refuse")?;
    let machines: BTreeSet<_> = told.iter().map(|event| event.machine.clone()).collect();
    assert_eq!(machines.len(), told.len(), "each once: {told:?}");
    let refused = told.iter().find(|event| event.text.contains("gets refuse"));
    let refused = &refused.context("the one that is refused")?.text;
    let file = site.folder.path().join("netroot.toml");
    assert!(
        refused.contains(&format!("at the end of {} adopt it", file.display())),
        "{refused}"
    );
    // The lines are what they are said to be, at the end of the file and as a drop-in.
    let adopting = |kind: u8| -> Result<String> {
        let mac = Some(stranger(kind).to_string());
        let mut all = site.server.events().into_iter().map(|(_, event)| event);
        let event = all.find(|it| it.kind == "unknown-machine" && it.machine == mac);
        let event = event.with_context(|| format!("stranger {kind}"))?;
        event.adopt.context("the lines")
    };
    let folder = site.folder.path().join("conf.d");
    fs::create_dir(&folder)?;
    fs::write(folder.join("adopted.toml"), adopting(3)?)?;
    let before = fs::read_to_string(&file)?;
    fs::write(&file, before + &adopting(1)?)?;
    let netroot = netroot_harness::paths::netroot()?.display().to_string();
    let file = file.display().to_string();
    let checked = site
        .net
        .run(&[&netroot, "check-config", "--config", &file])?;
    for name in ["pc-020000000377", "pc-020000000177"] {
        let line = checked.lines().find(|line| line.contains(name));
        assert!(
            line.is_some_and(|it| it.contains(": first (machine")),
            "{checked}"
        );
    }
    Ok(())
}

/// Before, the last DHCP message in its name decided which machine it is.
#[test]
fn what_a_machine_boots_is_not_changed_by_what_is_claimed_in_its_name() -> Result<()> {
    let site = Site::new("machines-claimed", "{}")?;
    let [liar, own] = &site.near;
    let says = |uuid: &'static str, ipxe: bool| Asks {
        uuid: Some(uuid),
        ipxe,
        ..Asks::firmware(B)
    };
    let other = "1b4e28ba-2fa1-11d2-883f-000000000000";
    let offer = says(UUID, true).answered(own, None)?;
    let url = script_url(&offer);
    ensure!(url.contains("?dhcp="), "{url}");
    let forge = || -> Result<()> {
        for ipxe in [false, true] {
            says(other, ipxe).answered(liar, None)?;
        }
        Ok(())
    };
    forge()?;
    assert_eq!(image(&curl(own, &url)?), "second");
    forge()?;
    // Its script repeats itself.
    assert_eq!(image(&script(own, "10.77.0.1", B, "")?), "second");
    assert_eq!(image(&curl(own, &url)?), "second");
    // Nobody else confirms it.
    let forged = says(other, true).answered(liar, None)?;
    curl(liar, &script_url(&forged))?;
    assert_eq!(image(&script(own, "10.77.0.1", B, "")?), "second");
    Ok(())
}
