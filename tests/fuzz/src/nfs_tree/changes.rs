//! What becomes of the directory while it is exported: in `play`, as an input says, and in `race` all the time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::input::Input;
use super::planted::{self, Planted, mode};

/// How many files in `play` nothing happens to (`keep-0` …).
pub(super) const KEPT: usize = 40;

const NAMES: [&str; 8] = ["a", "b", "c", "file", "inner", "d", "e", "f"];

pub(super) struct Changes {
    root: PathBuf,
    outside: PathBuf,
    time: u32,
    moved: u32,
}

impl Changes {
    /// Starts what goes on all the time: `race/swapped` is a folder and a link out of the directory by turns.
    pub(super) fn start(planted: &Planted) -> Self {
        let (root, outside) = (planted.root(), planted.outside());
        let race = root.join("race");
        let (one, other) = (race.join("swapped"), race.join("other"));
        fs::create_dir(&one).unwrap();
        planted::file(&one.join("file"), 1_500_000_000, 40);
        symlink("../../outside", &other).unwrap();
        std::thread::spawn(move || {
            while exchange(&one, &other).is_ok() {
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        Self {
            root,
            outside,
            time: 1_400_000_000,
            moved: 0,
        }
    }

    fn play(&self) -> PathBuf {
        self.root.join("play")
    }

    /// Makes `play` as it was, for the next input.
    pub(super) fn begin(&mut self) {
        let play = self.play();
        for other in ["play", "play-moved"] {
            remove(&self.root.join(other));
        }
        for number in 0..self.moved {
            remove(&self.outside.join(format!("moved-{number}")));
        }
        mode(&self.outside, planted::OUTSIDE[0]);
        self.moved = 0;
        fs::create_dir_all(play.join("d/inner")).unwrap();
        for number in 0..KEPT {
            fs::write(play.join(format!("keep-{number}")), "").unwrap();
        }
        for name in ["a", "b", "d/file", "d/inner/file"] {
            self.time += 1;
            planted::file(&play.join(name), self.time % 100_000 + 1_400_000_000, 50);
        }
    }

    /// One change. What cannot be done is left.
    pub(super) fn change(&mut self, input: &mut Input<'_>) {
        let play = self.play();
        let (what, one) = (input.byte() % 14, play.join(input.pick::<&str>(&NAMES)));
        let other = match input.byte() {
            name @ 0..=127 => play.join(NAMES[usize::from(name) % NAMES.len()]),
            name => play.join("d").join(NAMES[usize::from(name) % NAMES.len()]),
        };
        let _ = match what {
            0 => fs::rename(one, other),
            1 => fs::remove_file(one),
            2 => fs::remove_dir_all(one),
            3 => self.file(&other),
            4 => fs::create_dir(one),
            5 => symlink("../../outside", one),
            6 => replace(&one, &self.outside),
            7 => replace(&one, &self.outside.join("canary-outside")),
            8 => exchange(&one, &other),
            9 => fs::hard_link(one, other),
            10 => {
                // Out of the directory, and another one in its place.
                let away = self.outside.join(format!("moved-{}", self.moved));
                self.moved += 1;
                let moved = fs::rename(&one, away);
                mode(&self.outside, planted::OUTSIDE[0]);
                moved.and_then(|()| symlink("../../outside", one))
            }
            11 => {
                let back = self.outside.join(format!("moved-{}", input.byte() % 4));
                fs::rename(back, one)
            }
            12 => match fs::rename(&play, self.root.join("play-moved")) {
                Ok(()) => symlink("../outside", &play),
                other => other,
            },
            _ => {
                mode_if_there(&one, input.u32() & 0o770);
                Ok(())
            }
        };
    }

    fn file(&mut self, path: &Path) -> std::io::Result<()> {
        // Never through a link, and whole when it is there.
        self.time += 1;
        let new = self.root.join("race/new");
        planted::file(
            &new,
            self.time % 100_000 + 1_400_000_000,
            u64::from(self.time) % 9000,
        );
        fs::rename(new, path)
    }
}

fn mode_if_there(path: &Path, bits: u32) {
    if path
        .symlink_metadata()
        .is_ok_and(|found| !found.is_symlink())
    {
        mode(path, bits);
    }
}

fn replace(path: &Path, target: &Path) -> std::io::Result<()> {
    remove(path);
    symlink(target, path)
}

fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    Ok(renameat2(
        AT_FDCWD,
        one,
        AT_FDCWD,
        other,
        RenameFlags::RENAME_EXCHANGE,
    )?)
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => drop(fs::remove_dir_all(path)),
        Ok(_) => drop(fs::remove_file(path)),
        Err(_) => {}
    }
}
