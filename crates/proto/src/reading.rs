//! Parsing of text that people and servers write: values with their origin, and complaints about
//! what makes no sense.

mod complaint;
mod mac;
mod setting;

pub use complaint::Complaint;
pub(crate) use complaint::Reading;
pub use mac::{MacError, read_mac};
pub use setting::{Origin, Setting};
