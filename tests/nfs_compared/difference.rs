//! A line of the table of differences.

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The server that differs: `nfsd`, `Ganesha`, or `*`.
    pub(crate) server: &'static str,
    /// The calls, with `*` for any text.
    pub(crate) call: &'static str,
    pub(crate) field: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) theirs: &'static str,
    /// The reason, with its place in an RFC or in the kernel.
    #[allow(dead_code, reason = "for people")]
    pub(crate) why: &'static str,
}

impl Difference {
    pub(crate) fn explains(&self, call: &str, field: &str, ours: &str, theirs: &str) -> bool {
        let pairs = [
            (self.call, call),
            (self.field, field),
            (self.ours, ours),
            (self.theirs, theirs),
        ];
        pairs.iter().all(|(pattern, text)| fits(pattern, text))
    }
}

/// Whether `pattern`, in which `*` stands for any text, is `text`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = (0..=rest.len()).filter_map(|at| rest.get(at..));
            ends.any(|rest| fits(after, rest))
        }),
    }
}

/// A line of the table: server, call, field, our value and theirs; then the reason.
pub(crate) const fn differs(
    [server, call, field, ours, theirs]: [&'static str; 5],
    why: &'static str,
) -> Difference {
    Difference {
        server,
        call,
        field,
        ours,
        theirs,
        why,
    }
}
