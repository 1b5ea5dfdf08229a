//! Which files of a root are not shown, by their paths.

use std::fmt;
use std::str::FromStr;

use netroot_kmod::{fnmatch, path_matches};

/// A pattern of paths below an exported root, such as `/etc/ssh/ssh_host_*_key`.
///
/// `*`, `?` and `[a-z]` match within a component, `**` any number of components. What matches is hidden with everything
/// below it. Upper and lower case differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HidePattern {
    /// Without the slash at the beginning.
    pattern: String,
}

/// Why a pattern is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HidePatternError {
    /// Not absolute.
    #[error(
        "expected a path below the root, such as /etc/ssh/ssh_host_*_key; \
         for a name in any folder, /**/NAME"
    )]
    NotAbsolute,
    /// A component that no path has.
    #[error("the component {0:?} matches no file: paths have no `.`, `..` and empty components")]
    Component(String),
    /// A bracket without its end.
    #[error("the component {0:?} has a [ without a ]")]
    Bracket(String),
    /// It would hide the root.
    #[error("this hides the whole root; name what is to be hidden in it")]
    Everything,
}

impl FromStr for HidePattern {
    type Err = HidePatternError;

    fn from_str(text: &str) -> Result<Self, HidePatternError> {
        let below = text
            .strip_prefix('/')
            .ok_or(HidePatternError::NotAbsolute)?;
        let below = below.strip_suffix('/').unwrap_or(below);
        let mut components: Vec<&str> = below.split('/').collect();
        for component in &components {
            if below.is_empty() {
                return Err(HidePatternError::Everything);
            }
            if matches!(*component, "" | "." | "..") {
                return Err(HidePatternError::Component((*component).to_owned()));
            }
            if component.contains('[') && !component.contains(']') {
                return Err(HidePatternError::Bracket((*component).to_owned()));
            }
        }
        // Everything below a hidden folder is hidden anyway.
        while components.last() == Some(&"**") {
            components.pop();
        }
        if components
            .iter()
            .all(|component| matches!(*component, "*" | "**"))
        {
            return Err(HidePatternError::Everything);
        }
        Ok(Self {
            pattern: components.join("/"),
        })
    }
}

impl fmt::Display for HidePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}", self.pattern)
    }
}

impl HidePattern {
    /// Whether an entry of this name can match.
    fn may_match_name(&self, name: &str) -> bool {
        let last = self.pattern.rsplit('/').next().unwrap_or_default();
        fnmatch(last, name)
    }

    /// Whether something below this directory can match.
    fn may_match_below(&self, directory: &str) -> bool {
        let mut pattern = self.pattern.split('/');
        let components = directory.split('/').filter(|part| !part.is_empty());
        for component in components {
            match pattern.next() {
                Some("**") => return true,
                Some(one) if fnmatch(one, component) => {}
                _ => return false,
            }
        }
        pattern.next().is_some()
    }
}

/// Secrets that a machine without a disk does not need, or makes itself, and their places on Linux. Used by
/// [`HiddenPaths::secrets`].
///
/// `/etc/shadow` is not among them: without it nobody can log in, not even with an ssh key, because PAM looks there
/// whether the account has expired. The same is true of `authorized_keys`, which is no secret.
const SECRETS: [&str; 36] = [
    // The identity of an ssh server. `ssh-keygen -A` makes one for each machine when it boots; one that all machines
    // share, and any of them can read, protects nobody.
    "/etc/ssh/ssh_host_*_key",
    // Passwords: backups that nothing reads, and those of groups.
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/security/opasswd",
    // Keys of users.
    "/root/.ssh/id_*",
    "/home/*/.ssh/id_*",
    "/root/.gnupg",
    "/home/*/.gnupg",
    "/root/.netrc",
    "/home/*/.netrc",
    "/root/.git-credentials",
    "/home/*/.git-credentials",
    // Keys of TLS servers.
    "/etc/ssl/private/*",
    "/etc/pki/tls/private/*",
    "/etc/letsencrypt/accounts",
    "/etc/letsencrypt/archive",
    "/etc/letsencrypt/keys",
    // Networks: WLAN, VPN, dial-in. A machine that boots from here has a cable.
    "/etc/NetworkManager/system-connections/*",
    "/etc/wpa_supplicant/*.conf",
    "/var/lib/iwd/*",
    "/etc/wireguard/*",
    "/etc/openvpn/**/*.key",
    "/etc/ipsec.secrets",
    "/etc/swanctl/private/*",
    "/etc/ppp/*-secrets",
    // The machine's account in a domain, and in configuration management.
    "/etc/krb5.keytab",
    "/var/lib/samba/private",
    "/var/lib/sss/secrets",
    "/etc/salt/pki/**/*.pem",
    "/etc/puppet/ssl/private_keys",
    "/etc/puppetlabs/puppet/ssl/private_keys",
    "/var/lib/puppet/ssl/private_keys",
    // Credentials of systemd.
    "/var/lib/systemd/credential.secret",
    "/etc/credstore/*",
    "/etc/credstore.encrypted/*",
];

/// The patterns of what an export does not show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HiddenPaths {
    patterns: Vec<HidePattern>,
}

impl HiddenPaths {
    /// What matches any of these.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = HidePattern>) -> Self {
        let mut patterns: Vec<HidePattern> = patterns.into_iter().collect();
        patterns.sort_unstable();
        patterns.dedup();
        Self { patterns }
    }

    /// The patterns of secrets that machines do not need from their root: private keys of ssh, TLS and VPN, backups of
    /// `/etc/shadow`, credentials of domains and of systemd.
    #[must_use]
    pub fn secrets() -> Vec<HidePattern> {
        let parsed = SECRETS.iter().map(|pattern| pattern.parse());
        parsed.filter_map(Result::ok).collect()
    }

    /// The patterns, sorted.
    #[must_use]
    pub fn patterns(&self) -> &[HidePattern] {
        &self.patterns
    }

    /// Whether nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a path, or a directory on the way to it, is hidden. A slash at its beginning makes no difference.
    #[must_use]
    pub fn hide(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        let ends = path.match_indices('/').map(|(end, _)| end);
        ends.chain([path.len()])
            .filter_map(|end| path.get(..end))
            .any(|path| self.match_exactly(path))
    }

    /// Whether an entry of a directory that is not hidden itself matches.
    pub(crate) fn hide_entry(&self, directory: &str, name: &str) -> bool {
        let path = match directory.trim_matches('/') {
            "" => name.to_owned(),
            directory => format!("{directory}/{name}"),
        };
        self.match_exactly(&path)
    }

    /// Whether an entry of this name can be hidden, in whatever directory: a quick answer for nearly all names.
    pub(crate) fn may_hide_name(&self, name: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.may_match_name(name))
    }

    /// Whether something below this directory can be hidden.
    pub(crate) fn may_hide_below(&self, directory: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.may_match_below(directory))
    }

    fn match_exactly(&self, path: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| path_matches(&pattern.pattern, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(patterns: &[&str]) -> HiddenPaths {
        HiddenPaths::new(patterns.iter().map(|pattern| pattern.parse().unwrap()))
    }

    #[test]
    fn patterns_hide_what_matches_and_everything_below() {
        let hidden = hidden(&[
            "/etc/ssh/ssh_host_*_key",
            "/root/.ssh/",
            "/srv/**/*.pem",
            "/a/**",
        ]);
        for path in [
            "/etc/ssh/ssh_host_ed25519_key",
            "root/.ssh",
            "/root/.ssh/id_rsa",
            "/srv/x.pem",
            "/srv/a/b/x.pem",
            "/srv/a/x.pem/y",
            "/a",
            "/a/b",
        ] {
            assert!(hidden.hide(path), "{path}");
        }
        for path in [
            "/etc/ssh/ssh_host_ed25519_key.pub",
            "/etc/ssh/a/ssh_host_x_key",
            "/ETC/ssh/ssh_host_rsa_key",
            "/root",
            "/root/.sshd",
            "/x.pem",
            "/",
            "/ab",
        ] {
            assert!(!hidden.hide(path), "{path}");
        }
        assert!(hidden.may_hide_name(".ssh") && !hidden.may_hide_name("passwd"));
        for below in ["", "etc", "etc/ssh", "srv/x/y/z", "root"] {
            assert!(hidden.may_hide_below(below), "{below}");
        }
        for below in ["usr", "etc/ssl", "root/.ssh", "etc/ssh/x"] {
            assert!(!hidden.may_hide_below(below), "{below}");
        }
    }

    #[test]
    fn invalid_patterns_say_what_to_write() {
        let error = |text: &str| text.parse::<HidePattern>().unwrap_err();
        assert_eq!(error("id_rsa"), HidePatternError::NotAbsolute);
        assert_eq!(error(""), HidePatternError::NotAbsolute);
        for text in ["/", "/**", "/*", "/**/*"] {
            assert_eq!(error(text), HidePatternError::Everything, "{text}");
        }
        for text in ["/etc/../x", "/etc//x", "/./x"] {
            assert!(
                matches!(error(text), HidePatternError::Component(_)),
                "{text}"
            );
        }
        assert!(matches!(error("/a[b"), HidePatternError::Bracket(_)));
        let pattern: HidePattern = "/etc/credstore/".parse().unwrap();
        assert_eq!(pattern.to_string(), "/etc/credstore");
    }

    #[test]
    fn every_pattern_of_secrets_is_valid_and_logins_still_work() {
        assert_eq!(HiddenPaths::secrets().len(), SECRETS.len());
        let hidden = HiddenPaths::new(HiddenPaths::secrets());
        for needed in [
            "/etc/shadow",
            "/etc/passwd",
            "/root/.ssh/authorized_keys",
            "/etc/ssh/sshd_config",
            "/etc/ssh/ssh_host_rsa_key.pub",
            "/etc/ssl/certs/ca-certificates.crt",
        ] {
            assert!(!hidden.hide(needed), "{needed}");
        }
        assert!(hidden.hide("/etc/ssh/ssh_host_rsa_key"));
        assert!(hidden.hide("/var/lib/systemd/credential.secret"));
    }
}
