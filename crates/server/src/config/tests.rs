use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::pxe::arch::Platform;

use super::*;
use crate::settings::{Choice, ImageSource, InitrdSource, Location, Mode, Origin};

const EXAMPLE: &str = include_str!("../../examples/netroot.toml");

fn place() -> ConfigPlace {
    ConfigPlace::of_file("/etc/netroot/netroot.toml".into())
}

fn texts(main: &str, drop_ins: &[(&str, &str)]) -> Vec<(PathBuf, String)> {
    let main = (place().file, main.to_owned());
    let drop_ins = drop_ins.iter();
    let drop_ins = drop_ins.map(|(name, text)| (place().drop_ins.join(name), (*text).to_owned()));
    [main].into_iter().chain(drop_ins).collect()
}

fn read(main: &str) -> Result<Settings, Mistakes> {
    parse(&place(), &texts(main, &[]))
}

/// The mistakes, without the folder.
fn mistakes(main: &str, drop_ins: &[(&str, &str)]) -> String {
    let error = parse(&place(), &texts(main, drop_ins)).unwrap_err();
    error.to_string().replace("/etc/netroot/", "")
}

const ONE: &str = "[image.debian]\nroot = \"/srv/debian\"\n";

#[test]
fn the_example_means_what_it_says() {
    let settings = read(EXAMPLE).unwrap_or_else(|error| panic!("{error}"));
    let ways: Vec<_> = settings.networks.iter().map(|it| &it.mode).collect();
    let [Mode::Proxy, Mode::Dhcp(dhcp), Mode::Isolated(isolated)] = ways.as_slice() else {
        panic!("{ways:?}")
    };
    assert_eq!(dhcp.ranges.len(), 2);
    assert_eq!(dhcp.lease_time, Duration::from_secs(3600));
    assert!(isolated.nat);
    let catalog = &settings.catalog;
    let names: Vec<_> = catalog
        .images
        .iter()
        .filter_map(|it| it.name.as_deref())
        .collect();
    assert_eq!(
        names[..3],
        ["debian", "guix", "elsewhere"],
        "in the order of the file"
    );
    let root = catalog.images[0].source.root().unwrap();
    assert!(root.hidden.hide("/srv/a/b.key") && root.hidden.hide("/etc/ssh/ssh_host_rsa_key"));
    assert!(catalog.images[1].source.root().unwrap().generations);
    let elsewhere = catalog.images[2].source.root().unwrap();
    assert!(matches!(elsewhere.initrd, InitrdSource::File(_)) && elsewhere.nfsroot.is_some());
    assert!(
        matches!(&catalog.images[3].source, ImageSource::Kernel { initrds, .. } if initrds.len() == 2)
    );
    assert!(matches!(
        &catalog.images[6].source,
        ImageSource::Iso(Location::Url(_))
    ));
    let machine = &catalog.machines[0];
    assert_eq!((machine.name.as_str(), machine.macs.len()), ("node1", 2));
    assert_eq!(machine.address, Some(Ipv4Addr::new(10, 1, 0, 11)));
    assert_eq!(
        machine.client_id.as_deref(),
        Some(&[1, 0x52, 0x54, 0, 0x12, 0x34, 0x56][..])
    );
    assert_eq!(machine.choice, Some(Choice::Image("rescue".to_owned())));
    let rule = &catalog.rules[0];
    assert_eq!(rule.platforms, [Platform::EfiArm64, Platform::RaspberryPi]);
    assert_eq!(
        (rule.choice.as_ref(), rule.circuits.as_slice()),
        (Some(&Choice::Menu), &[b"eth0/3".to_vec()][..])
    );
    assert_eq!(catalog.menu.timeout, Some(Duration::from_secs(10)));
    assert_eq!(
        settings.api.hook.unwrap().deadline,
        Duration::from_millis(300)
    );
    assert!(settings.api.tcp.unwrap().tls.is_some());
    assert_eq!(settings.config, Some(place()));
}

/// A line of the example with a key: the number of the line, what is before the key, and the value.
fn keys() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let lines = EXAMPLE.lines().enumerate();
    lines.filter_map(|(number, line)| {
        let (key, value) = line.split_once(" = ")?;
        (!key.starts_with('#')).then_some((number + 1, key, value))
    })
}

fn with_line(number: usize, line: &str) -> String {
    let lines = EXAMPLE.lines().enumerate();
    let lines = lines.map(|(at, own)| if at + 1 == number { line } else { own });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_misspelt_key_on_any_line_of_the_example_is_named_with_what_was_meant() {
    assert!(keys().count() > 60);
    for (number, key, value) in keys() {
        // "moqde" for "mode".
        let (before, after) = key.split_at(key.len() / 2);
        let misspelt = format!("{before}q{after}");
        let text = with_line(number, &format!("{misspelt} = {value}"));
        let found = mistakes(&text, &[]);
        let expected = format!("{misspelt}: unknown; ");
        let line = found.lines().find(|line| line.contains(&expected));
        let line = line.unwrap_or_else(|| panic!("{misspelt}: {found}"));
        assert!(
            line.starts_with(&format!("netroot.toml:{number}: ")),
            "{line}"
        );
        let helps = format!("did you mean {key}?");
        assert!(line.contains(&helps), "{line}");
    }
}

#[test]
fn a_value_of_another_type_on_any_line_of_the_example_is_named_with_what_was_expected() {
    for (number, key, value) in keys() {
        for wrong in ["1979-05-27", "{ a = 1 }", "[[]]", "-1"] {
            let text = with_line(number, &format!("{key} = {wrong}"));
            let found = mistakes(&text, &[]);
            let place = format!("netroot.toml:{number}: ");
            let line = found.lines().find(|line| line.starts_with(&place));
            let line = line.unwrap_or_else(|| panic!("{key} = {wrong}: {found}"));
            assert!(line.contains("expected "), "{line}");
        }
        // What is left out is no mistake but where something else needs it.
        let text = with_line(number, "");
        if let Err(error) = read(&text) {
            let needed = [
                "root",
                "kernel-file",
                "efi",
                "disk",
                "iso",
                "local-disk",
                "range",
                "interface",
                "mode",
            ];
            let pairs = ["listen", "token-file", "certificate", "key", "url"];
            assert!(
                needed.contains(&key) || pairs.contains(&key),
                "{key} = {value}: {error}"
            );
        }
    }
}

#[test]
fn the_smallest_file_is_one_image_for_everybody_on_the_only_interface() {
    let settings = read(ONE).unwrap();
    assert_eq!(settings.networks.len(), 1);
    assert!(matches!(settings.networks[0].mode, Mode::Proxy) && settings.networks[0].probe);
    let image = &settings.catalog.images[0];
    assert!(image.source.root().unwrap().overlay);
    let origin = Origin::File {
        path: place().file,
        line: 1,
    };
    assert_eq!(image.origin, origin);
    let given = Settings::from(crate::cli::tests::serve(&["/srv/debian"]).unwrap());
    assert_eq!(
        (settings.http_port, settings.nfs_port),
        (given.http_port, given.nfs_port)
    );
    assert_eq!((settings.state, settings.cache), (given.state, given.cache));
    assert_eq!(image.source, given.catalog.images[0].source);
}

#[test]
fn an_empty_configuration_says_what_is_missing() {
    assert_eq!(
        mistakes("", &[]),
        "netroot.toml:1: no image is configured; add one, such as [image.debian] with root = \"/srv/debian\""
    );
    assert!(mistakes("a = ", &[]).starts_with("netroot.toml:1: not TOML: "));
}

#[test]
fn every_mistake_is_told_at_once_each_with_its_line() {
    let text = "[image.a]\nroot = \"srv\"\noverlay = \"yes\"\n\n[[rule]]\narch = \"efi-x46\"\nboot = \"a\"\n";
    assert_eq!(
        mistakes(text, &[]),
        "netroot.toml:2: image.a.root: expected a path from the root directory on, such as /srv/debian; found \"srv\"\n\
         netroot.toml:3: image.a.overlay: expected true or false, not \"yes\"\n\
         netroot.toml:6: rule.arch: no architecture is called so; did you mean efi-x64?; found \"efi-x46\""
    );
}

#[test]
fn an_image_is_of_one_kind_and_has_what_belongs_to_it() {
    for (image, why) in [
        (
            "title = \"x\"",
            "image.a: does not say what to boot: expected one of root, kernel-file, efi",
        ),
        (
            "root = \"/a\"\nefi = \"/b\"",
            "image.a: has root and efi, and can be only one of them",
        ),
        (
            "efi = \"/b\"\noverlay = true",
            "image.a.overlay: is for images with a root",
        ),
        (
            "root = \"/a\"\ninitrds = [\"/b\"]",
            "image.a.initrds: is for images with a kernel-file",
        ),
        (
            "root = \"/a\"\ninitrd = \"/b\"\nmodules = \"x\"",
            "image.a.modules: is for an initrd that netroot builds",
        ),
        (
            "root = \"/a\"\nnfsroot = \"10.0.0.5:/x\"\nhide = \"/x\"",
            "image.a.hide: is for a root that netroot exports",
        ),
        (
            "iso = \"debian.iso\"",
            "image.a.iso: expected a path from the root directory on, or a URL",
        ),
        (
            "root = \"/a\"\nappend = \"a\\nb\"",
            "image.a.append: expected a text of one line",
        ),
        (
            "local-disk = false",
            "image.a: local-disk = false is no image",
        ),
    ] {
        let found = mistakes(&format!("[image.a]\n{image}\n"), &[]);
        assert!(found.contains(why), "{image}: {found}");
    }
    for name in ["menu", "wait", "refuse", "\"a b\"", "\"..\""] {
        let found = mistakes(&format!("[image.{name}]\nroot = \"/a\"\n"), &[]);
        assert!(found.contains("netroot.toml:1: image."), "{name}: {found}");
    }
}

#[test]
fn names_that_do_not_exist_are_told_with_the_nearest() {
    for (text, why) in [
        (
            "default = \"debain\"\n",
            "1: default: there is no image debain; did you mean debian?",
        ),
        (
            "[menu]\nimages = [\"x\"]\n",
            "2: menu.images: there is no image x; the images are debian",
        ),
        (
            "[machine.a]\nmac = \"2:0:0:0:0:1\"\n",
            "2: machine.a.mac: expected an Ethernet address",
        ),
        (
            "[machine.a]\nserial = \"1\"\nboot = \"fedora\"\n",
            "1: machine.a.boot: there is no image fedora",
        ),
        (
            "[[rule]]\nboot = \"debian@7\"\n",
            "1: rule.boot: there is no image debian@7; did you mean debian?",
        ),
        (
            "[[rule]]\nmac = \"02\"\n",
            "1: rule: changes nothing: expected boot or append",
        ),
        (
            "[machine.a]\naddress = \"10.0.0.5\"\n",
            "1: machine.a: nothing identifies it",
        ),
        (
            "[machine.\"a_b\"]\nserial = \"1\"\n",
            "1: machine.a_b: its name is its host name",
        ),
        (
            "[[network]]\nmode = \"dhcp\"\n",
            "1: network: mode dhcp needs a range",
        ),
        (
            "[[network]]\nnat = true\n",
            "2: network.nat: is for mode = \"isolated\"",
        ),
        (
            "[[network]]\nmode = \"isolated\"\n",
            "1: network: mode isolated needs an interface",
        ),
        (
            "[network]\nmode = \"proxy\"\n",
            "1: network: expected tables with two brackets each, [[network]]",
        ),
        (
            "[api]\nlisten = \"127.0.0.1:8070\"\n",
            "1: api: listen needs token-file",
        ),
    ] {
        let found = mistakes(&format!("{text}{ONE}"), &[]);
        assert!(found.contains(&format!("netroot.toml:{why}")), "{found}");
    }
    let generation =
        "default = \"debian@7\"\n[image.debian]\nroot = \"/srv\"\ngenerations = true\n";
    read(generation).unwrap();
}

#[test]
fn what_is_there_twice_is_told_with_its_first_place() {
    let lab = "[image.debian]\nroot = \"/srv/lab\"\n";
    assert_eq!(
        mistakes(ONE, &[("lab.toml", lab)]),
        "conf.d/lab.toml:1: image.debian: the image debian is at netroot.toml:1 already; give each its own name"
    );
    let machines = "[machine.a]\nmac = \"02:00:00:00:00:01\"\naddress = \"10.0.0.1\"\n\
        [machine.b]\nmac = \"02:00:00:00:00:01\"\naddress = \"10.0.0.1\"\n";
    let found = mistakes(&format!("{ONE}{machines}"), &[]);
    for why in [
        "netroot.toml:6: machine.b: its mac 02:00:00:00:00:01 is that of the machine at netroot.toml:3",
        "netroot.toml:6: machine.b: its address 10.0.0.1 is that of the machine at netroot.toml:3",
    ] {
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn drop_ins_add_images_machines_and_rules_in_the_order_of_their_names() {
    let lab = "[image.lab]\nroot = \"/srv/lab\"\n[[rule]]\nmac = \"02\"\nboot = \"lab\"\n";
    let more = "[[rule]]\nboot = \"debian\"\n[machine.a]\nserial = \"1\"\nboot = \"lab\"\n";
    let files = texts(ONE, &[("10-lab.toml", lab), ("20.toml", more)]);
    let settings = parse(&place(), &files).unwrap();
    assert_eq!(settings.catalog.images.len(), 2);
    let choices: Vec<_> = settings
        .catalog
        .rules
        .iter()
        .map(|rule| rule.choice.clone())
        .collect();
    let image = |name: &str| Some(Choice::Image(name.to_owned()));
    assert_eq!(choices, [image("lab"), image("debian")]);
    for text in [
        "default = \"debian\"",
        "[server]\njson = true",
        "[[network]]\nmode = \"proxy\"",
        "[menu]",
        "[api]",
        "[hook]",
    ] {
        let found = mistakes(ONE, &[("x.toml", text)]);
        assert!(
            found.contains("conf.d/x.toml:1: ") && found.contains("belongs to the main file"),
            "{found}"
        );
    }
    // The main file is not needed.
    assert!(parse(&place(), &files[1..2]).is_ok());
}

#[test]
fn a_server_starts_without_the_drop_ins_that_are_wrong() {
    let wrong = ("a.toml", "[image.lab]\nrot = \"/srv\"\n");
    let of_it = ("b.toml", "[[rule]]\nboot = \"lab\"\n");
    let fine = ("c.toml", "[image.c]\nroot = \"/c\"\n");
    let all = texts(ONE, &[wrong, of_it, fine]);
    let (settings, left_out) = parse_to_start(&place(), &all).unwrap();
    assert_eq!(settings.catalog.images.len(), 2);
    assert!(settings.catalog.rules.is_empty());
    let left_out: Vec<_> = left_out
        .iter()
        .map(|it| it.path.file_name().unwrap())
        .collect();
    assert_eq!(left_out, ["a.toml", "a.toml", "b.toml"]);
    let main = parse_to_start(&place(), &texts("x = 1", &[fine])).unwrap_err();
    assert!(main.to_string().contains("x: unknown"), "{main}");
}
