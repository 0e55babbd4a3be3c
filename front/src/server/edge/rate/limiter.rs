//! One limit of requests, for each of many keys.

use super::places::{Ask, Places};
use super::told::{Policy, Standing};
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::{NotUntil, Quota, RateLimiter};
use std::hash::Hash;
use std::time::Duration;

/// The most keys that are told apart at once: some 6 MB. What asks again within seconds has its place; the others are
/// forgotten.
pub(super) const PLACES_MAX: usize = 100_000;

/// A quota that fills steadily: `q` at once, then one for each `w / q` that passes.
pub(super) struct Limiter<K: Eq + Hash + Copy, C: Clock> {
    policy: Policy,
    /// Between two that are let through, once the quota is used up.
    interval: Duration,
    limiter: RateLimiter<Ask<K>, Places<K>, C, StateInformationMiddleware>,
}

impl<K: Eq + Hash + Copy, C: Clock> Limiter<K, C> {
    pub(super) fn new(name: &'static str, quota: Quota, clock: C) -> Self {
        let policy = Policy {
            name,
            quota: quota.burst_size().get(),
            window: Some(quota.burst_size_replenished_in()),
        };
        Self {
            policy,
            interval: quota.replenish_interval(),
            limiter: RateLimiter::new(quota, Places::new(PLACES_MAX), clock),
        }
    }

    /// Lets one through and says what is left, or says when there is one again.
    pub(super) fn take(&self, key: K) -> Result<Standing, Standing> {
        match self.limiter.check_key(&Ask::Take(key)) {
            Ok(state) => Ok(self.left(state.remaining_burst_capacity())),
            Err(until) => Err(self.used_up(&until)),
        }
    }

    /// What is left.
    pub(super) fn look(&self, key: K) -> Standing {
        match self.limiter.check_key(&Ask::Look(key)) {
            // The answer is of one that would have been let through.
            Ok(state) => self.left(state.remaining_burst_capacity() + 1),
            Err(until) => self.used_up(&until),
        }
    }

    pub(super) fn forget(&self) {
        self.limiter.retain_recent();
    }

    fn left(&self, left: u32) -> Standing {
        Standing {
            policy: self.policy,
            left,
            more_in: Some(self.interval),
        }
    }

    fn used_up(&self, until: &NotUntil<C::Instant>) -> Standing {
        Standing {
            more_in: Some(until.wait_time_from(self.limiter.clock().now())),
            ..self.left(0)
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.limiter.len()
    }
}
