mod contradictions;
mod example;

use super::*;
use crate::settings::{Choice, Mode, Origin};

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
fn an_image_that_is_to_be_signed_needs_a_key() {
    let image = "[image.a]\nroot = \"/srv/a\"\nuki = true\n";
    let found = mistakes(image, &[]);
    let expected = "netroot.toml:3: image.a.uki: needs a key that signs the image: uki-key and ";
    assert!(found.starts_with(expected), "{found}");
    let key = "[server]\nuki-key = \"/etc/k\"\n";
    let found = mistakes(&format!("{key}{image}"), &[]);
    assert_eq!(
        found.trim_end(),
        "netroot.toml:2: server.uki-key: needs uki-cert"
    );
    let both = format!("{key}uki-cert = \"/etc/c\"\n{image}");
    assert!(read(&both).unwrap().uki.is_some());
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
    // A table with another name is what is wrong, and no more.
    for text in [
        "[imgae.debian]\nroot = \"/srv\"\n",
        "[image]\nroot = \"/srv\"\n",
    ] {
        assert_eq!(mistakes(text, &[]).lines().count(), 1, "{text}");
    }
}

#[test]
fn every_mistake_is_told_at_once_each_with_its_line() {
    let text = "[image.a]\nroot = \"srv\"\noverlay = \"yes\"\n\n[[rule]]\narch = \"efi-x46\"\nboot = \"a\"\n";
    assert_eq!(
        mistakes(text, &[]),
        "netroot.toml:2: image.a.root: expected a whole path, which begins with /, such as /srv/debian (none is relative to this file); found \"srv\"\n\
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
            "3: machine.a.boot: there is no image fedora; expected one of debian, menu, wait, refuse",
        ),
        (
            "[[rule]]\nboot = \"debian@7\"\n",
            "2: rule.boot: there is no image debian@7; did you mean debian?",
        ),
        (
            "default = \"menue\"\n",
            "1: default: there is no image menue; did you mean menu?",
        ),
        (
            "[[rule]]\nmac = \"02\"\n",
            "1: rule: changes nothing: expected boot, append or secure-boot",
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
            "1: network: there can be several, so each has two brackets: write [[network]], not [network]",
        ),
        (
            "[api]\nlisten = \"127.0.0.1:8070\"\n",
            "2: api.listen: needs token-file",
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
        "netroot.toml:7: machine.b.mac: its mac 02:00:00:00:00:01 is that of the machine at netroot.toml:3",
        "netroot.toml:8: machine.b.address: its address 10.0.0.1 is that of the machine at netroot.toml:3",
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
    let (Parsed { settings, .. }, left_out) = parse_to_start(&place(), &all).unwrap();
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

#[test]
fn a_key_that_is_another_tables_is_told_where_it_belongs() {
    for (text, why) in [
        (
            "[server]\nlease-time = \"1h\"\n",
            "2: server.lease-time: unknown; it belongs to [[network]]",
        ),
        (
            "[[network]]\nhttp-port = 80\n",
            "2: network.http-port: unknown; it belongs to [server]",
        ),
        (
            "[machine.a]\nserial = \"1\"\nimage = \"debian\"\n",
            "3: machine.a.image: unknown; did you mean boot?",
        ),
        (
            "[[rule]]\nip = \"10.0.0.0/8\"\nboot = \"debian\"\n",
            "2: rule.ip: unknown; expected one of append, arch,",
        ),
        (
            "[menu]\nTimeout = 5\n",
            "2: menu.Timeout: unknown; did you mean timeout?",
        ),
        (
            "[image.x]\nlocal-disk = true\ninterface = \"eth0\"\n",
            "3: image.x.interface: unknown; it belongs to [[network]] or [[rule]]",
        ),
    ] {
        let found = mistakes(&format!("{text}{ONE}"), &[]);
        assert!(found.contains(&format!("netroot.toml:{why}")), "{found}");
    }
}

#[test]
fn times_are_told_with_their_limits_and_an_example() {
    for (text, why) in [
        (
            "[menu]\ntimeout = 0\n",
            "2: menu.timeout: expected a time from \"1s\" to \"1d\", such as \"10s\", or \"never\", not 0",
        ),
        (
            "[menu]\ntimeout = \"30d\"\n",
            "such as \"10s\", or \"never\", not \"30d\"",
        ),
        (
            "[[network]]\nmode = \"dhcp\"\nrange = \"10.0.0.5-10.0.0.9\"\nlease-time = 5\n",
            "4: network.lease-time: expected a time from \"1m\" to \"366d\", such as \"12h\", not 5",
        ),
        (
            "[hook]\nurl = \"http://127.0.0.1/\"\ndeadline = \"1h\"\n",
            "3: hook.deadline: expected a time from \"10ms\" to \"5s\", such as \"300ms\", not \"1h\"",
        ),
    ] {
        let found = mistakes(&format!("{text}{ONE}"), &[]);
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn an_unknown_name_is_told_together_with_everything_else() {
    let found = mistakes(
        "default = \"nothing\"\n[image.lab]\nrot = \"/srv\"\n[menu]\nimages = [\"lab\", \"lab\"]\n[[rule]]\nmac = []\nboot = \"labb\"\n",
        &[("x.toml", "a = b")],
    );
    // What is in a file that is not TOML is not known, so no name is missed.
    let kinds: Vec<&str> = found.lines().collect();
    assert_eq!(kinds.len(), 5, "{found}");
    let found = mistakes(
        "default = \"nothing\"\n[image.lab]\nrot = \"/srv\"\n[menu]\nimages = [\"lab\", \"lab\"]\n[[rule]]\nmac = []\nboot = \"labb\"\n",
        &[],
    );
    assert_eq!(
        found,
        "netroot.toml:1: default: there is no image nothing; expected one of lab, menu, wait, refuse\n\
         netroot.toml:2: image.lab: does not say what to boot: expected one of root, kernel-file, efi, disk, iso, local-disk\n\
         netroot.toml:3: image.lab.rot: unknown; did you mean root?\n\
         netroot.toml:5: menu.images: lab is in the menu twice; name it once\n\
         netroot.toml:7: rule.mac: an empty list holds for no machine; leave the key out if the rule is for all\n\
         netroot.toml:8: rule.boot: there is no image labb; did you mean lab?"
    );
}

#[test]
fn what_newcomers_write_is_answered_with_what_to_write() {
    for (text, expected) in [
        (
            "[imgae.debian]\nroot = \"/srv/debian\"\n",
            "1: imgae: unknown; did you mean image?",
        ),
        (
            "[image]\nroot = \"/srv/debian\"\n",
            "2: image.root: expected a table with a name, under a line such as [image.NAME], not \"/srv/debian\"",
        ),
        (
            "[image.d]\nroot = /srv/debian\n",
            "2: not TOML: a text is in quotes, such as root = \"/srv/debian\"; found root = /srv/debian",
        ),
        (
            "[image.d]\nroot = \u{201c}/srv/debian\u{201d}\n",
            "2: not TOML: quotes are the straight ones, \" and \"; found root = \u{201c}/srv/debian\u{201d}",
        ),
        (
            "image: debian\n",
            "1: not TOML: expected a line such as root = \"/srv/debian\" or [image.debian]; found image: debian",
        ),
        (
            "[image.d]\nroot = \"debian\"\n",
            "2: image.d.root: expected a whole path, which begins with /, such as /srv/debian (none is relative to this file); found \"debian\"",
        ),
        (
            "[image.d]\nlocal-disk = true\ntitle = \"a\tb\"\n",
            "3: image.d.title: expected a text of one line, and there is a tab in it",
        ),
        (
            "[image.d]\nlocal-disk = true\n[machine.a]\nmac = \"aa:bb:cc\"\n",
            "4: machine.a.mac: expected an Ethernet address such as 52:54:00:12:34:56; found \"aa:bb:cc\"",
        ),
        (
            "[image.d]\nlocal-disk = true\n[machine.a]\nserial = \"1\"\naddress = \"fd00::7\"\n",
            "5: machine.a.address: expected an IPv4 address (IPv6 is not supported); found \"fd00::7\"",
        ),
        (
            "[image.d]\nlocal-disk = true\n[[network]]\nmode = \"dhcp\"\nrange = \"10.0.0.1,10.0.0.9\"\n",
            "5: network.range: expected two addresses such as 10.0.0.100-10.0.0.200; found \"10.0.0.1,10.0.0.9\"",
        ),
        (
            "[image.d]\nlocal-disk = true\nlocal-disk = true\n",
            "3: local-disk is there already in this table; leave one of the two out",
        ),
        (
            "[image.d]\nlocal-disk = true\n[image.d]\nlocal-disk = true\ntitle = \"x\"\n",
            "3: [image.d] is there already: a table stands once; write its keys under the first one, or give it another name",
        ),
    ] {
        assert_eq!(
            mistakes(text, &[]),
            format!("netroot.toml:{expected}"),
            "{text}"
        );
    }
    // A file of Windows, with a byte order mark and its line ends, is read, and its lines are counted.
    let windows = "\u{feff}[image.d]\r\n\tlocal-disk = true\r\n[server]\r\njson = 1\r\n";
    assert_eq!(
        mistakes(windows, &[]),
        "netroot.toml:4: server.json: expected true or false, not 1"
    );
    let macs = "[image.d]\nlocal-disk = true\n[machine.a]\nmac = [\"AA-BB-CC-DD-EE-02\", \"aabb.ccdd.ee06\", \"aabbccddee0a\"]\n";
    assert_eq!(read(macs).unwrap().catalog.machines[0].macs.len(), 3);
    let many = "a b\n".repeat(50);
    let found = mistakes(&many, &[]);
    assert!(
        found.lines().count() == 4 && found.ends_with("; more of the file is no TOML, too"),
        "{found}"
    );
}
