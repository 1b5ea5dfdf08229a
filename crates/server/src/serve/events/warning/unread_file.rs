//! A file of the state folder that could not be read at the start.

use std::fmt::{self, Formatter};
use std::path::PathBuf;

use crate::serve::events::fields::Fields;
use crate::serve::machines::Unread;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadFile {
    /// Where it is now.
    pub(crate) file: PathBuf,
    /// The system's error, or what makes no sense.
    pub(crate) error: String,
    /// It makes no sense, and is set aside. Otherwise it is left alone until it can be read.
    pub(crate) is_set_aside: bool,
}

impl From<Unread> for UnreadFile {
    fn from(unread: Unread) -> Self {
        Self {
            file: unread.file,
            error: unread.error.to_string(),
            is_set_aside: unread.is_set_aside,
        }
    }
}

impl UnreadFile {
    /// What is known of machines' Secure Boot.
    pub(super) fn tell_secure_boots(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (file, error) = (self.file.display(), &self.error);
        write!(
            f,
            "what is known of machines' Secure Boot could not be read ({error}): "
        )?;
        match self.is_set_aside {
            true => write!(
                f,
                "it is set aside in {file}, and learnt anew from what each machine starts"
            ),
            false => write!(
                f,
                "{file} is left alone, and machines are tried anew until it can be read; mend that, and restart the server"
            ),
        }
    }

    /// The orders.
    pub(super) fn tell_orders(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (file, error) = (self.file.display(), &self.error);
        write!(
            f,
            "the orders (boot-once, assign) could not be read ({error}): "
        )?;
        match self.is_set_aside {
            true => write!(
                f,
                "they are set aside in {file}, and machines boot what the configuration says"
            ),
            false => write!(
                f,
                "{file} is left alone, machines boot what the configuration says, and no order is accepted until it can be read; mend that, and restart the server"
            ),
        }
    }

    pub(super) fn add_fields(&self, fields: &mut Fields) {
        fields.add("path", self.file.to_string_lossy());
        fields.add("error", self.error.as_str());
        fields.add("set_aside", self.is_set_aside);
    }
}
