//! What should not be in an exported root: NFS with AUTH_SYS gives every file to any machine that may mount it.

use std::path::Path;

use netroot_initramfs::RootTree;
use netroot_nfs_export::HiddenPaths;

use crate::serve::events::Warning;

/// Where private host keys are.
const SSH: &str = "/etc/ssh";

/// Where password hashes are: in the second field of each line (shadow(5), gshadow(5)).
const PASSWORDS: [&str; 4] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
];

/// The longest file of passwords that is looked at, in bytes.
const MAX_PASSWORDS: u64 = 4 * 1024 * 1024;

/// The warnings about a directory, as far as it is not hidden. What cannot be read is not warned of.
pub(super) fn warnings(directory: &Path, hidden: &HiddenPaths) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if std::fs::canonicalize(directory).is_ok_and(|path| path == Path::new("/")) {
        warnings.push(Warning::OwnRoot);
    }
    if let Ok(root) = RootTree::open(directory) {
        warnings.extend(warnings_in(&root, hidden));
    }
    warnings
}

/// The same of a root that is open.
pub(super) fn warnings_in(root: &RootTree, hidden: &HiddenPaths) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let keys: Vec<String> = root
        .names_in(SSH)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key"))
        .map(|name| format!("{SSH}/{name}"))
        .filter(|path| !hidden.hide(path))
        .collect();
    let has_hashes = |path: &str| {
        let content = root.read(path, MAX_PASSWORDS);
        content.is_ok_and(|content| has_password_hash(&content))
    };
    let passwords: Vec<String> = PASSWORDS
        .into_iter()
        .filter(|path| !hidden.hide(path) && has_hashes(path))
        .map(str::to_owned)
        .collect();
    let root = root.path().to_owned();
    if !keys.is_empty() {
        warnings.push(Warning::PrivateKeys {
            root: root.clone(),
            files: keys,
        });
    }
    if !passwords.is_empty() {
        warnings.push(Warning::PasswordHashes {
            root,
            files: passwords,
        });
    }
    warnings
}

/// Whether any line has a hash (crypt(5): `$id$…`). `*` and `!` are none; a `!` before a hash only locks the account.
fn has_password_hash(content: &[u8]) -> bool {
    content.split(|byte| *byte == b'\n').any(|line| {
        let field = line.split(|byte| *byte == b':').nth(1);
        let field = field.unwrap_or_default();
        let locked = field.iter().take_while(|byte| **byte == b'!').count();
        matches!(field.get(locked..), Some([b'$', hash @ ..]) if hash.contains(&b'$'))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_real_hashes_are_password_hashes() {
        for content in [
            "",
            "root:*:19000:0:99999:7:::\n",
            "root:!:19000::::::\ndaemon:*:1::::::\n",
            "root::19000::::::\n",
            "user:!!:1::::::",
            "x:$:1",
        ] {
            assert!(!has_password_hash(content.as_bytes()), "{content}");
        }
        for content in [
            "root:*:1::::::\nuser:$y$j9T$salt$hash:1::::::\n",
            "root:!$6$salt$hash:1::::::",
        ] {
            assert!(has_password_hash(content.as_bytes()), "{content}");
        }
    }

    #[test]
    fn secrets_are_named_unless_they_are_hidden() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/ssh")).unwrap();
        let write = |path: &str, content: &str| fs::write(root.path().join(path), content).unwrap();
        write("etc/shadow", "root:*:1::::::\n");
        assert_eq!(warnings(root.path(), &HiddenPaths::default()), []);
        write("etc/ssh/ssh_host_rsa_key", "");
        write("etc/ssh/ssh_host_rsa_key.pub", "");
        write("etc/shadow-", "root:$y$x$y:1::::::\n");
        write("etc/shadow", "root:$y$x$y:1::::::\n");
        let keys = vec!["/etc/ssh/ssh_host_rsa_key".to_owned()];
        let files = vec!["/etc/shadow".to_owned(), "/etc/shadow-".to_owned()];
        let path = || root.path().to_owned();
        assert_eq!(
            warnings(root.path(), &HiddenPaths::default()),
            [
                Warning::PrivateKeys {
                    root: path(),
                    files: keys
                },
                Warning::PasswordHashes {
                    root: path(),
                    files
                },
            ]
        );
        let hidden = HiddenPaths::new(HiddenPaths::secrets());
        let files = vec!["/etc/shadow".to_owned()];
        let root_path = path();
        let left = Warning::PasswordHashes {
            root: root_path,
            files,
        };
        assert_eq!(warnings(root.path(), &hidden), [left]);
        assert!(warnings(Path::new("/"), &hidden).contains(&Warning::OwnRoot));
    }
}
