//! Transaction numbers (`xid`): which answer belongs to which question.

/// The present number, and a source of others (xorshift).
#[derive(Debug, Clone)]
pub(super) struct Transaction(u32);

impl Transaction {
    /// Different seeds keep apart what machines that started together ask.
    pub(super) fn new(seed: u64) -> Self {
        let [a, b, c, d, ..] = (seed ^ seed >> 32).to_le_bytes();
        // xorshift never leaves zero.
        Transaction(u32::from_le_bytes([a, b, c, d]) | 1)
    }

    /// The number of the present question.
    pub(super) fn number(&self) -> u32 {
        self.0
    }

    /// Another number for another question.
    pub(super) fn advance(&mut self) {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
    }
}
