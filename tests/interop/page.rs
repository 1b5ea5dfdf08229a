//! The page, in a browser: live, of text only, on a phone, dark and light. Its pictures are kept in `target/netroot-page`.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

mod browser;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;
use netroot_proto::dhcp::{MessageType, code};

use self::browser::Browser;
use crate::api::Served;
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
            browser.screenshot(&served.net, &pictures.join(format!("{name}-{scheme}.png")))?;
        }
    }
    Ok(())
}
