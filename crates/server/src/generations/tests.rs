use std::path::Path;

use super::*;
use crate::settings::Origin;

fn image(directory: &Path, generations: Generations) -> ImageSettings {
    ImageSettings {
        name: Some("guix".to_owned()),
        title: None,
        source: ImageSource::Root(RootSettings {
            generations,
            ..RootSettings::with_initrd(directory.to_owned())
        }),
        append: Some("quiet".to_owned()),
        origin: Origin::CommandLine,
    }
}

fn catalog(generations: Generations) -> CatalogSettings {
    CatalogSettings::of_one(image(Path::new("/srv/guix"), generations))
}

fn found(numbers: &[u32]) -> Found {
    let generation = |number: &u32| Generation {
        number: *number,
        kernel: format!("/var/guix/profiles/system-{number}-link/kernel"),
        made: None,
    };
    let all = numbers.iter().map(generation).collect();
    Found::from([("/srv/guix".into(), all)])
}

fn names(catalog: &CatalogSettings) -> Vec<&str> {
    let images = catalog.images.iter();
    images.filter_map(|image| image.name.as_deref()).collect()
}

fn nobody() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn the_newest_generations_of_a_root_are_images() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=7 {
        let system = format!("nix/var/nix/profiles/system-{number}-link");
        let system = folder.path().join(system);
        std::fs::create_dir_all(&system).unwrap();
        std::fs::write(system.join("kernel"), "").unwrap();
    }
    let written = image(folder.path(), Generations::Newest(5));
    let mut catalog = CatalogSettings::of_one(written.clone());
    at_start(&mut catalog);
    let all = ["guix", "guix@7", "guix@6", "guix@5", "guix@4", "guix@3"];
    assert_eq!(names(&catalog), all);
    let seventh = &catalog.images[1];
    let title = seventh.title.as_deref().unwrap();
    assert!(title.starts_with("guix, generation 7 of 20"), "{title}");
    let root = seventh.source.root().unwrap();
    assert_eq!(root.kernel.as_deref(), Some("@7"));
    assert_eq!(seventh.append.as_deref(), Some("quiet"));
    // A helper process makes the same of the number.
    assert_eq!((number(&catalog, 0), number(&catalog, 1)), ((0, 0), (0, 7)));
    let by_number = of_number(&written, 7).unwrap();
    assert_eq!(
        (by_number.source, by_number.name),
        (seventh.source.clone(), seventh.name.clone())
    );
    assert_eq!(
        of_number(&image(folder.path(), Generations::Current), 7),
        None
    );
    assert_eq!(without(&catalog).images, [written]);
}

#[test]
fn generations_come_and_go_and_the_number_of_them_is_configured() {
    let start = catalog(Generations::Newest(2));
    let three = with(&start, &found(&[3, 2, 1]), &nobody(), &start);
    assert_eq!(names(&three), ["guix", "guix@3", "guix@2"]);
    let limited_to = limited(&three, &found(&[3, 2, 1]));
    assert_eq!((limited_to[0].offered, limited_to[0].all), (2, 3));
    let newer = with(&three, &found(&[4, 3, 2, 1]), &nobody(), &three);
    assert_eq!(names(&newer), ["guix", "guix@4", "guix@3"]);
    let collected = with(&newer, &found(&[4]), &nobody(), &newer);
    assert_eq!(names(&collected), ["guix", "guix@4"]);
    assert_eq!(limited(&collected, &found(&[4])), []);
    let none = with(
        &catalog(Generations::Current),
        &found(&[2, 1]),
        &nobody(),
        &three,
    );
    assert_eq!(names(&none), ["guix"]);
}

#[test]
fn a_generation_that_somebody_is_to_boot_is_an_image_however_old_it_is() {
    let mut start = catalog(Generations::Newest(1));
    start.default = Some(Choice::Image("guix@2".to_owned()));
    let ordered = BTreeSet::from(["guix@1".to_owned(), "debian@3".to_owned()]);
    let all = with(&start, &found(&[9, 3, 2, 1]), &ordered, &start);
    assert_eq!(names(&all), ["guix", "guix@9", "guix@2", "guix@1"]);
    assert_eq!(missing(&all), []);
    let collected = with(&all, &found(&[9]), &ordered, &all);
    let by = "the default".to_owned();
    assert_eq!(missing(&collected), [("guix@2".to_owned(), by)]);
    assert!(is_named(&collected, "guix@2") && !is_named(&collected, "guix@x"));
}

#[test]
fn a_root_that_is_not_looked_at_keeps_its_generations_as_it_is_configured_now() {
    let start = catalog(Generations::Newest(5));
    let start = with(&start, &found(&[2, 1]), &nobody(), &start);
    let loud = CatalogSettings::of_one(ImageSettings {
        append: None,
        ..image(Path::new("/srv/guix"), Generations::Newest(5))
    });
    let read = with(&loud, &Found::new(), &nobody(), &start);
    assert_eq!(names(&read), ["guix", "guix@2", "guix@1"]);
    assert!(read.images.iter().all(|image| image.append.is_none()));
    let elsewhere = CatalogSettings::of_one(image(Path::new("/srv/other"), Generations::Newest(5)));
    assert_eq!(
        names(&with(&elsewhere, &Found::new(), &nobody(), &start)),
        ["guix"]
    );
}

#[test]
fn an_image_that_is_written_keeps_its_name() {
    let mut start = catalog(Generations::Newest(5));
    start.images.push(ImageSettings {
        name: Some("guix@2".to_owned()),
        ..image(Path::new("/srv/other"), Generations::Current)
    });
    let all = with(&start, &found(&[2, 1]), &nobody(), &start);
    assert_eq!(names(&all), ["guix", "guix@2", "guix@1"]);
    assert!(!is_one(&all.images[1]));
}
