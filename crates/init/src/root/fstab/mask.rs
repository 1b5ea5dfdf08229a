//! Comments lines for disks out of `/etc/fstab` and `/etc/crypttab`. Pure.
//!
//! A root that was copied from a disk names that disk's partitions. Its init would wait for them (systemd 90 s for each)
//! and then stop in emergency mode, run fsck, or remount `/` with options that are another file system's. LTSP's habit is
//! followed: every such line is masked, whatever disks this machine has. They cannot be looked for here, because their
//! drivers are in the root; and a root that many machines boot cannot name the disk of one. `nofail` and `noauto` say that
//! the boot does not depend on a line, so those stay: a disk that is there is then mounted.
//!
//! Grammar: fstab(5), crypttab(5), systemd.mount(5).

/// Starts a masked line.
const MARK: &str = "#netroot: ";

/// What `/` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootKind {
    /// An overlay over the export.
    Overlay,
    /// The export.
    Nfs,
}

/// A file with lines masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Masked {
    /// The new content.
    pub(super) text: Vec<u8>,
    /// The masked lines, as sentences name them: `/boot/efi (UUID=A1B2-C3D4)`.
    pub(super) lines: Vec<String>,
}

/// File systems of servers, and those that a program or the machine's host provides.
const NETWORK: [&str; 17] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
    "vmhgfs",
];
/// File systems that need no device, whatever a line names as theirs.
const PSEUDO: [&str; 23] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];
/// What names a disk by what is on it (fstab(5); `ID=` is systemd's).
const TAGS: [&str; 5] = ["UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID"];
/// What is below /dev without being a disk's.
const NO_DISKS: [&str; 5] = ["/dev/zram", "/dev/ram", "/dev/shm", "/dev/fuse", "/dev/nfs"];
/// Options by which the boot does not depend on a line, or only once the network is up.
const OPTIONAL: [&str; 4] = ["noauto", "nofail", "_netdev", "x-systemd.automount"];

/// How deep mounts that need one another are followed: nobody has more, and each round compares every line with every other.
const MOST_ROUNDS: usize = 8;

/// An fstab without the lines that need a disk, and without one for `/` that is not this root's. `None` if it has none.
pub(super) fn fstab(text: &[u8], root: RootKind) -> Option<Masked> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let entries: Vec<Option<Entry>> = lines.iter().map(|line| Entry::read(line)).collect();
    let mut masked: Vec<bool> = entries
        .iter()
        .map(|entry| entry.as_ref().is_some_and(|e| e.is_unfit(root)))
        .collect();
    // What lies below a masked mount point is not there either: the source of a bind, a swap file, an image.
    for _ in 0..MOST_ROUNDS {
        let gone: Vec<&str> = of(&entries, &masked)
            .map(|entry| entry.place.as_str())
            .filter(|place| place.starts_with('/') && *place != "/")
            .collect();
        let next: Vec<bool> = entries
            .iter()
            .zip(&masked)
            .map(|(entry, done)| *done || entry.as_ref().is_some_and(|e| e.needs_any(&gone)))
            .collect();
        if next == masked {
            break;
        }
        masked = next;
    }
    let named: Vec<String> = of(&entries, &masked).map(Entry::to_string).collect();
    mask(&lines, &masked, named)
}

/// A crypttab without the lines that need a disk. `None` if it has none.
pub(super) fn crypttab(text: &[u8]) -> Option<Masked> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut named = Vec::new();
    let mut masked = Vec::new();
    for line in &lines {
        let fields = fields(line);
        let needs_disk = match fields.as_slice() {
            [name, device, rest @ ..] if is_disk(device) => {
                let options = rest.get(1).map_or("", String::as_str);
                let needed = !is_optional(options);
                if needed {
                    named.push(format!("{name} ({device})"));
                }
                needed
            }
            _ => false,
        };
        masked.push(needs_disk);
    }
    mask(&lines, &masked, named)
}

fn of<'a>(entries: &'a [Option<Entry>], masked: &'a [bool]) -> impl Iterator<Item = &'a Entry> {
    let pairs = entries.iter().zip(masked);
    pairs.filter_map(|(entry, masked)| entry.as_ref().filter(|_| *masked))
}

fn mask(lines: &[&[u8]], masked: &[bool], named: Vec<String>) -> Option<Masked> {
    if named.is_empty() {
        return None;
    }
    let mut text = Vec::from(
        "# netroot's init has masked the lines for disks, since this root was mounted over NFS; the server's file is\n\
         # unchanged. With netroot.fstab=keep on the kernel command line it leaves them; a line with nofail stays as well.\n",
    );
    for (line, masked) in lines.iter().zip(masked) {
        if *masked {
            text.extend_from_slice(MARK.as_bytes());
        }
        text.extend_from_slice(line);
    }
    Some(Masked { text, lines: named })
}

/// A line of fstab(5).
#[derive(Debug)]
struct Entry {
    source: String,
    place: String,
    kind: String,
    options: String,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.kind == "swap" {
            "swap"
        } else {
            &self.place
        };
        write!(f, "{place} ({})", self.source)
    }
}

impl Entry {
    /// `None` for a comment, and for a line that no init would follow.
    fn read(line: &[u8]) -> Option<Self> {
        let mut fields = fields(line).into_iter();
        Some(Self {
            source: fields.next()?,
            place: fields.next()?,
            kind: fields.next().unwrap_or_else(|| "auto".to_owned()),
            options: fields.next().unwrap_or_default(),
        })
    }

    /// Whether the line needs a disk, or is about another `/`.
    fn is_unfit(&self, root: RootKind) -> bool {
        if self.place == "/" {
            return match root {
                RootKind::Overlay => self.kind != "overlay",
                RootKind::Nfs => !matches!(self.kind.as_str(), "nfs" | "nfs4"),
            };
        }
        if is_optional(&self.options) || self.is_without_device() {
            return false;
        }
        // No swap file works on NFS, nor on an overlay.
        is_disk(&self.source)
            || self.kind == "zfs"
            || (self.kind == "swap" && !is_no_disk(&self.source))
    }

    fn is_without_device(&self) -> bool {
        let kind = self
            .kind
            .split_once('.')
            .map_or(self.kind.as_str(), |(kind, _)| kind);
        NETWORK.contains(&kind) || PSEUDO.contains(&kind) || self.is_bind()
    }

    fn is_bind(&self) -> bool {
        options(&self.options).any(|option| matches!(option, "bind" | "rbind"))
    }

    /// Whether the line mounts something that is at or below one of these mount points.
    fn needs_any(&self, places: &[&str]) -> bool {
        if is_optional(&self.options) || self.place == "/" {
            return false;
        }
        let layers = options(&self.options).filter_map(|option| {
            let (name, paths) = option.split_once('=')?;
            matches!(name, "lowerdir" | "upperdir" | "workdir" | "br").then_some(paths)
        });
        let mut needed = layers
            .flat_map(|paths| paths.split(':'))
            .chain(std::iter::once(self.source.as_str()));
        needed.any(|path| places.iter().any(|place| is_within(path, place)))
    }
}

fn is_within(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_disk(source: &str) -> bool {
    if let Some((tag, _)) = source.split_once('=') {
        return TAGS.iter().any(|known| tag.eq_ignore_ascii_case(known));
    }
    source.starts_with("/dev/") && !is_no_disk(source)
}

fn is_no_disk(source: &str) -> bool {
    NO_DISKS.iter().any(|start| source.starts_with(start))
}

fn is_optional(list: &str) -> bool {
    options(list).any(|option| OPTIONAL.contains(&option))
}

fn options(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// The fields of a line, with their escapes resolved; none for a comment.
fn fields(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    line.split_ascii_whitespace().map(unescaped).collect()
}

/// A field with its octal escapes (`\040` is a space) resolved, and without quotes around a tag's value.
fn unescaped(field: &str) -> String {
    let mut text = String::new();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let code = after
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(byte) => {
                text.push(char::from(byte));
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                text.push('\\');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text.replace('"', "")
}

#[cfg(test)]
mod tests;
