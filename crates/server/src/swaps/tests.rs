use super::roots::{
    apply, as_served, earlier, have_same_latest, is_fallen_back, latest, not_served, with_number,
};
use super::*;
use crate::settings::{
    CatalogSettings, ImageSettings, ImageSource, Origin, RootSettings, SwappedRoot,
};

fn catalog(name: Option<&str>, directory: &str) -> CatalogSettings {
    CatalogSettings::of_one(ImageSettings {
        name: name.map(str::to_owned),
        title: None,
        source: ImageSource::Root(RootSettings::with_initrd(directory.into())),
        append: None,
        origin: match name {
            Some(_) => Origin::File {
                path: "/etc/netroot/netroot.toml".into(),
                line: 1,
            },
            None => Origin::CommandLine,
        },
    })
}

fn roots(catalog: &CatalogSettings) -> (&Path, Option<&SwappedRoot>) {
    let root = catalog.images[0].source.root().unwrap();
    (&root.directory, root.swapped.as_ref())
}

const FILE: &str = "/var/lib/netroot-swaps/swaps.json";

/// What machines boot with this root in the configuration, the numbers of the earlier roots, and what is told.
fn booted(swaps: &Swaps, configured: &str) -> (String, Vec<u32>, Vec<String>) {
    booted_by(swaps, configured, &BTreeSet::new())
}

fn booted_by(
    swaps: &Swaps,
    configured: &str,
    obeyed: &BTreeSet<u64>,
) -> (String, Vec<u32>, Vec<String>) {
    let mut now = catalog(Some("debian"), configured);
    let told = apply(&mut now, swaps, Path::new(FILE), obeyed);
    let again = now.clone();
    apply(&mut now, swaps, Path::new(FILE), obeyed);
    assert_eq!(now, again);
    let (root, swapped) = roots(&now);
    let before = swapped.map(|swapped| swapped.before.clone());
    let before = before.unwrap_or_default().into_iter();
    let numbers = before.map(|(number, _)| number).collect();
    (root.display().to_string(), numbers, told)
}

fn served<'a>(configured: &'a str, now: &'a str) -> Served<'a> {
    Served {
        configured: Path::new(configured),
        now: Path::new(now),
    }
}

fn swap(swaps: &mut Swaps, of: Served<'_>, to: &str) -> Result<(), SwapError> {
    swaps.swap("debian", of, Path::new(to), (When::Now, &|_| false))
}

fn back(swaps: &mut Swaps, of: Served<'_>) -> Result<PathBuf, SwapError> {
    swaps.roll_back("debian", (Some(of), None), When::Now)
}

fn boots(root: &str, before: &[u32]) -> (String, Vec<u32>, Vec<String>) {
    (root.to_owned(), before.to_vec(), Vec::new())
}

#[test]
fn a_root_is_swapped_and_back_again_and_each_tree_keeps_its_number() {
    let mut swaps = Swaps::default();
    let first = served("/srv/a", "/srv/a");
    let never = back(&mut swaps, first);
    let never = never.unwrap_err().to_string();
    assert!(never.contains("never swapped"), "{never}");
    swap(&mut swaps, first, "/srv/b").unwrap();
    let second = served("/srv/a", "/srv/b");
    let same = swap(&mut swaps, second, "/srv/b").unwrap_err();
    assert_eq!(same.to_string(), "/srv/b is the root of debian already");
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/b", &[1]));

    let back = back(&mut swaps, second).unwrap();
    assert_eq!(back, Path::new("/srv/a"));
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/a", &[2]));
    swap(&mut swaps, first, "/srv/c").unwrap();
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/c", &[1, 2]));
    assert!(swaps.forget("debian") && !swaps.forget("debian"));
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/a", &[]));
}

#[test]
fn a_directory_that_was_swapped_to_may_be_configured_and_machines_keep_their_roots() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
    assert_eq!(booted(&swaps, "/srv/c"), boots("/srv/c", &[2, 1]));
    assert_eq!(booted(&swaps, "/srv/b"), boots("/srv/b", &[3, 1]));
    // From there it goes on.
    let of = served("/srv/c", "/srv/c");
    let back = back(&mut swaps, of).unwrap();
    assert_eq!(back, Path::new("/srv/b"));
    assert_eq!(booted(&swaps, "/srv/c"), boots("/srv/b", &[3, 1]));
}

#[test]
fn what_is_configured_since_counts_and_the_entry_is_told_and_dropped() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    let (root, before, told) = booted(&swaps, "/srv/other");
    assert_eq!((&*root, before.len()), ("/srv/other", 0));
    assert_eq!(
        told,
        [
            "/var/lib/netroot-swaps/swaps.json: debian was swapped from /srv/a to /srv/b, but /srv/other is configured since, \
          and is booted; `netroot image forget debian` drops the entry"
        ]
    );
    let of = served("/srv/other", "/srv/other");
    let never = back(&mut swaps, of);
    assert!(matches!(never, Err(SwapError::Never { .. })), "{never:?}");
    // It does not come back when the old root is configured again.
    let mut dropped = swaps.clone();
    dropped.drop_idle("debian", Path::new("/srv/other"));
    dropped.drop_idle("another", Path::new("/srv/other"));
    assert_eq!(booted(&dropped, "/srv/a"), boots("/srv/a", &[]));
    swap(&mut swaps, of, "/srv/b").unwrap();
    assert_eq!(booted(&swaps, "/srv/other"), boots("/srv/b", &[1]));
    let told = booted(&swaps, "/srv/a").2;
    assert!(told[0].contains("from /srv/other to /srv/b"), "{told:?}");
}

#[test]
fn an_image_of_the_command_line_keeps_its_name_and_others_are_not_told() {
    let mut swaps = Swaps::default();
    let of = served("/srv/a", "/srv/a");
    let to = Path::new("/srv/b");
    let never = |_: &Path| false;
    swaps.swap("a", of, to, (When::Now, &never)).unwrap();
    let obeyed = BTreeSet::new();
    let mut now = catalog(None, "/srv/a");
    assert_eq!(apply(&mut now, &swaps, Path::new(FILE), &obeyed), [""; 0]);
    assert_eq!(now.images[0].name.as_deref(), Some("a"));
    assert_eq!(roots(&now).0, to);
    for (name, directory) in [(None, "/srv/other"), (Some("other"), "/srv/a")] {
        let mut other = catalog(None, directory);
        other.images[0].name = name.map(str::to_owned);
        assert_eq!(apply(&mut other, &swaps, Path::new(FILE), &obeyed), [""; 0]);
        assert_eq!(roots(&other), (Path::new(directory), None));
    }
}

#[test]
fn what_is_written_for_the_next_start_is_obeyed_by_servers_that_start_then() {
    let mut swaps = Swaps::default();
    let of = served("/srv/a", "/srv/a");
    let later = (
        When::AtRestart(7),
        &(|_: &Path| false) as &dyn Fn(&Path) -> bool,
    );
    swaps
        .swap("debian", of, Path::new("/srv/b"), later)
        .unwrap();
    assert_eq!(swaps.at_restart(), BTreeSet::from([7]));
    let started = swaps.at_restart();
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/a", &[]));
    assert_eq!(booted_by(&swaps, "/srv/a", &started), boots("/srv/b", &[1]));
    // Without a server it is taken back, for the next start again.
    let mut back = swaps.clone();
    let to = back
        .roll_back("debian", (None, None), When::AtRestart(8))
        .unwrap();
    assert_eq!(to, Path::new("/srv/a"));
    let started = back.at_restart();
    assert_eq!(booted_by(&back, "/srv/a", &started), boots("/srv/a", &[2]));
    // What comes next is based on what the server has that is asked.
    let mut obeyed = swaps.clone();
    swap(&mut obeyed, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
    assert_eq!(booted(&obeyed, "/srv/a"), boots("/srv/c", &[2, 1]));
    swap(&mut swaps, of, "/srv/c").unwrap();
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/c", &[1]));
}

/// An image's root by what is in the file.
fn root_of(swaps: &Swaps, configured: &str) -> RootSettings {
    let mut now = catalog(Some("debian"), configured);
    apply(&mut now, swaps, Path::new(FILE), &BTreeSet::new());
    now.images[0].source.root().unwrap().clone()
}

/// What machines boot, the numbers of the later roots, and of those before.
fn shown(root: &RootSettings) -> (&Path, Vec<u32>, Vec<u32>) {
    let swapped = root.swapped.as_ref().unwrap();
    assert_eq!(swapped.configured, Path::new("/srv/a"));
    let numbers = |trees: &[(u32, PathBuf)]| trees.iter().map(|(number, _)| *number).collect();
    (
        &root.directory,
        numbers(&swapped.newer),
        numbers(&swapped.before),
    )
}

#[test]
fn the_root_before_one_that_cannot_be_served_is_booted_until_it_can_be() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
    let third = root_of(&swaps, "/srv/a");
    let second = earlier(&third).unwrap();
    assert_eq!(shown(&second), (Path::new("/srv/b"), vec![3], vec![1]));
    let first = earlier(&second).unwrap();
    assert_eq!(shown(&first), (Path::new("/srv/a"), vec![3, 2], vec![]));
    assert_eq!(earlier(&first), None);
    assert!(is_fallen_back(&first) && !is_fallen_back(&third));
    for root in [&first, &second, &third] {
        assert_eq!(latest(root), third);
        assert!(have_same_latest(root, &third));
        // In a configuration that is read again.
        assert_eq!(as_served(&third, root), *root);
    }
    for (number, directory) in [(1, "/srv/a"), (2, "/srv/b"), (3, "/srv/c")] {
        let root = with_number(&second, number).unwrap();
        assert_eq!(root.directory, Path::new(directory));
    }
    assert_eq!(with_number(&second, 4), None);

    // Somebody goes back to it for good.
    let of = served("/srv/a", "/srv/c");
    back(&mut swaps, of).unwrap();
    let back = root_of(&swaps, "/srv/a");
    assert!(!have_same_latest(&back, &second));
    let now = as_served(&back, &second);
    assert_eq!(shown(&now), (Path::new("/srv/b"), vec![], vec![3, 1]));

    let told = not_served("debian", &second, "it has no kernel");
    assert!(
        told.starts_with(
            "debian: /srv/c cannot be served, machines boot /srv/b: it has no kernel; "
        ) && told.contains("`netroot image rollback debian` makes /srv/b the root for good"),
        "{told}"
    );
    let told = not_served("debian", &first, "it has no kernel");
    assert!(
        told.contains("`netroot image swap debian /srv/a` makes"),
        "{told}"
    );
    let told = not_served("debian", &third, "it has no kernel");
    assert!(told.contains("nor can an earlier root"), "{told}");
}

#[test]
fn earlier_roots_are_forgotten_only_once_they_are_closed() {
    let mut swaps = Swaps::default();
    let mut now = "/srv/a".to_owned();
    for number in 0..MOST_BEFORE {
        let next = format!("/srv/{number}");
        swap(&mut swaps, served("/srv/a", &now), &next).unwrap();
        now = next;
    }
    let of = served("/srv/a", &now);
    let refused = swap(&mut swaps, of, "/srv/next").unwrap_err().to_string();
    assert!(refused.contains("run from /srv/a first"), "{refused}");
    let closed = |root: &Path| root == Path::new("/srv/3");
    let next = Path::new("/srv/next");
    swaps
        .swap("debian", of, next, (When::Now, &closed))
        .unwrap();
    let before = booted(&swaps, "/srv/a").1;
    assert_eq!(before.len(), MOST_BEFORE);
    // /srv/3 had the number 5; the configured one stays.
    assert!(before.contains(&1) && !before.contains(&5), "{before:?}");
}

#[test]
fn without_a_server_the_configuration_says_what_it_is_rolled_back_from() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
    let next = |configured: Option<&str>| {
        let mut swaps = swaps.clone();
        let configured = configured.map(Path::new);
        let to = swaps.roll_back("debian", (None, configured), When::AtRestart(8));
        to.map(|to| (to, swaps))
    };
    // What was swapped to is configured by now, or what was swapped to before.
    for (configured, expected) in [
        ("/srv/c", "/srv/b"),
        ("/srv/b", "/srv/c"),
        ("/srv/a", "/srv/b"),
    ] {
        let (to, swaps) = next(Some(configured)).unwrap();
        assert_eq!(to, Path::new(expected), "{configured}");
        let started = swaps.at_restart();
        assert_eq!(booted_by(&swaps, configured, &started).0, expected);
    }
    let never = next(Some("/srv/other"));
    assert!(matches!(never, Err(SwapError::Never { .. })), "{never:?}");
    assert_eq!(next(None).unwrap().0, Path::new("/srv/b"));
}

#[test]
fn the_number_of_a_root_that_was_forgotten_is_not_given_to_another_one() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    back(&mut swaps, served("/srv/a", "/srv/b")).unwrap();
    let of = Some(served("/srv/a", "/srv/a"));
    swaps
        .forget_root("debian", (of, None), Path::new("/srv/b"))
        .unwrap();
    // As it is read from the file.
    let text = serde_json::to_string(&swaps).unwrap();
    let mut swaps: Swaps = serde_json::from_str(&text).unwrap();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/c").unwrap();
    assert_eq!(root_of(&swaps, "/srv/a").swapped.unwrap().tree, 3);
}

#[test]
fn one_earlier_root_is_forgotten_and_the_others_keep_their_numbers() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
    let of = Some(served("/srv/a", "/srv/c"));
    let mut refused = |of, root: &str| {
        let refused = swaps.forget_root("debian", (of, None), Path::new(root));
        refused.unwrap_err().to_string()
    };
    assert!(refused(of, "/srv/c").contains("`netroot image rollback debian`"));
    assert!(refused(None, "/srv/c").contains("is the root of debian"));
    assert!(refused(of, "/srv/a").contains("write root = \"/srv/c\" into the configuration first"));
    assert!(refused(of, "/srv/other").contains("is none of the earlier roots"));
    swaps
        .forget_root("debian", (of, None), Path::new("/srv/b"))
        .unwrap();
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/c", &[1]));
    // Once another one is configured it goes, too; machines know the root that is left by its number.
    let of = Some(served("/srv/c", "/srv/c"));
    swaps
        .forget_root("debian", (of, None), Path::new("/srv/a"))
        .unwrap();
    assert_eq!(booted(&swaps, "/srv/c"), boots("/srv/c", &[]));
    assert_eq!(root_of(&swaps, "/srv/c").swapped.unwrap().tree, 3);
    let never = back(&mut swaps, served("/srv/c", "/srv/c"));
    assert!(matches!(never, Err(SwapError::Never { .. })), "{never:?}");
}
