//! Which distribution a root has, for advice that names its packages.

use crate::root_tree::RootTree;

/// os-release(5): the second is where the first is a link to.
const FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// The size limit, in bytes; real ones have less than 1 KiB.
const MAX_SIZE: u64 = 64 << 10;
/// Without os-release: what the root of a distribution has, and its `ID`.
const BY_FILE: [(&str, &str); 8] = [
    ("/nix/store", "nixos"),
    ("/gnu/store", "guix"),
    ("/lib/apk", "alpine"),
    ("/var/lib/pacman", "arch"),
    ("/var/db/xbps", "void"),
    ("/var/db/pkg", "gentoo"),
    ("/var/log/packages", "slackware"),
    ("/etc/yum.repos.d", "fedora"),
];

/// A root's distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its name for people, if it says one.
    pub name: Option<String>,
    /// Its `ID`, and those of the distributions that it is derived from, the nearest first.
    ids: Vec<String>,
}

impl Distribution {
    /// What os-release says, or else the files of its package manager; `None` if nothing tells.
    pub fn of(root: &RootTree) -> Option<Self> {
        let text = FILES.iter().find_map(|file| root.read(file, MAX_SIZE).ok());
        if let Some(text) = text {
            return Some(Self::from_os_release(&String::from_utf8_lossy(&text)));
        }
        let mut files = BY_FILE.iter();
        let (_, id) = files.find(|(folder, _)| root.has_directory(folder))?;
        Some(Self {
            name: None,
            ids: vec![(*id).to_owned()],
        })
    }

    /// Reads an os-release.
    pub fn from_os_release(text: &str) -> Self {
        let field = |name: &str| {
            let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            let value = text.lines().rev().find_map(value)?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        // It is text of the root, and ends up on a terminal.
        let plain = |name: &String| {
            (1..=64).contains(&name.len()) && !name.contains(|c: char| !matches!(c, ' '..='~'))
        };
        let like = field("ID_LIKE").unwrap_or_default();
        let like = like.split_whitespace().map(str::to_owned);
        Self {
            name: field("NAME").filter(plain),
            ids: field("ID").into_iter().chain(like).collect(),
        }
    }

    /// What a table of `ID`s has for it, or for what it is derived from.
    pub fn find<'a, T>(&self, by_id: &'a [(&str, T)]) -> Option<&'a T> {
        self.ids.iter().find_map(|id| {
            // openSUSE's are `opensuse-leap`, `opensuse-tumbleweed`, `opensuse-microos`.
            let id = match id.starts_with("opensuse-") {
                true => "opensuse",
                false => id,
            };
            let found = by_id.iter().find(|(known, _)| *known == id);
            found.map(|(_, value)| value)
        })
    }
}
