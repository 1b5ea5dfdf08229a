use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use netroot_net::Mac;
use netroot_nfs_export::HiddenPaths;
use netroot_proto::pxe::arch::Platform;

use super::*;
use crate::settings::{InitrdSource, MenuSettings};

pub(crate) const ETH0: ArrivedAt<'_> = ArrivedAt {
    interface: "eth0",
    server: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
};
const ETH1: ArrivedAt<'_> = ArrivedAt {
    interface: "eth1",
    server: IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)),
};

pub(crate) fn image(name: &str) -> Image {
    Image {
        name: name.to_owned(),
        title: None,
        loaders: Arc::from([]),
        unified_loaders: None,
        kernel_shim: false,
        append: None,
        tag: String::new(),
        kind: ImageKind::Root(root_image(name)),
        nic: None,
    }
}

pub(crate) fn root_image(name: &str) -> RootImage {
    RootImage {
        location: RootLocation::Own {
            path: export_path(name),
            directory: PathBuf::from("/srv").join(name),
            port: 2049,
            hidden: HiddenPaths::default(),
            submounts: true,
            swapped: None,
        },
        kernel: KernelFile {
            version: "6.1.0".to_owned(),
            architecture: netroot_initramfs::Architecture::X86_64,
            path: PathBuf::from("/srv").join(name).join("boot/vmlinuz-6.1.0"),
            start: None,
        },
        initrd: InitrdSource::Build {
            modules: "netboot".to_owned(),
            init: None,
        },
        overlay: true,
    }
}

/// A catalog of one image.
pub(crate) fn one(name: &str) -> Catalog {
    with_rules(vec![image(name)], Vec::new())
}

pub(crate) fn machine(last: u8) -> KnownMachine {
    KnownMachine {
        mac: Some(Mac([2, 0, 0, 0, 0, last])),
        ..KnownMachine::default()
    }
}

pub(crate) fn by_mac(last: u8, image: &str) -> Rule {
    Rule {
        macs: machine(last).mac.into_iter().map(Into::into).collect(),
        choice: Some(Choice::Image(image.to_owned())),
        ..Rule::default()
    }
}

/// A catalog without machines.
pub(crate) fn with_rules(images: Vec<Image>, rules: Vec<Rule>) -> Catalog {
    Catalog::new(images, Vec::new(), rules, None, MenuSettings::default()).unwrap()
}

/// The name of the image that the configuration gives to a machine.
fn boots(catalog: &Catalog, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> String {
    let image = catalog.assign(machine, arrived).image();
    image.map_or_else(String::new, |image| image.name.clone())
}

#[test]
fn a_machine_boots_the_image_of_its_address_and_every_other_machine_the_first_image() {
    let images = vec![image("debian"), image("fedora")];
    let catalog = with_rules(images, vec![by_mac(2, "fedora")]);
    let boots = |machine: &KnownMachine| boots(&catalog, machine, &ETH0);
    assert_eq!(boots(&machine(1)), "debian");
    assert_eq!(boots(&machine(2)), "fedora");
    assert_eq!(boots(&KnownMachine::default()), "debian");
    let assigned = catalog.assign(&machine(2), &ETH1);
    let root = assigned.image().unwrap().nfsroot(ETH1.server).unwrap();
    assert!(root.starts_with("10.1.0.1:/fedora,vers=3"), "{root}");
}

#[test]
fn a_rule_holds_by_what_dhcp_says_of_a_machine() {
    let conditions = [
        Rule {
            circuits: vec![b"eth0/3".to_vec()],
            ..Rule::default()
        },
        Rule {
            vendor_classes: vec!["PXEClient:Arch:00011".to_owned()],
            ..Rule::default()
        },
        Rule {
            subnets: vec!["10.9.0.0/24".parse().unwrap()],
            ..Rule::default()
        },
        Rule {
            platforms: vec![Platform::RaspberryPi, Platform::EfiArm64],
            ..Rule::default()
        },
    ];
    let said = [
        KnownMachine {
            circuit: Some(b"eth0/3".to_vec()),
            ..machine(1)
        },
        KnownMachine {
            vendor_class: Some(b"PXEClient:Arch:00011:UNDI:003000".to_vec()),
            ..machine(1)
        },
        KnownMachine {
            link: Some(Ipv4Addr::new(10, 9, 0, 1)),
            ..machine(1)
        },
        KnownMachine {
            platform: Some(Platform::EfiArm64),
            ..machine(1)
        },
    ];
    for (number, condition) in conditions.into_iter().enumerate() {
        let lab = Rule {
            choice: Some(Choice::Image("lab".to_owned())),
            ..condition
        };
        let catalog = with_rules(vec![image("debian"), image("lab")], vec![lab]);
        for (other, known) in said.iter().enumerate() {
            let expected = if other == number { "lab" } else { "debian" };
            assert_eq!(boots(&catalog, known, &ETH0), expected, "{known:?}");
        }
    }
}

#[test]
fn an_interface_has_an_image_of_its_own_unless_an_earlier_rule_matches() {
    let lab = Rule {
        interfaces: vec!["eth1".to_owned()],
        choice: Some(Choice::Image("lab".to_owned())),
        ..Rule::default()
    };
    let images = vec![image("debian"), image("lab")];
    let catalog = with_rules(images, vec![by_mac(1, "debian"), lab]);
    let boots = |machine: &KnownMachine, arrived| boots(&catalog, machine, &arrived);
    assert_eq!(boots(&machine(1), ETH1), "debian");
    assert_eq!(boots(&machine(2), ETH1), "lab");
    assert_eq!(boots(&machine(2), ETH0), "debian");
    assert_eq!(boots(&KnownMachine::default(), ETH1), "lab");
}

#[test]
fn every_condition_of_a_rule_has_to_hold() {
    let both = Rule {
        interfaces: vec!["eth1".to_owned()],
        ..by_mac(1, "lab")
    };
    let catalog = with_rules(vec![image("debian"), image("lab")], vec![both]);
    assert_eq!(boots(&catalog, &machine(1), &ETH1), "lab");
    assert_eq!(boots(&catalog, &machine(1), &ETH0), "debian");
    assert_eq!(boots(&catalog, &machine(2), &ETH1), "debian");
}

#[test]
fn in_the_menu_a_machine_finds_what_it_would_boot_without_it() {
    let rule = |choice| Rule {
        choice: Some(choice),
        ..Rule::default()
    };
    let menu = MenuSettings {
        images: vec!["lab".to_owned()],
        ..MenuSettings::default()
    };
    let catalog = |rules, default| {
        let images = ["debian", "lab"].map(image).into();
        Catalog::new(images, Vec::new(), rules, Some(default), menu.clone()).unwrap()
    };
    let names = |catalog: &Catalog| {
        let assigned = catalog.assign(&machine(1), &ETH0);
        let images = catalog.in_menu_of(&assigned).into_iter();
        let own = assigned.own.map(|own| own.name.clone());
        (
            own,
            images.map(|image| image.name.clone()).collect::<Vec<_>>(),
        )
    };
    let of = |own: Option<&str>, all: &[&str]| {
        let all = all
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>();
        (own.map(str::to_owned), all)
    };
    let debian = || Choice::Image("debian".to_owned());
    let asks = catalog(vec![rule(Choice::Menu)], debian());
    assert_eq!(names(&asks), of(Some("debian"), &["debian", "lab"]));
    let asks = catalog(vec![rule(Choice::Menu), by_mac(1, "lab")], debian());
    assert_eq!(names(&asks), of(Some("lab"), &["lab"]));
    let asks = catalog(Vec::new(), Choice::Menu);
    assert_eq!(names(&asks), of(None, &["lab"]));
    let waits = catalog(vec![rule(Choice::Menu), rule(Choice::Wait)], debian());
    assert_eq!(names(&waits), of(None, &["lab"]));
    let boots = catalog(Vec::new(), debian());
    assert_eq!(names(&boots), of(None, &["lab"]));
}

#[test]
fn only_a_single_image_has_the_short_names() {
    let single = one("debian");
    let debian = single.images().next().unwrap();
    assert_eq!(single.export_paths(debian), ["/debian", "/"]);
    let two = with_rules(vec![image("debian"), image("lab")], Vec::new());
    let paths: Vec<_> = two.images().map(|image| two.export_paths(image)).collect();
    assert_eq!(paths, [["/debian"], ["/lab"]]);
    let generations = with_rules(vec![image("guix"), image("guix@42")], Vec::new());
    let paths = generations
        .images()
        .map(|image| generations.export_paths(image));
    let paths: Vec<Vec<String>> = paths.collect();
    assert_eq!(paths, [vec!["/guix", "/"], vec!["/guix@42"]]);
}

#[test]
fn a_generation_that_was_deleted_is_waited_for_and_not_replaced_by_another_system() {
    let images = || vec![image("guix"), image("guix@42")];
    let rule = |image: &str| vec![by_mac(1, image)];
    let why = |catalog: &Catalog| {
        let assigned = catalog.assign(&machine(1), &ETH0);
        (assigned.boots.to_string(), assigned.why.to_string())
    };
    assert_eq!(why(&with_rules(images(), rule("guix@42"))).0, "guix@42");
    let (boots, why) = why(&with_rules(images(), rule("guix@41")));
    assert_eq!(boots, "wait");
    assert_eq!(
        why,
        "it is to boot the generation guix@41, which is not in the root (any more)"
    );
    let known = ["guix", "guix@43", "guix@42"];
    let text = no_such_image("guix@41", known.into_iter());
    assert!(
        text.starts_with("there is no image guix@41: that generation is not in the root"),
        "{text}"
    );
    assert!(
        text.ends_with("the generations of guix are guix@43, guix@42"),
        "{text}"
    );
    let other = no_such_image("debian@41", known.into_iter());
    assert!(!other.contains("generation"), "{other}");
}

#[test]
fn contradictions_are_refused_by_name() {
    let refused = |images: &[&str], rules| {
        let images = images.iter().map(|name| image(name)).collect();
        Catalog::new(images, Vec::new(), rules, None, MenuSettings::default())
    };
    let text = |result: Result<Catalog, CatalogError>| result.unwrap_err().to_string();
    assert_eq!(refused(&[], Vec::new()).unwrap_err(), CatalogError::Empty);
    assert!(text(refused(&["a", "a"], Vec::new())).starts_with("two images have the name a"));
    for name in ["", "..", "a/b", "a b"] {
        assert!(text(refused(&[name], Vec::new())).contains("cannot be used in a URL"));
    }
    let unknown = text(refused(&["a", "b"], vec![by_mac(1, "c")]));
    assert_eq!(
        unknown,
        "the command line: a rule: there is no image c; expected one of a, b, menu, wait, refuse"
    );
}
