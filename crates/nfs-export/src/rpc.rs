//! ONC RPC (RFC 5531) over TCP and UDP.
//!
//! ```text
//! record      stream → messages        message, decode, credentials    message → call
//! reply_buffer, reply_memory           replies → bytes, within a budget
//! reply_content                        the content of files → a socket, without a copy
//! ```

pub(crate) mod credentials;
pub(crate) mod decode;
pub(crate) mod message;
pub(crate) mod record;
pub(crate) mod reply_buffer;
pub(crate) mod reply_content;
pub(crate) mod reply_memory;
