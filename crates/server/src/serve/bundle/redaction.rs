//! What is left out of a bundle: whoever has the file could use it. Pure.

use serde_json::Value;

/// What is put in the place of a secret.
const LEFT_OUT: &str = "(left out)";
/// Words that a parameter with a secret has in its name: `rd.iscsi.password=`, `netroot.token=`.
const SECRET: [&str; 8] = [
    "pass",
    "secret",
    "token",
    "key",
    "credential",
    "chap",
    "psk",
    "auth",
];
/// What a value with spaces is in.
const QUOTES: [char; 2] = ['"', '\''];
/// What such a word is in without being a secret.
const HARMLESS: [&str; 2] = ["keymap", "keyboard"];

/// Leaves secrets out of every string of a value: the tokens of boot reports, passwords in URLs, and the values of
/// parameters that are called like a secret.
pub(super) fn redact(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_secrets(text),
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                if is_secret(name) && value.is_string() {
                    *value = LEFT_OUT.into();
                }
                redact(value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let is = |word: &str| name.contains(word);
    SECRET.iter().any(|word| is(word)) && !HARMLESS.iter().any(|word| is(word))
}

/// Word by word, with the spaces and lines between them as they were.
fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        let (space, words) = rest.split_at(start);
        clean += space;
        let end = words.find(char::is_whitespace).unwrap_or(words.len());
        let (word, after) = words.split_at(end);
        match secret_parameter(word) {
            Some(name) => {
                clean += &format!("{name}={LEFT_OUT}");
                rest = after_value(words, name).unwrap_or(after);
            }
            None => {
                clean += &without_report_token(&without_user(word));
                rest = after;
            }
        }
    }
    clean + rest
}

/// The name of the parameter in a word, if it is called like a secret; without a quotation mark before it.
fn secret_parameter(word: &str) -> Option<&str> {
    let (name, _) = word.trim_start_matches(QUOTES).split_once('=')?;
    is_secret(name).then_some(name)
}

/// What follows a value in quotation marks, which may have spaces in it. One that does not end goes on to the line's end.
fn after_value<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    let quoted_whole = words.chars().next().filter(|c| QUOTES.contains(c));
    let value = words.trim_start_matches(QUOTES).strip_prefix(name)?;
    let value = value.strip_prefix('=')?;
    let quote = quoted_whole.or(value.chars().next().filter(|c| QUOTES.contains(c)))?;
    let inside = match quoted_whole {
        Some(_) => value,
        None => value.get(1..)?,
    };
    let line = inside.find('\n').unwrap_or(inside.len());
    let end = inside.get(..line)?.find(quote).map_or(line, |end| end + 1);
    inside.get(end..)
}

/// `http://user:password@host/`, and `netroot=iscsi:user:password@host:…`, without the part before the host, wherever
/// such a part is in the word.
fn without_user(word: &str) -> String {
    let mut parts: Vec<&str> = word.split('@').collect();
    let Some(last) = parts.pop().filter(|_| !parts.is_empty()) else {
        return word.to_owned();
    };
    let mut clean = String::new();
    for part in parts {
        // The user begins behind a scheme, or a parameter's name; a password has a colon before it.
        let scheme = part.rfind("://").map(|at| at + 3);
        let start = scheme.or_else(|| part.rfind('=').map(|at| at + 1));
        let (before, user) = part.split_at(start.unwrap_or(0));
        clean += before;
        clean += if scheme.is_some() || user.contains(':') {
            LEFT_OUT
        } else {
            user
        };
        clean.push('@');
    }
    clean + last
}

/// `…/report/52-54-00-12-34-56/TOKEN` without the token.
fn without_report_token(word: &str) -> String {
    let path = crate::serve::report_tokens::PATH;
    let Some((before, rest)) = word.split_once(path) else {
        return word.to_owned();
    };
    let (machine, _) = rest.split_once('/').unwrap_or((rest, ""));
    format!("{before}{path}{machine}/{LEFT_OUT}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_left_out_and_nothing_else_is() {
        for (text, clean) in [
            (
                "ro netroot.report=http://10.0.0.1:8069/report/52-54-00-12-34-56/abc123 quiet",
                "ro netroot.report=http://10.0.0.1:8069/report/52-54-00-12-34-56/(left out) quiet",
            ),
            (
                "rd.iscsi.password=hunter2 rd.iscsi.in.Password='a b' vconsole.keymap=de",
                "rd.iscsi.password=(left out) rd.iscsi.in.Password=(left out) vconsole.keymap=de",
            ),
            (
                "it's \"wifi.passphrase=a b c\" quiet token=\"never ends\nnext line",
                "it's wifi.passphrase=(left out) quiet token=(left out)\nnext line",
            ),
            (
                "systemd.pull=https://me:hunter2@example.org/root.tar",
                "systemd.pull=https://(left out)@example.org/root.tar",
            ),
            ("luks.key=/dev/sda1:file", "luks.key=(left out)"),
            (
                "cifspass=hunter2 wifi.psk=abcdef netroot=iscsi:joe:s3cret@10.0.0.9::::iqn.x",
                "cifspass=(left out) wifi.psk=(left out) netroot=(left out)@10.0.0.9::::iqn.x",
            ),
            (
                "a=http://u:p@h/x,http://v:q@i/y guix@42",
                "a=http://(left out)@h/x,http://(left out)@i/y guix@42",
            ),
            (
                "kernel http://10.0.0.1:8069/images/debian/vmlinuz root=/dev/nfs\n\tinitrd x\n",
                "kernel http://10.0.0.1:8069/images/debian/vmlinuz root=/dev/nfs\n\tinitrd x\n",
            ),
        ] {
            assert_eq!(without_secrets(text), clean);
        }
        let mut value = json!({ "api_token": "x", "steps": [{ "text": "a token=x" }], "n": 1 });
        redact(&mut value);
        let clean = json!({
            "api_token": "(left out)", "steps": [{ "text": "a token=(left out)" }], "n": 1
        });
        assert_eq!(value, clean);
    }
}
