//! What the real root is left with: name servers, where it has none of its own.

use std::io::Write;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::address::Address;
use crate::configure::resolver;
use crate::console::detail;
use crate::mount::ROOT;

/// Writes `/etc/resolv.conf` in the mounted root if that names no server and is no link: a link belongs to
/// whoever manages it. `/run/netroot/resolv.conf` is there in any case.
pub(crate) fn leave_name_servers(address: &Address) {
    if address.dns.is_empty() {
        return;
    }
    if let Err(e) = write(&resolver(address)) {
        detail!("/etc/resolv.conf of the root is left as it is: {e}");
    }
}

fn write(text: &str) -> std::io::Result<()> {
    // Within the root, and through no link: an absolute one would lead into the image.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let etc = rustix::fs::openat2(
        rustix::fs::CWD,
        format!("{ROOT}/etc"),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )?;
    let open = |flags: OFlags| {
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::openat2(
            etc.as_fd(),
            "resolv.conf",
            flags | OFlags::CLOEXEC,
            mode,
            resolve,
        )
    };
    if let Ok(file) = open(OFlags::RDONLY) {
        let file = std::fs::File::from(file);
        if names_a_server(&std::io::read_to_string(std::io::Read::take(
            file,
            64 << 10,
        ))?) {
            return Ok(());
        }
    } else if rustix::fs::statat(etc.as_fd(), "resolv.conf", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(());
    }
    let file = open(OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
    std::fs::File::from(file).write_all(text.as_bytes())
}

fn names_a_server(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver") && words.next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::names_a_server;

    #[test]
    fn a_resolver_file_of_comments_names_no_server() {
        assert!(!names_a_server(
            "# nameserver 10.0.0.1\nsearch lab\nnameserver\n"
        ));
        assert!(names_a_server("search lab\n  nameserver\t10.0.0.1\n"));
    }
}
