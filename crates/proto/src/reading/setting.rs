//! A value and its origin.

use std::fmt;

/// Where a value of the plan came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Not configured; this is the documented default.
    Default,
    /// A parameter, as written: `ip=dhcp`, `ro`.
    Parameter(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Parameter(text) => f.write_str(text),
        }
    }
}

/// A value and its [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value in effect.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// The default, in effect unless a parameter sets another value.
    pub fn default_value(value: T) -> Self {
        Self {
            value,
            origin: Origin::Default,
        }
    }

    /// A value set by the parameter `text`.
    pub fn parameter(value: T, text: &str) -> Self {
        Self {
            value,
            origin: Origin::Parameter(text.to_owned()),
        }
    }
}
