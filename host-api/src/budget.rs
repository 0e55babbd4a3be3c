//! Process-wide budgets: limits per run alone would let two hundred runs together kill the machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a budget is counted in. Small enough to waste little, large enough that a grant is rare.
const UNIT_BYTES: u64 = 4096;

/// What a run takes that is no burden to anybody: what most tools start with.
const SMALL_BYTES: u64 = 4 << 20;

/// A number of bytes that all runs of a process share.
///
/// One owner has at most half of it, so that what one does with it leaves something for the others; runs without an
/// owner (the empty name) are not held to that. The last eighth is for leases of at most 4 MiB: where large ones have
/// taken all they can, small runs still start.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    bytes_max: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: u64,
    by_owner: HashMap<Arc<str>, u64>,
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
        Self {
            shared: Arc::new(Shared {
                name,
                bytes_max: bytes.div_ceil(UNIT_BYTES).saturating_mul(UNIT_BYTES),
                taken: Mutex::default(),
            }),
        }
    }

    /// An empty lease for an owner, to be grown.
    pub fn lease(&self, owner: &Arc<str>) -> Lease {
        Lease {
            budget: self.clone(),
            owner: Arc::clone(owner),
            granted_bytes: 0,
            bytes: 0,
        }
    }

    /// Whether a lease of so many bytes could ever be had, by this owner.
    pub fn could_lease(&self, owner: &str, bytes: u64) -> bool {
        let bytes_max = self.shared.bytes_max_of(owner);
        let bytes_max = bytes_max.min(self.shared.bytes_max_for(bytes));
        bytes
            .checked_next_multiple_of(UNIT_BYTES)
            .is_some_and(|bytes| bytes <= bytes_max)
    }

    /// Bytes nobody holds now.
    pub fn available_bytes(&self) -> u64 {
        self.shared.bytes_max - self.shared.lock().bytes
    }

    /// That nothing is left, as an error.
    pub fn exhausted(&self) -> BudgetExhausted {
        BudgetExhausted {
            budget: self.shared.name,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_max_of(&self, owner: &str) -> u64 {
        match owner.is_empty() {
            true => self.bytes_max,
            false => self.bytes_max.div_ceil(2),
        }
    }

    /// How far the budget may be used for a lease of that size.
    fn bytes_max_for(&self, lease_bytes: u64) -> u64 {
        match lease_bytes > SMALL_BYTES {
            true => self.bytes_max - self.bytes_max / 8,
            false => self.bytes_max,
        }
    }

    /// Takes `bytes` for an owner, or nothing at all, where its lease then has `lease_bytes`.
    fn take(&self, owner: &Arc<str>, bytes: u64, lease_bytes: u64) -> Option<()> {
        let mut taken = self.lock();
        let total = taken.bytes.checked_add(bytes)?;
        if total > self.bytes_max_for(lease_bytes) {
            return None;
        }
        if !owner.is_empty() {
            let own = taken.by_owner.get(owner).copied().unwrap_or(0) + bytes;
            if own > self.bytes_max_of(owner) {
                return None;
            }
            taken.by_owner.insert(Arc::clone(owner), own);
        }
        taken.bytes = total;
        Some(())
    }

    fn give_back(&self, owner: &Arc<str>, bytes: u64) {
        let mut taken = self.lock();
        taken.bytes -= bytes;
        if let Some(own) = taken.by_owner.get_mut(owner) {
            *own -= bytes;
            if *own == 0 {
                taken.by_owner.remove(owner);
            }
        }
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    owner: Arc<str>,
    granted_bytes: u64,
    bytes: u64,
}

impl Lease {
    /// Takes `bytes` more, or nothing at all.
    pub fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExhausted> {
        let exhausted = || self.budget.exhausted();
        let total = self.bytes.checked_add(bytes).ok_or_else(exhausted)?;
        if total > self.granted_bytes {
            let missing = (total - self.granted_bytes)
                .checked_next_multiple_of(UNIT_BYTES)
                .ok_or_else(exhausted)?;
            let taken = self.budget.shared.take(&self.owner, missing, total);
            taken.ok_or_else(exhausted)?;
            self.granted_bytes += missing;
        }
        self.bytes = total;
        Ok(())
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.granted_bytes > 0 {
            self.budget
                .shared
                .give_back(&self.owner, self.granted_bytes);
        }
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
        assert!(budget.shared.lock().by_owner.is_empty());
    }
}
