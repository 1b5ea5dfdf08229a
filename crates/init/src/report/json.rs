//! JSON, written (RFC 8259). Only what the boot report holds: objects, lists, texts, whole numbers, yes and no.

use std::fmt::{Display, Write};

/// An object under way. Names are ours and need no escape.
pub(super) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

/// Writes an object with the members that `fill` gives it.
pub(super) fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    let mut object = Object { out, empty: true };
    fill(&mut object);
    out.push('}');
}

/// Writes a text. A server's text may hold anything: what JSON does not allow is escaped.
pub(super) fn text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // The C1 controls are allowed, and a terminal that shows the report would act on them.
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> &mut String {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        let _ = write!(self.out, "\"{name}\":");
        self.out
    }

    /// A member that is a text: whatever has words.
    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        text(self.name(name), &value.to_string());
    }

    /// The same, if there is one.
    pub(super) fn some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A member that is a whole number.
    pub(super) fn number(&mut self, name: &str, value: u128) {
        let _ = write!(self.name(name), "{value}");
    }

    /// A member that is yes or no.
    pub(super) fn yes(&mut self, name: &str, value: bool) {
        self.name(name)
            .push_str(if value { "true" } else { "false" });
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.name(name), fill);
    }

    /// A member that is a list, each element written by `write`.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        write: impl Fn(&mut String, T),
    ) {
        let out = self.name(name);
        out.push('[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write(out, value);
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_is_read_back_as_it_was_written() {
        let mut out = String::new();
        object(&mut out, |o| {
            o.text("name", "eth0");
            o.number("time", 1_234);
            o.yes("up", true);
            o.some("not there", None::<&str>);
            o.list("list", ["a", "b"], text);
            o.object("empty", |_| {});
        });
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        let meant = serde_json::json!({
            "name": "eth0", "time": 1234, "up": true, "list": ["a", "b"], "empty": {}
        });
        assert_eq!(read, meant);
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_stays_one_text_without_controls(said in any::<String>()) {
            let mut out = String::new();
            text(&mut out, &said);
            prop_assert!(!out.chars().any(char::is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), said);
        }
    }
}
