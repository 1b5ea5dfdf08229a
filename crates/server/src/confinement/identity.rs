//! Which unprivileged user and group a process that was started as root becomes.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;

/// Numbers for a system without a user `netroot`. Neither Debian, Fedora nor systemd gives any of these to anybody
/// (<https://systemd.io/UIDS-GIDS/>: "Unused"), so no other program runs as them and no package's file is theirs.
const UNUSED: RangeInclusive<u32> = 60706..=61183;

/// The user that packages create.
const NAME: &str = "netroot";

/// A user and a group that own nothing but netroot's state and cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's number, not 0.
    pub(crate) uid: u32,
    /// The group's number, not 0.
    pub(crate) gid: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl std::str::FromStr for Identity {
    type Err = &'static str;

    /// Reads `UID:GID`, as [`Identity`] is displayed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once(':');
        let numbers = numbers.and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
        match numbers {
            Some((uid, gid)) if uid != 0 && gid != 0 => Ok(Self { uid, gid }),
            _ => Err("expected UID:GID, neither of them 0"),
        }
    }
}

/// The user to become: `netroot` if there is one, or else the first unused number, which is the same at every start.
/// `None` for a process that is not root: it stays who it is.
///
/// # Errors
/// There is a user `netroot`, but it is root, or every number of the range is somebody's.
pub(crate) fn choose() -> Result<Option<Identity>, IdentityError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    // Read directly: a static list of local users is what this needs, and glibc's functions would load plug-ins.
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    find(&users, &groups).map(Some)
}

/// Whether there is a user `netroot`.
pub(crate) fn has_name() -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users
        .lines()
        .any(|line| line.split(':').next() == Some(NAME))
}

/// Nobody to become.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// `netroot` is another name of root.
    #[error(
        "cannot serve as the user netroot: in /etc/passwd it has the user or group number 0; give it numbers of its own"
    )]
    Root,
    /// The whole range is taken.
    #[error("cannot find an unused user number from {} to {}; create a user: useradd --system netroot", UNUSED.start(), UNUSED.end())]
    NoneFree,
}

/// Whether this is one of the numbers that netroot serves as where there is no user `netroot`.
pub(super) fn is_unused(uid: u32) -> bool {
    UNUSED.contains(&uid)
}

fn find(users: &str, groups: &str) -> Result<Identity, IdentityError> {
    for line in users.lines() {
        let mut fields = line.split(':');
        if fields.next() != Some(NAME) {
            continue;
        }
        let mut number = || fields.next().and_then(|field| field.parse::<u32>().ok());
        // The password's field has no number.
        number();
        if let (Some(uid), Some(gid)) = (number(), number()) {
            return match (uid, gid) {
                (0, _) | (_, 0) => Err(IdentityError::Root),
                _ => Ok(Identity { uid, gid }),
            };
        }
    }
    let taken: HashSet<u32> = users
        .lines()
        .chain(groups.lines())
        .filter_map(|line| line.split(':').nth(2)?.parse().ok())
        .collect();
    let free = UNUSED.into_iter().find(|number| !taken.contains(number));
    free.map(|number| Identity {
        uid: number,
        gid: number,
    })
    .ok_or(IdentityError::NoneFree)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n";

    #[test]
    fn the_user_netroot_is_preferred() {
        let users = format!("{USERS}netroot:x:998:997::/var/lib/netroot:/usr/sbin/nologin\n");
        let found = find(&users, "").unwrap();
        assert_eq!((found.uid, found.gid), (998, 997));
        assert_eq!(found.to_string().parse(), Ok(found));
        let root = format!("{USERS}netroot:x:0:0::/:/bin/sh\n");
        assert!(matches!(find(&root, ""), Err(IdentityError::Root)));
        assert!("0:5".parse::<Identity>().is_err());
    }

    #[test]
    fn without_one_it_is_the_first_number_that_is_neither_a_users_nor_a_groups() {
        assert_eq!(find(USERS, "").unwrap().uid, 60706);
        let groups = "taken:x:60706:\n";
        assert_eq!(find(USERS, groups).unwrap().gid, 60707);
        let all: String = UNUSED.map(|n| format!("u{n}:x:{n}:{n}::/:\n")).collect();
        assert!(matches!(find(&all, ""), Err(IdentityError::NoneFree)));
    }
}
