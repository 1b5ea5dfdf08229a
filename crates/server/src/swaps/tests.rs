use super::*;
use crate::settings::{
    CatalogSettings, ImageSettings, ImageSource, InitrdSource, Origin, RootSettings, SwappedRoot,
};

fn catalog(name: Option<&str>, directory: &str) -> CatalogSettings {
    CatalogSettings::of_one(ImageSettings {
        name: name.map(str::to_owned),
        title: None,
        source: ImageSource::Root(RootSettings {
            directory: directory.into(),
            nfsroot: None,
            kernel: None,
            initrd: InitrdSource::File("/initrd.img".into()),
            overlay: true,
            hidden: netroot_nfs_export::HiddenPaths::default(),
            submounts: true,
            generations: crate::settings::Generations::Current,
            swapped: None,
        }),
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

fn boots(root: &str, before: &[u32]) -> (String, Vec<u32>, Vec<String>) {
    (root.to_owned(), before.to_vec(), Vec::new())
}

#[test]
fn a_root_is_swapped_and_back_again_and_each_tree_keeps_its_number() {
    let mut swaps = Swaps::default();
    let first = served("/srv/a", "/srv/a");
    let never = swaps.roll_back("debian", Some(first), When::Now);
    let never = never.unwrap_err().to_string();
    assert!(never.contains("never swapped"), "{never}");
    swap(&mut swaps, first, "/srv/b").unwrap();
    let second = served("/srv/a", "/srv/b");
    let same = swap(&mut swaps, second, "/srv/b").unwrap_err();
    assert_eq!(same.to_string(), "/srv/b is the root of debian already");
    assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/b", &[1]));

    let back = swaps.roll_back("debian", Some(second), When::Now).unwrap();
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
    let back = swaps.roll_back("debian", Some(of), When::Now).unwrap();
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
    let never = swaps.roll_back("debian", Some(of), When::Now);
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
    let to = back.roll_back("debian", None, When::AtRestart(8)).unwrap();
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

#[test]
fn a_tree_that_cannot_be_served_is_kept_behind_the_latest_that_can_be() {
    let mut swaps = Swaps::default();
    swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
    swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
    let mut now = catalog(Some("debian"), "/srv/a");
    apply(&mut now, &swaps, Path::new(FILE), &BTreeSet::new());
    let mut root = now.images[0].source.root().unwrap().clone();
    let mut tried = BTreeSet::new();
    for (directory, before) in [("/srv/b", [3, 1]), ("/srv/a", [2, 3])] {
        tried.insert(root.swapped.as_ref().unwrap().tree);
        root = without_swap(&root, &tried).unwrap();
        let swapped = root.swapped.as_ref().unwrap();
        let numbers: Vec<u32> = swapped.before.iter().map(|(number, _)| *number).collect();
        assert_eq!(
            (root.directory.as_path(), &*numbers),
            (Path::new(directory), &before[..])
        );
        assert_eq!(swapped.configured, Path::new("/srv/a"));
    }
    tried.insert(1);
    assert_eq!(without_swap(&root, &tried), None);
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
