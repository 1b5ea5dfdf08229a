//! The command line cut into parameters, by the kernel's own rules.

/// One parameter: `name` or `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// What stands before the first `=`, as written.
    pub name: String,
    /// What stands after it, without its enclosing quotes; `None` without `=`.
    pub value: Option<String>,
}

impl Parameter {
    /// The parameter as it would be written without quotes.
    pub fn text(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether this is the parameter `name`. The kernel takes `-` and `_` in names for
    /// the same character (`kernel/params.c`, `parameq`).
    pub fn is(&self, name: &str) -> bool {
        let same = |(a, b): (u8, u8)| dash_as_underscore(a) == dash_as_underscore(b);
        self.name.len() == name.len() && self.name.bytes().zip(name.bytes()).all(same)
    }
}

fn dash_as_underscore(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

/// A command line in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// The parameters before `--`, in order.
    pub parameters: Vec<Parameter>,
    /// The words after `--`. They are the init's alone; the kernel hands them to `/init`
    /// as arguments already.
    pub init_arguments: Vec<String>,
}

/// Splits a command line as the kernel does (`lib/cmdline.c`, `next_arg`).
///
/// White space separates; double quotes hide white space and may enclose a value or a
/// whole parameter, and only such enclosing quotes are taken off. A bare `--` ends the
/// parameters.
pub fn tokenize(text: &str) -> CommandLine {
    let mut line = CommandLine::default();
    let mut rest = text;
    let mut ended = false;
    loop {
        rest = rest.trim_start_matches(is_kernel_space);
        if rest.is_empty() {
            return line;
        }
        let end = argument_end(rest);
        let (argument, tail) = rest.split_at(end);
        rest = tail;
        let parameter = parameter(argument);
        if ended {
            line.init_arguments.push(parameter.text());
        } else if parameter.name == "--" && parameter.value.is_none() {
            ended = true;
        } else {
            line.parameters.push(parameter);
        }
    }
}

/// The kernel's `isspace` is ASCII's, with the vertical tab, and 0xa0 of Latin-1, which
/// cannot stand alone in UTF-8.
fn is_kernel_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

fn argument_end(text: &str) -> usize {
    let mut in_quotes = false;
    for (at, c) in text.char_indices() {
        if c == '"' {
            in_quotes = !in_quotes;
        } else if is_kernel_space(c) && !in_quotes {
            return at;
        }
    }
    text.len()
}

fn parameter(argument: &str) -> Parameter {
    let argument = match argument.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap_or(quoted),
        None => argument,
    };
    // A `=` at the very start is part of the name, as in the kernel.
    let equals = argument
        .char_indices()
        .skip(1)
        .find(|&(_, c)| c == '=')
        .map(|(at, _)| at);
    let Some((name, value)) = equals.and_then(|at| argument.split_at_checked(at)) else {
        return Parameter {
            name: argument.to_owned(),
            value: None,
        };
    };
    let value = value.strip_prefix('=').unwrap_or(value);
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap_or(quoted),
        None => value,
    };
    Parameter {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<(String, Option<String>)> {
        tokenize(line)
            .parameters
            .into_iter()
            .map(|p| (p.name, p.value))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, Option<String>) {
        (name.into(), Some(value.into()))
    }

    #[test]
    fn white_space_separates_and_the_first_equals_sign_divides() {
        assert_eq!(
            texts("  ro\troot=/dev/nfs \n nfsroot=10.0.0.1:/a,vers=3\n"),
            [
                ("ro".into(), None),
                pair("root", "/dev/nfs"),
                pair("nfsroot", "10.0.0.1:/a,vers=3")
            ]
        );
        assert_eq!(
            texts("a= =b =c=d"),
            [pair("a", ""), ("=b".into(), None), pair("=c", "d")]
        );
        assert_eq!(texts(""), []);
    }

    #[test]
    fn only_enclosing_quotes_are_removed() {
        assert_eq!(
            texts(r#"dhcpclass="a b" x"#),
            [pair("dhcpclass", "a b"), ("x".into(), None)]
        );
        assert_eq!(
            texts(r#""dhcpclass=a b" x"#),
            [pair("dhcpclass", "a b"), ("x".into(), None)]
        );
        assert_eq!(texts(r#"a=b" c"d"#), [pair("a", r#"b" c"d"#)]);
        assert_eq!(texts(r#"a="open end"#), [pair("a", "open end")]);
    }

    #[test]
    fn two_dashes_end_the_parameters() {
        let line = tokenize("ro -- single x=1 -- ro");
        assert_eq!(line.parameters.len(), 1);
        assert_eq!(line.init_arguments, ["single", "x=1", "--", "ro"]);
    }

    #[test]
    fn dash_and_underscore_are_one_character_in_names() {
        let line = tokenize("carrier-timeout=3");
        assert!(line.parameters[0].is("carrier_timeout"));
        assert!(!line.parameters[0].is("carrier_timeouts"));
    }
}
