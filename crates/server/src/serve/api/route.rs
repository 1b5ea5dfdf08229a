//! Which resource a path names, and what may be done with it. Pure.

use hyper::Method;

/// What every path of the API begins with.
pub(crate) const PREFIX: &str = "/api/v1";

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/status`.
    Status,
    /// `/images`.
    Images,
    /// `/machines`.
    Machines,
    /// `/machines/MACHINE`.
    Machine(String),
    /// `/machines/MACHINE/boot-once`: the image for its next boot.
    BootOnce(String),
    /// `/machines/MACHINE/image`: the image until another one is assigned.
    OrderedImage(String),
    /// `/machines/MACHINE/secure-boot`: what is known of its Secure Boot, to be forgotten.
    SecureBoot(String),
    /// `/machines/MACHINE/bundle`: everything about its last boot.
    Bundle(String),
    /// `/events`: what changes, as it changes.
    Events,
    /// `/reload`.
    Reload,
}

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is read.
    Read,
    /// It is put in place, or done.
    Set,
    /// It is taken away.
    Clear,
}

/// Why a request is for nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    /// No such path.
    #[error("there is no {0} here; the paths are described in API.md")]
    Path(String),
    /// A method that the resource does not have.
    #[error("{path} allows only {allow}")]
    Method {
        /// The path.
        path: String,
        /// What it allows, for the header `Allow`.
        allow: &'static str,
    },
}

impl Resource {
    fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(PREFIX)?.strip_prefix('/')?;
        let parts: Vec<&str> = rest.split('/').collect();
        Some(match parts.as_slice() {
            ["status"] => Self::Status,
            ["images"] => Self::Images,
            ["machines"] => Self::Machines,
            ["events"] => Self::Events,
            ["reload"] => Self::Reload,
            ["machines", machine] => Self::Machine(decoded(machine)?),
            ["machines", machine, "boot-once"] => Self::BootOnce(decoded(machine)?),
            ["machines", machine, "image"] => Self::OrderedImage(decoded(machine)?),
            ["machines", machine, "secure-boot"] => Self::SecureBoot(decoded(machine)?),
            ["machines", machine, "bundle"] => Self::Bundle(decoded(machine)?),
            _ => return None,
        })
    }

    /// The methods that set it and clear it, and whether it can be read; as the header `Allow` has it.
    fn methods(&self) -> (&'static [(&'static str, Action)], &'static str) {
        use Action::{Clear, Read, Set};
        match self {
            Self::BootOnce(_) => (
                &[("POST", Set), ("PUT", Set), ("DELETE", Clear)],
                "POST, PUT, DELETE",
            ),
            Self::OrderedImage(_) => (&[("PUT", Set), ("DELETE", Clear)], "PUT, DELETE"),
            Self::SecureBoot(_) => (&[("DELETE", Clear)], "DELETE"),
            Self::Reload => (&[("POST", Set)], "POST"),
            Self::Status
            | Self::Images
            | Self::Machines
            | Self::Machine(_)
            | Self::Bundle(_)
            | Self::Events => (&[("GET", Read), ("HEAD", Read)], "GET, HEAD"),
        }
    }

    /// Whether anybody who reaches the boot server may read it, as far as it is shown to everybody.
    pub(crate) fn is_public(&self) -> bool {
        match self {
            Self::Status | Self::Images | Self::Machines | Self::Machine(_) | Self::Events => true,
            Self::BootOnce(_)
            | Self::OrderedImage(_)
            | Self::SecureBoot(_)
            | Self::Bundle(_)
            | Self::Reload => false,
        }
    }
}

/// `52%3A54…` as `52:54…`; `None` for what no machine is named.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high << 4 | low).ok()?
            }
            plain => plain,
        });
    }
    let name = String::from_utf8(bytes).ok()?;
    let is_name = (1..=253).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic());
    is_name.then_some(name)
}

/// Whether a path belongs to the API.
pub(crate) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// What a request asks for.
///
/// # Errors
/// There is no such path, or it has no such method.
pub(crate) fn route(method: &Method, path: &str) -> Result<(Resource, Action), RouteError> {
    let resource = Resource::of(path).ok_or_else(|| RouteError::Path(path.to_owned()))?;
    let (methods, allow) = resource.methods();
    let action = methods
        .iter()
        .find(|(name, _)| *name == method.as_str())
        .map(|(_, action)| *action);
    match action {
        Some(action) => Ok((resource, action)),
        None => Err(RouteError::Method {
            path: path.to_owned(),
            allow,
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_path_has_its_methods() {
        let machine = || "52:54:00:12:34:56".to_owned();
        for (method, path, resource, action) in [
            ("GET", "/status", Resource::Status, Action::Read),
            ("HEAD", "/images", Resource::Images, Action::Read),
            ("GET", "/machines", Resource::Machines, Action::Read),
            ("GET", "/events", Resource::Events, Action::Read),
            ("POST", "/reload", Resource::Reload, Action::Set),
            (
                "GET",
                "/machines/52:54:00:12:34:56",
                Resource::Machine(machine()),
                Action::Read,
            ),
            (
                "POST",
                "/machines/52%3A54%3a00:12:34:56/boot-once",
                Resource::BootOnce(machine()),
                Action::Set,
            ),
            (
                "DELETE",
                "/machines/lab-1/boot-once",
                Resource::BootOnce("lab-1".to_owned()),
                Action::Clear,
            ),
            (
                "PUT",
                "/machines/lab-1/image",
                Resource::OrderedImage("lab-1".to_owned()),
                Action::Set,
            ),
            (
                "GET",
                "/machines/lab-1/bundle",
                Resource::Bundle("lab-1".to_owned()),
                Action::Read,
            ),
        ] {
            let method = method.parse().unwrap();
            let routed = route(&method, &format!("{PREFIX}{path}")).unwrap();
            assert_eq!(routed, (resource, action), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_and_what_is_not_allowed_is_said() {
        for path in [
            "/api",
            "/api/v2/status",
            "/api/v1/",
            "/api/v1/machines/",
            "/api/v1/machines/a/b",
            "/api/v1/machines/%zz",
            "/api/v1/machines/a%0ab",
            "/api/v1/status/x",
        ] {
            let refused = route(&Method::GET, path).unwrap_err();
            assert_eq!(refused, RouteError::Path(path.to_owned()));
            assert!(is_api(path));
        }
        let refused = route(&Method::GET, "/api/v1/reload").unwrap_err();
        assert_eq!(refused.to_string(), "/api/v1/reload allows only POST");
        let refused = route(&Method::POST, "/api/v1/status").unwrap_err();
        assert!(refused.to_string().ends_with("allows only GET, HEAD"));
        assert!(!is_api("/apis") && !is_api("/boot/api/v1"));
    }

    proptest! {
        #[test]
        fn only_what_is_read_is_public(path in "/api/v1/[a-z%0-9/:-]{0,40}") {
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
                if let Ok((resource, action)) = route(&method, &path) {
                    prop_assert!(!resource.is_public() || action == Action::Read);
                }
            }
        }
    }
}
