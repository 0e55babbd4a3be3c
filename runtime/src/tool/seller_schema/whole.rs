//! The cost of a subschema, including everything that is evaluated with it.

use super::fuel::{Bound, STEP};

/// A subschema with everything that is evaluated with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    pub(super) bound: Bound,
    pub(super) subschemas: u64,
    pub(super) levels: u32,
}

impl Whole {
    pub(super) fn new() -> Self {
        Self {
            bound: Bound {
                per_part: STEP,
                per_byte: 0,
            },
            subschemas: 1,
            levels: 1,
        }
    }

    pub(super) fn with(&mut self, inner: Self) {
        self.bound.add(inner.bound);
        self.subschemas = self.subschemas.saturating_add(inner.subschemas);
        self.levels = self.levels.max(inner.levels + 1);
    }

    pub(super) fn costs(&mut self, per_part: u64, per_byte: u64) {
        self.bound.add(Bound { per_part, per_byte });
    }
}
