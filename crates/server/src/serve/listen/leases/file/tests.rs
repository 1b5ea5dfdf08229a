use super::*;
use netroot_net::Mac;

const HOUR: Duration = Duration::from_secs(3600);
const AT: Moment = Moment {
    now: Duration::from_secs(1_795_000_000),
    wall: Duration::from_secs(1_795_000_000),
};

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn stored(owner: u8) -> Stored {
    Stored {
        mac: Mac([2, 0, 0, 0, 0, owner]),
        written: AT.wall.as_secs(),
        until: (AT.wall + HOUR).as_secs(),
    }
}

fn open(state: &Path) -> Result<Opened, OpenError> {
    LeaseFile::open(state, "eth0", HOUR, AT)
}

fn macs(opened: &Opened) -> Vec<(Ipv4Addr, u8)> {
    let bindings = opened.bindings().into_iter();
    let mut macs: Vec<_> = bindings
        .map(|binding| (binding.address, binding.mac.0[5]))
        .collect();
    macs.sort();
    macs
}

fn names(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn leases_survive_a_restart_and_a_replacement() {
    let state = tempfile::tempdir().unwrap();
    let mut opened = open(state.path()).unwrap();
    assert!(opened.unreadable.is_none() && opened.unwritable.is_none());
    let changes = [(ip(100), Some(stored(1))), (ip(101), Some(stored(2)))];
    opened.file.write(&changes).unwrap();
    opened.file.write(&[(ip(101), None)]).unwrap();
    drop(opened);
    let mut opened = open(state.path()).unwrap();
    assert_eq!(macs(&opened), [(ip(100), 1)]);
    opened
        .file
        .replace(&[(ip(100), stored(1)), (ip(102), stored(3))])
        .unwrap();
    opened.file.write(&[(ip(103), Some(stored(4)))]).unwrap();
    drop(opened);
    let opened = open(state.path()).unwrap();
    assert_eq!(macs(&opened), [(ip(100), 1), (ip(102), 3), (ip(103), 4)]);
    assert_eq!(names(state.path()), ["leases-eth0.redb"]);
    let metadata = fs::metadata(opened.file.path()).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert!(metadata.len() < 2 << 20, "{} bytes", metadata.len());
}

#[test]
fn the_leases_of_an_earlier_version_are_read_once() {
    let state = tempfile::tempdir().unwrap();
    let soon = (AT.wall + HOUR / 2).as_secs();
    let json = format!(
        "nonsense\n{{\"address\":\"10.0.0.150\",\"mac\":\"x\",\"expires\":1}}\n\
         {{\"address\":\"10.0.0.100\",\"mac\":\"02:00:00:00:00:01\",\"expires\":{soon}}}\n\
         {{\"address\":\"10.0.0.101\",\"mac\":\"02:00:00:00:00:02\",\"expires\":4070000000}}\n"
    );
    fs::write(state.path().join("leases-eth0"), json).unwrap();
    let opened = open(state.path()).unwrap();
    assert_eq!(macs(&opened), [(ip(100), 1), (ip(101), 2)]);
    let expiries: Vec<_> = opened.bindings().iter().map(|b| b.expires).collect();
    assert_eq!(expiries, [AT.now + HOUR / 2, AT.now + HOUR], "clamped");
    assert_eq!(names(state.path()), ["leases-eth0.old", "leases-eth0.redb"]);
    drop(opened);
    assert_eq!(open(state.path()).unwrap().leases.len(), 2);
}

#[test]
fn a_file_that_another_server_uses_is_an_error_that_names_it() {
    let state = tempfile::tempdir().unwrap();
    let first = open(state.path()).unwrap();
    let error = open(state.path()).unwrap_err().to_string();
    let start = format!(
        "cannot use the leases in {}/leases-eth0.redb: ",
        state.path().display()
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.ends_with("with --state DIR"), "{error}");
    LeaseFile::open(state.path(), "eth1", HOUR, AT).unwrap();
    drop(first);
    open(state.path()).unwrap();
}

#[test]
fn a_newer_schema_is_an_error_and_any_other_file_is_set_aside() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("leases-eth0.redb");
    drop(open(state.path()).unwrap());
    {
        let newer = redb::Database::open(&path).unwrap();
        let transaction = newer.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, u64>::new("meta");
        let mut table = transaction.open_table(meta).unwrap();
        table.insert("schema", 2).unwrap();
        drop(table);
        transaction.commit().unwrap();
    }
    let error = open(state.path()).unwrap_err().to_string();
    assert!(error.contains("a newer version of netroot"), "{error}");

    let foreign: [&[u8]; 3] = [b"", b"text", &[0xff; 1 << 20]];
    for content in foreign {
        fs::write(&path, content).unwrap();
        let opened = open(state.path()).unwrap();
        let (aside, _) = opened.unreadable.clone().unwrap();
        assert_eq!(fs::read(aside).unwrap(), content);
        assert!(opened.unwritable.is_none() && opened.leases.is_empty());
    }
    assert_eq!(
        names(state.path()),
        ["leases-eth0.redb", "leases-eth0.redb.unreadable"]
    );
}

#[test]
fn a_damaged_file_is_set_aside_or_read_right() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("leases-eth0.redb");
    let mut opened = open(state.path()).unwrap();
    let changes: Vec<_> = (1..=200).map(|n| (ip(n), Some(stored(n)))).collect();
    opened.file.write(&changes).unwrap();
    drop(opened);
    let whole = fs::read(&path).unwrap();
    let right: Vec<_> = (1..=200).map(|n| (ip(n), n)).collect();
    // Bits in the header, and in every page that is in use.
    let pages = (0..whole.len() / 4096).filter(|page| {
        let page = &whole[page * 4096..(page + 1) * 4096];
        page.iter().any(|byte| *byte != 0)
    });
    let inside = pages.flat_map(|page| [page * 4096 + 40]);
    let mut set_aside = 0;
    for at in (0..64).step_by(3).chain(inside.take(40)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        let opened = open(state.path()).unwrap();
        if opened.unreadable.is_some() {
            assert!(opened.leases.is_empty() && opened.unwritable.is_none());
            set_aside += 1;
        } else {
            assert_eq!(macs(&opened), right, "bit at {at}");
        }
    }
    println!("{set_aside} set aside");
    assert!(set_aside > 5);
}

#[test]
fn a_server_that_was_killed_while_it_made_the_file_makes_it_again() {
    let state = tempfile::tempdir().unwrap();
    let new = state.path().join("leases-eth0.redb.new");
    fs::write(&new, [7; 5000]).unwrap();
    let opened = open(state.path()).unwrap();
    assert!(opened.unreadable.is_none() && opened.unwritable.is_none());
    assert_eq!(names(state.path()), ["leases-eth0.redb"]);
}

#[test]
fn without_a_folder_or_with_something_else_in_its_place_the_server_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let missing = state.path().join("missing");
    let mut opened = open(&missing).unwrap();
    assert!(opened.unwritable.is_some() && !opened.file.is_open());
    fs::create_dir(&missing).unwrap();
    opened.file.replace(&[(ip(100), stored(1))]).unwrap();
    drop(opened);
    assert_eq!(macs(&open(&missing).unwrap()), [(ip(100), 1)]);
    // A link is not followed, whoever made it.
    let elsewhere = state.path().join("elsewhere");
    fs::write(&elsewhere, b"x").unwrap();
    std::os::unix::fs::symlink(&elsewhere, state.path().join("leases-eth0.redb")).unwrap();
    let opened = open(state.path()).unwrap();
    assert!(opened.unreadable.is_some() && opened.file.is_open());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"x");
}
