//! How much memory a guest takes, and the memory of having been refused.

use tollgate_host_api::budget::{BudgetExhausted, Lease};
use wasmtime::{ResourceLimiter, Result};

/// Judges every growth of a run's memories and tables.
///
/// A refused growth answers −1 inside the guest, whose own end is often an ordinary trap a moment later: the
/// refusal is remembered so that the end can be told for what it is.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: u64,
    table_elements_max: usize,
    memory_bytes: u64,
    memory_peak_bytes: u64,
    refused: Option<&'static str>,
    lease: Lease,
}

impl Limiter {
    pub(crate) fn new(memory_bytes_max: u64, table_elements_max: u64, lease: Lease) -> Self {
        Self {
            memory_bytes_max,
            table_elements_max: usize::try_from(table_elements_max).unwrap_or(usize::MAX),
            memory_bytes: 0,
            memory_peak_bytes: 0,
            refused: None,
            lease,
        }
    }

    /// The limit that refused a growth, if one did.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        self.memory_peak_bytes
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let total = self.memory_bytes.saturating_add(growth);
        if let Some(refused) = judge(desired, maximum, total > self.memory_bytes_max) {
            self.refused = refused.then_some("memory").or(self.refused);
            return Ok(false);
        }
        // What was leased when the run was admitted is taken first. The process having no more is no end of the
        // guest's making: it ends the run, and the caller is told that the server is at capacity.
        if total > self.lease.bytes() {
            let missing = total - self.lease.bytes();
            self.lease
                .try_grow(missing)
                .map_err(|exhausted: BudgetExhausted| wasmtime::Error::new(exhausted))?;
        }
        self.memory_bytes = total;
        self.memory_peak_bytes = self.memory_peak_bytes.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if let Some(refused) = judge(desired, maximum, desired > self.table_elements_max) {
            self.refused = refused.then_some("table").or(self.refused);
            return Ok(false);
        }
        Ok(true)
    }
}

/// `None`: granted. Otherwise whether it was our limit that refused, rather than the maximum the guest declared
/// itself. (The engine's pool lowers that maximum to the size of its slots, which is our limit again.)
fn judge(desired: usize, maximum: Option<usize>, is_over_ours: bool) -> Option<bool> {
    let is_over_its_own = maximum.is_some_and(|maximum| desired > maximum);
    (is_over_ours || is_over_its_own).then_some(is_over_ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_host_api::budget::Budget;

    fn limiter(process_bytes: u64) -> Limiter {
        Limiter::new(
            100_000,
            10,
            Budget::new("guest memory", process_bytes).lease(&std::sync::Arc::from("")),
        )
    }

    #[test]
    fn growth_is_granted_up_to_the_limit_over_all_memories() {
        let mut limiter = limiter(1 << 20);
        assert!(limiter.memory_growing(0, 60_000, None).expect("granted"));
        assert!(
            limiter
                .memory_growing(0, 40_000, None)
                .expect("a second memory, exactly the limit")
        );
        assert_eq!(limiter.refused(), None);
        assert!(
            !limiter
                .memory_growing(40_000, 40_001, None)
                .expect("refused")
        );
        assert_eq!(
            (limiter.refused(), limiter.memory_peak_bytes()),
            (Some("memory"), 100_000)
        );
    }

    #[test]
    fn the_guest_s_own_maximum_is_no_refusal_of_ours() {
        let mut limiter = limiter(1 << 20);
        assert!(!limiter.memory_growing(0, 2, Some(1)).expect("refused"));
        assert!(
            limiter
                .table_growing(0, 10, None)
                .expect("exactly the limit")
        );
        assert!(!limiter.table_growing(5, 6, Some(5)).expect("refused"));
        assert_eq!(limiter.refused(), None);
        assert!(!limiter.table_growing(10, 11, None).expect("refused"));
        assert_eq!(limiter.refused(), Some("table"));
    }

    #[test]
    fn an_empty_process_ends_the_run_and_is_not_the_guest_s_fault() {
        let error = limiter(4096)
            .memory_growing(0, 4097, None)
            .expect_err("exhausted");
        assert!(error.downcast_ref::<BudgetExhausted>().is_some());
    }
}
