//! The subcommands that ask a running server, through its API.
//!
//! ```text
//! arguments → ask (Unix socket or TCP) → answers (JSON) → what is printed (terminal, table, wording)
//! machines    netroot machines; timeline of one      order     netroot boot-once, netroot assign
//! images      netroot images                         reload    netroot reload
//! status      netroot status                         bundle    netroot bundle
//! image       netroot image, swap, rollback and forget
//! ```

pub(crate) mod answers;
pub(crate) mod ask;
pub(crate) mod bundle;
pub(crate) mod image;
pub(crate) mod images;
pub(crate) mod machines;
pub(crate) mod order;
pub(crate) mod reload;
pub(crate) mod status;
mod table;
mod terminal;
mod timeline;
mod wording;
