//! A line of the table.

/// What stands for a test.
#[derive(Debug)]
pub(in super::super) enum By {
    /// A check of `checks.py`.
    Check(&'static str),
    /// A test of ours, by its function.
    Test(&'static str),
    /// Nothing; why.
    NotHere(&'static str),
}

/// Suite, test, and what stands for it.
pub(in super::super) type Row = (&'static str, &'static str, By);
