//! How much is measured: all of it, or just enough to see that it still works.

use std::time::Duration;

/// Rounds where nobody says otherwise.
const ROUNDS: usize = 5;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often ours and the references take turns.
    pub(crate) rounds: usize,
    pub(crate) is_brief: bool,
}

impl Effort {
    pub(crate) fn new(rounds: Option<usize>, is_brief: bool) -> Self {
        let rounds = rounds.unwrap_or(if is_brief { 1 } else { ROUNDS });
        Self {
            rounds: rounds.max(1),
            is_brief,
        }
    }

    /// Calls of one round, of `calls` in all rounds.
    pub(crate) fn calls_a_round(self, calls: usize) -> usize {
        if self.is_brief {
            20
        } else {
            calls.div_ceil(self.rounds)
        }
    }

    /// So many of something, or a few.
    pub(crate) fn many(self, count: usize) -> usize {
        if self.is_brief { count.min(8) } else { count }
    }

    /// So much time, or a little.
    pub(crate) fn time(self, seconds: u64) -> Duration {
        if self.is_brief {
            Duration::from_millis(300)
        } else {
            Duration::from_secs(seconds)
        }
    }
}
