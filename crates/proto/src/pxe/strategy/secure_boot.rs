//! What is known of a machine's Secure Boot, and whom the signed chain is given to.

use super::choice::LoaderChoice;

/// What is known of a machine's Secure Boot, from its boots or from its own report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// It starts the first loader: none of its failures is taken for Secure Boot before there are two.
    Unsigned,
    /// It starts only the signed chain.
    SignedOnly,
}

impl Known {
    /// What a machine shows that starts this loader.
    pub(super) const fn of_loader(loader: LoaderChoice) -> Self {
        match loader {
            LoaderChoice::First => Self::Unsigned,
            LoaderChoice::Signed => Self::SignedOnly,
            LoaderChoice::Second => Self::Nothing,
        }
    }
}

/// Whether machines are given the signed chain, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecureBootMode {
    /// Those that refuse what is not signed.
    #[default]
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

impl SecureBootMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    /// The loader that is named where `chosen` is by what is known of the machine, and where there is a signed one if
    /// `can_sign`.
    #[must_use]
    pub const fn loader(self, chosen: LoaderChoice, can_sign: bool) -> LoaderChoice {
        match (self, chosen) {
            (Self::Always, _) if can_sign => LoaderChoice::Signed,
            (Self::Never, LoaderChoice::Signed) => LoaderChoice::First,
            (Self::Auto | Self::Always | Self::Never, other) => other,
        }
    }
}
