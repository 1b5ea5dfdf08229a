//! `examples/netroot.toml` means what it says, and each of its lines, written wrong, is answered with what was meant.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::pxe::arch::Platform;

use super::super::example::{self, EXAMPLE};
use super::{mistakes, place, read};
use crate::settings::{Choice, Generations, ImageSource, InitrdSource, Location, Mode};

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
    let generations = catalog.images[1].source.root().unwrap().generations;
    assert_eq!(generations, Generations::Newest(8));
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
            let pairs = [
                "listen",
                "token-file",
                "certificate",
                "key",
                "url",
                "uki-key",
                "uki-cert",
            ];
            assert!(
                needed.contains(&key) || pairs.contains(&key),
                "{key} = {value}: {error}"
            );
        }
    }
}

#[test]
fn every_key_that_is_read_stands_in_the_example_and_every_one_of_it_is_read() {
    read(EXAMPLE).unwrap();
    // Which of two that exclude each other is read depends on which is there.
    read("[server]\nallow-only = [\"10.0.0.0/24\"]\n[image.a]\nlocal-disk = true\n").unwrap();
    let written: BTreeSet<(String, &str)> = example::keys()
        .map(|(table, key)| {
            let table = table.unwrap_or_default();
            let kind = table.trim_matches(['[', ']']).split('.').next();
            (kind.unwrap_or_default().to_owned(), key)
        })
        .collect();
    let is_key = |(kind, key): &(String, &str)| {
        let is_table = |(table, _): &(String, &str)| table == key;
        !(kind.is_empty() && written.iter().any(is_table))
    };
    let asked: BTreeSet<_> = example::asked::all().into_iter().filter(is_key).collect();
    assert_eq!(asked, written);
}
