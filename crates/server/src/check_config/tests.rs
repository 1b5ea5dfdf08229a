use std::fs;
use std::path::Path;

use super::*;

/// A configuration in `folder`, in which `/srv` is that folder.
fn checked(folder: &Path, main: &str) -> Checked {
    let place = ConfigPlace::of_file(folder.join("netroot.toml"));
    let text = main.replace("/srv", &folder.display().to_string());
    fs::write(&place.file, text).unwrap();
    check(&place, &Snapshot::read(&place).unwrap(), None, false)
}

fn shown(folder: &Path, checked: &Checked) -> String {
    let place = ConfigPlace::of_file(folder.join("netroot.toml"));
    let text = checked.text(&place, 1);
    text.replace(&folder.display().to_string(), "/srv")
}

#[test]
fn every_machine_is_shown_with_what_it_would_boot_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("vmlinuz"), "a kernel").unwrap();
    let main = r#"default = "wait"
[[network]]
interface = "eth0"
[[network]]
interface = "eth1"
[image.local]
local-disk = true
[image.rescue]
kernel-file = "/srv/vmlinuz"
[machine.a]
mac = "02:00:00:00:00:01"
boot = "rescue"
append = "quiet"
[machine.b]
serial = "17"
[[rule]]
interface = "eth1"
boot = "local"
"#;
    let checked = checked(folder, main);
    assert_eq!(
        shown(folder, &checked),
        "/srv/netroot.toml: valid\n\nimages:\n  local            local-disk\n  rescue           kernel\n\n\
         machines:\n  a                02:00:00:00:00:01: rescue (machine a (/srv/netroot.toml:10)), with quiet\n  \
         b                serial 17 on eth0: wait (the default)\n  \
         b                serial 17 on eth1: local (the rule at /srv/netroot.toml:16 for interface eth1)\n\n\
         other machines:\n  interface eth1: local (the rule at /srv/netroot.toml:16)\n  else: wait\n"
    );
}

/// What is shown of the machines, and of all others, with this in the state folder's orders.
fn machines(main: &str, orders: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("state")).unwrap();
    fs::write(folder.join("state/orders.json"), orders).unwrap();
    let main = format!(
        "default = \"wait\"\n[server]\nstate = \"/srv/state\"\n[image.local]\nlocal-disk = true\n[image.other]\nlocal-disk = true\n{main}"
    );
    let checked = checked(folder, &main);
    let text = shown(folder, &checked);
    let (_, machines) = text.split_once("\n\nmachines:\n").expect(&text);
    machines.to_owned()
}

#[test]
fn a_machine_has_all_its_identities_and_each_hardware_address_its_rules() {
    let main = r#"[machine.a]
mac = ["02:00:00:00:00:01", "02:00:00:00:01:02"]
uuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
client-id = "01:02:00:00:00:00:01"
[machine.b]
client-id = "bench"
[[rule]]
mac = "02:00:00:00:01"
boot = "local"
"#;
    assert_eq!(
        machines(main, "{}"),
        "  a                02:00:00:00:00:01, 02:00:00:00:01:02, 1b4e28ba-2fa1-11d2-883f-0016d3cca427, client-id 01:02:00:00:00:00:01 \
         by 02:00:00:00:00:01: wait (the default)\n  \
         a                02:00:00:00:00:01, 02:00:00:00:01:02, 1b4e28ba-2fa1-11d2-883f-0016d3cca427, client-id 01:02:00:00:00:00:01 \
         by 02:00:00:00:01:02: local (the rule at /srv/netroot.toml:14 for mac 02:00:00:00:01)\n  \
         b                client-id bench: if mac 02:00:00:00:01: local (the rule at /srv/netroot.toml:14); else wait (the default)\n\n\
         other machines:\n  mac 02:00:00:00:01: local (the rule at /srv/netroot.toml:14)\n  else: wait\n"
    );
}

#[test]
fn a_rule_by_what_is_known_when_a_machine_asks_is_a_condition() {
    let main = r#"[machine.a]
mac = "02:00:00:00:00:01"
append = "who=a"
[machine.b]
mac = "02:00:00:00:00:02"
address = "10.0.0.7"
[machine.c]
mac = "02:00:00:00:00:03"
boot = "other"
[[rule]]
vendor-class = "PXEClient"
append = "quiet"
[[rule]]
arch = "efi-arm64"
mac = "02:00:00:00:00"
boot = "local"
[[rule]]
arch = "bios"
mac = "02:00:00:00:09"
boot = "menu"
[[rule]]
subnet = "10.0.0.0/24"
circuit = "rack-3"
boot = "refuse"
[[rule]]
subnet = "10.0.0.0/24"
boot = "local"
[[rule]]
arch = "bios"
boot = "menu"
"#;
    let text = machines(main, "{}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "  a                02:00:00:00:00:01: if vendor-class PXEClient: with quiet, too (the rule at /srv/netroot.toml:17); \
             if arch efi-arm64: local (the rule at /srv/netroot.toml:20); \
             if subnet 10.0.0.0/24, circuit rack-3: refuse (the rule at /srv/netroot.toml:28); \
             if subnet 10.0.0.0/24: local (the rule at /srv/netroot.toml:32); \
             if arch bios: menu (the rule at /srv/netroot.toml:35); else wait (the default), with who=a",
            "  b                02:00:00:00:00:02 at 10.0.0.7: if vendor-class PXEClient: with quiet, too (the rule at /srv/netroot.toml:17); \
             if arch efi-arm64: local (the rule at /srv/netroot.toml:20); \
             if circuit rack-3: refuse (the rule at /srv/netroot.toml:28); \
             else local (the rule at /srv/netroot.toml:32 for subnet 10.0.0.0/24)",
            "  c                02:00:00:00:00:03: other (machine c (/srv/netroot.toml:14))",
        ]
    );
}

#[test]
fn a_rule_for_all_addresses_asks_for_nothing_and_one_for_half_of_them_for_an_address() {
    let main = r#"[machine.a]
mac = "02:00:00:00:00:01"
[[rule]]
subnet = "0.0.0.0/1"
boot = "other"
[[rule]]
subnet = ["10.0.0.0/8", "0.0.0.0/0"]
boot = "local"
"#;
    assert_eq!(
        machines(main, "{}").lines().next(),
        Some(
            "  a                02:00:00:00:00:01: if subnet 0.0.0.0/1: other (the rule at /srv/netroot.toml:10); \
             else local (the rule at /srv/netroot.toml:13 for subnet 10.0.0.0/8 or 0.0.0.0/0)"
        )
    );
}

#[test]
fn what_is_ordered_comes_before_the_configuration() {
    let main = r#"[machine.a]
mac = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
boot = "other"
[machine.b]
mac = "02:00:00:00:00:03"
[[rule]]
arch = "bios"
boot = "menu"
"#;
    let orders = r#"{
"02:00:00:00:00:01": {"once": "local"}, "02:00:00:00:00:02": {"image": "gone"},
"02:00:00:00:00:03": {"once": "other", "image": "local"},
"02:00:00:00:00:04": {"image": "local"}, "02:00:00:00:00:05": {"once": "gone"},
"02:00:00:00:00:06": {"trial": null}
}"#;
    assert_eq!(
        machines(main, orders),
        "  a                02:00:00:00:00:01, 02:00:00:00:00:02 by 02:00:00:00:00:01: local (ordered for one boot), then other (machine a (/srv/netroot.toml:8))\n  \
         a                02:00:00:00:00:01, 02:00:00:00:00:02 by 02:00:00:00:00:02: other (machine a (/srv/netroot.toml:8))\n  \
         b                02:00:00:00:00:03: other (ordered for one boot), then local (ordered)\n\n\
         other machines:\n  02:00:00:00:00:04: local (ordered)\n  \
         arch bios: menu (the rule at /srv/netroot.toml:13)\n  else: wait\n"
    );
    // A file that makes no sense is told, and left where it is.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("state")).unwrap();
    fs::write(folder.join("state/orders.json"), "[").unwrap();
    let main = "[server]\nstate = \"/srv/state\"\n[image.local]\nlocal-disk = true\n";
    let text = shown(folder, &checked(folder, main));
    assert!(
        text.contains("warning: /srv/netroot.toml:1: cannot read /srv/state/orders.json: ")
            && text.contains("; what machines are ordered to boot is not shown"),
        "{text}"
    );
    assert!(folder.join("state/orders.json").exists());
}

#[test]
fn what_cannot_be_opened_is_a_mistake_at_its_image() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let checked = checked(
        folder,
        "[image.a]\nroot = \"/srv/absent\"\n[image.b]\nkernel-file = \"/srv/absent\"\n[image.c]\nlocal-disk = true\n",
    );
    let text = shown(folder, &checked);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("/srv/netroot.toml:2: image.a.root: "),
        "{text}"
    );
    assert!(
        lines[1].starts_with("/srv/netroot.toml:4: image.b.kernel-file: "),
        "{text}"
    );
    assert!(text.matches("No such file").count() == 2, "{text}");
}
