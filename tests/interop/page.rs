//! The page, in a browser: live, of text only, on a phone, dark and light. Its pictures are kept in `target/netroot-page`.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

mod browser;

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, paths};
use netroot_net::Mac;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::{BROADCAST_FLAG, Header};
use netroot_proto::dhcp::{CLIENT_PORT, MessageType, SERVER_PORT, code};

use self::browser::Browser;
use crate::api::{Served, TOKEN};
use crate::firmware;
use crate::lan::HTTP;

/// A host name that is a page, if anybody takes it for one.
const HOSTILE: &str = "<img src=x onerror=document.title='taken'><b>bold</b>";

#[test]
fn a_machine_that_boots_appears_and_changes_without_a_reload() -> Result<()> {
    let tables = format!("[image.hostile]\nlocal-disk = true\ntitle = \"{HOSTILE}\"");
    let served = Served::new("page", &tables)?;
    let mut browser = Browser::start(&served.net)?;
    browser.look(1200, 900, "light")?;
    browser.go(&format!("{HTTP}/"))?;
    browser.wait_for("document.getElementById('live').dataset.state === 'live'")?;
    browser.wait_for("!document.getElementById('none').hidden")?;
    browser.value("window.stays = true")?;
    // A machine's firmware asks, and another one fetches its script.
    let vendor = HOSTILE.as_bytes();
    firmware::say(
        &served.client,
        &firmware::message(MessageType::Discover, &[(code::HOST_NAME, vendor)]),
    )?;
    let discovered = format!(
        "machine-{}",
        firmware::MACHINE.to_string().replace(':', "-")
    );
    browser.wait_for(&format!("!!document.getElementById('{discovered}')"))?;
    served.script()?;
    let card = format!(
        "document.getElementById('machine-{}')",
        served.mac.replace(':', "-")
    );
    browser.wait_for(&format!("{card}?.innerText.includes('has its script')"))?;
    browser.wait_for(&format!("{card}.innerText.includes('lab-1')"))?;
    // What happened to it, step by step, and more of it as it happens.
    browser.value(&format!("{card}.querySelector('summary').click()"))?;
    browser.wait_for(&format!("{card}.querySelectorAll('.steps li').length > 0"))?;
    let url = format!("{HTTP}/images/debian/");
    let script = served.script()?;
    let kernel = script.lines().find_map(|line| line.strip_prefix("kernel "));
    let kernel = kernel
        .and_then(|line| line.split(' ').next())
        .context(script.clone())?;
    ensure!(kernel.starts_with(&url), "{kernel}");
    served
        .client
        .run(&["curl", "-sS", "--fail", "-o", "/dev/null", kernel])?;
    browser.wait_for(&format!("{card}.innerText.includes('has the kernel')"))?;
    browser.wait_for(&format!(
        "[...{card}.querySelectorAll('.steps li')].some(it => it.innerText.includes('vmlinuz'))"
    ))?;
    // What its init reports of Secure Boot.
    let mut words = script.split_whitespace();
    let report = words.find_map(|word| word.strip_prefix("netroot.report="));
    let secure_boot = r#"{"enforcing": true, "authorities": ["Microsoft UEFI CA 2023"]}"#;
    let body = format!(r#"{{"outcome": "switch_root", "secure_boot": {secure_boot}}}"#);
    let report = report.context(script.clone())?;
    let post = ["curl", "-sS", "--fail", "--data", &body, report];
    served.client.run(&post)?;
    browser.wait_for(&format!(
        "{card}.innerText.includes('Secure Boot is on (db: Microsoft UEFI CA 2023)')"
    ))?;
    ensure!(
        browser.value("window.stays")? == true,
        "the page was loaded again"
    );
    // What machines and images are called is text.
    browser.wait_for(&format!(
        "document.getElementById('images').innerText.includes({HOSTILE:?})"
    ))?;
    ensure!(browser.value("document.querySelectorAll('main img, main b').length")? == 0);
    let title = browser.value("document.title")?;
    ensure!(
        title.as_str().is_some_and(|it| it.starts_with("netroot")),
        "{title}"
    );
    // Everything is from here.
    let foreign = browser.asked.iter().find(|url| {
        !url.starts_with(&format!("{HTTP}/")) && !url.starts_with("data:") && *url != "about:blank"
    });
    ensure!(foreign.is_none(), "{foreign:?}");
    ensure!(browser.errors.is_empty(), "{:?}", browser.errors);
    pictures(&mut browser, &served, "")
}

/// Keeps pictures of the page as it is, and looks that nothing is wider than the screen.
fn pictures(browser: &mut Browser, served: &Served, prefix: &str) -> Result<()> {
    let pictures = paths::target().join("netroot-page");
    std::fs::create_dir_all(&pictures)?;
    for (name, width, height) in [("desktop", 1200, 900), ("phone", 390, 844)] {
        for scheme in ["light", "dark"] {
            browser.look(width, height, scheme)?;
            let wide = browser.value(
                "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth",
            )?;
            ensure!(
                wide.as_i64().is_some_and(|it| it <= 0),
                "{name}: {wide} too wide"
            );
            let back = browser.value("getComputedStyle(document.body).backgroundColor")?;
            let is_dark = back.as_str().is_some_and(|it| it.starts_with("rgb(1"));
            ensure!(is_dark == (scheme == "dark"), "{scheme}: {back}");
            browser.screenshot(
                &served.net,
                &pictures.join(format!("{prefix}{name}-{scheme}.png")),
            )?;
        }
    }
    Ok(())
}

const REFUSED: Mac = Mac([2, 0, 0, 0, 3, 7]);
const ASKING: Mac = Mac([2, 0, 0, 0, 9, 7]);

/// Another DHCP server offers a machine an address.
fn other_offers(router: &Net, mac: Mac) -> Result<()> {
    let mut draft = Draft::new(Header {
        from_client: false,
        flags: BROADCAST_FLAG,
        your_ip: [10, 77, 0, 250].into(),
        ..Header::of_client(mac, 7)
    });
    draft.push(code::MESSAGE_TYPE, &[MessageType::Offer.into()]);
    draft.push(code::SERVER_ID, &[10, 77, 0, 2]);
    let offer = draft.emit(LONGEST).bytes;
    router.within(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SERVER_PORT))?;
        socket.set_broadcast(true)?;
        socket.send_to(&offer, (Ipv4Addr::BROADCAST, CLIENT_PORT))?;
        Ok(())
    })
}

#[test]
fn an_administrator_sees_who_boots_nothing_and_why_and_copies_the_lines_that_adopt() -> Result<()> {
    let served = Served::prepared("page-admin", |_, folder| {
        let own = folder.join("api");
        std::fs::create_dir(&own)?;
        std::fs::write(own.join("token"), format!("{TOKEN}\n"))?;
        std::fs::set_permissions(own.join("token"), std::fs::Permissions::from_mode(0o600))?;
        Ok(format!(
            "[machine.lab-2]\nmac = \"02:00:00:00:00:22\"\naddress = \"10.77.0.50\"\nboot = \"rescue\"\n\
             [machine.cora]\nserial = \"MXL 1\"\n\
             [[rule]]\nmac = \"02:00:00:00:01\"\nboot = \"menu\"\n\
             [[rule]]\nmac = \"02:00:00:00:02\"\nboot = \"wait\"\n\
             [[rule]]\nmac = \"02:00:00:00:03\"\nboot = \"refuse\"\n\
             [api]\nlisten = \"10.77.0.1:8070\"\ntoken-file = \"{}/token\"",
            own.display()
        ))
    })?;
    let machine = |name: &str, mac: Option<Mac>, last: u8| -> Result<Net> {
        let machine = Net::new(&format!("page-admin-{name}"))?;
        let (nic, address) = (format!("eth{last}"), format!("10.77.0.{last}/24"));
        served.net.cable(&served.bridge, &machine, &nic, &address)?;
        if let Some(mac) = mac {
            machine.shell(&format!("ip link set {nic} address {mac}"))?;
        }
        machine.shell(&format!("ip route replace default dev {nic}"))?;
        Ok(machine)
    };
    let router = machine("router", None, 2)?;
    let (menu, waits) = (Mac([2, 0, 0, 0, 1, 7]), Mac([2, 0, 0, 0, 2, 7]));
    let discover = |mac| firmware::message_of(mac, MessageType::Discover, &[]);
    let mut nets = Vec::new();
    for (name, mac, last) in [("menu", menu, 61), ("waits", waits, 62)] {
        let net = machine(name, Some(mac), last)?;
        firmware::say(&net, &discover(mac))?;
        let url = format!("{HTTP}/boot/{}.ipxe", mac.hyphenated());
        net.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])?;
        nets.push(net);
    }
    firmware::say(&served.client, &discover(REFUSED))?;

    let mut browser = Browser::start(&served.net)?;
    browser.look(1200, 900, "light")?;
    browser.go("http://10.77.0.1:8070/")?;
    browser.wait_for("!document.getElementById('unlock').hidden")?;
    browser.value(&format!(
        "document.getElementById('token').value = {TOKEN:?}; document.querySelector('#unlock button').click()"
    ))?;
    browser.wait_for("document.getElementById('live').dataset.state === 'live'")?;
    let card = |id: &str| format!("document.getElementById('machine-{id}')");
    let of = |mac: Mac| card(&mac.hyphenated().to_string());
    for (card, text) in [
        (of(menu), "in the menu"),
        (of(menu), "was shown the menu: the rule at "),
        (
            of(waits),
            "waits until it is told what to boot: the rule at ",
        ),
        (of(REFUSED), "boots no image: the rule at "),
        (of(REFUSED), " for mac 02:00:00:00:03 refuses it"),
        (of(REFUSED), "not in the configuration"),
        (card("02-00-00-00-00-22"), "not heard of yet"),
        (card("02-00-00-00-00-22"), "10.77.0.50"),
        (card("02-00-00-00-00-22"), "rescue"),
        (card("cora"), "not heard of yet"),
    ] {
        browser.wait_for(&format!("{card}?.innerText.includes({text:?})"))?;
    }
    browser.wait_for("[...document.querySelectorAll('#images li')].some(it => it.innerText.includes('default') && it.innerText.includes('debian'))")?;
    // The lines are copied without anything that only https:// has.
    let refused = of(REFUSED);
    browser.value(&format!("{refused}.querySelector('summary').click()"))?;
    browser.wait_for(&format!("!!{refused}.querySelector('.adopt pre')"))?;
    browser.value(
        "document.addEventListener('copy', () => window.copied = getSelection().toString())",
    )?;
    browser.click(&format!("{refused}.querySelector('.copy')"))?;
    browser.wait_for(&format!("{refused}.innerText.includes('copied')"))?;
    let copied = browser.value("window.copied")?;
    let copied = copied.as_str().unwrap_or_default();
    ensure!(
        copied
            .contains("[machine.pc-020000000307]\nmac = \"02:00:00:00:03:07\"\nboot = \"debian\""),
        "{copied:?}"
    );
    let file = served.folder.path().join("netroot.toml");
    browser.wait_for(&format!(
        "{refused}.innerText.includes({:?})",
        file.display().to_string()
    ))?;
    // One that is offered an address by two servers, and takes neither. What the other server offered is a step, and the
    // cause of the end with what to change there.
    firmware::say(&served.client, &discover(ASKING))?;
    let asking = of(ASKING);
    browser.wait_for(&format!("!!{asking}"))?;
    other_offers(&router, ASKING)?;
    browser.value(&format!("{asking}.querySelector('summary').click()"))?;
    browser.wait_for(&format!(
        "{asking}.innerText.includes('10.77.0.2 offers it 10.77.0.250')"
    ))?;
    browser.wait_for(&format!(
        "{asking}.innerText.includes('10.77.0.2 offers addresses in this network, too')"
    ))?;
    browser.wait_for(&format!("!!{asking}.querySelector('.cures')"))?;
    browser.value(&format!(
        "{asking}.querySelector('.cures > summary').click()"
    ))?;
    browser.wait_for(&format!(
        "{asking}.querySelector('.cures').innerText.includes('dnsmasq')"
    ))?;
    let foreign = browser.asked.iter().find(|url| {
        !url.starts_with("http://10.77.0.1:8070/")
            && !url.starts_with("data:")
            && *url != "about:blank"
    });
    ensure!(foreign.is_none(), "{foreign:?}");
    // It was asked without a token first.
    browser.errors.retain(|error| !error.contains("401"));
    ensure!(browser.errors.is_empty(), "{:?}", browser.errors);
    pictures(&mut browser, &served, "administrator-")
}
