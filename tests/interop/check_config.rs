//! `netroot check-config` tells what `netroot serve` refuses: the same mistakes, without serving.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Finished, Net, NetrootServe, paths};
use serde_json::Value;

use crate::lan::TIMEOUT;

/// What is wrong, and how its place begins, in a file whose first lines are those of [`config`].
const WRONG: [(&str, &str, &str); 11] = [
    (
        "an interface twice",
        "[[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"10.77.0.5-10.77.0.9\"\n",
        "network.interface",
    ),
    (
        "an interface that is not there",
        "[[network]]\ninterface = \"br7\"\n",
        "network.interface",
    ),
    (
        "a range in no network of its interface",
        "[[network]]\ninterface = \"br1\"\nmode = \"dhcp\"\nrange = \"10.99.0.5-10.99.0.9\"\n",
        "network.range",
    ),
    (
        "a token file that is not there",
        "[api]\nlisten = \"127.0.0.1:8070\"\ntoken-file = \"/nonexistent/tokens\"\n",
        "api.token-file",
    ),
    (
        "a token file that is a folder, and no certificate",
        "[api]\nlisten = \"127.0.0.1:8070\"\ntoken-file = \"/etc\"\ncertificate = \"/nonexistent/cert\"\nkey = \"/nonexistent/key\"\n",
        "api.certificate",
    ),
    (
        "a root that is not there",
        "[image.a]\nroot = \"/nonexistent/root\"\n",
        "image.a.root",
    ),
    (
        "a kernel that is not there",
        "[image.a]\nkernel-file = \"/nonexistent/vmlinuz\"\n",
        "image.a.kernel-file",
    ),
    (
        "an authority that is not there",
        "[hook]\nurl = \"https://127.0.0.1/\"\nca = \"/nonexistent/ca.pem\"\n",
        "hook.ca",
    ),
    (
        "a menu with an image twice",
        "[menu]\nimages = [\"own\", \"own\"]\n",
        "menu.images",
    ),
    (
        "a hook without end",
        "[hook]\nurl = \"http://127.0.0.1/\"\ndeadline = \"1d\"\n",
        "hook.deadline",
    ),
    (
        "one port twice",
        "[api]\nlisten = \"0.0.0.0:8069\"\ntoken-file = \"/nonexistent/tokens\"\n",
        "api.listen",
    ),
];

fn config(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "default = \"own\"\n[server]\nstate = \"{folder}/state\"\ncache = \"{folder}/cache\"\ncontrol = \"{folder}/control\"\n\
         [image.own]\nlocal-disk = true\n\
         [[network]]\ninterface = \"br0\"\nprobe = false\n{more}"
    )
}

fn netroot(net: &Net, arguments: &[&str], file: &Path) -> Result<Finished> {
    let (netroot, file) = (
        paths::netroot()?.display().to_string(),
        file.display().to_string(),
    );
    let argv = [&[netroot.as_str()], arguments, &["--config", &file]].concat();
    net.run_for(&argv, TIMEOUT)
}

#[test]
fn what_check_config_finds_wrong_is_what_serve_refuses() -> Result<()> {
    let net = Net::new("check-config-wrong")?;
    net.bridge("br0", "10.77.0.1/24")?;
    net.bridge("br1", "10.78.0.1/24")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("netroot.toml");
    for (what, more, about) in WRONG {
        fs::write(&file, config(folder.path(), more))?;
        let checked = netroot(&net, &["check-config", "--json"], &file)?;
        ensure!(!checked.status.success(), "{what}: {checked:?}");
        let said: Value = serde_json::from_str(&checked.stdout)?;
        let mistakes = said["mistakes"].as_array().context("mistakes")?;
        let found = mistakes.iter().find(|one| one["about"] == about);
        let found = found.with_context(|| format!("{what}: {said:#}"))?;
        let line = found["line"].as_u64().context("a line")?;
        ensure!(line > 10, "{what}: {found:#}");
        let served = netroot(&net, &["serve"], &file)?;
        ensure!(!served.status.success(), "{what}: {served:?}");
        // The reason is the same one. Interfaces are looked for once more when they are served.
        let text = found["text"].as_str().context("a text")?;
        let reason: String = text.chars().take(24).collect();
        ensure!(
            served.stderr.contains(&reason),
            "{what}: {text}: {served:?}"
        );
    }
    Ok(())
}

#[test]
fn a_mistake_in_each_table_is_told_in_one_pass_with_what_never_takes_effect() -> Result<()> {
    let net = Net::new("check-config-pass")?;
    net.bridge("br0", "10.77.0.1/24")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("netroot.toml");
    let all = "[image.a]\nroot = \"/nonexistent\"\noverlay = 1\n[image.b]\nefi = \"/nonexistent\"\n\
        [machine.x]\nmac = \"02:00:00:00:00:01\"\nboot = \"c\"\n";
    fs::write(&file, config(folder.path(), all))?;
    let checked = netroot(&net, &["check-config"], &file)?;
    for line in [
        ":13: image.a.overlay: expected true or false",
        ":15: image.b.efi: cannot open /nonexistent",
        ":18: machine.x.boot: there is no image c; expected one of ",
    ] {
        ensure!(checked.stdout.contains(line), "{line}: {checked:?}");
    }
    // An address that nobody gives is no reason not to serve, and neither is a rule to which no machine comes.
    let kept = "[machine.x]\nmac = \"02:00:00:00:00:01\"\naddress = \"10.77.0.50\"\n\
        [[rule]]\nboot = \"own\"\n[[rule]]\nmac = \"02\"\nboot = \"wait\"\n";
    fs::write(&file, config(folder.path(), kept))?;
    let checked = netroot(&net, &["check-config"], &file)?;
    ensure!(checked.status.success(), "{checked:?}");
    for line in [
        "warning: ",
        "machine.x.address: is not kept",
        ":16: rule: no machine comes to this rule",
    ] {
        ensure!(checked.stdout.contains(line), "{line}: {checked:?}");
    }
    Ok(())
}

#[test]
fn a_rule_that_no_machine_comes_to_is_told_while_serving_and_that_it_was_mended() -> Result<()> {
    let net = Net::new("check-config-live")?;
    net.bridge("br0", "10.77.0.1/24")?;
    let folder = tempfile::tempdir()?;
    // The unprivileged server looks for what is at its path.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    let file = folder.path().join("netroot.toml");
    let rule = "[[rule]]\nmac = \"02\"\nboot = \"wait\"\n";
    let all = "[[rule]]\nboot = \"own\"\n";
    fs::write(&file, config(folder.path(), &format!("{all}{rule}")))?;
    let server = NetrootServe::start_configured(&net, &file, &[])?;
    let wait = |kind: &str, words: &str| -> Result<()> {
        for _ in 0..TIMEOUT.as_secs() {
            let events = server.events().into_iter().map(|(_, event)| event);
            let mut events = events.filter(|event| event.kind == kind);
            if events.any(|event| event.text.contains(words)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        anyhow::bail!("no {kind} with {words}: {}", server.output().text())
    };
    wait("warning", "this does nothing: ")?;
    fs::write(&file, config(folder.path(), &format!("{rule}{all}")))?;
    wait("configuration-served", "the configuration is served")
}
