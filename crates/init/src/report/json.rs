//! A JSON writer (RFC 8259) for what the boot report contains: objects, lists, strings, integers and booleans.

use std::fmt::{Display, Write};

use netroot_printable::{is_printable, json_escape};

/// An object being written. Member names are ours and need no escaping.
pub(super) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

/// Writes an object with the members that `fill` adds.
pub(super) fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    let mut object = Object { out, empty: true };
    fill(&mut object);
    out.push('}');
}

/// Adds the members that `fill` adds to an object that was written before.
pub(super) fn extend(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    let members = out.trim_end();
    let members = members.strip_suffix('}').unwrap_or(members).len();
    out.truncate(members);
    let empty = out.ends_with('{');
    fill(&mut Object { out, empty });
    out.push('}');
}

/// Writes a string. Text from a server may contain anything: what JSON does not allow is escaped.
pub(super) fn text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            // JSON allows most of these, but a terminal that shows the report would act on them.
            c => {
                let _ = json_escape(out, c);
            }
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

    /// Adds a string member.
    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        self.displayed(name, &value);
    }

    /// In one copy for all types.
    fn displayed(&mut self, name: &str, value: &dyn Display) {
        text(self.name(name), &value.to_string());
    }

    /// Adds a string member if there is a value.
    pub(super) fn some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds an integer member.
    pub(super) fn number(&mut self, name: &str, value: u128) {
        let _ = write!(self.name(name), "{value}");
    }

    /// Adds a boolean member.
    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        self.name(name)
            .push_str(if value { "true" } else { "false" });
    }

    /// Adds an object member.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.name(name), fill);
    }

    /// Adds a list member whose elements are written by `write`.
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
    fn an_object_is_parsed_back_as_it_was_written() {
        let mut out = String::new();
        object(&mut out, |o| {
            o.text("name", "eth0");
            o.number("time", 1_234);
            o.boolean("up", true);
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

    #[test]
    fn members_are_added_to_what_was_written() {
        let mut out = String::from("{}\n");
        for name in ["first", "second"] {
            extend(&mut out, |o| o.object(name, |o| o.boolean("up", true)));
        }
        assert_eq!(out, r#"{"first":{"up":true},"second":{"up":true}}"#);
    }

    proptest! {
        #[test]
        fn any_text_stays_one_string_that_a_terminal_can_show(said in any::<String>()) {
            let mut out = String::new();
            text(&mut out, &said);
            prop_assert!(out.chars().all(is_printable));
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), said);
        }
    }
}
