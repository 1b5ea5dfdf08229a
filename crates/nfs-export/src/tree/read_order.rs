//! Whether a file is being read from one end to the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// READs of so many bytes, each of which began where the one before it ended, are a file that is read to its end: who loads a
/// library or looks something up has jumped by then.
const LONG: u64 = 1024 * 1024;

/// The READs of a file, of all clients. What it says is for hints to the kernel: two READs at once may leave it undecided.
#[derive(Debug, Default)]
pub(crate) struct ReadOrder {
    /// Where the READs that follow on each other began.
    begin: AtomicU64,
    /// Where the last one ended, which is where the next one is to begin.
    end: AtomicU64,
    told: AtomicBool,
}

impl ReadOrder {
    /// Notes a READ, in the order in which they come. Offset and length are bytes.
    pub(crate) fn note(&self, offset: u64, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let end = self
            .end
            .swap(offset.saturating_add(length), Ordering::Relaxed);
        if end != offset {
            self.begin.store(offset, Ordering::Relaxed);
        }
    }

    /// Whether a READ that has been noted follows on a long run of others; says so once for each file.
    pub(crate) fn turns_out_long(&self, offset: u64) -> bool {
        let begin = self.begin.load(Ordering::Relaxed);
        let within = (begin..self.end.load(Ordering::Relaxed)).contains(&offset);
        within && offset - begin >= LONG && !self.told.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u64 = 128 * 1024;

    /// Notes READs of [`READ`] bytes at these offsets.
    fn noted(offsets: impl IntoIterator<Item = u64>) -> ReadOrder {
        let order = ReadOrder::default();
        for offset in offsets {
            order.note(offset, 128 * 1024);
        }
        order
    }

    #[test]
    fn a_run_is_long_after_a_mebibyte_wherever_it_began_and_is_told_of_once() {
        for begin in [0, 7 * READ, 1000] {
            let order = noted((0..9).map(|number| begin + number * READ));
            assert!(!order.turns_out_long(begin + 7 * READ));
            assert!(order.turns_out_long(begin + 8 * READ));
            assert!(!order.turns_out_long(begin + 8 * READ));
        }
    }

    #[test]
    fn a_read_is_part_of_its_run_after_others_have_followed() {
        let order = noted((0..20).map(|number| number * READ));
        assert!(order.turns_out_long(8 * READ));
    }

    #[test]
    fn jumps_and_the_same_bytes_again_are_no_run() {
        let jumping = noted((0..20).map(|number| number * 2 * READ));
        assert!(!jumping.turns_out_long(38 * READ));
        let again = noted([0; 20]);
        assert!(!again.turns_out_long(0));
        let back = noted((0..20).map(|number| number % 8 * READ));
        assert!(!back.turns_out_long(3 * READ));
        assert!(!back.turns_out_long(19 * READ), "nobody reads there now");
        let beyond = noted([u64::MAX - 1, u64::MAX]);
        assert!(!beyond.turns_out_long(u64::MAX));
    }
}
