//! Process-wide budgets: limits per run alone would let two hundred runs together kill the machine.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a budget is counted in. Small enough to waste little, large enough that a grant is rare.
const UNIT_BYTES: u64 = 4096;

/// A number of bytes that all runs of a process share.
#[derive(Clone, Debug)]
pub struct Budget {
    name: &'static str,
    units: Arc<Semaphore>,
    units_max: u64,
}

/// The process has no more to give. Never the guest's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process's budget for {budget} is used up")]
pub struct BudgetExhausted {
    /// Which budget: `guest memory`, `host buffers`, `scratch`.
    pub budget: &'static str,
}

impl Budget {
    /// A budget of `bytes`, rounded up to 4 KiB.
    pub fn new(name: &'static str, bytes: u64) -> Self {
        let units_max = units(bytes).min(Semaphore::MAX_PERMITS as u64);
        let units = Arc::new(Semaphore::new(
            usize::try_from(units_max).unwrap_or(Semaphore::MAX_PERMITS),
        ));
        Self {
            name,
            units,
            units_max,
        }
    }

    /// An empty lease, to be grown.
    pub fn lease(&self) -> Lease {
        Lease {
            budget: self.clone(),
            held: None,
            granted_bytes: 0,
            bytes: 0,
        }
    }

    /// A lease of `bytes`, waiting until they are there. What could never be there is refused at once.
    pub async fn acquire(&self, bytes: u64) -> Result<Lease, BudgetExhausted> {
        let wanted = units(bytes);
        let wanted_u32 = u32::try_from(wanted).map_err(|_| self.exhausted())?;
        if wanted > self.units_max {
            return Err(self.exhausted());
        }
        let held = Arc::clone(&self.units)
            .acquire_many_owned(wanted_u32)
            .await
            .map_err(|_| self.exhausted())?;
        Ok(Lease {
            budget: self.clone(),
            held: Some(held),
            granted_bytes: wanted * UNIT_BYTES,
            bytes,
        })
    }

    /// Bytes nobody holds now.
    pub fn available_bytes(&self) -> u64 {
        self.units.available_permits() as u64 * UNIT_BYTES
    }

    /// That nothing is left, as an error.
    pub fn exhausted(&self) -> BudgetExhausted {
        BudgetExhausted { budget: self.name }
    }
}

fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES)
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
    granted_bytes: u64,
    bytes: u64,
}

impl Lease {
    /// Takes `bytes` more, or nothing at all.
    pub fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExhausted> {
        let total = self
            .bytes
            .checked_add(bytes)
            .ok_or_else(|| self.budget.exhausted())?;
        if total > self.granted_bytes {
            let missing = units(total - self.granted_bytes);
            let missing_u32 = u32::try_from(missing).map_err(|_| self.budget.exhausted())?;
            let more = Arc::clone(&self.budget.units)
                .try_acquire_many_owned(missing_u32)
                .map_err(|_| self.budget.exhausted())?;
            match &mut self.held {
                Some(held) => held.merge(more),
                None => self.held = Some(more),
            }
            self.granted_bytes += missing * UNIT_BYTES;
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
        let mut lease = budget.lease();
        lease.try_grow(1).expect("one unit");
        lease.try_grow(UNIT_BYTES - 1).expect("still one unit");
        assert_eq!(budget.available_bytes(), 2 * UNIT_BYTES);
        lease.try_grow(2 * UNIT_BYTES).expect("exactly all");
        assert_eq!(lease.try_grow(1), Err(BudgetExhausted { budget: "test" }));
        assert_eq!(
            lease.bytes(),
            3 * UNIT_BYTES,
            "a refused growth takes nothing"
        );
        drop(lease);
        assert_eq!(budget.available_bytes(), 3 * UNIT_BYTES);
    }

    #[tokio::test]
    async fn what_could_never_be_there_is_refused_and_the_rest_waits() {
        let budget = Budget::new("test", UNIT_BYTES);
        assert!(budget.acquire(2 * UNIT_BYTES).await.is_err());
        let held = budget.acquire(UNIT_BYTES).await.expect("free");
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.acquire(1).await.map(|lease| lease.bytes()) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.expect("no panic"), Ok(1));
    }
}
