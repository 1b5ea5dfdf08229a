//! Aliases of modules, as `modules.alias` has them.

use netroot_kmod::module_name;

/// One line of `modules.alias`: the devices or names that a pattern matches are driven by a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    /// With `-` as `_` outside of brackets.
    pub(super) pattern: String,
    /// The line as it is in the file, to be written again.
    pub(super) line: String,
    pub(super) module: String,
}

impl Alias {
    pub(super) fn new(pattern: &str, module: &str) -> Self {
        Self {
            pattern: normalize(pattern),
            line: format!("alias {pattern} {module}"),
            module: module_name(module),
        }
    }
}

/// `-` as `_`, but not within brackets, where it makes a range (`alias_normalize` of libkmod).
pub(super) fn normalize(pattern: &str) -> String {
    let mut within = false;
    pattern
        .chars()
        .map(|c| {
            match c {
                '[' => within = true,
                ']' => within = false,
                _ => {}
            }
            if c == '-' && !within { '_' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn a_dash_in_a_range_is_kept() {
        assert_eq!(normalize("usb:v04-[0-9]x-*"), "usb:v04_[0-9]x_*");
    }
}
