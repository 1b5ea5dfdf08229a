//! What a machine's firmware says of Secure Boot, as its init reports it, and as it is kept over restarts.

use serde::{Deserialize, Serialize};

/// What a machine's firmware says of Secure Boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReportedSecureBoot {
    /// It starts only what is signed.
    pub(crate) enforcing: bool,
    /// Nobody's keys are enrolled.
    pub(crate) setup_mode: bool,
    /// The names of the certificates in `db`.
    pub(crate) authorities: Vec<String>,
}
