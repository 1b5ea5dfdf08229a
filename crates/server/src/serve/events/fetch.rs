//! Files that machines fetch: the sentences and the fields.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use super::fields::Fields;
use super::wording::size;
use crate::serve::artifacts::{Chosen, FileKind};
use crate::settings::Choice;

/// A file that was sent to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// What the file is to a boot.
    pub(crate) kind: FileKind,
    /// Its name.
    pub(crate) name: String,
    /// How many bytes were sent.
    pub(crate) bytes: u64,
    /// From the request to the last byte.
    pub(crate) took: Duration,
    /// How it was sent.
    pub(crate) by: Transport,
    /// What it boots, if it is a script.
    pub(crate) chosen: Option<Arc<Chosen>>,
}

/// How a file was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TFTP.
    Tftp {
        /// The block size agreed on, in bytes (RFC 2348).
        block_size: u16,
        /// The window size agreed on, in blocks (RFC 7440).
        window: u16,
        /// How many blocks were sent more than once.
        repeated: u64,
    },
    /// HTTP.
    Http,
}

/// Why a transfer ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopCause {
    /// The TFTP client sent an ERROR (RFC 1350 §5).
    TftpError {
        /// Its code.
        code: u16,
        /// Its message.
        message: String,
    },
    /// The TFTP client no longer answered.
    TftpTimeout,
    /// The file could not be read.
    TftpUnreadable {
        /// The system's error.
        error: String,
    },
    /// The HTTP connection was closed.
    HttpClosed,
}

impl Display for Fetch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, size, seconds) = (&self.name, size(self.bytes), self.took.as_secs_f64());
        match self.by {
            Transport::Http => write!(f, "HTTP {name}: {size} in {seconds:.2} s")?,
            Transport::Tftp {
                block_size,
                window,
                repeated,
            } => {
                write!(
                    f,
                    "TFTP {name}: {size} in {seconds:.2} s (blocks of {block_size} bytes, windows of {window}"
                )?;
                if repeated > 0 {
                    write!(f, ", {repeated} blocks repeated")?;
                }
                f.write_str(")")?;
            }
        }
        match self.chosen.as_deref() {
            Some(Chosen { choice, why, .. }) => match choice {
                Choice::Image(image) => write!(f, "; boots {image} ({why})"),
                Choice::Menu => write!(f, "; is shown the menu ({why})"),
                Choice::Wait => write!(f, "; waits until it is told what to boot ({why})"),
                Choice::Refuse => write!(f, "; boots no image: {why} refuses it"),
            },
            None => Ok(()),
        }
    }
}

/// How a transfer ended early.
pub(super) fn write_stopped(
    f: &mut Formatter<'_>,
    name: &str,
    (sent, bytes): (u64, u64),
    why: &StopCause,
) -> fmt::Result {
    let (sent, bytes) = (size(sent), size(bytes));
    match why {
        StopCause::TftpError { code, message } => write!(
            f,
            "TFTP {name}: the client stopped after {sent} of {bytes}: error {code} {message}"
        ),
        StopCause::TftpTimeout => write!(
            f,
            "TFTP {name}: the client stopped answering after {sent} of {bytes}"
        ),
        StopCause::TftpUnreadable { error } => {
            write!(f, "TFTP {name}: the file could not be read: {error}")
        }
        StopCause::HttpClosed => write!(f, "HTTP {name}: stopped after {sent} of {bytes}"),
    }
}

/// The fields of a file that was sent.
pub(super) fn add_fields(fields: &mut Fields, fetch: &Fetch) {
    let protocol = match fetch.by {
        Transport::Tftp { .. } => "tftp",
        Transport::Http => "http",
    };
    fields.add("protocol", protocol);
    fields.add("name", fetch.name.as_str());
    fields.add("bytes", fetch.bytes);
    fields.add_seconds(fetch.took);
    if let Transport::Tftp {
        block_size,
        window,
        repeated,
    } = fetch.by
    {
        fields.add("blksize", block_size);
        fields.add("windowsize", window);
        fields.add("blocks_repeated", repeated);
    }
    if let Some(chosen) = &fetch.chosen {
        fields.add("image", chosen.image());
        fields.add("why", chosen.why.as_str());
    }
}

/// The protocol of a transfer that ended early.
pub(super) fn stop_protocol(why: &StopCause) -> &'static str {
    match why {
        StopCause::TftpError { .. } | StopCause::TftpTimeout | StopCause::TftpUnreadable { .. } => {
            "tftp"
        }
        StopCause::HttpClosed => "http",
    }
}

/// Why it did.
pub(super) fn add_stop_cause(fields: &mut Fields, why: &StopCause) {
    match why {
        StopCause::TftpError { code, message } => {
            fields.add("reason", "client-error");
            fields.add("code", *code);
            fields.add("message", message.as_str());
        }
        StopCause::TftpTimeout => fields.add("reason", "timeout"),
        StopCause::TftpUnreadable { error } => {
            fields.add("reason", "unreadable");
            fields.add("error", error.as_str());
        }
        StopCause::HttpClosed => fields.add("reason", "closed"),
    }
}

/// What a file is to a boot.
pub(super) fn file_kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Loader => "loader",
        FileKind::Script => "script",
        FileKind::Kernel => "kernel",
        FileKind::Initrd => "initrd",
        FileKind::Other => "file",
    }
}
