//! The door to time. Every clock a guest can read moves in steps of 1 ms: enough for work, too coarse to time
//! a neighbour's caches with.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// The smallest step of any clock, file times included.
pub const STEP: Duration = Duration::from_millis(1);

const STEP_NANOS: u64 = STEP.as_nanos() as u64;

/// The time of day.
pub(crate) struct WallClock;

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        STEP
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Duration::new(now.as_secs(), step_down_u32(now.subsec_nanos()))
    }
}

/// Time since the run began.
pub(crate) struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        STEP_NANOS
    }

    fn now(&self) -> u64 {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        nanos - nanos % STEP_NANOS
    }
}

/// The nanoseconds of a second, cut to the clock's step.
pub(crate) fn step_down_u32(nanos: u32) -> u32 {
    nanos - nanos % STEP.as_nanos() as u32
}

/// Nanoseconds since 1970, cut to the clock's step.
pub(crate) fn step_down_u64(nanos: u64) -> u64 {
    nanos - nanos % STEP_NANOS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_in_whole_steps_and_never_back() {
        let clock = MonotonicClock::new();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert_eq!(now % STEP_NANOS, 0);
            assert!(now >= last);
            last = now;
        }
        assert_eq!(WallClock.now().subsec_nanos() % 1_000_000, 0);
    }
}
