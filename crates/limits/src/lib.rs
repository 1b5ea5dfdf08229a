//! What one client may take of a server that everybody on the network can reach.
//!
//! * [`ByteBudget`]: memory that waits for slow readers, per client and in total.
//! * [`RateLimiter`]: how often something may happen, per client and in total (token buckets).
//! * [`busiest`]: which connection is closed for a new one when all are taken.
//!
//! Pure: no sockets and no clock; time is passed in. Every table is bounded, whatever the number of clients.

#![forbid(unsafe_code)]

mod busiest;
mod byte_budget;
mod rate_limiter;

pub use busiest::{OpenConnection, busiest};
pub use byte_budget::{ByteBudget, Charge};
pub use rate_limiter::{LeftOut, Rate, RateLimiter};
