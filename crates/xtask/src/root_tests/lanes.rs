//! How many tests with machines run at a time: as many as the processors have time for.
//!
//! Some only translate instructions, and one for each processor is enough. Others take a third of a processor, since their
//! machines wait for an answer that does not come; and where these are, the next one has to begin as soon as one has ended.

/// The share of idle time from which there is one lane more.
const IDLE: f64 = 0.15;
/// The share of idle time below which there is one less.
const BUSY: f64 = 0.05;

/// So many may run at a time.
#[derive(Debug)]
pub(super) struct Lanes {
    number: usize,
    at_least: usize,
}

impl Lanes {
    /// One for each processor.
    pub(super) fn new(processors: usize) -> Self {
        Self {
            number: processors,
            at_least: processors,
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Takes the share of time in which the processors had nothing to do, while `in_use` lanes were used.
    pub(super) fn after_a_look(&mut self, idle: f64, in_use: usize) {
        if idle >= IDLE && in_use >= self.number {
            self.number += 1;
        } else if idle < BUSY && self.number > self.at_least {
            self.number -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_more_while_the_processors_are_idle_and_fewer_when_they_are_busy() {
        let mut lanes = Lanes::new(2);
        let mut look = |idle, in_use| {
            lanes.after_a_look(idle, in_use);
            lanes.number()
        };
        assert_eq!(look(IDLE, 2), 3);
        // The third has not begun: no memory, or no test.
        assert_eq!(look(0.9, 2), 3);
        assert_eq!(look(0.9, 3), 4);
        assert_eq!(look((IDLE + BUSY) / 2.0, 4), 4);
        assert_eq!(look(0.0, 4), 3);
        assert_eq!(look(0.0, 4), 2);
        assert_eq!(look(0.0, 4), 2, "one for each processor");
    }
}
