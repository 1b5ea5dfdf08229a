//! What every text of a person or a server is read with: values with their origin, and complaints
//! about what makes no sense.

mod complaint;
mod link_address;
mod setting;

pub use complaint::Complaint;
pub(crate) use complaint::Reading;
pub use link_address::{LinkAddress, LinkAddressError, link_address_text, parse_link_address};
pub use setting::{Origin, Setting};
