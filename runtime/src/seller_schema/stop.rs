//! A deadline that stops the evaluation of a schema. The library has none, so each subschema carries a keyword of ours,
//! which looks at the thread's CPU time and unwinds out of the library when too much of it was used.

use jsonschema::{Keyword, ValidationError};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// The name of our keyword. Sellers cannot use it: it is not among those that are allowed.
pub(super) const STEP: &str = "tollgate-step";
/// Subschemas evaluated between two looks at the clock, which takes a third of a microsecond.
const STEPS_PER_LOOK: u32 = 256;

thread_local! {
    /// The CPU time of this thread at which the evaluation stops, and the steps until the next look.
    static DEADLINE: Cell<Option<(Duration, u32)>> = const { Cell::new(None) };
}

/// The evaluation used more CPU time than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfTime;

/// Does some work that evaluates schemas on this thread, and stops it when it has used that much CPU time.
pub(super) fn within<T>(cpu_max: Duration, work: impl FnOnce() -> T) -> Result<T, OutOfTime> {
    DEADLINE.set(Some((cpu_time() + cpu_max, STEPS_PER_LOOK)));
    let done = catch_unwind(AssertUnwindSafe(work));
    DEADLINE.set(None);
    done.map_err(|panic| match panic.downcast::<OutOfTime>() {
        Ok(out_of_time) => *out_of_time,
        Err(panic) => resume_unwind(panic),
    })
}

/// The keyword that stands in each subschema.
pub(super) struct Step;

impl<'i> Keyword<'i> for Step {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        step();
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        step();
        true
    }
}

fn step() {
    let Some((deadline, steps_left)) = DEADLINE.get() else {
        return;
    };
    if let Some(steps_left) = steps_left.checked_sub(1) {
        DEADLINE.set(Some((deadline, steps_left)));
        return;
    }
    if cpu_time() >= deadline {
        // Without the panic hook: this is no fault.
        resume_unwind(Box::new(OutOfTime));
    }
    DEADLINE.set(Some((deadline, STEPS_PER_LOOK)));
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_steps_are_stopped_and_the_thread_is_as_before() {
        let endless = || -> () {
            loop {
                step();
            }
        };
        assert_eq!(within(Duration::from_millis(5), endless), Err(OutOfTime));
        assert_eq!(within(Duration::from_secs(60), || 1), Ok(1));
        // Without a deadline nothing is counted.
        (0..1000).for_each(|_| step());
    }

    #[test]
    fn another_panic_goes_on() {
        let panicking = || within(Duration::from_secs(1), || panic!("on purpose"));
        assert!(catch_unwind(panicking).is_err());
        assert_eq!(DEADLINE.get(), None);
    }
}
