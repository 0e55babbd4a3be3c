//! Process-wide budgets: limits per run alone would let two hundred runs together kill the machine.

use std::sync::Arc;
use tollgate_fair::{Most, Part, Shares};

/// The unit of a budget. Small enough to waste little, large enough that a lease grows rarely.
const UNIT_BYTES: u64 = 4096;

/// The size of a small lease: most tools start with less.
const SMALL_BYTES: u64 = 4 << 20;

/// A number of bytes that all runs of a process share.
///
/// One owner has at most half of it, so that something is left for the others. Runs without an owner (the empty name) may
/// take all. The last eighth is for leases of at most 4 MiB: small runs still start after large ones have taken all they
/// can.
#[derive(Clone, Debug)]
pub struct Budget {
    name: &'static str,
    shares: Shares<Arc<str>>,
}

/// The process has no more to give. Never the guest's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process's budget for {budget} is used up")]
pub struct BudgetExhausted {
    /// Which budget: `guest memory`, `host buffers`, `waiting inputs`, `scratch`.
    pub budget: &'static str,
}

impl Budget {
    /// A budget of `bytes`, rounded up to 4 KiB.
    pub fn new(name: &'static str, bytes: u64) -> Self {
        let bytes_max = bytes.div_ceil(UNIT_BYTES).saturating_mul(UNIT_BYTES);
        Self {
            name,
            shares: Shares::new(Most::halves(bytes_max)),
        }
    }

    /// An empty lease for an owner, to be grown.
    pub fn lease(&self, owner: &Arc<str>) -> Lease {
        Lease {
            budget: self.name,
            part: self.shares.nothing(Arc::clone(owner)),
            most: self.most(owner),
            bytes: 0,
        }
    }

    /// True if this owner could lease so many bytes from an unused budget.
    pub fn could_lease(&self, owner: &str, bytes: u64) -> bool {
        let most = within(self.most(owner), bytes);
        bytes
            .checked_next_multiple_of(UNIT_BYTES)
            .is_some_and(|bytes| bytes <= most.all.min(most.own))
    }

    /// Bytes that nobody has leased.
    pub fn available_bytes(&self) -> u64 {
        self.shares.most().all - self.shares.all()
    }

    /// The error of a lease that cannot grow.
    pub fn exhausted(&self) -> BudgetExhausted {
        BudgetExhausted { budget: self.name }
    }

    fn most(&self, owner: &str) -> Most {
        let most = self.shares.most();
        match owner.is_empty() {
            true => Most {
                own: most.all,
                ..most
            },
            false => most,
        }
    }
}

/// The limits for a lease of that size: large ones leave the last eighth.
fn within(most: Most, lease_bytes: u64) -> Most {
    match lease_bytes > SMALL_BYTES {
        true => Most {
            all: most.all - most.all / 8,
            ..most
        },
        false => most,
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: &'static str,
    /// Whole units.
    part: Part<Arc<str>>,
    most: Most,
    bytes: u64,
}

impl Lease {
    /// Takes `bytes` more, or nothing at all.
    pub fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExhausted> {
        let exhausted = BudgetExhausted {
            budget: self.budget,
        };
        let total = self.bytes.checked_add(bytes).ok_or(exhausted)?;
        let missing = total.saturating_sub(self.part.amount());
        let missing = missing.checked_next_multiple_of(UNIT_BYTES);
        let missing = missing.ok_or(exhausted)?;
        if !self.part.grow_within(missing, within(self.most, total)) {
            return Err(exhausted);
        }
        self.bytes = total;
        Ok(())
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_takes_up_to_the_budget_and_gives_back() {
        let budget = Budget::new("test", 3 * UNIT_BYTES);
        let mut lease = budget.lease(&Arc::from(""));
        lease.try_grow(1).expect("one unit");
        lease.try_grow(UNIT_BYTES - 1).expect("still one unit");
        assert_eq!(budget.available_bytes(), 2 * UNIT_BYTES);
        lease.try_grow(2 * UNIT_BYTES).expect("exactly all");
        assert_eq!(lease.try_grow(1), Err(BudgetExhausted { budget: "test" }));
        assert!(lease.try_grow(u64::MAX).is_err());
        assert_eq!(
            lease.bytes(),
            3 * UNIT_BYTES,
            "a refused growth takes nothing"
        );
        drop(lease);
        assert_eq!(budget.available_bytes(), 3 * UNIT_BYTES);
    }

    #[test]
    fn the_last_eighth_is_for_small_leases() {
        let budget = Budget::new("test", 80 << 20);
        let mut large = budget.lease(&Arc::from(""));
        large.try_grow(70 << 20).expect("seven eighths");
        assert!(large.try_grow(1).is_err());
        let mut small = budget.lease(&Arc::from(""));
        small.try_grow(SMALL_BYTES).expect("small");
        assert!(small.try_grow(1).is_err(), "not small any more");
        assert!(budget.could_lease("", 70 << 20));
        assert!(!budget.could_lease("", (70 << 20) + 1));
        assert!(!budget.could_lease("a", (40 << 20) + 1));
    }

    #[test]
    fn an_owner_has_at_most_half() {
        let budget = Budget::new("test", 4 * UNIT_BYTES);
        let (acme, other) = (Arc::from("acme"), Arc::from("other"));
        let mut first = budget.lease(&acme);
        first.try_grow(2 * UNIT_BYTES).expect("exactly half");
        let mut second = budget.lease(&acme);
        assert!(second.try_grow(1).is_err(), "over all of its leases");
        let mut neighbour = budget.lease(&other);
        neighbour.try_grow(2 * UNIT_BYTES).expect("the other half");
        drop(first);
        second.try_grow(2 * UNIT_BYTES).expect("given back");
        drop((second, neighbour));
        assert_eq!(budget.available_bytes(), 4 * UNIT_BYTES);
        assert_eq!(budget.shares.of(&acme), 0);
    }
}
